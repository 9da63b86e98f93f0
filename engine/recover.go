package engine

import (
	"fmt"

	"tailrace/index"
	"tailrace/internal/frame"
	"tailrace/internal/stream"
	"tailrace/wal"
)

// replay applies the records of one frame of the log, by the same function
// that applies them in life.
func (e *Engine) replay(f wal.Replayed) error {
	if f.Records == 0 {
		return nil
	}
	batch := e.durable + 1
	var data []byte
	live := 0
	var removed []*stream.Stream
	for encoded, err := range wal.Records(f.Payload) {
		if err != nil {
			return err
		}
		rec, err := stream.DecodeRecord(encoded)
		if err != nil {
			return corrupt(f.Pos, err)
		}
		effect, err := e.table.Apply(&rec)
		if err != nil {
			return corrupt(f.Pos, err)
		}
		l := e.local(effect.Stream)
		l.last = batch
		rec.Appends(func(from, to int, end stream.Offset) {
			if data == nil {
				data = make([]byte, 0, len(f.Payload))
			}
			l.index.Add(index.Entry{End: uint64(end), Frame: batch, Off: uint32(len(data)), Len: uint32(to - from)})
			data = append(data, rec.Body[from:to]...)
			live += to - from
			e.appends++
		})
		removed = append(removed, effect.Removed...)
	}
	e.durable = batch
	if live > 0 {
		e.frames.add(batch, append(make([]byte, 0, len(data)), data...), live)
	}
	for _, s := range removed {
		l := localOf(s)
		for _, entry := range l.index.All() {
			e.appends--
			e.frames.drop(entry)
		}
		l.index = index.Index{}
		e.unschedule(l)
	}
	return nil
}

func corrupt(at wal.Pos, err error) error {
	return &frame.CorruptError{Path: at.FileName(), Offset: at.Offset, Reason: "record does not follow from the ones before it", Err: err}
}

// revive gives streams with a sliding TTL the benefit of the doubt: their last
// use may be later than the last logged one, by at most the slack, and by the
// time until the next sweep if the stream was followed live.
func (e *Engine) revive() {
	for s := range e.table.All {
		e.weigh(localOf(s))
		if s.TTL == stream.NoTTL || s.Gone {
			continue
		}
		s.Touched = s.Logged + s.TouchSlack() + sweepEvery.Milliseconds()
		e.reschedule(localOf(s))
	}
}

// Report is what Check found in a store without fault.
type Report struct {
	wal.Report
	Streams int
	Appends int
}

// Check reads a store and verifies every checksum and every record, without
// changing anything. The error names the place of the first fault. A store
// that is not there is an error too: there is nothing to vouch for.
func Check(o Options) (Report, error) {
	o = o.withDefaults()
	e := newEngine(o)
	found, err := wal.VerifyReplay(o.FS, o.Dir, e.replay)
	if err != nil {
		return Report{}, fmt.Errorf("engine: check %s: %w", o.Dir, err)
	}
	if found.Empty {
		return Report{}, fmt.Errorf("engine: check %s: there is no store", o.Dir)
	}
	return Report{Report: found, Streams: e.table.Len(), Appends: e.appends}, nil
}
