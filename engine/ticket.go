package engine

import (
	"tailrace/internal/stream"
	"tailrace/wal"
)

// Ticket is an operation that was decided. Its Outcome may be told only once
// the ticket is ready and Err is nil.
type Ticket struct {
	stream.Outcome

	// Retry says that nothing was decided, because a create, close, delete or
	// expiry of the path is on its way to the log: wait for the ticket, then
	// ask again.
	Retry bool

	// Cold says that nothing was decided, because that takes reading from the
	// disk: ask CreateCold, from where it is allowed to wait.
	Cold bool

	batch *wal.Batch // nil = nothing to wait for
}

// Ready reports whether everything the outcome depends on is durable, or
// never will be because the log failed.
func (t Ticket) Ready() bool {
	if t.batch == nil {
		return true
	}
	select {
	case <-t.batch.Done():
		return true
	default:
		return false
	}
}

// Done is closed when the ticket becomes ready. It is nil for a ticket that
// never had to wait.
func (t Ticket) Done() <-chan struct{} {
	if t.batch == nil {
		return nil
	}
	return t.batch.Done()
}

// Err is not nil if the log failed before the outcome was durable. Whether it
// happened is then unknown, and nothing may be said about it. It is to be
// asked after the ticket is ready.
func (t Ticket) Err() error {
	if t.batch == nil {
		return nil
	}
	return t.batch.Err()
}

// Wait blocks until the ticket is ready and returns Err.
func (t Ticket) Wait() error {
	if t.batch != nil {
		<-t.batch.Done()
	}
	return t.Err()
}

func settled(out stream.Outcome) Ticket { return Ticket{Outcome: out} }
