package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tailrace/internal/stream"
)

// run does steps until the log fails or there are no more, and says how many.
func (r *crashes) run(e *Engine, steps int) (done int, err error) {
	for ; done < steps; done++ {
		if err := r.step(e); err != nil {
			return done, err
		}
		if err := r.collect(e); err != nil {
			return done, err
		}
		if e.Err() != nil || r.faults.Stopped() {
			return done + 1, nil
		}
	}
	return done, nil
}

// step does one thing. The errors of the engine are not its own: run finds out
// whether it has failed.
func (r *crashes) step(e *Engine) error {
	switch n := r.rng.IntN(100); {
	case n < 46:
		return r.ask(e, r.work.op())
	case n < 62:
		e.Commit()
	case n < 78:
		if err := r.maintain(e); errors.Is(err, errLaw) {
			return err
		} else if err != nil {
			e.survives(err)
		}
	case n < 79:
		return r.compare(e)
	case n < 88:
		for range 3 {
			if err := r.read(e); err != nil {
				return err
			}
		}
	case n < 90:
		r.clock.advance(time.Duration(r.rng.IntN(4000)) * time.Millisecond)
	case n < 92:
		e.Sweep()
	case n < 95:
		e.Allocate()
	case n < 97:
		e.Witness()
	default:
		r.fill()
	}
	return nil
}

// fill makes the disk full, or not full any more.
func (r *crashes) fill() {
	switch {
	case r.full:
		r.lift()
	case r.rng.IntN(3) == 0:
		r.capacity = r.disk.Used() + int64(r.rng.IntN(24))*4096
		r.disk.SetCapacity(r.capacity)
		r.full = true
		r.tally.full.Add(1)
	}
}

func (r *crashes) lift() {
	r.disk.SetCapacity(-1)
	r.full = false
}

// recoverFromFull gives the disk room again: without a restart the engine has
// to take what it refused, and to finish what it could not.
func (r *crashes) recoverFromFull(e *Engine) error {
	r.lift()
	for range 2 { // an armed fault may still strike once
		e.Allocate()
		for e.flush != nil || e.merge != nil {
			e.Commit()
			if e.flush != nil {
				e.stepFlush()
			} else {
				e.stepMerge()
			}
			if e.Err() != nil || r.faults.Stopped() {
				return nil
			}
		}
		if err := e.Flush(); err != nil {
			e.survives(err)
		}
		r.settle(e)
	}
	if e.Err() != nil || r.faults.Stopped() {
		return nil
	}
	t := e.Create(&stream.Create{Path: "roomy", ContentType: "text/plain", TTL: stream.NoTTL, Body: []byte("x")})
	if t.Code == stream.DiskFull || t.Code == stream.Overloaded {
		return fmt.Errorf("%w: there is room again, and a create is %s", errLaw, t.Code)
	}
	r.tally.returned.Add(1)
	return nil
}

// settle commits what is staged, as far as the log goes.
func (r *crashes) settle(e *Engine) {
	for {
		if more, err := e.Commit(); err != nil || !more {
			return
		}
	}
}

// maintain does a step of whatever is under way, or begins something.
func (r *crashes) maintain(e *Engine) error {
	if r.tier != nil && r.rng.IntN(2) == 0 {
		return r.maintainTier(e)
	}
	switch r.rng.IntN(4) {
	case 0:
		if e.flush == nil {
			if r.rng.IntN(8) == 0 {
				e.rowsSince += deltaRows + e.table.Len() // time for a snapshot
			}
			e.beginFlush()
		}
	case 1:
		if e.merge == nil {
			e.beginMerge()
		}
	case 2:
		if e.flush == nil && e.merge == nil {
			return e.sweepGarbage()
		}
	case 3:
		if e.backup == nil && r.rng.IntN(20) == 0 {
			r.backups++
			if _, err := e.beginBackup(context.Background(), fmt.Sprintf("backup %d", r.backups), nil); err != nil {
				return err
			}
		}
	}
	for range 1 + r.rng.IntN(4) {
		if f := e.flush; f != nil {
			if _, err := e.stepFlush(); err != nil {
				return err
			}
			if e.flush == nil {
				r.tally.sawFlush(f)
			}
		}
		if m := e.merge; m != nil {
			if _, err := e.stepMerge(); err != nil {
				return err
			}
			if e.merge == nil {
				r.tally.sawMerge(e, m)
			}
		}
		if b := e.backup; b != nil {
			if _, err := e.stepBackup(b); err != nil {
				return err
			}
			if e.backup == nil {
				return r.judgeBackup(b)
			}
		}
	}
	return nil
}

// judgeBackup restores what was backed up, somewhere else, and compares it.
func (r *crashes) judgeBackup(b *backup) error {
	r.tally.backups.Add(1)
	elsewhere := r.disk.Clone()
	elsewhere.SetCapacity(-1)
	if err := restored(elsewhere, r.oracle, b.to, b.report.Batch); err != nil {
		return fmt.Errorf("%w: backup of batch %d: %w", errLaw, b.report.Batch, err)
	}
	for _, name := range slices.Sorted(maps.Keys(r.disk.Snapshot())) {
		if strings.HasPrefix(name, b.to+"/") {
			if err := r.disk.Remove(name); err != nil {
				return fmt.Errorf("%w: %w", errLaw, err)
			}
		}
	}
	return nil
}

// ask sends a request and keeps its ticket.
func (r *crashes) ask(e *Engine, op func(*Engine) Ticket) error {
	forks := r.work.coldForks
	t := op(e)
	r.tally.coldForks.Add(int64(r.work.coldForks - forks))
	if t.Cold {
		return fmt.Errorf("%w: nothing was decided, and nobody may wait", errLaw)
	}
	r.work.saw(t.Outcome)
	if t.Retry {
		return nil // the next steps decide
	}
	if t.Code == stream.DataCorrupt && !r.faults.Stopped() {
		return fmt.Errorf("%w: data corrupt, and nothing was damaged", errLaw)
	}
	p := pendingTicket{ticket: t}
	if t.Code == stream.Appended {
		p.append = r.work.last
	}
	r.pending = append(r.pending, p)
	return nil
}

// collect takes note of the tickets that became ready.
func (r *crashes) collect(e *Engine) error {
	left := r.pending[:0]
	for _, p := range r.pending {
		switch {
		case !p.ticket.Ready():
			left = append(left, p)
		case p.ticket.Err() == nil && p.ticket.batch != nil:
			if p.ticket.batch.N > e.durable {
				return fmt.Errorf("%w: batch %d acknowledged, durable is %d", errLaw, p.ticket.batch.N, e.durable)
			}
			r.acked = max(r.acked, p.ticket.batch.N)
		case p.ticket.Err() != nil:
			left = append(left, p)
		}
	}
	r.pending = left
	return nil
}
