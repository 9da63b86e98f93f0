package remote

import (
	"errors"

	"tailrace/internal/frame"
)

var (
	// ErrNotCached is the answer to a reader that asked for what is cached
	// only, when some of it is not.
	ErrNotCached = errors.New("remote: not cached")

	// ErrBusy means that as many reads are waiting for the source as may.
	ErrBusy = errors.New("remote: too many reads are waiting")

	// ErrClosed means that the cache was closed.
	ErrClosed = errors.New("remote: closed")
)

func corrupt(at int64, reason string) error {
	return &frame.CorruptError{Offset: at, Reason: reason}
}
