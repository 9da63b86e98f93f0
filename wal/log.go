package wal

import (
	"errors"
	"fmt"

	"tailrace/internal/vfs"
)

// ErrNoSpace means that the medium is full. It is the error of the file seam,
// so it matches in every layer.
var ErrNoSpace = vfs.ErrNoSpace

var (
	// ErrFailed means that the log failed, now or earlier. Errors that match it
	// wrap the first failure. It is final: whether the frame in flight is durable
	// is unknown, and only opening the store again can tell.
	ErrFailed = errors.New("wal: log failed")

	// ErrFenced means that somebody else took the log over. It comes wrapped in
	// ErrFailed.
	ErrFenced = errors.New("wal: fenced by a newer owner")

	// ErrClosed means that the log was closed by its owner.
	ErrClosed = errors.New("wal: log closed")

	// ErrFrameTooLarge means that a payload is larger than FrameBytesMax. Nothing
	// was written and the log goes on.
	ErrFrameTooLarge = errors.New("wal: frame too large")

	// ErrMalformed means that a payload is not the records it claims to be.
	// Nothing was written and the log goes on: such a frame would make the
	// store refuse to open.
	ErrMalformed = errors.New("wal: malformed payload")
)

// Log is a durable sequence of frames with one owner. Append and Witness are
// called by one goroutine at a time; the other methods by any.
type Log interface {
	// Append adds a frame and returns its place when it is durable. Errors
	// other than ErrFrameTooLarge and ErrMalformed are final and match ErrFailed
	// or ErrClosed: the frame may or may not be there after the next open.
	Append(f Frame) (Place, error)

	// Witness makes the newest frame provable: it writes an empty frame, unless
	// nothing was appended since the last witness. Errors are as for Append.
	Witness() error

	// Room is a number of bytes, in units of FrameSize, that appends are certain
	// to find room for without another allocation, however they are divided
	// into frames. It includes the reserve. A log that was opened on a full disk
	// has nothing else before Allocate succeeded.
	Room() int64

	// Reserve is the part of Room, in bytes, that callers leave to records which
	// set space free.
	Reserve() int64

	// Allocate makes the next file ready ahead of need, and returns nil when it
	// is. An error that matches ErrNoSpace leaves the log healthy and nothing
	// behind on the medium; any other is final.
	Allocate() error

	// Spare tells whether the next file is ready.
	Spare() bool

	// Trim gives up the frames in files before upTo.File, whose content the caller
	// has made durable elsewhere; the file that takes frames stays. The space is
	// given back, or used for later files. Opening the log needs from then on an
	// Options.Prepare that returns a place in what is left, or the one before it.
	// An error that matches ErrNoSpace changed nothing and leaves the log healthy;
	// any other is final.
	Trim(upTo Pos) error

	// FrameBytesMax is the largest payload of one frame in bytes. A frame of that
	// size fits beside the reserve whenever a spare is ready.
	FrameBytesMax() int

	// Epoch is the log epoch of this owner: higher than that of every earlier one.
	Epoch() uint64

	// Close seals the log and gives it up. It also ends an Allocate in progress.
	Close() error
}

// Frame is what one append makes durable, all of it or nothing.
type Frame struct {
	Payload []byte // records, see AppendRecord; not kept after Append returned
	Records int    // number of records in Payload, at least 1
	At      int64  // unix milliseconds, handed back by replay
}

// Replayed is a frame on its way back from the log.
type Replayed struct {
	Pos     Pos
	Seq     uint64 // sequence of the frame; witnesses and seals take numbers too
	At      int64  // as appended
	Payload []byte // valid only during the call
	Records int
}

// failure is the state of a log that is over.
func failure(first error) error { return fmt.Errorf("%w: %w", ErrFailed, first) }
