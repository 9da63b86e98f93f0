package segment

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"tailrace/internal/frame"
)

var (
	seedFlag   = flag.Uint64("segment.seed", 0, "seed of the random tests; 0 takes one from the clock")
	updateFlag = flag.Bool("update", false, "write the golden files")
)

func newRand(t testing.TB) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-segment.seed=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// modelRun is what a run is: bodies, one after the other.
type modelRun struct {
	stream, start uint64
	json          bool
	bodies        [][]byte
}

func (r *modelRun) size() (n int64) {
	for _, b := range r.bodies {
		n += int64(len(b))
	}
	return n
}

// ends are where the appends end.
func (r *modelRun) ends() []uint64 {
	ends, at := make([]uint64, len(r.bodies)), r.start
	for i, b := range r.bodies {
		at += uint64(len(b)) + AppendOverhead
		ends[i] = at
	}
	return ends
}

func (r *modelRun) end() uint64 { return r.ends()[len(r.bodies)-1] }

// smallSizes make a few hundred bytes have blocks of all kinds.
var smallSizes = WriterOptions{
	Info:       Info{Store: [16]byte{1, 2, 3}, ID: 7, Level: 1, Created: 1_700_000_000_123},
	BlockBytes: 400, SoloBytes: 900, SoloMinBytes: 1500,
}

// randomRuns are runs of all kinds for smallSizes.
func randomRuns(rng *rand.Rand) []modelRun {
	var runs []modelRun
	stream := uint64(0)
	for range 1 + rng.IntN(40) {
		stream += 1 + rng.Uint64N(1<<rng.IntN(40))
		r := modelRun{stream: stream, start: rng.Uint64N(1 << rng.IntN(50)), json: rng.IntN(2) == 0}
		longest := []int{3, 60, 60, 300, 2500}[rng.IntN(5)]
		for range 1 + rng.IntN(12) {
			r.bodies = append(r.bodies, randomBody(rng, r.json, 1+rng.IntN(longest)))
		}
		runs = append(runs, r)
	}
	return runs
}

// randomBody is about n bytes, which compress or do not.
func randomBody(rng *rand.Rand, json bool, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = "abcd"[rng.IntN(4)]
	}
	switch {
	case json:
		return fmt.Appendf(nil, "%q,", b)
	case rng.IntN(3) == 0:
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
	}
	return b
}

// write makes a segment of runs.
func write(t testing.TB, o WriterOptions, runs []modelRun) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out, o)
	for i := range runs {
		r := &runs[i]
		if err := w.BeginRun(r.stream, r.start, r.json, r.size()); err != nil {
			t.Fatal(err)
		}
		for _, b := range r.bodies {
			if err := w.Append(b); err != nil {
				t.Fatal(err)
			}
		}
	}
	finish(t, w, &out)
	return out.Bytes()
}

func finish(t testing.TB, w *Writer, out *bytes.Buffer) Properties {
	t.Helper()
	p, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if p.Bytes != int64(out.Len()) || w.Bytes() != p.Bytes {
		t.Fatalf("properties say %d bytes, the writer %d, written are %d", p.Bytes, w.Bytes(), out.Len())
	}
	return p
}

