package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"tailrace/internal/manifest"
	"tailrace/internal/stream"
	"tailrace/internal/vfs"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// backUp makes a backup step by step, with something else between the steps.
func (c *cut) backUp(to string, between func() error) (BackupReport, error) {
	b, err := c.e.beginBackup(context.Background(), to, nil)
	for err == nil && c.e.backup == b {
		if _, err = c.e.stepBackup(b); err == nil {
			err = between()
		}
	}
	if err != nil {
		return BackupReport{}, err
	}
	if b.report.Files == 0 {
		return BackupReport{}, errOthersStep
	}
	return b.report, nil
}

// errOthersStep: a step of the simulation took the backup on, and failed.
var errOthersStep = errors.New("the backup failed elsewhere")

// endBackups ends the backup that the simulation has begun, if there is one.
func (c *cut) endBackups() {
	for c.lift(); c.e.backup != nil; c.settle(c.e) {
		c.e.stepBackup(c.e.backup)
	}
}

func nothing() error { return nil }

// restored restores a backup and compares it with the records up to a batch.
func restored(fs vfs.FS, oracle *oracle, from string, batch uint64) error {
	to := "restored " + from
	if _, err := Restore(context.Background(), fs, from, to, nil); err != nil {
		return err
	}
	o := manualOptions(fs, newFakeClock(), rand.New(rand.NewPCG(3, 4)))
	o.Dir = to
	e, err := Open(o)
	if err != nil {
		return err
	}
	want, err := oracle.clone().state(batch)
	if err != nil {
		return err
	}
	var got bytes.Buffer
	if err := dump(e, &got); err != nil {
		return err
	}
	if e.durable != batch || got.String() != want {
		return fmt.Errorf("%w: restored %d batches of %d\ngot:\n%s\nwant:\n%s", errLaw, e.durable, batch, got.String(), want)
	}
	if err := e.Close(); err != nil {
		return err
	}
	_, err = Check(o)
	return err
}

// TestBackupIsTheStoreAsOfItsBatch: whatever the store does between the steps,
// full disks included, a backup that succeeds is exactly the records of its
// first batches, no fewer than there were when it began. One that fails leaves
// no files.
func TestBackupIsTheStoreAsOfItsBatch(t *testing.T) {
	seed := firstSeed(t)
	made, failed, linked, logs := 0, 0, 0, 0
	for i := range uint64(40) {
		base := prepare(t, seed+i)
		c := base.begin(seed + i)
		if err := c.open(); err != nil {
			t.Fatal(err)
		}
		law := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatalf("-engine.seed=%d: %v", seed+i, err)
			}
		}
		for n := range 3 {
			for range c.rng.IntN(60) {
				law(c.step(c.e))
			}
			c.endBackups()
			staged := c.e.newest()
			to := fmt.Sprintf("mine %d", n)
			report, err := c.backUp(to, func() error {
				for range c.rng.IntN(12) {
					if err := c.step(c.e); err != nil {
						return err
					}
				}
				return nil
			})
			c.lift()
			if errors.Is(err, vfs.ErrNoSpace) || errors.Is(err, errOthersStep) {
				failed++
				law(noFiles(c.disk, to))
				continue
			}
			law(err)
			if report.Batch < staged {
				t.Fatalf("-engine.seed=%d: batch %d was staged before the backup, which goes to %d", seed+i, staged, report.Batch)
			}
			made++
			linked += report.Linked
			logs += int(c.e.lastMark.pos.File)
			if noFiles(c.disk, to) != nil { // else the simulation did the last step, and judged it
				law(restored(c.disk, c.oracle, to, report.Batch))
			}
		}
		c.endBackups()
		c.settle(c.e)
		law(c.same(c.e))
		law(c.e.Close())
		law(c.checkDisk("after backups"))
		if c.disk.Used() != c.disk.Clone().Used() {
			t.Fatalf("-engine.seed=%d: files without a name are open", seed+i)
		}
	}
	t.Logf("%d backups made, %d met a full disk, %d files linked, %d log files", made, failed, linked, logs)
	if made == 0 || linked == 0 {
		t.Error("nothing was linked")
	}
}

// noFiles verifies that a failed backup left directories at most.
func noFiles(fs *memfs.FS, dir string) error {
	for name := range fs.Snapshot() {
		if strings.HasPrefix(name, dir+"/") {
			return fmt.Errorf("%w: a failed backup left %s", errLaw, name)
		}
	}
	return nil
}

