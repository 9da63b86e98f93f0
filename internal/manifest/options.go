package manifest

import (
	"errors"
	"fmt"
	"log/slog"
)

// Options of Open. Zero values mean the default.
type Options struct {
	// LimitBytes is the length at which the next manifest file is begun: at least
	// 16 KiB, by default 8 MiB. A file whose snapshot takes more than half of it
	// grows to twice its snapshot, and on a full disk a file grows on.
	LimitBytes int64

	// ChunkBytes is how much space is reserved at a time: a multiple of 4096, by
	// default 64 KiB.
	ChunkBytes int64

	// ReserveBytes is room that acts leave when they begin, but for evictions: for
	// edits about a bucket, which is how a full disk gets room. Default none.
	ReserveBytes int64

	Logger *slog.Logger // default: none
}

func (o Options) withDefaults() Options {
	if o.LimitBytes == 0 {
		o.LimitBytes = limitDefault
	}
	if o.ChunkBytes == 0 {
		o.ChunkBytes = chunkDefault
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	if o.LimitBytes < limitMin || o.LimitBytes > fileBytesMax/4 {
		errs = append(errs, fmt.Errorf("manifest: limit of %d bytes: want %d to %d", o.LimitBytes, limitMin, fileBytesMax/4))
	}
	if o.ChunkBytes < chunkMin || o.ChunkBytes%pageBytes != 0 || o.ChunkBytes > fileBytesMax/4 {
		errs = append(errs, fmt.Errorf("manifest: chunk of %d bytes: want a multiple of %d up to %d", o.ChunkBytes, pageBytes, fileBytesMax/4))
	}
	if o.ReserveBytes < 0 || o.ReserveBytes > fileBytesMax/4 {
		errs = append(errs, fmt.Errorf("manifest: reserve of %d bytes: want up to %d", o.ReserveBytes, fileBytesMax/4))
	}
	return errors.Join(errs...)
}
