package wal

import "time"

// Batch is what one commit makes durable: the records that were staged while
// the commit before it ran. It becomes one frame.
type Batch struct {
	N uint64 // number of the batch, consecutive from GroupOptions.FirstBatch

	opened  time.Time // when its first record was staged; zero in a Manual group
	payload []byte    // under Group.mu until it is committed
	records int
	done    chan struct{}
	err     error // set before done is closed
	place   Place // set before Committed
}

// Done is closed when the batch is durable or failed; Err tells which.
func (b *Batch) Done() <-chan struct{} { return b.done }

// Err is nil when the batch is durable. It is meaningful once Done is closed.
func (b *Batch) Err() error { return b.err }

// Payload is the encoded records. It is complete when Committed is called and
// is used for another batch once Committed returned.
func (b *Batch) Payload() []byte { return b.payload }

// Records is the number of records. It is complete when Committed is called.
func (b *Batch) Records() int { return b.records }

// Pos is where the frame of the batch begins, from the call of Committed on.
func (b *Batch) Pos() Pos { return b.place.Pos }

// Seq is the sequence of the frame of the batch, from the call of Committed on.
func (b *Batch) Seq() uint64 { return b.place.Seq }

// finish tells everybody how it ended.
func (b *Batch) finish(err error) {
	b.err = err
	close(b.done)
}

// buffers keeps the memory of finished batches for the next ones. One is being
// filled, one written, and one lies in between.
type buffers struct{ free [][]byte }

const buffersKept = 3

func (p *buffers) take() []byte {
	n := len(p.free)
	if n == 0 {
		return make([]byte, 0, pageBytes)
	}
	b := p.free[n-1]
	p.free = p.free[:n-1]
	return b[:0]
}

func (p *buffers) give(b []byte) {
	if cap(b) <= bufferKeepBytes && len(p.free) < buffersKept {
		p.free = append(p.free, b)
	}
}
