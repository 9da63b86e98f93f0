package engine

import (
	"errors"
	"fmt"
	"slices"

	"tailrace/index"
	"tailrace/internal/stream"
	"tailrace/wal"
)

// local is what the engine keeps of a stream beside the rules.
type local struct {
	stream *stream.Stream
	index  index.Index
	last   uint64 // newest batch with a record of this stream
	watch  *watchers
	due    int    // place in the heap of deadlines + 1, 0 = not in it
	epoch  uint32 // Engine.epoch when the stream last changed

}

// localOf returns the engine's part of a stream. It is nil while there is
// nothing to say about the stream but what the rules and the segments know.
func localOf(s *stream.Stream) *local {
	l, _ := s.Local.(*local)
	return l
}

// batchInfo is what the engine keeps of a batch until it is durable. It is
// filled under Engine.mu, and complete once the group commits the batch.
type batchInfo struct {
	batch  *wal.Batch
	bodies []place // where the appends' bytes are in the batch
	size   int     // of all bodies
	dead   int     // of bodies whose stream is gone already
	ops    int

	touched []*local // streams with a record in the batch
	paths   []string // that the batch gates
}

type place struct{ off, len int }

// info finds the note of an open batch, or begins it.
func (e *Engine) info(b *wal.Batch) *batchInfo {
	if i := int(b.N - e.durable - 1); i < len(e.inflight) {
		return e.inflight[i]
	}
	info := e.unused
	if e.unused = nil; info == nil {
		info = new(batchInfo)
	}
	info.batch = b
	e.inflight = append(e.inflight, info)
	return info
}

// reset makes the note one of no batch.
func (i *batchInfo) reset() {
	clear(i.touched)
	clear(i.paths)
	*i = batchInfo{bodies: i.bodies[:0], touched: i.touched[:0], paths: i.paths[:0]}
}

// batch returns the batch of that number to wait for, or nil if it is durable.
func (e *Engine) batch(n uint64) *wal.Batch {
	if n <= e.durable {
		return nil
	}
	return e.inflight[n-e.durable-1].batch
}

// stage puts a record into the open batch and applies it to the staged state.
// On an error code nothing has changed. Engine.mu is held.
func (e *Engine) stage(class wal.Class, rec *stream.Record) (*batchInfo, stream.Code) {
	e.head = rec.AppendHead(e.head[:0])
	b, bodyOff, err := e.group.Stage(class, e.head, rec.Body)
	if err != nil {
		return nil, codeOf(err)
	}
	info := e.info(b)
	if e.tap != nil {
		e.tap(b.N, e.head, rec.Body)
	}
	effect, l, err := e.apply(rec)
	if err != nil {
		// The rules decided the record against this very table.
		panic(fmt.Sprintf("engine: a decided record does not apply: %v", err))
	}
	rec.Appends(func(from, to int, end stream.Offset) {
		l.index.Add(index.Entry{End: uint64(end), Frame: b.N, Off: uint32(info.size), Len: uint32(to - from)})
		info.bodies = append(info.bodies, place{off: bodyOff + from, len: to - from})
		info.size += to - from
		e.appends++
	})
	info.ops++
	e.stagedOps++
	if l.last != b.N {
		l.last = b.N
		info.touched = append(info.touched, l)
	}
	switch rec.Kind {
	case stream.KindAppend:
		if rec.Close {
			e.gatePath(info, l.stream)
		}
	case stream.KindCreate, stream.KindDelete, stream.KindExpire, stream.KindChange, stream.KindTrim:
		e.gatePath(info, l.stream)
	}
	for _, removed := range effect.Removed {
		e.forget(info, removed)
	}
	if raises(rec) {
		e.release(effect.Stream, e.dropStaged)
	}
	return info, stream.None
}

// apply carries out a record, in life and in replay, and keeps account of what
// the next checkpoint wants. Engine.mu is held.
func (e *Engine) apply(rec *stream.Record) (stream.Effect, *local, error) {
	var before weight
	var tail stream.Offset
	if s := e.table.ByID(rec.ID); s != nil {
		e.mark(s) // before it changes
		before, tail = weightOf(s), s.Tail
		if raises(rec) {
			e.holdings(s)
		}
	}
	effect, err := e.table.Apply(rec)
	if err != nil {
		return stream.Effect{}, nil, err
	}
	for _, s := range effect.Removed {
		e.mark(s) // its row says nothing of that yet
	}
	l := e.local(effect.Stream)
	if rec.Kind == stream.KindCreate {
		e.mark(effect.Stream)
	}
	e.weigh(effect.Stream, before)
	e.book(rec, effect.Stream, tail)
	switch {
	case rec.Kind == stream.KindChange:
		e.reschedule(l)
	case rec.Kind == stream.KindAppend && effect.Stream.KeepAge() != 0:
		e.sooner(l)
	}
	return effect, l, nil
}

