package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"tailrace/internal/manifest"
	"tailrace/internal/stream"
	"tailrace/internal/vfs"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// everyFault fails each operation of a scene that changes the medium, once
// with each error. The engine either lives on as if the act had not been tried,
// or stops; both keep all that was acknowledged.
func everyFault(t *testing.T, seed uint64, s *scene) {
	t.Helper()
	whole, from, err := s.run(seed, 0)
	if err != nil {
		t.Fatalf("without a fault: %v", err)
	}
	survived, stopped := 0, 0
	for _, op := range whole.faults.Trace() {
		if op.N <= from || !op.Kind.Mutates() {
			continue
		}
		for _, failure := range []error{errInjected, vfs.ErrNoSpace} {
			c, err := s.runFailing(seed, op.N, failure)
			if err == nil {
				err = c.afterFault(op)
			}
			if err != nil {
				t.Fatalf("-engine.seed=%d: %v failed with %q: %v", seed, op, failure, err)
			}
			if c.e.Err() == nil {
				survived++
			} else {
				stopped++
			}
			for _, keep := range []memfs.Keep{memfs.KeepNone, memfs.KeepAll, memfs.KeepSome} {
				if err := c.survives(c.disk.Crash(c.rng, keep)); err != nil {
					t.Fatalf("-engine.seed=%d: %v failed with %q, crash with unsynced data kept: %v: %v", seed, op, failure, keep, err)
				}
			}
		}
	}
	if survived == 0 || stopped == 0 {
		t.Errorf("%d faults survived, %d stopped the engine: there should be both", survived, stopped)
	}
	t.Logf("%d faults survived, %d stopped the engine", survived, stopped)
}

// runFailing does the scene with one operation that fails. The error is that
// something is wrong with the test, not that the act failed.
func (s *scene) runFailing(seed uint64, n int, failure error) (*cut, error) {
	c := s.base.begin(seed)
	if err := c.open(); err != nil {
		return nil, err
	}
	if s.prelude != nil {
		if err := s.prelude(c); err != nil {
			return nil, err
		}
	}
	struck := false
	c.faults.Inject(func(op faultfs.Op) faultfs.Fault {
		if op.N != n {
			return faultfs.Fault{}
		}
		struck = true
		return faultfs.Fault{Err: failure, Short: int(op.Len / 2)}
	})
	if err := s.act(c); err != nil {
		c.e.survives(err)
	}
	if !struck {
		return nil, errors.New("the operation was not reached again")
	}
	return c, nil
}

// afterFault judges the engine that met a fault, and lets it try again.
func (c *cut) afterFault(op faultfs.Op) error {
	output := strings.Contains(op.Name, "/"+manifest.SegmentDir) || strings.Contains(op.Name, "/"+manifest.MetaDir)
	if c.e.Err() != nil {
		if output {
			return fmt.Errorf("%w: a file that nothing needs yet stopped the engine: %w", errLaw, c.e.Err())
		}
		if t := appendTo("fork", "text/plain", "x")(c.e); t.Code != stream.Failed {
			return fmt.Errorf("%w: the engine has stopped, and an append is %s", errLaw, t.Code)
		}
		return nil
	}
	if err := c.commit(); err != nil {
		return err
	}
	if err := c.same(c.e); err != nil {
		return err
	}
	if err := c.e.Allocate(); err != nil {
		return err
	}
	if err := c.do(appendTo("fork", "text/plain", "after the fault")); err != nil {
		return err
	}
	for _, again := range []func() error{c.e.Flush, c.e.Merge, c.e.sweepGarbage} {
		if err := again(); err != nil {
			return fmt.Errorf("%w: the next try: %w", errLaw, err)
		}
	}
	if err := c.onlyLiveFiles(c.e); err != nil {
		return err
	}
	if used, named := c.disk.Used(), c.disk.Clone().Used(); used != named {
		return fmt.Errorf("%w: %d bytes of files without a name are held open", errLaw, used-named)
	}
	return c.same(c.e)
}

func TestEveryFaultOfAFlush(t *testing.T) {
	t.Parallel()
	seed := firstSeed(t)
	base := prepare(t, seed)
	everyFault(t, seed, &scene{base: base, act: (*cut).flushBusily})
	everyFault(t, seed, &scene{base: base, act: func(c *cut) error {
		c.snapshotNext()
		return c.flushBusily()
	}})
}

func TestEveryFaultOfAMerge(t *testing.T) {
	t.Parallel()
	seed := firstSeed(t)
	base := prepare(t, seed)
	everyFault(t, seed, &scene{base: base, prelude: flushed, act: (*cut).mergeBusily})
	everyFault(t, seed, &scene{base: base, prelude: flushed, act: func(c *cut) error {
		c.e.removedSeen = c.e.removed
		return c.mergeBusily()
	}})
}

// TestReadErrorsOfAMerge: an input that cannot be read ends the merge, not the
// engine.
func TestReadErrorsOfAMerge(t *testing.T) {
	seed := firstSeed(t)
	s := &scene{base: prepare(t, seed), prelude: flushed, act: (*cut).mergeBusily}
	whole, from, err := s.run(seed, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, op := range whole.faults.Trace() {
		if op.N <= from || op.Kind != faultfs.ReadAt && op.Kind != faultfs.Open && op.Kind != faultfs.Size {
			continue
		}
		n++
		c, err := s.runFailing(seed, op.N, errInjected)
		if err == nil && c.e.Err() != nil {
			err = c.e.Err()
		}
		if err == nil {
			err = c.afterFault(op)
		}
		if err != nil {
			t.Fatalf("-engine.seed=%d: %v failed: %v", seed, op, err)
		}
	}
	if n == 0 {
		t.Fatal("the merge read nothing")
	}
}

// TestReadErrorIsNoContent: while the disk answers with errors, a read is
// DataCorrupt, and it is right again afterwards.
func TestReadErrorIsNoContent(t *testing.T) {
	c := prepare(t, 5).begin(5)
	if err := c.open(); err != nil {
		t.Fatal(err)
	}
	if err := flushed(c); err != nil {
		t.Fatal(err)
	}
	c.faults.Inject(func(op faultfs.Op) faultfs.Fault {
		if op.Kind == faultfs.ReadAt {
			return faultfs.Fault{Err: errInjected, Short: int(op.Len) - 1}
		}
		return faultfs.Fault{}
	})
	if _, ticket := c.e.ReadCold(ReadRequest{Path: "fork"}); ticket.Code != stream.DataCorrupt || c.e.Stats().Damage != 1 {
		t.Fatalf("read of a disk that fails: %s, damage %d", ticket.Code, c.e.Stats().Damage)
	}
	if c.e.Err() != nil {
		t.Fatal("a read stopped the engine")
	}
	c.faults.Clear()
	if parts, _, code := readAll(t, c.e, "fork", 0); code != stream.OK || len(parts) != 1 || string(parts[0]) != "shared by both" {
		t.Fatalf("read afterwards: %s, %q", code, parts)
	}
}
