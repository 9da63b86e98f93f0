package engine

import (
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
	var removed, raised []*stream.Stream
	for encoded, err := range wal.Records(f.Payload) {
		if err != nil {
			return err
		}
		rec, err := stream.DecodeRecord(encoded)
		if err != nil {
			return corrupt(f.Pos, err)
		}
		effect, l, err := e.apply(&rec)
		if err != nil {
			return corrupt(f.Pos, err)
		}
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
		if raises(&rec) {
			raised = append(raised, effect.Stream)
		}
	}
	e.durable = batch
	e.lastMark = logMark{batch: batch, seq: f.Seq, pos: f.Pos, at: f.At}
	e.frames.add(batch, append(make([]byte, 0, len(data)), data...), live)
	for _, s := range removed {
		e.removed++
		e.unweigh(s)
		l := localOf(s)
		for _, entry := range l.index.All() {
			e.appends--
			e.frames.drop(entry)
		}
		l.index = index.Index{}
		e.unschedule(l)
	}
	for _, s := range raised {
		e.release(s, func(entry index.Entry) { e.frames.drop(entry) })
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
		if s.TTL() == stream.NoTTL || s.Gone {
			continue
		}
		s.Touch(s.Logged() + s.TouchSlack() + sweepEvery.Milliseconds())
		e.reschedule(e.local(s))
	}
}
