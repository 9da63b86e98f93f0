package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tailrace/internal/manifest"
	"tailrace/internal/stream"
	"tailrace/internal/vfs/memfs"
)

// noise is a body that does not compress.
func noise(rng *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return string(b)
}

// bytesIn is the length of all files of a directory of the store.
func bytesIn(t *testing.T, disk *memfs.FS, dir string) (n int64) {
	t.Helper()
	for name, content := range disk.Snapshot() {
		if strings.HasPrefix(name, "store/"+dir+"/") {
			n += int64(len(content))
		}
	}
	return n
}

// TestSpaceOfDeletedStreamsComesBack deletes most streams, lets others expire,
// and looks at the disk: once a flush and the merges are done, dead streams are
// less than a third of what the segments have.
func TestSpaceOfDeletedStreamsComesBack(t *testing.T) {
	seed := firstSeed(t)
	rng := rand.New(rand.NewPCG(seed, 1))
	disk, clock := memfs.New(), newFakeClock()
	e := mustOpen(t, manualOptions(disk, clock, rng))
	const streams, bytes = 400, 4000
	live := map[string]string{}
	ttl := func(path string) {
		want(t, e, stream.Created, func(e *Engine) Ticket {
			return e.Create(&stream.Create{Path: path, ContentType: "text/plain", TTL: 5, Body: []byte(noise(rng, bytes))})
		})
	}
	for i := range streams {
		path := fmt.Sprintf("s%03d", i)
		switch {
		case i%2 == 0:
			ttl(path)
		default:
			live[path] = noise(rng, bytes)
			want(t, e, stream.Created, create(path, "text/plain", live[path]))
		}
		if err := e.Allocate(); err != nil {
			t.Fatal(err)
		}
		if i%50 == 49 {
			flushNow(t, e)
			if err := e.Merge(); err != nil {
				t.Fatal(err)
			}
		}
	}
	full := disk.Used()
	if raw := int64(streams * bytes); bytesIn(t, disk, manifest.SegmentDir) < raw {
		t.Fatalf("%d bytes are in segments, want %d", bytesIn(t, disk, manifest.SegmentDir), raw)
	}
	for path := range live {
		if len(live) > 20 {
			want(t, e, stream.Deleted, func(e *Engine) Ticket { return e.Delete(path) })
			delete(live, path)
			if err := e.Allocate(); err != nil {
				t.Fatal(err)
			}
		}
	}
	clock.advance(time.Minute)
	for e.Sweep() {
		settle(t, e)
	}
	settle(t, e)
	flushNow(t, e)
	if err := e.Merge(); err != nil {
		t.Fatal(err)
	}
	if err := e.sweepGarbage(); err != nil {
		t.Fatal(err)
	}
	stored, raw := bytesIn(t, disk, manifest.SegmentDir), int64(len(live)*bytes)
	// A segment is written anew once a quarter of its streams is dead.
	if bound := raw*deadShare/(deadShare-1) + int64(e.Stats().Segments)*2048; stored > bound {
		t.Errorf("%d bytes are in segments for %d that live, want at most %d", stored, raw, bound)
	}
	t.Logf("the disk had %d bytes and has %d, %d of them in segments, %d live", full, disk.Used(), stored, raw)
	// What is left beside the segments does not grow with what there was: the
	// log with its spare and its recycled files, the manifest, and the ballast.
	if bound := stored + 16*64<<10 + int64(len(disk.Snapshot()["store/BALLAST"])); disk.Used() > bound {
		t.Errorf("%d bytes are in use, want at most %d", disk.Used(), bound)
	}
	for path, body := range live {
		if got := bodies(t, e, path); !slices.Equal(got, []string{body}) {
			t.Fatalf("%s is not what it was", path)
		}
	}
}