// TestCrashAtEveryOperationOfABackup: the store is as after any crash, and what
// is in the target is refused, or is the whole backup.
func TestCrashAtEveryOperationOfABackup(t *testing.T) {
	seed := firstSeed(t)
	s := &scene{base: prepare(t, seed), act: func(c *cut) error {
		i := 0
		report, err := c.backUp("backup", func() error {
			if i++; i == 6 {
				return c.flushBusily()
			}
			return c.do(appendTo("p1", contentTypeOf("p1"), "while backing up"))
		})
		if err != nil {
			return err
		}
		if report.Linked == 0 {
			return errors.New("nothing was linked")
		}
		return c.e.sweepGarbage()
	}}
	everyCut(t, seed, s)

	whole, from, err := s.run(seed, 0)
	if err != nil {
		t.Fatal(err)
	}
	// Whoever was told of success has it for good.
	m, _, err := readMarker(whole.disk, "backup")
	if err != nil {
		t.Fatal(err)
	}
	if err := restored(whole.disk.Crash(nil, memfs.KeepNone), whole.oracle, "backup", m.Batch); err != nil {
		t.Errorf("power cut after the backup: %v", err)
	}
	refused, complete := 0, 0
	for _, op := range whole.faults.Trace() {
		if op.N <= from || !op.Kind.Mutates() {
			continue
		}
		c, _, _ := s.run(seed, op.N-from)
		for k, keep := range []memfs.Keep{memfs.KeepNone, memfs.KeepSome, memfs.KeepAll} {
			disk := c.disk.Crash(rand.New(rand.NewPCG(seed, uint64(op.N))), keep)
			err := c.judgeTarget(disk)
			switch {
			case errors.Is(err, errRefused):
				refused++
			case err != nil:
				t.Fatalf("-engine.seed=%d: power cut after %v, keep %d: %v", seed, op, k, err)
			default:
				complete++
			}
		}
	}
	t.Logf("%d targets refused, %d whole", refused, complete)
	if refused == 0 || complete == 0 {
		t.Error("not every kind of target was left")
	}
}

var errRefused = errors.New("refused")

// judgeTarget restores what a crash left in the target. Whatever was refused
// must not open as a store either, unless nothing of it is there.
func (c *cut) judgeTarget(disk *memfs.FS) error {
	m, _, err := readMarker(disk, "backup")
	if err == nil {
		err = refuseMarked(disk, "backup", unfinishedName)
	}
	if err == nil {
		if err := restored(disk, c.oracle, "backup", m.Batch); err != nil {
			return err
		}
	}
	if noFiles(disk, "backup") == nil {
		return errRefused
	}
	refused := err != nil
	if refused {
		if _, err := Restore(context.Background(), disk, "backup", "restored", nil); err == nil {
			return fmt.Errorf("%w: a part of a backup was restored", errLaw)
		}
	}
	o := c.options(disk)
	if o.Dir = "backup"; refused {
		if _, err := Check(o); err == nil {
			return fmt.Errorf("%w: a part of a backup was found without fault", errLaw)
		}
	}
	if e, err := Open(o); err == nil {
		e.Close()
		return fmt.Errorf("%w: a backup was opened as a store", errLaw)
	}
	if refused {
		return errRefused
	}
	return nil
}

