package bench

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"tailrace/internal/bucket"
	"tailrace/internal/manifest"
	"tailrace/internal/objstore"
	"tailrace/internal/objstore/s3test"
	"tailrace/internal/vfs"
	"tailrace/wal"
)

// A store is looked at from outside, by its files and its bucket, while its
// process goes on: what the engine says of itself is what is to be proven.

// loadTries is how often a manifest is loaded that its owner replaces meanwhile.
const loadTries = 20

// manifestOf is the state that the manifest on the disk has now.
func manifestOf(dir string) (manifest.State, error) {
	b, err := os.ReadFile(filepath.Join(dir, "STORE"))
	if err != nil {
		return manifest.State{}, err
	}
	store, err := wal.ParseStore(b)
	if err != nil {
		return manifest.State{}, err
	}
	for range loadTries {
		var l *manifest.Loaded
		if l, err = manifest.Load(vfs.OS, dir, store.ID); err == nil {
			return l.State(), nil
		}
		time.Sleep(time.Millisecond)
	}
	return manifest.State{}, err
}

// standing is how a store stands with its bucket.
type standing struct {
	segments     int
	waiting      int // segments that the bucket does not have
	waitingBytes int64
	due          int   // of these, the ones that are to be sent without more ado
	far          int   // segments that left the disk
	bothBytes    int64 // of segments that may leave it
	garbage      int   // files that are to be removed
	bytes        int64 // of all segments
	acts         int
	doomed       int
	overdue      int // objects that could have been deleted
	published    uint64
	checkpoint   uint64 // batch
}

// standingOf sums up a state. sendBytes is that of the tier.
func standingOf(s *manifest.State, sendBytes int64) (st standing) {
	st = standing{acts: len(s.Acts), garbage: len(s.Garbage), doomed: len(s.Tier.Doomed), published: s.Tier.Published, checkpoint: s.Checkpoint.Batch}
	for _, l := range s.Layers {
		for _, seg := range l.Segments {
			st.segments++
			st.bytes += seg.Bytes
			switch {
			case seg.Place == manifest.PlaceRemote:
				st.far++
			case seg.Place == manifest.PlaceBoth:
				st.bothBytes += seg.Bytes
			default:
				st.waiting++
				st.waitingBytes += seg.Bytes
				if seg.Level > 1 || seg.Level == 1 && seg.Bytes >= sendBytes {
					st.due++
				}
			}
		}
	}
	now := time.Now().UnixMilli()
	for _, d := range s.Tier.Doomed {
		if d.NotBefore != 0 && d.NotBefore <= now {
			st.overdue++
		}
	}
	return st
}

// diskUse is what the files of a directory occupy on the disk.
func diskUse(dir string) (n int64) {
	// What is gone before it was looked at occupies nothing.
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil
		}
		if info, err := entry.Info(); err == nil {
			n += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return nil
	})
	return n
}

// lookout looks at a store again and again.
type lookout struct {
	stop chan struct{}
	done sync.WaitGroup

	// The most that was seen.
	waiting      int
	waitingBytes int64
	segments     int
	disk         int64 // of seg and cache
	seg, cache   int64
	worst        standing // when disk was that
	err          error
}

const lookEvery = 200 * time.Millisecond

func lookAfter(s *tierStore) *lookout {
	l := &lookout{stop: make(chan struct{})}
	l.done.Go(func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			l.look(s)
			select {
			case <-tick.C:
			case <-l.stop:
				return
			}
		}
	})
	return l
}

func (l *lookout) look(s *tierStore) {
	seg, cache := diskUse(filepath.Join(s.dir, "seg")), diskUse(filepath.Join(s.dir, "cache"))
	l.seg, l.cache = max(l.seg, seg), max(l.cache, cache)
	state, err := manifestOf(s.dir)
	if err != nil {
		l.err = err
		return
	}
	st := standingOf(&state, s.sendBytes())
	if disk := seg + cache; disk > l.disk {
		l.disk, l.worst = disk, st
	}
	l.waiting, l.waitingBytes, l.segments = max(l.waiting, st.waiting), max(l.waitingBytes, st.waitingBytes), max(l.segments, st.segments)
}

func (l *lookout) end(tb testing.TB) {
	tb.Helper()
	close(l.stop)
	l.done.Wait()
	if l.err != nil {
		tb.Fatal(l.err)
	}
}

func (s *tierStore) sendBytes() int64 {
	if t := s.role.Tier; t != nil && t.SendBytes > 0 {
		return t.SendBytes
	}
	return 32 << 20
}

// await waits until a store stands as it should, and returns how long that took.
func (s *tierStore) await(tb testing.TB, what string, within time.Duration, good func(standing) bool) time.Duration {
	tb.Helper()
	begin := time.Now()
	for {
		state, err := manifestOf(s.dir)
		if err != nil {
			tb.Fatal(err)
		}
		st := standingOf(&state, s.sendBytes())
		took := time.Since(begin)
		if good(st) {
			return took
		}
		if took > within {
			tb.Fatalf("bench: after %v it is not so that %s: %+v", took.Round(time.Second), what, st)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// drain flushes and waits until the bucket has everything, and nothing that it
// need not have.
func (s *tierStore) drain(tb testing.TB, within time.Duration) time.Duration {
	tb.Helper()
	s.do(tb, order{Flush: true})
	return s.await(tb, "the bucket has everything and nothing else", within, func(st standing) bool {
		return st.waiting+st.doomed+st.acts == 0 && st.published != 0 && s.publishes(tb, st)
	})
}

// publishes reports whether a restore would find the state that the store has.
func (s *tierStore) publishes(tb testing.TB, st standing) bool {
	tb.Helper()
	if s.bucket == nil {
		server := s3test.Server{Endpoint: s.role.Tier.Endpoint}
		s.bucket = objstore.New(s3test.Open(tb, server.Config()), objstore.Options{})
	}
	found, err := publishedBatch(tb.Context(), s.bucket, s.dir)
	if objstore.KindOf(err) == objstore.KindNotFound {
		return false // the next one is there already
	}
	if err != nil {
		tb.Fatal(err)
	}
	return found == st.checkpoint
}

// publishedBytesMax is more than a published state has here.
const publishedBytesMax = 64 << 20

// publishedBatch is the batch up to which the bucket has a store.
func publishedBatch(ctx context.Context, in *objstore.Store, dir string) (uint64, error) {
	b, err := os.ReadFile(filepath.Join(dir, "STORE"))
	if err != nil {
		return 0, err
	}
	store, err := wal.ParseStore(b)
	if err != nil {
		return 0, err
	}
	if b, _, err = in.ReadAll(ctx, bucket.HeadName(store.ID), publishedBytesMax); err != nil {
		return 0, err
	}
	head, err := bucket.ParseHead(b)
	if err != nil {
		return 0, err
	}
	if b, _, err = in.ReadAll(ctx, head.State.Name(store.ID), publishedBytesMax); err != nil {
		return 0, err
	}
	published, err := bucket.ParseState(b)
	if err != nil {
		return 0, err
	}
	state, err := manifest.DecodeState(published.Payload)
	if err != nil {
		return 0, fmt.Errorf("bench: published state: %w", err)
	}
	return state.Checkpoint.Batch, nil
}