// TestPinnedVersionIsReadWhileItsFilesAreGarbage: a reader goes on with the
// segments it began with; their files go when it has left.
func TestPinnedVersionIsReadWhileItsFilesAreGarbage(t *testing.T) {
	disk := memfs.New()
	e := mustOpen(t, manualOptions(disk, newFakeClock(), rand.New(rand.NewPCG(1, 1))))
	want(t, e, stream.Created, create("p", "text/plain", "one"))
	want(t, e, stream.Created, create("gone", "text/plain", "of a stream that is deleted"))
	flushNow(t, e)
	want(t, e, stream.Appended, appendTo("p", "text/plain", "two"))
	flushNow(t, e)

	e.mu.Lock()
	v := e.pin()
	p, gone := e.table.Lookup("p"), e.table.Lookup("gone")
	spans := []span{{id: uint64(p.ID), to: uint64(p.Tail)}, {id: uint64(gone.ID), to: uint64(gone.Tail)}}
	e.mu.Unlock()
	old := filesIn(t, disk, manifest.SegmentDir)
	want(t, e, stream.Deleted, func(e *Engine) Ticket { return e.Delete("gone") })
	flushNow(t, e)
	if err := e.Merge(); err != nil {
		t.Fatal(err)
	}
	if err := e.sweepGarbage(); err != nil {
		t.Fatal(err)
	}
	read := func() (all []string) {
		t.Helper()
		for _, sp := range spans {
			e.blocks = newBlockCache(0) // from the files
			var res ReadResult
			if _, err := e.readSpans(near, v, []span{sp}, &ReadRequest{BytesMax: 1 << 20}, &res); err != nil {
				t.Fatal(err)
			}
			for _, part := range res.Parts {
				all = append(all, string(part))
			}
		}
		return all
	}
	if got := read(); !slices.Equal(got, []string{"one", "two", "of a stream that is deleted"}) {
		t.Fatalf("a reader of the old version gets %q", got)
	}
	for _, name := range old {
		if !slices.Contains(filesIn(t, disk, manifest.SegmentDir), name) {
			t.Errorf("%s was removed under its reader", name)
		}
	}
	e.mu.Lock()
	e.unpin(v)
	e.mu.Unlock()
	if err := e.sweepGarbage(); err != nil {
		t.Fatal(err)
	}
	for _, name := range filesIn(t, disk, manifest.SegmentDir) {
		if slices.Contains(old, name) {
			t.Errorf("%s is left, and nobody reads it", name)
		}
	}
	if used, named := disk.Used(), disk.Clone().Used(); used != named {
		t.Errorf("%d bytes of removed files are held open", used-named)
	}
	if got := bodies(t, e, "p"); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("the stream reads %q", got)
	}
}

// TestReadersAreExactWhileEverythingMoves reads streams from their beginning,
// again and again, while they grow, are flushed and merged, and others are
// deleted.
func TestReadersAreExactWhileEverythingMoves(t *testing.T) {
	t.Parallel()
	o := Options{
		FS: memfs.New(), Dir: "store", LogFileBytes: 256 << 10, BodyBytesMax: 16 << 10, MergeFanIn: 2,
		SoloMinBytes: 4000, FlushBytes: 40_000, BlockCacheBytes: 64 << 10,
	}
	e := mustOpen(t, o)
	const streams, appends = 4, 300
	body := func(s, i int) string { return strings.Repeat(fmt.Sprintf("%d.%d ", s, i), 1+(s*i)%200) }
	wait := func(op func(*Engine) Ticket) stream.Code {
		for {
			ticket := op(e)
			if err := ticket.Wait(); err != nil {
				t.Error(err)
				return stream.Failed
			}
			if !ticket.Retry && ticket.Code != stream.Overloaded {
				return ticket.Code
			}
		}
	}
	for s := range streams {
		wait(create(fmt.Sprint("p", s), "text/plain", ""))
	}
	var writers, readers sync.WaitGroup
	var over atomic.Bool
	for s := range streams {
		writers.Go(func() {
			for i := range appends {
				if code := wait(appendTo(fmt.Sprint("p", s), "text/plain", body(s, i))); code != stream.Appended {
					t.Errorf("append: %s", code)
					return
				}
				if i%10 == 0 {
					path := fmt.Sprint("short", s)
					wait(create(path, "text/plain", strings.Repeat("short", 1000)))
					wait(func(e *Engine) Ticket { return e.Delete(path) })
				}
			}
		})
		readers.Go(func() {
			for last := false; !t.Failed(); last = over.Load() {
				i := 0
				for from := stream.Offset(0); ; {
					r := ReadRequest{Path: fmt.Sprint("p", s), From: from, BytesMax: 3000}
					res, ticket := e.Read(r)
					if res.Cold {
						res, ticket = e.ReadCold(r)
					}
					if ticket.Retry {
						ticket.Wait()
						continue
					}
					if ticket.Code != stream.OK {
						t.Errorf("read: %s", ticket.Code)
						return
					}
					for _, part := range res.Parts {
						if string(part) != body(s, i) {
							t.Errorf("append %d of stream %d is %.20q", i, s, part)
							return
						}
						i++
					}
					if from = res.Next; res.UpToDate {
						break
					}
				}
				if last {
					if i != appends {
						t.Errorf("stream %d has %d appends", s, i)
					}
					return
				}
			}
		})
	}
	writers.Wait()
	over.Store(true)
	readers.Wait()
	stats := e.Stats()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if stats.Segments == 0 {
		t.Error("nothing was flushed")
	}
	if _, err := Check(o); err != nil {
		t.Error(err)
	}
}
