package manifest

import (
	"errors"
	"fmt"
	iofs "io/fs"

	"tailrace/internal/vfs"
)

// sparePage stays free behind all frames, for the one that vouches for a new
// length.
const sparePage = pageBytes

// room makes sure that need bytes of frames find reserved space in the current
// file, and keep bytes more after them. Errors are those of roll.
func (m *Manifest) room(need, keep int64) error {
	if m.file == nil || m.pos+need > max(m.o.LimitBytes, 2*m.base) {
		err := m.roll(need + keep)
		soft := noSpace(err) || errors.Is(err, ErrTooLarge)
		if err == nil || !soft || m.file == nil {
			return err
		}
		// The disk has no room for a second file: this one goes on.
		if m.pos+need+keep > fileBytesMax/2 {
			return err
		}
	}
	end := m.pos + need + keep + sparePage
	if end <= m.size {
		return nil
	}
	end += sparePage // grow uses one up
	err := m.grow(m.roundUp(end))
	if noSpace(err) {
		err = m.grow(end)
	}
	return err
}

// grow reserves space and makes the new length durable. Then a confirm in the
// old part vouches for it, before the new part is used: a file that loses its
// new part is found to be too short by what is left.
func (m *Manifest) grow(size int64) error {
	path := m.paths.file(m.number)
	if err := m.file.Allocate(size); err != nil {
		return m.failUnlessFull(fmt.Errorf("allocate %s: %w", path, err))
	}
	// Frames were synced before: a disk too full for the length hurts none.
	if err := m.file.Sync(); err != nil {
		return m.failUnlessFull(fmt.Errorf("sync %s: %w", path, err))
	}
	m.size = size
	return m.write(FrameHeader{Kind: FrameConfirm}, nil)
}

func (m *Manifest) failUnlessFull(err error) error {
	if noSpace(err) {
		return fmt.Errorf("manifest: %w", err)
	}
	return m.fail(err)
}

func (m *Manifest) roundUp(n int64) int64 {
	return (n + m.o.ChunkBytes - 1) / m.o.ChunkBytes * m.o.ChunkBytes
}

// undo takes back the beginning of a switch that met err. If that is a full
// disk and all of it is gone again, nothing happened.
func (m *Manifest) undo(file vfs.File, n uint64, err error) error {
	if file != nil {
		file.Close()
	}
	if !noSpace(err) {
		return m.fail(err)
	}
	for _, path := range []string{m.paths.currentTmp(), m.paths.file(n)} {
		if rerr := m.fs.Remove(path); rerr != nil && !errors.Is(rerr, iofs.ErrNotExist) {
			return m.fail(fmt.Errorf("remove %s: %w", path, rerr))
		}
	}
	return fmt.Errorf("manifest: %w", err)
}
