package fuzz

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"runtime"
	"slices"
	"testing"

	"tailrace/internal/frame"
	"tailrace/segment"
)

// How arbitrary bytes become a segment. The more of it is right, the deeper
// they get.
const (
	segmentRaw    = iota // as they are
	segmentFlips         // some changes of one that is right
	segmentSealed        // the same, with checksums that hold
	segmentModel         // as choices of what is written
	segmentShapes
)

// segmentRun is what a run is.
type segmentRun struct {
	stream, start uint64
	json          bool
	bodies        [][]byte
}

// segmentRuns are chosen by data.
func segmentRuns(c *choices) []segmentRun {
	var runs []segmentRun
	stream := uint64(0)
	for len(runs) == 0 || c.left() && len(runs) < 12 {
		stream += 1 + uint64(c.below(3))<<(c.below(5)*10)
		r := segmentRun{stream: stream, start: uint64(c.below(300)) << c.below(40), json: c.chance(3)}
		for range 1 + c.below(6) {
			n := 1 + c.below(40)
			if c.chance(5) {
				n *= 30
			}
			body := bytes.Repeat([]byte{byte(c.byte())}, n)
			copy(body, c.take(c.below(20)))
			if r.json {
				body = append(body, ',')
			}
			r.bodies = append(r.bodies, body)
		}
		runs = append(runs, r)
	}
	return runs
}

// writeSegment writes runs in blocks of a few hundred bytes.
func writeSegment(t testing.TB, runs []segmentRun) []byte {
	t.Helper()
	var out bytes.Buffer
	w := segment.NewWriter(&out, segment.WriterOptions{
		Info:       segment.Info{Store: [16]byte{5}, ID: 3, Created: 1},
		BlockBytes: 150, SoloBytes: 400, SoloMinBytes: 600,
	})
	for _, r := range runs {
		size := 0
		for _, b := range r.bodies {
			size += len(b)
		}
		if err := w.BeginRun(r.stream, r.start, r.json, int64(size)); err != nil {
			t.Fatal(err)
		}
		for _, b := range r.bodies {
			if err := w.Append(b); err != nil {
				t.Fatal(err)
			}
		}
	}
	p, err := w.Finish()
	if err != nil || p.Bytes != int64(out.Len()) {
		t.Fatal(p, err)
	}
	return out.Bytes()
}

// usualSegment has blocks of all kinds.
func usualSegment(t testing.TB) []byte {
	var long [][]byte
	for i := range 30 {
		long = append(long, fmt.Appendf(nil, `{"n":%d},{"text":"some message"},`, i))
	}
	return writeSegment(t, []segmentRun{
		{stream: 1, start: 9, bodies: [][]byte{[]byte("one"), []byte("two")}},
		{stream: 2, json: true, bodies: long[:2]},
		{stream: 5, start: 40, json: true, bodies: long},
		{stream: 6, bodies: [][]byte{[]byte("x"), bytes.Repeat([]byte("piece "), 200), []byte("y")}},
		{stream: 1 << 40, bodies: [][]byte{randomBytes(newRand(1), 200)}},
	})
}

// segmentFile makes a file out of data, and what it must be read as if it is
// right.
func segmentFile(t testing.TB, data []byte) (b []byte, want []segmentRun) {
	c := &choices{data}
	switch shape := c.below(segmentShapes); shape {
	case segmentRaw:
		return c.b, nil
	case segmentModel:
		want = segmentRuns(c)
		return writeSegment(t, want), want
	default:
		b = usualSegment(t)
		was := bytes.Clone(b)
		for range 1 + c.below(4) {
			at := c.below(len(b))
			if c.chance(4) {
				copy(b[at:], c.take(c.below(9)))
			} else {
				b[at] ^= byte(c.byte())
			}
		}
		if shape == segmentSealed {
			sealSegment(b, was)
		}
		return b, nil
	}
}