func open(t testing.TB, b []byte) *Reader {
	t.Helper()
	s, err := Open("x.seg", bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func verify(b []byte) (Properties, error) {
	return Verify("x.seg", bytes.NewReader(b), int64(len(b)))
}

// wantRuns compares all that a segment says with what was written.
func wantRuns(t testing.TB, b []byte, runs []modelRun) {
	t.Helper()
	p, err := verify(b)
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, b)
	if s.Properties() != p {
		t.Fatalf("Open says %+v, Verify %+v", s.Properties(), p)
	}
	var raw int64
	var appends uint64
	at := 0
	s.Runs(func(r Run, err error) bool {
		if err != nil {
			t.Fatal(err)
		}
		if at == len(runs) {
			t.Fatalf("one more run: %+v", r)
		}
		want := &runs[at]
		at++
		raw += want.size()
		appends += uint64(len(want.bodies))
		wantRun(t, s, &r, want)
		one, ok, err := s.Run(want.stream)
		if err != nil || !ok {
			t.Fatalf("Run(%d) = %v, %v", want.stream, ok, err)
		}
		wantRun(t, s, &one, want)
		return true
	})
	if at != len(runs) || p.Runs != uint64(at) || p.RawBytes != raw || p.Appends != appends || s.Members().GetCardinality() != p.Runs {
		t.Fatalf("%d runs of %d; properties %+v", at, len(runs), p)
	}
}

func wantRun(t testing.TB, s *Reader, r *Run, want *modelRun) {
	t.Helper()
	if r.Stream != want.stream || r.Start != want.start || r.End != want.end() || r.JSON != want.json ||
		r.Appends != uint64(len(want.bodies)) || r.RawBytes() != want.size() {
		t.Fatalf("run is %+v, want stream %d, %d to %d", r, want.stream, want.start, want.end())
	}
	wantAppends(t, s, r, 0, want)
}

// wantAppends reads a run from an offset on.
func wantAppends(t testing.TB, s *Reader, r *Run, after uint64, want *modelRun) {
	t.Helper()
	ends := want.ends()
	i := slices.IndexFunc(ends, func(end uint64) bool { return end > after })
	if i < 0 {
		i = len(ends)
	}
	err := s.Appends(r, after, keeping(s), func(body []byte, end uint64) bool {
		if i == len(ends) || end != ends[i] || !bytes.Equal(body, want.bodies[i]) {
			t.Fatalf("stream %d after %d: append %d ends at %d with %d bytes", r.Stream, after, i, end, len(body))
		}
		i++
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	if i != len(ends) {
		t.Fatalf("stream %d after %d: %d of %d appends", r.Stream, after, i, len(ends))
	}
}

// keeping is a load with a cache of one block.
func keeping(s *Reader) func(Handle) (*Block, error) {
	return func(h Handle) (*Block, error) {
		if last.from != s || last.at != h {
			b, err := s.ReadBlock(h)
			if err != nil {
				return nil, err
			}
			last.from, last.at, last.block = s, h, b
		}
		return last.block, nil
	}
}

// last is the cache. Tests with goroutines do not use it.
var last struct {
	from  *Reader
	at    Handle
	block *Block
}

// readAll reads everything without Verify, and returns the first error.
func readAll(b []byte) error {
	s, err := Open("x.seg", bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return err
	}
	var fault error
	s.Runs(func(r Run, err error) bool {
		if fault = err; err == nil {
			fault = s.Appends(&r, 0, nil, func([]byte, uint64) bool { return true })
		}
		return fault == nil
	})
	return fault
}

// wantCorrupt wants a fault at a byte with that in its reason.
func wantCorrupt(t testing.TB, err error, offset int64, reason string) {
	t.Helper()
	var c *frame.CorruptError
	if !errors.As(err, &c) {
		t.Fatalf("error is %v, want corruption at byte %d", err, offset)
	}
	if c.Path != "x.seg" || c.Offset != offset || !strings.Contains(c.Error(), reason) {
		t.Fatalf("error is %v, want %q at byte %d", err, reason, offset)
	}
}

// blocksOf are the places of all blocks.
func blocksOf(t testing.TB, b []byte) []Handle {
	t.Helper()
	var all []Handle
	open(t, b).Runs(func(r Run, err error) bool {
		if err != nil {
			t.Fatal(err)
		}
		for i := range r.Blocks.Len() {
			if h := r.Handle(i); len(all) == 0 || h != all[len(all)-1] {
				all = append(all, h)
			}
		}
		return true
	})
	return all
}

// resealAs makes all checksums of a file right, taking lengths from the file
// that it was: damage is then found by those who look at what the bytes say.
func resealAs(b, was []byte) {
	foot, old := b[len(b)-footerBytes:], was[len(was)-footerBytes:]
	of := func(b []byte, i int) []byte {
		pos := le.Uint64(old[20*i:])
		return b[pos : pos+le.Uint64(old[20*i+8:])]
	}
	le.PutUint32(b[headerCRCAt:], frame.Checksum(b[:headerCRCAt]))
	sum := fileSum(le.Uint32(b[headerCRCAt:]))
	blocks, oldBlocks := of(b, sectionBlocks), of(was, sectionBlocks)
	for pos := 0; pos < len(blocks); {
		p, h := blocks[pos:], oldBlocks[pos:]
		payload := blockHeaderBytes + int(le.Uint32(h[16:]))
		end := payload + int(le.Uint32(h[12:]))
		le.PutUint32(p[20:], frame.Checksum(p[payload:end]))
		le.PutUint32(p[24:], frame.Checksum(p[blockHeaderBytes:payload]))
		le.PutUint32(p[28:], sum.placed(uint64(headerBytes+pos), p[:28]))
		pos += end
	}
	runIndex := section{le.Uint64(old[20:]), le.Uint64(old[28:]), 0}
	refs, _, reason := parsePageRefs(of(was, sectionPages), runIndex)
	if reason != "" {
		panic(reason)
	}
	for _, r := range refs {
		page := b[r.pos : r.pos+uint64(r.len)]
		le.PutUint32(page[len(page)-crcBytes:], sum.placed(r.pos, page[:len(page)-crcBytes]))
	}
	for i := range sections {
		le.PutUint32(foot[20*i+16:], frame.Checksum(of(b, i)))
	}
	le.PutUint32(foot[100:], uint32(sum))
	le.PutUint32(foot[116:], frame.Checksum(foot[:116]))
}
