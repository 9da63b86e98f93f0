package engine

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tailrace/internal/stream"
	"tailrace/internal/vfs/memfs"
)

// lines is a log that keeps what was written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

const (
	lowLine   = "less free than it is to have"
	againLine = "enough free again"
)

// TestDiskMarksHaveHysteresis: below the lower mark growth is refused, and until
// the upper one is reached it stays so. Nothing else is refused, and each change
// is logged once.
func TestDiskMarksHaveHysteresis(t *testing.T) {
	const page = 4096
	fs, log := memfs.New(), new(lines)
	o := manualOptions(fs, newFakeClock(), rand.New(rand.NewPCG(1, 2)))
	o.LogFileBytes = 1 << 20
	o.DiskFreeLow, o.DiskFreeResume = 100*page, 200*page
	o.Logger = slog.New(slog.NewTextHandler(log, nil))
	e := mustOpen(t, o)
	want(t, e, stream.Created, create("p", "text/plain", "x"))
	want(t, e, stream.Created, create("q", "text/plain", "x"))
	grows := func(free int64, ok bool) {
		t.Helper()
		fs.SetCapacity(fs.Used() + free*page)
		e.LookAtDisk()
		code := stream.DiskFull
		if ok {
			code = stream.Appended
		}
		want(t, e, code, appendTo("p", "text/plain", "x"))
		if got := e.Admits("p", 1); (got == stream.None) != ok {
			t.Errorf("admits %s", got)
		}
		if s := e.Stats(); s.DiskFree != free*page || s.DiskLow == ok {
			t.Errorf("stats tell of %d pages, low %t", s.DiskFree/page, s.DiskLow)
		}
	}
	for round := range 3 {
		grows(1000, true)
		grows(100, true)
		grows(99, false)
		for _, free := range []int64{0, 100, 150, 199, 100} {
			grows(free, false)
		}
		want(t, e, stream.DiskFull, create("more", "text/plain", ""))
		want(t, e, stream.Exists, create("p", "text/plain", ""))
		grows(200, true)
		want(t, e, stream.Created, create(fmt.Sprint("round", round), "text/plain", "x"))
		for _, free := range []int64{199, 150, 100} {
			grows(free, true)
		}
		if low, again := log.count(lowLine), log.count(againLine); low != round+1 || again != round+1 {
			t.Fatalf("logged %d and %d times after %d rounds", low, again, round+1)
		}
	}
	// What frees space goes on, and so do those who only read.
	grows(0, false)
	fs.SetCapacity(fs.Used() + 50*page)
	want(t, e, stream.Closed, closeIt("q"))
	want(t, e, stream.Changed, trimAll("p"))
	want(t, e, stream.Deleted, remove("q"))
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, _, code := readAll(t, e, "round0", 0); code != stream.OK {
		t.Error(code)
	}
	// What cannot be seen changes nothing.
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	fs.Crash(nil, memfs.KeepAll)
	e.LookAtDisk()
	e.LookAtDisk()
	if !e.disk.low || e.disk.free != -1 || log.count("cannot find out") != 1 {
		t.Errorf("blind: %+v", e.disk)
	}
}

// TestDiskMarksHaveDefaults derives them from the size of a log file.
func TestDiskMarksHaveDefaults(t *testing.T) {
	o := Options{Dir: "store", LogFileBytes: 1 << 20}.withDefaults()
	if o.DiskFreeLow != 2<<20 || o.DiskFreeResume != 3<<20 {
		t.Errorf("%d and %d", o.DiskFreeLow, o.DiskFreeResume)
	}
	o = Options{Dir: "store", DiskFreeLow: 10, DiskFreeResume: 9}
	if err := o.Validate(); err == nil || !strings.Contains(err.Error(), "growth resumes with 9 bytes") {
		t.Error(err)
	}
	o.DiskFreeLow = -1
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
}

// TestDiskIsWatched: a running engine sees by itself that the disk runs low, also
// from the start, and that there is room again.
func TestDiskIsWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := memfs.New()
		o := Options{FS: fs, Dir: "store", LogFileBytes: 256 << 10, BodyBytesMax: 8 << 10, DiskFreeLow: 1 << 20, DiskFreeResume: 2 << 20}
		wait := func(e *Engine, op func(*Engine) Ticket) stream.Code {
			for {
				ticket := op(e)
				if err := ticket.Wait(); err != nil {
					t.Fatal(err)
				}
				if !ticket.Retry {
					return ticket.Code
				}
			}
		}
		e := mustOpen(t, o)
		if got := wait(e, create("p", "text/plain", "x")); got != stream.Created {
			t.Fatal(got)
		}
		for range 2 {
			fs.SetCapacity(fs.Used() + 1<<19)
			time.Sleep(2 * diskLookEvery)
			synctest.Wait()
			if got := wait(e, appendTo("p", "text/plain", "x")); got != stream.DiskFull {
				t.Errorf("on a low disk: %s", got)
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			e = mustOpen(t, o)
			if got := wait(e, appendTo("p", "text/plain", "x")); got != stream.DiskFull {
				t.Errorf("opened on a low disk: %s", got)
			}
			fs.SetCapacity(-1)
			time.Sleep(2 * diskLookEvery)
			synctest.Wait()
			if got := wait(e, appendTo("p", "text/plain", "x")); got != stream.Appended {
				t.Errorf("with room again: %s", got)
			}
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