func codeOf(err error) stream.Code {
	switch {
	case errors.Is(err, wal.ErrFailed):
		return stream.Failed // of a full disk met too late, perhaps: that is over
	case errors.Is(err, wal.ErrNoSpace):
		return stream.DiskFull
	case errors.Is(err, wal.ErrBusy):
		return stream.Overloaded
	case errors.Is(err, wal.ErrFrameTooLarge):
		return stream.BodyTooLarge
	default:
		return stream.Failed
	}
}

// gate is the batch that decides what is at a path.
type gate struct {
	batch  uint64
	public bool // of the stream that the batch is about
}

// gatePath makes whoever asks for the path of a stream wait for the batch.
func (e *Engine) gatePath(info *batchInfo, s *stream.Stream) {
	e.gates[s.Path] = gate{batch: info.batch.N, public: s.Public()}
	info.paths = append(info.paths, s.Path)
}

// local returns the engine's part of a stream, which it makes if there is none.
func (e *Engine) local(s *stream.Stream) *local {
	if l := localOf(s); l != nil {
		return l
	}
	l := &local{stream: s}
	s.Local = l
	if !s.Gone {
		e.schedule(l)
	}
	return l
}

// idle gives up the engine's part of a stream if there is nothing to say.
func (e *Engine) idle(l *local) {
	if l.index.Len() == 0 && l.watch == nil && l.due == 0 && l.last <= e.durable && l.epoch != e.epoch {
		l.stream.Local = nil
	}
}

// weigh counts what a record changed about the memory that its stream takes.
// before is what weight was.
func (e *Engine) weigh(s *stream.Stream, before weight) {
	now := weightOf(s)
	e.text += now.text - before.text
	e.producers += now.producers - before.producers
}

// weight is what a stream takes of the memory beside its fixed part.
type weight struct{ text, producers int }

func weightOf(s *stream.Stream) weight {
	return weight{s.TextBytes() + s.RetentionBytes(), s.Producers()}
}

// unweigh is weigh for a stream that left the table.
func (e *Engine) unweigh(s *stream.Stream) {
	w := weightOf(s)
	e.text -= w.text
	e.producers -= w.producers
}

// forget drops the bytes of a stream that left the table. Readers that hold
// some keep them as long as they hold them.
func (e *Engine) forget(info *batchInfo, s *stream.Stream) {
	e.removed++
	if e.freeze != nil {
		e.freeze.leave(s.ID)
	}
	l := e.local(s)
	for _, entry := range l.index.All() {
		e.appends--
		e.dropStaged(entry)
	}
	e.unweigh(s)
	l.index = index.Index{}
	e.unschedule(l)
	if l.last != info.batch.N {
		l.last = info.batch.N
		info.touched = append(info.touched, l)
	}
	e.gatePath(info, s)
}

// committed takes note that a batch is durable. The group calls it batch by
// batch, before it closes Batch.Done.
func (e *Engine) committed(b *wal.Batch) {
	e.mu.Lock()
	info := e.inflight[0]
	e.mu.Unlock()
	if info.batch != b {
		panic(fmt.Sprintf("engine: batch %d became durable before batch %d", b.N, info.batch.N))
	}
	// The batch's own buffer is used again; the copy has just the bytes that
	// readers may ask for.
	data := make([]byte, 0, info.size)
	payload := b.Payload()
	for _, s := range info.bodies {
		data = append(data, payload[s.off:s.off+s.len]...)
	}

	e.mu.Lock()
	e.frames.add(b.N, data, info.size-info.dead)
	e.durable = b.N
	e.lastMark = logMark{
		batch: b.N, seq: b.Seq(), pos: b.Pos(), end: b.Pos().Offset + wal.FrameSize(len(payload)), at: e.clockMS.Load(),
	}
	if f := e.flush; f != nil && f.freeze.batch == b.N {
		f.end = e.lastMark
	}
	e.inflight = slices.Delete(e.inflight, 0, 1)
	e.stagedOps -= info.ops
	for _, path := range info.paths {
		if e.gates[path].batch == b.N {
			delete(e.gates, path)
		}
	}
	wake := e.tell(info.touched)
	info.reset()
	e.unused = info
	full := e.flush == nil && e.unflushedBytes() >= e.opts.FlushBytes
	e.mu.Unlock()
	if full {
		signal(e.flushNow)
	}
	e.wake(wake)
}