// TestCrashAtEveryOperationOfARestore: the target is no store until it is the
// whole one, and the backup is as it was.
func TestCrashAtEveryOperationOfARestore(t *testing.T) {
	seed := firstSeed(t)
	c := prepare(t, seed).begin(seed)
	if err := c.open(); err != nil {
		t.Fatal(err)
	}
	report, err := c.backUp("backup", nothing)
	if err != nil {
		t.Fatal(err)
	}
	disk := c.disk.Crash(nil, memfs.KeepAll)
	restore := func(stop int) (*faultfs.FS, *memfs.FS) {
		left := disk.Clone()
		faults := faultfs.New(left)
		faults.Inject(func(op faultfs.Op) faultfs.Fault { return faultfs.Fault{StopAfter: op.N == stop} })
		if _, err := Restore(context.Background(), faults, "backup", "restored", nil); stop == 0 && err != nil {
			t.Fatal(err)
		}
		return faults, left
	}
	whole, done := restore(0)
	after := c.options(done.Crash(nil, memfs.KeepNone))
	after.Dir = "restored"
	if r, err := Check(after); err != nil || r.Streams == 0 {
		t.Errorf("power cut after the restore: %d streams, %v", r.Streams, err)
	}
	refused := 0
	for _, op := range whole.Trace() {
		if !op.Kind.Mutates() {
			continue
		}
		_, left := restore(op.N)
		for _, keep := range []memfs.Keep{memfs.KeepNone, memfs.KeepSome, memfs.KeepAll} {
			after := left.Crash(rand.New(rand.NewPCG(seed, uint64(op.N))), keep)
			if noFiles(after, "restored") == nil {
				continue
			}
			o := c.options(after)
			o.Dir = "restored"
			e, err := Open(o)
			if err != nil {
				refused++
				continue
			}
			want, err := c.oracle.state(report.Batch)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := dump(e, &got); err != nil || got.String() != want {
				t.Fatalf("-engine.seed=%d: power cut after %v: a store was opened that is not whole: %v\n%s\nwant:\n%s", seed, op, err, got.String(), want)
			}
		}
	}
	if refused == 0 {
		t.Error("no target was refused")
	}
	if err := restored(disk, c.oracle, "backup", report.Batch); err != nil {
		t.Errorf("the backup has changed: %v", err)
	}
}

// TestBackupCopiesWhatCannotBeLinked: over many steps where files are large.
func TestBackupCopiesWhatCannotBeLinked(t *testing.T) {
	seed := firstSeed(t)
	c := prepare(t, seed).begin(seed)
	c.faults.Inject(func(op faultfs.Op) faultfs.Fault {
		if op.Kind == faultfs.Link {
			return faultfs.Fault{Err: vfs.ErrCannotLink}
		}
		return faultfs.Fault{}
	})
	if err := c.open(); err != nil {
		t.Fatal(err)
	}
	report, err := c.backUp("backup", nothing)
	if err != nil {
		t.Fatal(err)
	}
	if report.Linked != 0 || report.Copied == 0 || report.Copied > report.Bytes {
		t.Errorf("report %+v", report)
	}
	if err := restored(c.disk, c.oracle, "backup", report.Batch); err != nil {
		t.Error(err)
	}
	c.damageSegment(t, "backup")
	if _, err := Restore(context.Background(), c.disk, "backup", "again", nil); err == nil {
		t.Error("a damaged backup was restored")
	}
	o := c.options(c.disk)
	o.Dir = "again"
	if _, err := Open(o); !errors.Is(err, ErrNotAStore) {
		t.Errorf("what was restored of a damaged backup opens: %v", err)
	}
	if err := c.commit(); err != nil {
		t.Fatal(err)
	}
	if err := c.checkDisk("after the backup was damaged"); err != nil {
		t.Error(err)
	}
}

