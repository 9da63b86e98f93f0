package engine

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"tailrace/internal/checkpoint"
	"tailrace/internal/frame"
	"tailrace/internal/manifest"
	"tailrace/internal/stream"
	"tailrace/internal/vfs/memfs"
	"tailrace/segment"
	"tailrace/wal"
)

var flipAll = flag.Bool("engine.flip-all", false, "flip all eight bits of every byte, of reserved space too")

// flipStore is a small store at rest: segments, merged and not, a snapshot and
// deltas, and a log that goes on after the checkpoint.
type flipStore struct {
	disk  *memfs.FS
	want  string            // dump of the whole
	files map[string][]byte // that have content
	views map[string]string // what readers get, by path
}

func newFlipStore(t *testing.T, seed uint64, closed bool) *flipStore {
	t.Helper()
	c := prepare(t, seed).begin(seed)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.open())
	must(flushed(c))
	must(c.e.Merge())
	for i := range 3 {
		must(c.do(create(fmt.Sprint("small", i), "text/plain", "some text")))
		must(c.do(create(fmt.Sprint("big", i), "text/plain", strings.Repeat("as it is stored ", 100))))
		must(c.do(appendTo(fmt.Sprint("big", i), "text/plain", strings.Repeat("and more of it ", 100))))
		if i == 0 {
			must(c.e.Flush()) // one layer, and two appends that are in the log alone
		}
	}
	must(c.e.sweepGarbage())
	s := &flipStore{views: map[string]string{}}
	if closed {
		must(c.e.Close())
	} else {
		must(c.e.Witness())
	}
	s.disk = c.disk.Crash(nil, memfs.KeepAll)
	s.files = s.disk.Snapshot()
	delete(s.files, "store/LOCK")
	delete(s.files, "store/BALLAST") // nobody reads it
	e := mustOpen(t, s.o(s.disk.Clone()))
	var all bytes.Buffer
	must(dump(e, &all))
	s.want = all.String()
	for st := range e.table.All {
		s.views[st.Path] = viewOf(e, st.Path)
	}
	if stats := e.Stats(); stats.Layers < 2 || stats.FrameBytes == 0 || len(e.checkpoint.Deltas) == 0 {
		t.Fatalf("not the store that was meant: %+v", stats)
	}
	return s
}

// o is for one opening: chance comes from elsewhere than the test's.
func (s *flipStore) o(disk *memfs.FS) Options {
	o := manualOptions(disk, newFakeClock(), rand.New(rand.NewPCG(1, 1)))
	o.SoloMinBytes = 1000
	return o
}

// viewOf is all that a reader gets of a path, or the code it ends with.
func viewOf(e *Engine, path string) string {
	var b strings.Builder
	for from := stream.Offset(0); ; {
		res, t := e.ReadCold(ReadRequest{Path: path, From: from, BytesMax: 2000})
		if t.Code != stream.OK {
			return b.String() + t.Code.String()
		}
		for _, p := range res.Parts {
			fmt.Fprintf(&b, "%d %q\n", res.Next, p)
		}
		if from = res.Next; res.UpToDate {
			return b.String()
		}
	}
}

// refused checks that an error names the file that is damaged, or one that
// contradicts it, and the reason.
func refused(err error) error {
	var corrupt *frame.CorruptError
	switch {
	case errors.As(err, &corrupt) && corrupt.Path != "" && corrupt.Offset >= 0 && corrupt.Reason != "":
		return nil
	case errors.As(err, new(*wal.VersionError)), errors.As(err, new(*manifest.VersionError)),
		errors.As(err, new(*segment.VersionError)), errors.As(err, new(*checkpoint.VersionError)):
		return nil
	}
	return fmt.Errorf("%w: refused without naming the place: %w", errLaw, err)
}

// judge finds out what becomes of a damaged store. Check finds the damage, or
// there is nothing that anybody could see.
func (s *flipStore) judge(disk *memfs.FS) (found bool, err error) {
	if _, err := Check(s.o(disk)); err != nil {
		return true, refused(err)
	}
	// What opening it would find, without the work of opening.
	o := s.o(disk).withDefaults()
	e := newEngine(o)
	defer e.closeSegments()
	if _, err := wal.VerifyReplay(o.FS, o.Dir, e.load, e.replay); err != nil {
		return false, fmt.Errorf("%w: Check finds nothing, and replay refuses: %w", errLaw, err)
	}
	var got bytes.Buffer
	if err := dump(e, &got); err != nil {
		return false, fmt.Errorf("%w: Check finds nothing, and a read fails: %w", errLaw, err)
	}
	if got.String() != s.want {
		return false, fmt.Errorf("%w: not detected\ngot:\n%s\nwant:\n%s", errLaw, got.String(), s.want)
	}
	return false, nil
}

// served opens a damaged store all the same: what it lets through is right.
func (s *flipStore) served(disk *memfs.FS) error {
	e, err := Open(s.o(disk.Clone()))
	if err != nil {
		return refused(err)
	}
	for path, want := range s.views {
		got := viewOf(e, path)
		if before, ok := strings.CutSuffix(got, stream.DataCorrupt.String()); ok && strings.HasPrefix(want, before) {
			continue
		}
		if got != want {
			return fmt.Errorf("%w: %s reads as\n%s\nwant\n%s", errLaw, path, got, want)
		}
	}
	return nil
}

