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
	due    int // place in the heap of deadlines + 1, 0 = not in it

	// As counted in the Engine's fields of the same names.
	text, producers int32
}

func localOf(s *stream.Stream) *local { return s.Local.(*local) }

// batchInfo is what the engine keeps of a batch until it is durable. It is
// filled under Engine.mu, and complete once the group commits the batch.
type batchInfo struct {
	batch  *wal.Batch
	bodies []span // where the appends' bytes are in the batch
	size   int    // of all bodies
	dead   int    // of bodies whose stream is gone already
	ops    int

	touched []*local // streams with a record in the batch
	paths   []string // that the batch gates
}

type span struct{ off, len int }

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
	effect, err := e.table.Apply(rec)
	if err != nil {
		// The rules decided the record against this very table.
		panic(fmt.Sprintf("engine: a decided record does not apply: %v", err))
	}
	l := e.local(effect.Stream)
	e.weigh(l)
	rec.Appends(func(from, to int, end stream.Offset) {
		l.index.Add(index.Entry{End: uint64(end), Frame: b.N, Off: uint32(info.size), Len: uint32(to - from)})
		info.bodies = append(info.bodies, span{off: bodyOff + from, len: to - from})
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
			e.gatePath(info, l.stream.Path)
		}
	case stream.KindCreate, stream.KindDelete, stream.KindExpire:
		e.gatePath(info, l.stream.Path)
	}
	for _, removed := range effect.Removed {
		e.forget(info, removed)
	}
	return info, stream.None
}

func codeOf(err error) stream.Code {
	switch {
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

// gatePath makes whoever asks for path wait for the batch.
func (e *Engine) gatePath(info *batchInfo, path string) {
	e.gates[path] = info.batch.N
	info.paths = append(info.paths, path)
}

// local returns the engine's part of a stream, which it makes for a new one.
func (e *Engine) local(s *stream.Stream) *local {
	if s.Local != nil {
		return localOf(s)
	}
	l := &local{stream: s}
	s.Local = l
	e.schedule(l)
	return l
}

// weigh counts what may have changed about the memory that a stream takes.
func (e *Engine) weigh(l *local) {
	text, producers := int32(l.stream.TextBytes()), int32(l.stream.Producers())
	e.text += int(text - l.text)
	e.producers += int(producers - l.producers)
	l.text, l.producers = text, producers
}

// forget drops the bytes of a stream that left the table. Readers that hold
// some keep them as long as they hold them.
func (e *Engine) forget(info *batchInfo, s *stream.Stream) {
	l := localOf(s)
	for _, entry := range l.index.All() {
		e.appends--
		if !e.frames.drop(entry) {
			e.inflight[entry.Frame-e.durable-1].dead += int(entry.Len)
		}
	}
	e.producers -= int(l.producers)
	e.text -= int(l.text)
	l.index = index.Index{}
	e.unschedule(l)
	if l.last != info.batch.N {
		l.last = info.batch.N
		info.touched = append(info.touched, l)
	}
	e.gatePath(info, s.Path)
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
	if live := info.size - info.dead; live > 0 {
		e.frames.add(b.N, data, live)
	}
	e.durable = b.N
	e.inflight = slices.Delete(e.inflight, 0, 1)
	e.stagedOps -= info.ops
	for _, path := range info.paths {
		if e.gates[path] == b.N {
			delete(e.gates, path)
		}
	}
	wake := e.collectWatchers(info.touched)
	info.reset()
	e.unused = info
	e.mu.Unlock()
	e.wake(wake)
}
