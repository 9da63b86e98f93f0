package engine

import (
	"errors"
	"io/fs"
	"path"

	"tailrace/internal/manifest"
)

// A disk can be so full that there is no room to move to the bucket what fills it.
// Two reserves are for that: room in the manifest for what has to be said, and a
// file for the ends of segments. Growing them takes from what the disk has for
// data.
const (
	manifestReserve = 256 << 10 // sends and evicts some segments, which makes room for more
	reserveBytes    = 256 << 10 // the ends of a few segments

	// reserveName is the file, relative to cacheDir.
	reserveName = "RESERVE"
)

func (e *Engine) reservePath() string { return path.Join(e.opts.Dir, cacheDir, reserveName) }

// keepReserve holds the space again, if there is some. A disk that has none has
// nothing to hold.
func (e *Engine) keepReserve() {
	name := e.reservePath()
	file, err := e.opts.FS.Create(name)
	if errors.Is(err, fs.ErrExist) {
		return
	}
	if err == nil {
		if err = file.Allocate(reserveBytes); err == nil {
			err = file.Sync()
		}
		file.Close() // nothing is in it
		if err != nil {
			e.opts.FS.Remove(name)
		}
	}
	e.reserved.Store(err == nil)
}

// withReserve does something that gets room on the disk at once. If the disk is too
// full for it, it is done again with the reserve.
func (e *Engine) withReserve(do func() error) error {
	err := do()
	if !errors.Is(err, manifest.ErrNoSpace) || errors.Is(err, manifest.ErrFailed) {
		return err
	}
	if rerr := e.opts.FS.Remove(e.reservePath()); rerr != nil {
		return err
	}
	e.reserved.Store(false)
	e.opts.Logger.Warn("the disk is full: the space that was kept is used to move segments off it")
	return do()
}