// sealSegment makes all checksums of a file right, with places and lengths of
// the file that it was. It knows the format from its description only.
func sealSegment(b, was []byte) {
	le := binary.LittleEndian
	sum := func(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }
	foot := was[len(was)-128:]
	section := func(b []byte, i int) (uint64, []byte) {
		pos, n := le.Uint64(foot[20*i:]), le.Uint64(foot[20*i+8:])
		return pos, b[pos : pos+n]
	}
	le.PutUint32(b[60:], sum(b[:60]))
	placed := func(pos uint64, p []byte) uint32 {
		head := append(le.AppendUint64(bytes.Clone(b[60:64]), pos), p...)
		return sum(head)
	}
	pos, blocks := section(b, 0)
	_, old := section(was, 0)
	for at := uint64(0); at < uint64(len(blocks)); {
		p := blocks[at:]
		table, stored := uint64(le.Uint32(old[at+16:])), uint64(le.Uint32(old[at+12:]))
		le.PutUint32(p[24:], sum(p[32:32+table]))
		le.PutUint32(p[20:], sum(p[32+table:32+table+stored]))
		le.PutUint32(p[28:], placed(pos+at, p[:28]))
		at += 32 + table + stored
	}
	pos, pages := section(b, 1)
	_, refs := section(was, 2)
	for len(refs) > 0 {
		_, n := binary.Uvarint(refs)
		size, m := binary.Uvarint(refs[n:])
		refs = refs[n+m:]
		le.PutUint32(pages[size-4:], placed(pos, pages[:size-4]))
		pages, pos = pages[size:], pos+size
	}
	end := b[len(b)-128:]
	for i := range 5 {
		_, p := section(b, i)
		le.PutUint32(end[20*i+16:], sum(p))
	}
	copy(end[100:], b[60:64])
	le.PutUint32(end[116:], sum(end[:116]))
}

// readSegment reads a file in all ways there are. Whatever its bytes are,
// nothing panics, memory stays within bounds, and what Verify takes for a
// segment can be read and written again.
func readSegment(t testing.TB, data []byte) (right bool) {
	b, want := segmentFile(t, data)
	size := int64(len(b))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)

	_, verifyErr := segment.Verify("x.seg", bytes.NewReader(b), size)
	if err := segmentRefusal(verifyErr); err != nil {
		t.Fatal(err)
	}
	if want != nil && verifyErr != nil {
		t.Fatalf("what was written is refused: %v", verifyErr)
	}
	if len(data) > 0 && data[0]%segmentShapes == segmentFlips && verifyErr == nil && !bytes.Equal(b, usualSegment(t)) {
		t.Fatal("a change of a segment was not noticed")
	}
	dumpErr := segment.Dump(io.Discard, bytes.NewReader(b), size)
	if verifyErr == nil && dumpErr != nil {
		t.Fatalf("verify accepts what dump calls %v", dumpErr)
	}
	readEnds(t, b, verifyErr)
	readErr := readRuns(t, b, want)
	if err := segmentRefusal(readErr); err != nil {
		t.Fatal(err)
	}
	if verifyErr == nil && readErr != nil {
		t.Fatalf("verify accepts what reading calls %v", readErr)
	}

	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > segmentAllocMax+2000*uint64(len(b)) {
		t.Fatalf("reading %d bytes allocated %d", len(b), used)
	}
	return verifyErr == nil
}

// readEnds lists a file as one without blocks, and a segment without its blocks.
func readEnds(t testing.TB, b []byte, verifyErr error) {
	t.Helper()
	dump := func(b []byte) error { return segment.DumpEnds(io.Discard, bytes.NewReader(b), int64(len(b))) }
	if err := dump(b); err == nil && verifyErr == nil || segmentRefusal(err) != nil {
		t.Fatalf("a segment is listed as one without blocks: %v", err)
	}
	if s, err := segment.Open("x.seg", bytes.NewReader(b), int64(len(b))); err == nil {
		err = dump(slices.Concat(b[:segment.HeaderBytes], b[s.BlocksEnd():]))
		if segmentRefusal(err) != nil || err != nil && verifyErr == nil {
			t.Fatalf("verify accepts (%v) what the listing of its ends calls %v", verifyErr, err)
		}
	}
}

// segmentAllocMax is what reading any small segment may allocate, beside a
// multiple of its length: a block of a few bytes may decode to 1 MiB, and a
// decoder has tables. A length that is believed before it is checked asks for
// more.
const segmentAllocMax = 32 << 20

