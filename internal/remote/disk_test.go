package remote

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"tailrace/internal/vfs"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

func TestDiskThatFailsFailsNoRead(t *testing.T) {
	for _, kind := range []faultfs.Kind{faultfs.ReadAt, faultfs.WriteAt} {
		disk, b := faultfs.New(memfs.New()), &bucket{}
		var log strings.Builder
		c := mustOpen(t, Options{FS: disk, Bytes: 16 * mib, Source: b, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		f := c.File(1, 4*mib)
		if kind == faultfs.ReadAt {
			read(t, f, Ask{}, 0, 4*mib)
		}
		disk.Inject(func(op faultfs.Op) faultfs.Fault {
			if op.Kind == kind {
				return faultfs.Fault{Err: errDisk}
			}
			return faultfs.Fault{}
		})
		for range 3 {
			read(t, f, Ask{}, mib, 2*mib)
		}
		s := c.Stats()
		if lines := strings.Count(log.String(), "\n"); s.DiskErrors == 0 || lines != 1 || !strings.Contains(log.String(), errDisk.Error()) {
			t.Errorf("%s: %+v, log:\n%s", kind, s, log.String())
		}
		// And when it is well again, it is used again.
		disk.Clear()
		read(t, f, Ask{}, 0, 4*mib)
		read(t, f, Ask{CachedOnly: true}, 0, 4*mib)
		wantWhole(t, c)
		wantError(t, c.Close(), nil)
	}
}

func TestFullDiskMeansNoCache(t *testing.T) {
	fs, b := memfs.New(), &bucket{}
	fs.SetCapacity(0)
	c := mustOpen(t, Options{FS: fs, Bytes: 16 * mib, Source: b})
	read(t, c.File(1, mib), Ask{}, 10, mib/2)
	wantAsked(t, b, span{1, 10, mib / 2})
	wantError(t, c.Close(), nil)
	// It gets full while it is in use.
	fs.SetCapacity(512 * kib)
	c = mustOpen(t, Options{FS: fs, Bytes: 16 * mib, Source: b})
	defer c.Close()
	f := c.File(1, 4*mib)
	for range 3 {
		read(t, f, Ask{}, 0, 4*mib)
	}
	if s := c.Stats(); s.Cells != 1 || s.DiskErrors == 0 {
		t.Errorf("%+v", s)
	}
	wantWhole(t, c)
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	b := &bucket{}
	for name, o := range map[string]Options{
		"no source":              {Bytes: mib},
		"Bytes is negative":      {Source: b, Bytes: -1},
		"FetchesMax is negative": {Source: b, FetchesMax: -1},
	} {
		o.FS = memfs.New()
		if _, err := Open(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, kind := range []faultfs.Kind{faultfs.MkdirAll, faultfs.Create, faultfs.OpenWrite, faultfs.Truncate, faultfs.WriteAt} {
		for _, fault := range []error{errDisk, vfs.ErrNoSpace} {
			disk := faultfs.New(memfs.New())
			disk.FailNth(kind, 1, fault)
			c, err := Open(Options{FS: disk, Dir: testDir, Bytes: mib, Source: b})
			if errors.Is(fault, vfs.ErrNoSpace) {
				wantError(t, err, nil)
				read(t, c.File(1, mib), Ask{}, 0, mib)
				wantError(t, c.Close(), nil)
			} else {
				wantError(t, err, errDisk)
			}
		}
	}
	// A table that cannot be read is an empty one.
	disk := faultfs.New(memfs.New())
	wantError(t, mustOpen(t, Options{FS: disk, Bytes: mib, Source: b}).Close(), nil)
	disk.FailNth(faultfs.ReadAt, 1, errDisk)
	wantError(t, mustOpen(t, Options{FS: disk, Bytes: mib, Source: b}).Close(), nil)
}

func TestRealFiles(t *testing.T) {
	b := &bucket{}
	o := Options{FS: vfs.OS, Dir: t.TempDir() + "/a/b", Bytes: 16 * mib, Source: b}
	for start := range 2 {
		c := mustOpen(t, o)
		f := c.File(1, 3*mib)
		read(t, f, Ask{}, 0, 3*mib)
		if n := len(b.take()); n != 1-start {
			t.Errorf("start %d: %d requests", start, n)
		}
		wantError(t, c.Close(), nil)
	}
}
