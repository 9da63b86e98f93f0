package segment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func TestSegmentKeepsItsAppends(t *testing.T) {
	rng := newRand(t)
	kinds := map[string]int{}
	for range 60 {
		o := smallSizes
		o.Better = rng.IntN(4) == 0
		if rng.IntN(4) == 0 {
			o.BlockBytes, o.SoloBytes, o.SoloMinBytes = 1+rng.IntN(50), 50+rng.IntN(100), 1+rng.IntN(3000)
		}
		runs := randomRuns(rng)
		b := write(t, o, runs)
		wantRuns(t, b, runs)
		s := open(t, b)
		for range 30 {
			want := &runs[rng.IntN(len(runs))]
			r, ok, err := s.Run(want.stream)
			if err != nil || !ok {
				t.Fatalf("Run(%d) = %v, %v", want.stream, ok, err)
			}
			ends := want.ends()
			after := ends[rng.IntN(len(ends))]
			if rng.IntN(2) == 0 {
				after = rng.Uint64N(after + 9)
			}
			wantAppends(t, s, &r, after, want)
			if missing := want.stream + 1 + rng.Uint64N(5); !slices.ContainsFunc(runs, func(r modelRun) bool { return r.stream == missing }) {
				if _, ok, err := s.Run(missing); ok || err != nil || s.Has(missing) {
					t.Fatalf("Run(%d) = %v, %v", missing, ok, err)
				}
			}
		}
		for _, h := range blocksOf(t, b) {
			k, err := s.ReadBlock(h)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := s.ReadStored(h)
			if err != nil {
				t.Fatal(err)
			}
			kinds[k.kind.String()+" "+raw.Codec.String()]++
			if len(k.content) > o.SoloBytes+1 || k.kind == kindShared && len(k.content) > o.SoloBytes {
				t.Fatalf("%v block with content of %d bytes", k.kind, len(k.content))
			}
		}
	}
	t.Log(kinds)
	if len(kinds) != 6 {
		t.Errorf("not all kinds of blocks were tried: %v", kinds)
	}
}

