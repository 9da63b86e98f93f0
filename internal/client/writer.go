package client

import (
	"context"
	"errors"
	"net/http"
	"sync"
)

// WriterOptions configures a writer.
type WriterOptions struct {
	ContentType string   // that of the stream
	Producer    Producer // whose sequence the appends are, from Seq on

	// InFlight is how many appends may be under way; default 4. Each takes a
	// connection, and keeps its bytes in memory until it is acknowledged.
	InFlight int

	// Acknowledged is called after each append that the server has, in their
	// order, by one goroutine at a time; default nothing.
	Acknowledged func(Progress)
}

// Progress is how much the server has on its disk, without a gap.
type Progress struct {
	Appends int64
	Records int64 // as the caller counted them
	Bytes   int64 // of bodies
	Next    string
	Seq     uint64 // the sequence of the next append
}

// Writer appends one body after the other, as a producer, with several under way.
// Since the server takes the appends of a producer only in their order, what is
// acknowledged at any time is a prefix of what was appended. The methods are for
// one goroutine.
type Writer struct {
	client *Client
	name   string
	opts   WriterOptions
	ctx    context.Context
	cancel context.CancelCauseFunc

	slots chan struct{}
	free  chan []byte
	last  *sending
	seq   uint64
	tasks sync.WaitGroup

	mu   sync.Mutex
	done Progress
}

// sending is an append under way.
type sending struct {
	seq     uint64
	body    []byte
	records int64
	prev    *sending // nil once it is acknowledged, and of the first

	sent  chan struct{} // closed when it was written to a connection once
	acked chan struct{} // closed when it and all before it are acknowledged
	once  sync.Once
}

// NewWriter begins to write to a stream. When ctx ends, so does what is under
// way, and its outcome is unknown.
func (c *Client) NewWriter(ctx context.Context, name string, o WriterOptions) *Writer {
	if o.InFlight <= 0 {
		o.InFlight = 4
	}
	w := &Writer{client: c, name: name, opts: o, seq: o.Producer.Seq}
	w.slots, w.free = make(chan struct{}, o.InFlight), make(chan []byte, o.InFlight)
	w.done.Seq = o.Producer.Seq
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	return w
}

// Buffer returns memory for the next body, empty, once an append may be sent. The
// error is why the writer has ended.
func (w *Writer) Buffer(ctx context.Context) ([]byte, error) {
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-w.ctx.Done():
	}
	if w.ctx.Err() != nil {
		return nil, context.Cause(w.ctx)
	}
	select {
	case b := <-w.free:
		return b[:0], nil
	default:
		return nil, nil
	}
}

// Append sends a body, which is the writer's from then on, after a Buffer. It
// does not wait. records is what the caller counts it as.
func (w *Writer) Append(body []byte, records int64) {
	s := &sending{seq: w.seq, body: body, records: records, prev: w.last, sent: make(chan struct{}), acked: make(chan struct{})}
	w.last = s
	w.seq++
	w.tasks.Go(func() { w.send(s) })
}

// Wait waits until all that was appended is acknowledged, or nothing more will
// be, and ends the writer.
func (w *Writer) Wait() (Progress, error) {
	w.tasks.Wait()
	err := context.Cause(w.ctx)
	w.cancel(nil)
	return w.Progress(), err
}

// Ended is closed when nothing more will be appended: something failed, or Wait is
// over.
func (w *Writer) Ended() <-chan struct{} { return w.ctx.Done() }

// Abort ends what is under way. Its outcome is unknown then.
func (w *Writer) Abort() { w.cancel(context.Canceled) }

// Progress is how much is acknowledged now.
func (w *Writer) Progress() Progress {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done
}

func (w *Writer) send(s *sending) {
	defer func() { <-w.slots }()
	defer s.written() // so that the one after it does not wait for nothing
	if s.prev != nil {
		// Appends that are sent at the same time overtake each other, and would be
		// sent for nothing. One that is on its way hardly ever is overtaken.
		if !w.await(s.prev.sent) {
			return
		}
	}
	p := w.opts.Producer
	p.Seq = s.seq
	a := AppendRequest{ContentType: w.opts.ContentType, Body: s.body, Producer: &p}
	r := a.request(w.name)
	r.written = s.written
	appended, err := w.deliver(r, s)
	// What came before is let finish in any case.
	if s.prev != nil {
		if !w.await(s.prev.acked) {
			return
		}
		s.prev = nil
	}
	if err != nil {
		w.cancel(err)
		return
	}
	w.acknowledge(s, appended)
	if r.open.Load() > 0 {
		return // somebody may still read it
	}
	select {
	case w.free <- s.body:
	default:
	}
}

// deliver sends an append until the server has it.
func (w *Writer) deliver(r *request, s *sending) (Appended, error) {
	for {
		waited := s.prev == nil || closed(s.prev.acked)
		answer, _, err := w.client.do(w.ctx, r)
		if err == nil {
			defer discard(answer)
			return appendedOf(answer), nil
		}
		// It came before the one that it follows. When that is there, and the server
		// does not know of it, the producer is not ours alone, or the stream is another.
		if waited || !isAhead(err, s.seq) {
			return Appended{}, err
		}
		if !w.await(s.prev.acked) {
			return Appended{}, context.Cause(w.ctx)
		}
	}
}

func (w *Writer) await(event <-chan struct{}) bool {
	select {
	case <-event:
		return true
	case <-w.ctx.Done():
		return false
	}
}

func closed(event <-chan struct{}) bool {
	select {
	case <-event:
		return true
	default:
		return false
	}
}

func (s *sending) written() { s.once.Do(func() { close(s.sent) }) }

// acknowledge is called in the order of the appends.
func (w *Writer) acknowledge(s *sending, a Appended) {
	w.mu.Lock()
	w.done.Appends++
	w.done.Records += s.records
	w.done.Bytes += int64(len(s.body))
	w.done.Next, w.done.Seq = a.Next, s.seq+1
	done := w.done
	w.mu.Unlock()
	if w.opts.Acknowledged != nil {
		w.opts.Acknowledged(done)
	}
	close(s.acked)
}

// ProducerConflict reports whether an error means that somebody else appends with
// the same producer id, or did.
func ProducerConflict(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Code == "stale_epoch" || e.Status == http.StatusConflict && e.Header.Get("Producer-Expected-Seq") != ""
}