// byteOf is a byte of a file.
type byteOf struct {
	name string
	at   int
}

// TestEveryFlippedBitIsFound flips a bit of every byte of a store that was
// closed, and of one that is idle, and of few in space that is reserved and
// holds nothing.
func TestEveryFlippedBitIsFound(t *testing.T) {
	seed := firstSeed(t)
	for _, closed := range []bool{true, false} {
		t.Run(fmt.Sprintf("closed=%t", closed), func(t *testing.T) {
			s := newFlipStore(t, seed, closed)
			rng := rand.New(rand.NewPCG(seed, 1))
			var places []byteOf
			for _, name := range slices.Sorted(maps.Keys(s.files)) {
				for at := range s.files[name] {
					if raceEnabled && rng.IntN(50) > 0 {
						continue
					}
					if *flipAll || !reserved(s.files[name], at) || rng.IntN(16) == 0 {
						places = append(places, byteOf{name, at})
					}
				}
			}
			s.flip(t, seed, places)
		})
	}
}

// reserved tells of a byte that it lies deep in zeros: in the padding of a page
// or in space that was only reserved.
func reserved(content []byte, at int) bool {
	from, to := max(at-32, 0), min(at+32, len(content))
	return len(bytes.Trim(content[from:to], "\x00")) == 0
}

func (s *flipStore) flip(t *testing.T, seed uint64, places []byteOf) {
	var next, found, harmless, opened atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			disk := s.disk.Clone()
			for !t.Failed() {
				i := int(next.Add(1) - 1)
				if i >= len(places) {
					return
				}
				p := places[i]
				rng := rand.New(rand.NewPCG(seed, uint64(i)))
				masks := []byte{1 << rng.IntN(8)}
				if *flipAll {
					masks = []byte{1, 2, 4, 8, 16, 32, 64, 128}
				}
				for _, mask := range masks {
					disk.Corrupt(p.name, int64(p.at), mask)
					detected, err := s.judge(disk)
					if err == nil && rng.IntN(16) == 0 {
						opened.Add(1)
						err = s.served(disk)
					}
					disk.Corrupt(p.name, int64(p.at), mask)
					if err != nil {
						t.Errorf("-engine.seed=%d: %s, byte %d, bits %02x: %v", seed, p.name, p.at, mask, err)
						return
					}
					if detected {
						found.Add(1)
						continue
					}
					harmless.Add(1)
					if !spared(p, s.files[p.name]) {
						t.Errorf("-engine.seed=%d: %s, byte %d of %d, bits %02x: not found, and it is no padding", seed, p.name, p.at, len(s.files[p.name]), mask)
					}
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d bits flipped: %d found, %d changed nothing; %d opened all the same", found.Load()+harmless.Load(), found.Load(), harmless.Load(), opened.Load())
}

// spared tells of a byte that it does not count: it is in the padding of a page,
// or in the last page that was written of a log file or manifest, which has the
// newest witness, seal or confirmation.
func spared(p byteOf, content []byte) bool {
	const page = 4096
	if ext := path.Ext(p.name); ext != ".wal" && ext != ".manifest" {
		return false
	}
	rest := content[p.at:min(p.at/page*page+page, len(content))]
	last := (len(bytes.TrimRight(content, "\x00")) - 1) / page * page
	return len(bytes.Trim(rest, "\x00")) == 0 || p.at >= last
}

// TestEveryTruncationIsFound cuts every file to every length at which something
// may begin, and to others, and removes it.
func TestEveryTruncationIsFound(t *testing.T) {
	t.Parallel()
	seed := firstSeed(t)
	rng := rand.New(rand.NewPCG(seed, 2))
	for _, closed := range []bool{true, false} {
		s := newFlipStore(t, seed, closed)
		cuts, found := 0, 0
		for name, content := range s.files {
			for size := -1; size < len(content); size++ {
				if len(content) > 1024 && size%512 != 0 && rng.IntN(128) > 0 || raceEnabled && size >= 0 && rng.IntN(50) > 0 {
					continue
				}
				files := maps.Clone(s.files)
				if delete(files, name); size >= 0 {
					files[name] = content[:size]
				}
				disk := diskOf(t, files)
				detected, err := s.judge(disk)
				if err == nil {
					err = s.served(disk)
				}
				if err != nil {
					t.Fatalf("-engine.seed=%d: closed %t, %s cut from %d to %d bytes: %v", seed, closed, name, len(content), size, err)
				}
				cuts++
				if detected {
					found++
				} else if size < 0 {
					t.Errorf("%s was removed, and nobody noticed", name)
				}
			}
		}
		t.Logf("closed %t: %d truncations and removals, %d found", closed, cuts, found)
	}
}

// diskOf is a disk with these files.
func diskOf(t *testing.T, files map[string][]byte) *memfs.FS {
	t.Helper()
	disk := memfs.New()
	for name, content := range files {
		if err := disk.MkdirAll(path.Dir(name)); err != nil {
			t.Fatal(err)
		}
		f, err := disk.Create(name)
		if err == nil {
			_, err = f.WriteAt(content, 0)
		}
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return disk.Clone()
}