func TestSoloBlockIsTheHTTPBody(t *testing.T) {
	rng := newRand(t)
	for _, isJSON := range []bool{false, true} {
		run := modelRun{stream: 3, start: 1000, json: isJSON}
		for run.size() < 3<<20 {
			body := fmt.Appendf(nil, `{"n":%d,"v":"%x"},`, len(run.bodies), rng.Uint64())
			run.bodies = append(run.bodies, bytes.Repeat(body, 1+rng.IntN(400)))
		}
		b := write(t, WriterOptions{}, []modelRun{run})
		s := open(t, b)
		r, _, err := s.Run(3)
		if err != nil {
			t.Fatal(err)
		}
		if p := s.Properties(); p.AsIs != p.Blocks || p.Blocks < 3 || p.Blocks > 5 {
			t.Fatalf("%d of %d blocks are HTTP bodies", p.AsIs, p.Blocks)
		}
		next := 0
		for i := range r.Blocks.Len() {
			raw, err := s.ReadStored(r.Handle(i))
			if err != nil {
				t.Fatal(err)
			}
			if !raw.Solo || !raw.Whole || raw.JSON != isJSON || raw.Codec != CodecZstd || raw.Stream != 3 || raw.Start != r.Blocks.At(i).First {
				t.Fatalf("block %d is %+v", i, raw)
			}
			d, err := zstd.NewReader(nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := d.DecodeAll(raw.Payload, nil)
			d.Close()
			if err != nil || len(got) != raw.Content {
				t.Fatalf("decoded %d of %d bytes: %v", len(got), raw.Content, err)
			}
			want := bytes.Join(run.bodies[next:next+int(raw.Appends)], nil)
			next += int(raw.Appends)
			if isJSON {
				want = append(append([]byte("["), want[:len(want)-1]...), ']')
				if !json.Valid(got) {
					t.Fatal("the body is not JSON")
				}
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("block %d is not the body of its appends", i)
			}
			if raw.End != run.ends()[next-1] {
				t.Fatalf("block %d ends at %d, want %d", i, raw.End, run.ends()[next-1])
			}
			var head zstd.Header
			if err := head.Decode(raw.Payload); err != nil || !head.SingleSegment || !head.HasFCS || head.HasCheckSum ||
				head.DictionaryID != 0 || head.FrameContentSize != uint64(raw.Content) || raw.Content > windowMax {
				t.Fatalf("frame is %+v, %v", head, err)
			}
		}
		if next != len(run.bodies) {
			t.Fatalf("blocks have %d appends of %d", next, len(run.bodies))
		}
	}
}

// A run of a quarter of a block or less is in one block, whatever surrounds
// it: reading a small stream decodes one block.
func TestSmallRunIsInOneBlock(t *testing.T) {
	rng := newRand(t)
	var runs []modelRun
	for i := range 1000 {
		r := modelRun{stream: uint64(i + 1), start: rng.Uint64N(1 << 40)}
		for limit, n := 16<<10, 0; len(r.bodies) < 40; {
			body := randomBody(rng, false, 1+rng.IntN(2000))
			if n += len(body); n > limit {
				break
			}
			r.bodies = append(r.bodies, body)
		}
		runs = append(runs, r)
	}
	s := open(t, write(t, WriterOptions{}, runs))
	full := 0
	for _, want := range runs {
		r, _, err := s.Run(want.stream)
		if err != nil {
			t.Fatal(err)
		}
		loads, load := 0, keeping(s)
		err = s.Appends(&r, 0, func(h Handle) (*Block, error) {
			loads++
			return load(h)
		}, func([]byte, uint64) bool { return true })
		if err != nil || loads != 1 || r.Blocks.Len() != 1 {
			t.Fatalf("stream %d of %d bytes took %d blocks, %v", want.stream, want.size(), loads, err)
		}
		full += int(want.size())
	}
	p := s.Properties()
	if mean := p.RawBytes / int64(p.Blocks); mean < BlockBytesDefault*3/4 {
		t.Errorf("blocks are filled with %d bytes of %d", mean, BlockBytesDefault)
	}
}

func TestBlocksStayWithinTheirLimits(t *testing.T) {
	one := func(n int) [][]byte { return slices.Repeat([][]byte{{'x'}}, n) }
	var many []modelRun
	for i := range 3 * AppendsMax / 2 {
		many = append(many, modelRun{stream: uint64(i+1) << 48, start: startMax - 1000, bodies: one(1)})
	}
	for name, runs := range map[string][]modelRun{
		"solo of tiny appends":   {{stream: 1, bodies: one(3 * AppendsMax)}},
		"shared of tiny appends": {{stream: 1, bodies: one(AppendsMax - 1)}, {stream: 2, bodies: one(3 * AppendsMax)}},
		"tiny runs far apart":    many,
		"solo up to the edge":    {{stream: 1, json: true, bodies: [][]byte{append(bytes.Repeat([]byte("x"), SoloBytesMax-1), ','), []byte("1,")}}},
		"an append too long":     {{stream: 1, bodies: [][]byte{bytes.Repeat([]byte("x"), SoloBytesMax+1)}}},
		"sixteen MiB":            {{stream: 1, json: true, bodies: [][]byte{[]byte("1,"), append(bytes.Repeat([]byte("x"), 16<<20), ','), []byte("2,")}}},
	} {
		o := WriterOptions{}
		if strings.HasPrefix(name, "solo") {
			o.SoloMinBytes = 1
		}
		b := write(t, o, runs)
		wantRuns(t, b, runs)
		s := open(t, b)
		for _, h := range blocksOf(t, b) {
			k, err := s.ReadBlock(h)
			if err != nil {
				t.Fatal(err)
			}
			if h.Len > BlockMax || len(k.content) > contentMax || len(k.table.lengths) > AppendsMax {
				t.Errorf("%s: block of %d bytes, content %d, %d appends", name, h.Len, len(k.content), len(k.table.lengths))
			}
		}
		t.Logf("%s: %d bytes in %d blocks", name, s.Properties().RawBytes, s.Properties().Blocks)
	}
}

func TestPagesStayWithinTheirLength(t *testing.T) {
	var runs []modelRun
	for i := range 6000 {
		runs = append(runs, modelRun{stream: uint64(i+1) * 1000, start: 1 << 33, bodies: [][]byte{[]byte("x")}})
	}
	long := modelRun{stream: 3000_500} // more blocks than a page has room for
	for range 20_000 {
		long.bodies = append(long.bodies, []byte("xyz"))
	}
	runs = slices.Insert(runs, 3000, long)
	b := write(t, WriterOptions{BlockBytes: 2, SoloBytes: 2}, runs)
	wantRuns(t, b, runs)
	s := open(t, b)
	longer := 0
	for i, ref := range s.refs {
		if ref.len > pageBytes {
			longer++
			if ref.first != long.stream || s.refs[i+1].first != 3_001_000 {
				t.Errorf("page of %d bytes begins with stream %d, the next with %d", ref.len, ref.first, s.refs[i+1].first)
			}
		}
	}
	if longer != 1 || len(s.refs) < 5 {
		t.Errorf("%d of %d pages are longer than %d bytes", longer, len(s.refs), pageBytes)
	}
}

func TestWriterRefusesWhatIsNoSegment(t *testing.T) {
	for name, c := range map[string]struct {
		options WriterOptions
		do      func(w *Writer) error
		want    string
	}{
		"no runs":             {do: func(*Writer) error { return nil }, want: "no runs"},
		"append without run":  {do: func(w *Writer) error { return w.Append([]byte("x")) }, want: "outside of a run"},
		"stream 0":            {do: func(w *Writer) error { return w.BeginRun(0, 0, false, 1) }, want: "run of stream 0"},
		"no bytes":            {do: func(w *Writer) error { return w.BeginRun(1, 0, false, 0) }, want: "impossible size"},
		"start beyond":        {do: func(w *Writer) error { return w.BeginRun(1, offsetMax, false, 1) }, want: "beyond the limit"},
		"empty body":          {do: func(w *Writer) error { return begun(w, false, 1, "") }, want: "no stored body"},
		"JSON without comma":  {do: func(w *Writer) error { return begun(w, true, 1, "1") }, want: "no stored body"},
		"more than announced": {do: func(w *Writer) error { return begun(w, false, 3, "ab", "cd") }, want: "longer than announced"},
		"less than announced": {do: func(w *Writer) error { return begun(w, false, 3, "ab") }, want: "lacks 1 bytes"},
		"same stream twice": {do: func(w *Writer) error {
			return errors.Join(begun(w, false, 1, "a"), w.BeginRun(1, 9, false, 1))
		}, want: "stream 1 after that of stream 1"},
		"block beyond the limit":   {options: WriterOptions{SoloBytes: SoloBytesMax + 1}, want: "solo block of"},
		"shared longer than solo":  {options: WriterOptions{SoloBytes: 10, BlockBytes: 11}, want: "shared block of"},
		"solo blocks from nothing": {options: WriterOptions{SoloMinBytes: -1}, want: "solo blocks from"},
	} {
		var out bytes.Buffer
		w := NewWriter(&out, c.options)
		if c.do != nil {
			_ = c.do(w)
		}
		_, err := w.Finish()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, again := range []error{w.BeginRun(9, 0, false, 1), w.Append([]byte("x"))} {
			if again == nil || again.Error() != err.Error() {
				t.Errorf("%s: then %v", name, again)
			}
		}
		if _, verr := verify(out.Bytes()); verr == nil {
			t.Errorf("%s: left a segment behind", name)
		}
	}
}

func begun(w *Writer, isJSON bool, size int64, bodies ...string) error {
	err := w.BeginRun(1, 0, isJSON, size)
	for _, b := range bodies {
		err = errors.Join(err, w.Append([]byte(b)))
	}
	return err
}

// brokenWriter fails once so many bytes have come.
type brokenWriter struct{ left int }

var errBroken = errors.New("no space")

func (w *brokenWriter) Write(b []byte) (int, error) {
	if w.left -= len(b); w.left < 0 {
		return 0, errBroken
	}
	return len(b), nil
}

func TestFailedWriteIsFinal(t *testing.T) {
	runs := randomRuns(rand.New(rand.NewPCG(1, 1)))
	size := len(write(t, smallSizes, runs))
	for left := 0; left < size; left += 1 + size/97 {
		w := NewWriter(&brokenWriter{left}, smallSizes)
		for i := range runs {
			_ = w.BeginRun(runs[i].stream, runs[i].start, runs[i].json, runs[i].size())
			for _, b := range runs[i].bodies {
				_ = w.Append(b)
			}
		}
		if _, err := w.Finish(); !errors.Is(err, errBroken) {
			t.Fatalf("after %d bytes: %v", left, err)
		}
	}
}

func TestReaderIsForManyGoroutines(t *testing.T) {
	runs := randomRuns(rand.New(rand.NewPCG(2, 2)))
	s := open(t, write(t, smallSizes, runs))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range runs {
				r, ok, err := s.Run(runs[i].stream)
				if err != nil || !ok {
					t.Errorf("Run(%d) = %v, %v", runs[i].stream, ok, err)
					return
				}
				n := 0
				if err := s.Appends(&r, 0, nil, func([]byte, uint64) bool { n++; return true }); err != nil || n != len(runs[i].bodies) {
					t.Errorf("stream %d: %d appends, %v", r.Stream, n, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestAppendsEndWhenTheReaderHasEnough(t *testing.T) {
	run := modelRun{stream: 1, start: 50}
	for i := range 20 {
		run.bodies = append(run.bodies, bytes.Repeat([]byte{byte(i)}, 30+i*90))
	}
	s := open(t, write(t, smallSizes, []modelRun{run}))
	r, _, err := s.Run(1)
	if err != nil {
		t.Fatal(err)
	}
	for stop := 1; stop <= len(run.bodies); stop++ {
		n := 0
		if err := s.Appends(&r, 0, nil, func([]byte, uint64) bool { n++; return n < stop }); err != nil || n != stop {
			t.Fatalf("asked for %d appends, came %d, %v", stop, n, err)
		}
	}
	if err := s.Appends(&r, r.End, nil, func([]byte, uint64) bool { t.Fatal("an append after the end"); return false }); err != nil {
		t.Fatal(err)
	}
	if err := s.Appends(&r, 0, func(Handle) (*Block, error) { return nil, io.ErrClosedPipe }, nil); !errors.Is(err, io.ErrClosedPipe) {
		t.Fatalf("error of load became %v", err)
	}
}

// A cache that hands out another block must not make another stream of it.
func TestWrongBlocksAreNotRead(t *testing.T) {
	rng := newRand(t)
	runs := randomRuns(rng)
	runs = append(runs, modelRun{stream: 1 << 62, bodies: [][]byte{bytes.Repeat([]byte("x"), 2000), []byte("1"), bytes.Repeat([]byte("y"), 2000)}})
	b := write(t, smallSizes, runs)
	s, all := open(t, b), blocksOf(t, b)
	for i := range runs {
		r, _, err := s.Run(runs[i].stream)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			wrong, instead := all[rng.IntN(len(all))], r.Handle(rng.IntN(r.Blocks.Len()))
			if wrong == instead {
				continue
			}
			n := 0
			err := s.Appends(&r, 0, func(h Handle) (*Block, error) {
				if h == instead {
					h = wrong
				}
				return s.ReadBlock(h)
			}, func(body []byte, _ uint64) bool {
				if !bytes.Equal(body, runs[i].bodies[n]) {
					t.Fatalf("stream %d: append %d is not what was written", r.Stream, n)
				}
				n++
				return true
			})
			if err == nil {
				t.Fatalf("stream %d was read with block %v instead of %v", r.Stream, wrong, instead)
			}
		}
	}
}