// segmentRefusal is an error of reading that is not of the kind that it has to
// be.
func segmentRefusal(err error) error {
	var corrupt *frame.CorruptError
	var version *segment.VersionError
	if err == nil || errors.As(err, &corrupt) || errors.As(err, &version) {
		return nil
	}
	return fmt.Errorf("refused for another reason than its bytes: %w", err)
}

// readRuns reads every run from several offsets, and every block as stored.
func readRuns(t testing.TB, b []byte, want []segmentRun) (fault error) {
	s, err := segment.Open("x.seg", bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return err
	}
	keep := func(err error) {
		if fault == nil {
			fault = err
		}
	}
	at := 0
	s.Runs(func(r segment.Run, err error) bool {
		if err != nil {
			keep(err)
			return false
		}
		one, ok, err := s.Run(r.Stream)
		keep(err)
		if err == nil && (!ok || one.Start != r.Start || one.End != r.End) {
			keep(&frame.CorruptError{Reason: "run is not a member"})
		}
		var appends uint64
		last := r.Start
		keep(s.Appends(&r, 0, nil, func(body []byte, end uint64) bool {
			if end != last+uint64(len(body))+segment.AppendOverhead {
				t.Fatalf("append of %d bytes from %d to %d", len(body), last, end)
			}
			if want != nil && !bytes.Equal(body, want[at].bodies[appends]) {
				t.Fatalf("stream %d: append %d is another", r.Stream, appends)
			}
			last = end
			appends++
			return true
		}))
		if fault == nil && (last != r.End || want != nil && (appends != uint64(len(want[at].bodies)) || r.Stream != want[at].stream)) {
			t.Fatalf("stream %d: %d appends up to %d, the end is %d", r.Stream, appends, last, r.End)
		}
		keep(s.Appends(&r, r.Start+(r.End-r.Start)/2, nil, func([]byte, uint64) bool { return true }))
		for i := range min(r.Blocks.Len(), 50) {
			raw, err := s.ReadStored(r.Handle(i))
			keep(err)
			if err == nil && raw.Solo {
				keep(copyOne(raw))
			}
		}
		at++
		return at < 100
	})
	if fault == nil && want != nil && at != len(want) {
		t.Fatalf("%d runs of %d", at, len(want))
	}
	return fault
}

// copyOne copies a block into a segment of its own.
func copyOne(raw *segment.RawBlock) error {
	w := segment.NewWriter(io.Discard, segment.WriterOptions{})
	if err := w.BeginRun(raw.Stream, raw.Start, raw.JSON, int64(raw.End-raw.Start-segment.AppendOverhead*raw.Appends)); err != nil {
		return fmt.Errorf("begin a run for a block that verifies: %w", err)
	}
	if err := w.CopyBlock(raw); err != nil && raw.Whole {
		return fmt.Errorf("copy a block that verifies: %w", err)
	}
	if _, err := w.Finish(); err != nil && raw.Whole {
		return fmt.Errorf("finish a segment of a block that verifies: %w", err)
	}
	return nil
}

// TestSegmentsOfEveryShapeAreRead keeps the fuzzer's way in open.
func TestSegmentsOfEveryShapeAreRead(t *testing.T) {
	const runs = 300
	r := newRand(newSeed(t))
	for shape := range segmentShapes {
		right := 0
		for range runs {
			if readSegment(t, append([]byte{byte(shape)}, randomBytes(r, r.IntN(300))...)) {
				right++
			}
		}
		t.Logf("shape %d: %d of %d are right", shape, right, runs)
		if shape == segmentModel && right != runs {
			t.Errorf("shape %d: %d of %d are right", shape, right, runs)
		}
	}
}

// FuzzSegment reads arbitrary segments.
func FuzzSegment(f *testing.F) {
	f.Add(append([]byte{segmentRaw}, usualSegment(f)...))
	r := newRand(1)
	for shape := range segmentShapes {
		f.Add(append([]byte{byte(shape)}, randomBytes(r, 64)...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		readSegment(t, data)
	})
}
