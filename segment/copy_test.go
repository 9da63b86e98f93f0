package segment

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

// rewrite makes a segment of the runs of another, taking solo blocks over as
// they are, or re-encoding them.
func rewrite(t testing.TB, from []byte, o WriterOptions, copySolo bool) (b []byte, copied int) {
	t.Helper()
	s := open(t, from)
	var out bytes.Buffer
	w := NewWriter(&out, o)
	s.Runs(func(r Run, err error) bool {
		if err != nil {
			t.Fatal(err)
		}
		if err := w.BeginRun(r.Stream, r.Start, r.JSON, r.RawBytes()); err != nil {
			t.Fatal(err)
		}
		if !copySolo {
			err := s.Appends(&r, 0, nil, func(body []byte, _ uint64) bool { return w.Append(body) == nil })
			if err != nil {
				t.Fatal(err)
			}
			return true
		}
		for i := range r.Blocks.Len() {
			raw, err := s.ReadStored(r.Handle(i))
			if err != nil {
				t.Fatal(err)
			}
			if raw.Solo {
				if err := w.CopyBlock(raw); err != nil {
					t.Fatal(err)
				}
				copied++
				continue
			}
			k, err := s.ReadBlock(r.Handle(i))
			if err != nil {
				t.Fatal(err)
			}
			k.Appends(r.Stream, 0, func(body []byte, _ uint64) bool {
				if err := w.Append(body); err != nil {
					t.Fatal(err)
				}
				return true
			})
		}
		return true
	})
	finish(t, w, &out)
	return out.Bytes(), copied
}

func TestCopiedBlocksReadAsReencoded(t *testing.T) {
	rng := newRand(t)
	copied := 0
	for range 40 {
		runs := randomRuns(rng)
		first := write(t, smallSizes, runs)
		to := smallSizes
		to.ID, to.Level = 8, 2
		to.SoloMinBytes = 1 + rng.IntN(4000) // the new run may be shared around its solo blocks
		b, n := rewrite(t, first, to, true)
		copied += n
		wantRuns(t, b, runs)
		again, _ := rewrite(t, first, to, false)
		wantRuns(t, again, runs)
		back, _ := rewrite(t, b, smallSizes, false)
		if !bytes.Equal(back, first) {
			t.Fatal("re-encoded from copies, the segment is another")
		}
	}
	if copied == 0 {
		t.Error("nothing was copied")
	}
}

// rawBlocks are the blocks of a segment that has one of each kind.
func rawBlocks(t testing.TB) map[string]*RawBlock {
	t.Helper()
	solo := modelRun{stream: 5, start: 100, json: true}
	for range 80 {
		solo.bodies = append(solo.bodies, []byte(`{"some":"message"},{"and":"another"},`))
	}
	long := modelRun{stream: 6, start: 100, bodies: [][]byte{bytes.Repeat([]byte("0123456789"), 200)}}
	b := write(t, smallSizes, []modelRun{{stream: 1, start: 7, bodies: [][]byte{[]byte("x")}}, solo, long})
	s := open(t, b)
	all := map[string]*RawBlock{}
	for _, h := range blocksOf(t, b) {
		raw, err := s.ReadStored(h)
		if err != nil {
			t.Fatal(err)
		}
		name := raw.header.kind.String()
		if all[name] != nil {
			name += " after"
		}
		if all[name] == nil {
			all[name] = raw
		}
	}
	return all
}

func TestCopyBlockRefusesWhatDoesNotContinueTheRun(t *testing.T) {
	all := rawBlocks(t)
	shared, solo, after, piece, piece2 := all["shared"], all["solo"], all["solo after"], all["piece"], all["piece after"]
	if shared == nil || solo == nil || after == nil || piece == nil || piece2 == nil {
		t.Fatalf("blocks are %v", all)
	}
	changed := *solo
	changed.Payload = bytes.Clone(solo.Payload)
	changed.Payload[9] ^= 1
	type call func(w *Writer) error
	begin := func(stream, start uint64, json bool, size int64) call {
		return func(w *Writer) error { return w.BeginRun(stream, start, json, size) }
	}
	add := func(b *RawBlock) call { return func(w *Writer) error { return w.CopyBlock(b) } }
	for name, c := range map[string]struct {
		calls []call
		want  string
	}{
		"outside of a run":    {[]call{add(solo)}, "outside of a run"},
		"a shared block":      {[]call{begin(1, 7, false, 1), add(shared)}, "shared block"},
		"another stream":      {[]call{begin(6, 100, true, 5000), add(solo)}, "goes on at"},
		"another place":       {[]call{begin(5, 101, true, 5000), add(solo)}, "goes on at"},
		"a hole":              {[]call{begin(5, 100, true, 5000), add(after)}, "goes on at"},
		"the same again":      {[]call{begin(5, 100, true, 5000), add(solo), add(solo)}, "goes on at"},
		"not JSON":            {[]call{begin(5, 100, false, 5000), add(solo)}, "goes on at"},
		"more than announced": {[]call{begin(5, 100, true, 5), add(solo)}, "longer than announced"},
		"changed in memory":   {[]call{begin(5, 100, true, 5000), add(&changed)}, "changed in memory"},
		"second piece first":  {[]call{begin(6, 100, false, 2000), add(piece2)}, "have come"},
		"first piece twice":   {[]call{begin(6, 100, false, 2000), add(piece), add(piece)}, "have come"},
		"append within an append": {[]call{begin(6, 100, false, 2000), add(piece), func(w *Writer) error {
			return w.Append([]byte("x"))
		}}, "lacks"},
		"end within an append": {[]call{begin(6, 100, false, 2000), add(piece), func(w *Writer) error {
			_, err := w.Finish()
			return err
		}}, "lacks"},
	} {
		w := NewWriter(&bytes.Buffer{}, smallSizes)
		var err error
		for i, do := range c.calls {
			if err = do(w); err != nil && i < len(c.calls)-1 {
				t.Fatalf("%s: call %d: %v", name, i, err)
			}
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The checksum of a part is that of its stored bodies, so a merge can move
// appends between blocks and carry it on.
func TestChecksumOfAPartIsThatOfItsBodies(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for range 20 {
		runs := randomRuns(rng)
		b := write(t, smallSizes, runs)
		s := open(t, b)
		for _, h := range blocksOf(t, b) {
			k, err := s.ReadBlock(h)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range k.table.parts {
				var bodies []byte
				k.Appends(p.stream, 0, func(body []byte, _ uint64) bool {
					bodies = append(bodies, body...)
					return true
				})
				if k.kind != kindPiece && checksum(bodies) != p.crc {
					t.Fatalf("%v block, stream %d: crc %08x of %d bytes is %08x", k.kind, p.stream, p.crc, len(bodies), checksum(bodies))
				}
			}
		}
	}
}