// damageSegment flips a bit in a block of some segment below dir.
func (c *cut) damageSegment(t *testing.T, dir string) (name string) {
	t.Helper()
	names, err := c.disk.ReadDir(dir + "/" + manifest.SegmentDir)
	if err != nil || len(names) == 0 {
		t.Fatalf("no segments: %v", err)
	}
	name = dir + "/" + manifest.SegmentDir + "/" + names[0]
	if err := c.disk.Corrupt(name, 200, 4); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestBackupThatIsCancelledLeavesNothing(t *testing.T) {
	seed := firstSeed(t)
	c := prepare(t, seed).begin(seed)
	if err := c.open(); err != nil {
		t.Fatal(err)
	}
	for steps := 0; ; steps++ {
		ctx, cancel := context.WithCancel(context.Background())
		b, err := c.e.beginBackup(ctx, "backup", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.e.beginBackup(context.Background(), "other", nil); !errors.Is(err, ErrBackupRunning) {
			t.Fatalf("a second backup: %v", err)
		}
		for range steps {
			if _, err := c.e.stepBackup(b); err != nil {
				t.Fatal(err)
			}
		}
		if c.e.backup == nil {
			cancel()
			break // it was done before
		}
		cancel()
		if _, err := c.e.stepBackup(b); !errors.Is(err, context.Canceled) {
			t.Fatalf("after %d steps: %v", steps, err)
		}
		// The last step before the end has made it a backup.
		if c.e.backup != nil || c.e.logHeld != 0 || len(c.e.manifest.State().Acts) > 0 {
			t.Fatalf("after %d steps something is held", steps)
		}
		if m, _, err := readMarker(c.disk, "backup"); err == nil {
			if err := restored(c.disk, c.oracle, "backup", m.Batch); err != nil {
				t.Fatal(err)
			}
			if err := emptyTarget(c.disk, "backup"); err != nil {
				t.Fatal(err)
			}
		}
		if err := noFiles(c.disk, "backup"); err != nil {
			t.Fatalf("after %d steps: %v", steps, err)
		}
	}
}

func TestBackupRefusesTargetWithFiles(t *testing.T) {
	for _, name := range []string{"target/precious", "target/wal/precious", "target/STORE"} {
		e, fs, _ := openManual(t)
		want(t, e, stream.Created, create("a", "text/plain", "x"))
		if err := fs.MkdirAll("target/wal"); err != nil {
			t.Fatal(err)
		}
		if err := writeSmall(fs, name, []byte("precious")); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Backup(context.Background(), "target", nil); !errors.Is(err, ErrTarget) {
			t.Errorf("%s: %v, want ErrTarget", name, err)
		}
		if _, err := e.Backup(context.Background(), "backup", nil); err != nil {
			t.Error(err)
		}
		if _, err := Restore(context.Background(), fs, "backup", "target", nil); !errors.Is(err, ErrTarget) {
			t.Errorf("%s: restore: %v, want ErrTarget", name, err)
		}
		if got := fs.Snapshot()[name]; string(got) != "precious" {
			t.Errorf("%s is %q now", name, got)
		}
		if _, err := e.Backup(context.Background(), "store", nil); !errors.Is(err, ErrTarget) {
			t.Errorf("into the store itself: %v, want ErrTarget", err)
		}
	}
}

// TestBackupOfAStoreAtRest: nothing was written since it was opened, or ever.
func TestBackupOfAStoreAtRest(t *testing.T) {
	for _, clean := range []bool{false, true} {
		for _, what := range []string{"nothing", "log", "flushed", "flushed and log"} {
			t.Run(fmt.Sprintf("%s clean=%t", what, clean), func(t *testing.T) {
				c := (&image{disk: memfs.New(), oracle: newOracle()}).begin(1)
				step := func(err error) {
					t.Helper()
					if err != nil {
						t.Fatal(err)
					}
				}
				step(c.open())
				if what == "log" {
					step(c.do(create("a", "text/plain", "x")))
				}
				if strings.HasPrefix(what, "flushed") {
					step(c.do(create("b", "text/plain", "y")))
					step(c.e.Flush())
				}
				if strings.HasSuffix(what, "and log") {
					step(c.do(appendTo("b", "text/plain", "z")))
				}
				durable := c.e.durable
				for life := range 3 {
					if life > 0 && clean {
						step(c.e.Close())
					}
					if life > 0 {
						c.disk = c.disk.Crash(nil, memfs.KeepAll)
						c.faults = faultfs.New(c.disk)
						step(c.open())
					}
					to := fmt.Sprintf("backup %d", life)
					report, err := c.backUp(to, nothing)
					step(err)
					if report.Batch != durable {
						t.Errorf("batch %d, want %d", report.Batch, durable)
					}
					step(restored(c.disk, c.oracle, to, durable))
				}
			})
		}
	}
}

// TestMarkerIsWholeOrNone: no bit of it can change unnoticed.
func TestMarkerIsWholeOrNone(t *testing.T) {
	m := marker{Store: [16]byte{1, 2, 3}, Batch: 77, At: 1767323045000, Files: 12, Bytes: 1 << 20}
	b := m.encode()
	if got, err := parseMarker(b); err != nil || got != m {
		t.Fatalf("parsed %+v, %v", got, err)
	}
	const golden = "5441494c42414b0a0100000000000000010203000000000000000000000000004d00000000000000" +
		"888ca97c9b0100000c000000000000000000100000000000f80acae8"
	if got := fmt.Sprintf("%x", b); got != golden {
		t.Errorf("encoded\n%s, want\n%s", got, golden)
	}
	for i := range b {
		for bit := range 8 {
			bad := bytes.Clone(b)
			bad[i] ^= 1 << bit
			if _, err := parseMarker(bad); err == nil {
				t.Errorf("bit %d of byte %d flipped unnoticed", bit, i)
			}
		}
		if _, err := parseMarker(b[:i]); err == nil {
			t.Errorf("cut to %d bytes unnoticed", i)
		}
	}
	if _, err := parseMarker(append(b, 0)); err == nil {
		t.Error("a byte more unnoticed")
	}
}
