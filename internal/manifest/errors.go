package manifest

import (
	"errors"
	"fmt"

	"tailrace/internal/frame"
	"tailrace/internal/vfs"
)

// ErrNoSpace means that the medium is full. It is the error of the file seam,
// so it matches in every layer.
var ErrNoSpace = vfs.ErrNoSpace

var (
	// ErrFailed means that the manifest failed, now or earlier. Errors that match
	// it wrap the first failure, which may be a full disk met too late. It is
	// final: whether the edits in flight are durable is unknown, and only loading
	// again can tell.
	ErrFailed = errors.New("manifest: failed")

	// ErrClosed means that the manifest was closed by its owner.
	ErrClosed = errors.New("manifest: closed")

	// ErrRefused means that an edit does not follow from the state. Nothing was
	// written and the manifest goes on.
	ErrRefused = errors.New("manifest: edit refused")

	// ErrTooLarge means that a group of edits, or the state, is larger than a
	// frame can be. Nothing was written and the manifest goes on.
	ErrTooLarge = errors.New("manifest: too large for a frame")
)

// VersionError means that a file has a format version that this program cannot
// read.
type VersionError struct {
	Path        string // empty when a decoder saw bytes only
	Found, Want uint32
}

func (e *VersionError) Error() string {
	path := e.Path
	if path == "" {
		path = "manifest"
	}
	return fmt.Sprintf("manifest: %s has format version %d, this program reads version %d", path, e.Found, e.Want)
}

// refused says why an edit does not follow.
func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

func corrupt(at int64, reason string, err error) error {
	return &frame.CorruptError{Offset: at, Reason: reason, Err: err}
}

// inFile puts the name of the file into an error of a decoder.
func inFile(path string, err error) error {
	var ce *frame.CorruptError
	var ve *VersionError
	switch {
	case errors.As(err, &ce) && ce.Path == "":
		ce.Path = path
	case errors.As(err, &ve) && ve.Path == "":
		ve.Path = path
	}
	return err
}
