package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"tailrace/internal/manifest"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// busily does the steps of what is under way, and goes on taking appends
// between them.
func (c *cut) busily(step func() (bool, error)) error {
	for i := 0; ; i++ {
		more, err := step()
		if err != nil {
			return err
		}
		if i%3 == 1 {
			if err := c.do(appendTo("newest", "text/plain", "and more")); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}

func (c *cut) flushBusily() error {
	if !c.e.beginFlush() {
		return errors.New("nothing to flush")
	}
	if err := c.busily(c.e.stepFlush); err != nil {
		return err
	}
	return c.e.sweepGarbage()
}

func (c *cut) mergeBusily() error {
	if !c.e.beginMerge() {
		return errors.New("nothing to merge")
	}
	m := c.e.merge
	if err := c.busily(c.e.stepMerge); err != nil {
		return err
	}
	c.tally.sawMerge(c.e, m)
	return c.e.sweepGarbage()
}

// snapshotNext makes the next checkpoint one with all streams.
func (c *cut) snapshotNext() { c.e.rowsSince += deltaRows + c.e.table.Len() }

// flushed is a prelude: the deletes that the image ends with are in a
// checkpoint, and removed streams are noted.
func flushed(c *cut) error {
	if err := c.e.Flush(); err != nil {
		return err
	}
	return c.e.sweepGarbage()
}

func TestCrashAtEveryOperationOfAFlush(t *testing.T) {
	t.Parallel()
	seed := firstSeed(t)
	base := prepare(t, seed)
	t.Run("delta", func(t *testing.T) {
		everyCut(t, seed, &scene{base: base, act: (*cut).flushBusily})
	})
	t.Run("snapshot", func(t *testing.T) {
		everyCut(t, seed, &scene{base: base, act: func(c *cut) error {
			c.snapshotNext()
			err := c.flushBusily()
			if err == nil && (len(c.e.checkpoint.Deltas) > 0 || len(c.e.manifest.State().Garbage) > 0) {
				return errors.New("no snapshot took the place of what was there")
			}
			return err
		}})
	})
}

func TestCrashAtEveryOperationOfAMerge(t *testing.T) {
	t.Parallel()
	seed := firstSeed(t)
	base := prepare(t, seed)
	t.Run("layers", func(t *testing.T) {
		everyCut(t, seed, &scene{base: base, prelude: flushed, act: func(c *cut) error {
			c.e.removedSeen, c.e.trimmed = c.e.removed, trimmedStreams{} // the dead wait for another merge
			if err := c.mergeBusily(); err != nil {
				return err
			}
			if c.tally.rewrites.Load() > 0 || c.tally.truncated.Load() == 0 {
				return fmt.Errorf("not the merge that was meant: %v", c.tally)
			}
			return nil
		}})
	})
	t.Run("dead streams", func(t *testing.T) {
		everyCut(t, seed, &scene{base: base, prelude: flushed, act: func(c *cut) error {
			// What the replay of the deletes has seen is forgotten by the next
			// checkpoint only; one more makes sure of it.
			if err := c.do(create("short", "text/plain", "x")); err != nil {
				return err
			}
			if err := c.e.Flush(); err != nil {
				return err
			}
			if err := c.do(func(e *Engine) Ticket { return e.Delete("short") }); err != nil {
				return err
			}
			if err := c.mergeBusily(); err != nil {
				return err
			}
			if c.tally.rewrites.Load() == 0 {
				return fmt.Errorf("not the merge that was meant: %v", c.tally)
			}
			return nil
		}})
	})
}

// TestCrashAtEveryOperationOfAManifestSwitch fills the manifest with acts that
// come to nothing, until the next edit needs another file.
func TestCrashAtEveryOperationOfAManifestSwitch(t *testing.T) {
	t.Parallel()
	seed := firstSeed(t)
	base := prepare(t, seed)
	edit := func(c *cut) error {
		act, err := c.e.manifest.Begin(manifest.ActMerge)
		if err != nil {
			return err
		}
		return c.e.manifest.Append(manifest.Abort{Act: act.ID})
	}
	switches := func(c *cut) int {
		n := 0
		for _, op := range c.faults.Trace() {
			if op.Kind == faultfs.Rename && strings.HasSuffix(op.To, "/CURRENT") {
				n++
			}
		}
		return n
	}
	// How many edits it takes is found out once.
	pilot := base.begin(seed)
	if err := pilot.open(); err != nil {
		t.Fatal(err)
	}
	if err := edit(pilot); err != nil {
		t.Fatal(err)
	}
	n := 0
	for pilot.faults.ResetTrace(); switches(pilot) == 0; n++ {
		pilot.faults.ResetTrace()
		if err := edit(pilot); err != nil {
			t.Fatal(err)
		}
	}
	outcomes := everyCut(t, seed, &scene{
		base: base,
		prelude: func(c *cut) error {
			for range n {
				if err := edit(c); err != nil {
					return err
				}
			}
			c.faults.ResetTrace()
			return nil
		},
		act: func(c *cut) error {
			if err := c.flushBusily(); err != nil {
				return err
			}
			if got := switches(c); got != 1 {
				return fmt.Errorf("%d switches", got)
			}
			return nil
		},
	})
	t.Logf("%d edits before the switch, %d outcomes", n, outcomes)
}

// TestCrashAtEveryOperationOfATrim gives up log files, makes the next one of
// one of them, and rotates into it.
func TestCrashAtEveryOperationOfATrim(t *testing.T) {
	t.Parallel()
	seed := firstSeed(t)
	big := strings.Repeat("0123456789abcdef", 500)
	fill := func(c *cut, files uint64) error {
		for first := c.e.lastMark.pos.File; c.e.lastMark.pos.File < first+files; {
			if err := c.e.Allocate(); err != nil {
				return err
			}
			if err := c.do(appendTo("log", "text/plain", big)); err != nil {
				return err
			}
		}
		return nil
	}
	everyCut(t, seed, &scene{
		base: prepare(t, seed),
		prelude: func(c *cut) error {
			if err := c.do(create("log", "text/plain", "")); err != nil {
				return err
			}
			if err := fill(c, 3); err != nil {
				return err
			}
			c.e.beginFlush()
			for c.e.checkpoint.Batch != c.e.flush.freeze.batch {
				if _, err := c.e.stepFlush(); err != nil {
					return err
				}
			}
			return nil
		},
		act: func(c *cut) error {
			if err := c.busily(c.e.stepFlush); err != nil {
				return err
			}
			if err := fill(c, 2); err != nil {
				return err
			}
			var seen tally
			if seen.sawFiles(c.faults); seen.recycled.Load() == 0 || seen.trimmed.Load() == 0 {
				return fmt.Errorf("no file was used again: %v", &seen)
			}
			return nil
		},
	})
}

// TestCrashAtEveryOperationOfARecovery opens what a crash in the middle of a
// flush or a merge left, and cuts that. All points by -engine.crash-all.
func TestCrashAtEveryOperationOfARecovery(t *testing.T) {
	t.Parallel()
	seed := firstSeed(t)
	base := prepare(t, seed)
	for name, first := range map[string]*scene{
		"flush": {base: base, act: (*cut).flushBusily},
		"merge": {base: base, prelude: flushed, act: (*cut).mergeBusily},
	} {
		t.Run(name, func(t *testing.T) {
			whole, from, err := first.run(seed, 0)
			if err != nil {
				t.Fatal(err)
			}
			var points []int
			for _, op := range whole.faults.Trace() {
				if op.N > from && op.Kind.Mutates() {
					points = append(points, op.N-from)
				}
			}
			every := 1
			if !*crashAll {
				every = max(1, len(points)/2)
			}
			outcomes := 0
			for i := int(seed % uint64(every)); i < len(points); i += every {
				c, _, _ := first.run(seed, points[i])
				left := &image{disk: c.disk.Crash(c.rng, memfs.KeepSome), oracle: c.oracle, acked: c.acked}
				outcomes += everyCut(t, seed, &scene{base: left, opening: true, act: func(c *cut) error {
					// Between Open and here the oracle knows of more than was found.
					c.oracle.cut(c.e.durable)
					if err := c.do(create("early", "text/plain", "x")); err != nil {
						return err
					}
					return c.e.sweepGarbage()
				}})
			}
			t.Logf("%d outcomes", outcomes)
		})
	}
}

func TestCrashAtEveryOperationOfAClose(t *testing.T) {
	t.Parallel()
	seed := firstSeed(t)
	everyCut(t, seed, &scene{base: prepare(t, seed), prelude: flushed, act: func(c *cut) error {
		if t := appendTo("fork", "text/plain", "the last")(c.e); !t.Code.Success() {
			return fmt.Errorf("append: %v", t.Code)
		}
		return c.e.Close()
	}})
}
