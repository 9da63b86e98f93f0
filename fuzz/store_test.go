package fuzz

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"tailrace/engine"
	"tailrace/internal/frame"
	"tailrace/internal/manifest"
	"tailrace/internal/stream"
	"tailrace/internal/vfs/memfs"
	"tailrace/wal"
)

// How the process ended that wrote a prepared store.
const (
	endClosed   = iota // sealed, nothing can be lost
	endIdle            // killed after a witness testified for the last frame
	endAtOnce          // killed right after the last frame: nothing testifies for it
	endReopened        // killed at once, opened, and closed: recovery has rewritten a file
	ends
)

// preparedStore is a small store of several log files, and what a reader sees
// after each of its batches.
type preparedStore struct {
	end    int
	files  map[string][]byte
	names  []string  // of files, sorted
	frames []frameAt // of the last log file
	views  []string  // views[k] is what is there after k batches
	last   string    // name of the last log file
}

// frameAt is a place of a frame in a file, without its padding.
type frameAt struct {
	from, to int
	records  bool
}

// prepared builds each store once.
var prepared = sync.OnceValue(func() [ends]*preparedStore {
	var all [ends]*preparedStore
	for end := range all {
		all[end] = prepareStore(end)
	}
	return all
})

func prepareStore(end int) *preparedStore {
	p := &preparedStore{end: end}
	disk, c, rng := memfs.New(), newClock(), newRand(uint64(end)+1)
	open := func() *engine.Engine {
		e, err := engine.Open(smallStore(disk, c, rng.Uint64))
		if err != nil {
			panic(err)
		}
		return e
	}
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	e := open()
	p.views = append(p.views, view(e))
	batches := func(n int) {
		for range n {
			must(e.Allocate())
			for range 1 + rng.IntN(3) {
				r := stream.Append{
					Path: fmt.Sprint("s", rng.IntN(3)), ContentType: "text/plain",
					Body: []byte(strings.Repeat(string(rune('a'+rng.IntN(26))), 1+rng.IntN(5000))),
				}
				if t := e.Append(&r); t.Code == stream.NotFound {
					e.Create(&stream.Create{Path: r.Path, ContentType: r.ContentType, TTL: stream.NoTTL, Body: r.Body})
				}
			}
			_, err := e.Commit()
			must(err)
			p.views = append(p.views, view(e))
		}
	}
	batches(9) // seven or so fill a file
	must(e.Close())
	e = open()
	batches(12)
	must(e.Witness())
	batches(3)
	switch end {
	case endClosed:
		must(e.Close())
	case endIdle:
		must(e.Witness())
	case endReopened:
		disk = disk.Crash(nil, memfs.KeepNone)
		e = open()
		must(e.Close())
	}
	disk = disk.Crash(nil, memfs.KeepNone)
	p.files = disk.Snapshot()
	delete(p.files, "store/LOCK")
	delete(p.files, "store/BALLAST") // has no content
	p.names = slices.Sorted(maps.Keys(p.files))
	p.findFrames()
	return p
}

// findFrames takes down where the frames of the last log file are.
func (p *preparedStore) findFrames() {
	for _, name := range p.names {
		if strings.HasSuffix(name, ".wal") {
			p.last = name
		}
	}
	b := p.files[p.last]
	h, err := wal.ParseFileHeader(b)
	if err != nil {
		panic(err)
	}
	for at := wal.FrameSize(0); at < int64(len(b)); {
		f, _, err := wal.ParseFrame(b[at:], h.Salt)
		if err != nil {
			break
		}
		p.frames = append(p.frames, frameAt{int(at), int(at) + 64 + f.Length, f.Records > 0})
		at += wal.FrameSize(f.Length)
	}
}

// view is all that a reader can see.
func view(e *engine.Engine) string {
	var b strings.Builder
	for i := range 3 {
		res, t := e.Read(engine.ReadRequest{Path: fmt.Sprint("s", i), BytesMax: 1 << 30})
		if t.Retry || !t.Ready() {
			panic("nothing is staged, and a read has to wait")
		}
		fmt.Fprintf(&b, "%d %s id %d tail %d\n", i, t.Code, res.ID, res.Tail)
		for _, part := range res.Parts {
			fmt.Fprintf(&b, "  %d %x\n", len(part), sha256.Sum256(part))
		}
	}
	return b.String()
}

// mediumOf makes a file system with these files, all of them synced.
func mediumOf(t testing.TB, files map[string][]byte) *memfs.FS {
	disk := memfs.New()
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	dirs := map[string]bool{"store": true, "store/wal": true}
	for name := range files {
		dirs[path.Dir(name)] = true
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		check(disk.MkdirAll(dir))
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := disk.Create(name)
		check(err)
		_, err = f.WriteAt(files[name], 0)
		check(err)
		check(f.Sync())
		check(f.Close())
	}
	for dir := range dirs {
		check(disk.SyncDir(dir))
	}
	return disk
}

// refusal checks that a store was refused with the place of the fault.
func refusal(err error) error {
	var corrupt *frame.CorruptError
	var ofLog *wal.VersionError
	var ofManifest *manifest.VersionError
	switch {
	case errors.As(err, &corrupt) && corrupt.Path != "" && corrupt.Offset >= 0 && corrupt.Reason != "":
		return nil
	case errors.As(err, &ofLog) && ofLog.Path != "":
		return nil
	case errors.As(err, &ofManifest) && ofManifest.Path != "":
		return nil
	}
	return fmt.Errorf("refused without naming the place: %w", err)
}
