package remote

import (
	"context"
	"errors"
	"log/slog"

	"tailrace/internal/vfs"
)

// Source reads ranges of remote files. It fills p exactly or fails, and returns
// soon when ctx ends. Its errors reach the readers wrapped.
type Source interface {
	ReadAt(ctx context.Context, id uint64, p []byte, off int64) error
}

// Options of a cache.
type Options struct {
	FS  vfs.FS // default the system's
	Dir string // of the file of cells; it is made if missing

	// Store is whose files these are. What another store left is dropped.
	Store [16]byte

	// Bytes is the budget on the disk. Without one, or with one that has no room
	// for a cell, every read goes to the source.
	Bytes int64

	// CellBytes is rounded down to whole pages of 4 KiB, and is at least one.
	// The default is 256 KiB, or a sixteenth of Bytes if that is less.
	CellBytes int64

	// FetchesMax requests are under way at a time. Each takes memory for its
	// bytes, which are at most AheadMax, or 2 MiB if that is more. The default
	// is 16.
	FetchesMax int

	// WaitersMax reads may wait beside those that FetchesMax is for; more get
	// ErrBusy. The default is 1024.
	WaitersMax int

	// AheadMax is the longest window that is read ahead. What goes into the
	// cache is never more than a quarter of Bytes ahead. The default is 8 MiB.
	AheadMax int64

	Source Source
	Logger *slog.Logger // default none
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.OS
	}
	if o.CellBytes == 0 {
		o.CellBytes = min(cellBytesDefault, o.Bytes/slotsMin)
	}
	o.CellBytes = min(max(o.CellBytes/pageBytes*pageBytes, pageBytes), cellBytesMax)
	if o.FetchesMax == 0 {
		o.FetchesMax = fetchesMaxDefault
	}
	if o.WaitersMax == 0 {
		o.WaitersMax = waitersMaxDefault
	}
	if o.AheadMax == 0 {
		o.AheadMax = aheadMaxDefault
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) validate() error {
	var problems []error
	if o.Source == nil {
		problems = append(problems, errors.New("no source"))
	}
	for _, n := range []struct {
		name  string
		value int64
	}{
		{"Bytes", o.Bytes}, {"CellBytes", o.CellBytes}, {"AheadMax", o.AheadMax},
		{"FetchesMax", int64(o.FetchesMax)}, {"WaitersMax", int64(o.WaitersMax)},
	} {
		if n.value < 0 {
			problems = append(problems, errors.New(n.name+" is negative"))
		}
	}
	return errors.Join(problems...)
}
