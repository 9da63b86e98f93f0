package remote

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"tailrace/internal/vfs"
)

const cellsName = "cells"

// disk is the file of cells. All calls may be made at a time: a slot that is
// written or erased is pinned by who does it, and has no readers, since it was
// out of the map before.
type disk struct {
	Header
	file vfs.File
	seed uint32
}

// openDisk opens the file of cells, or makes it, and gives what is in it.
// Whatever was there before, it is taken over or emptied.
func openDisk(fsys vfs.FS, dir string, want Header) (d *disk, t Table, why error, err error) {
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, Table{}, nil, fmt.Errorf("remote: %w", err)
	}
	name := path.Join(dir, cellsName)
	file, err := fsys.OpenWrite(name)
	if errors.Is(err, fs.ErrNotExist) {
		why = fs.ErrNotExist
		file, err = fsys.Create(name)
	}
	if err != nil {
		return nil, Table{}, nil, fmt.Errorf("remote: %w", err)
	}
	d = &disk{Header: want, file: file, seed: want.seed()}
	if why == nil {
		t, why = d.load()
	}
	if why != nil {
		t = Table{Header: want}
		if err := d.empty(); err != nil {
			_ = file.Close() // the first error says more
			return nil, Table{}, nil, fmt.Errorf("remote: empty %s: %w", name, err)
		}
	}
	return d, t, why, nil
}

var errOther = errors.New("it is of another store or of another size")

// load reads the table in one go. The error says why there is nothing to take.
func (d *disk) load() (Table, error) {
	b := make([]byte, d.tableEnd())
	n, err := d.file.ReadAt(b, 0)
	if n < headerBytes && err != nil {
		return Table{}, err
	}
	t, err := DecodeTable(b[:n])
	if t.Header != d.Header {
		// Another header may also be why the table seems to be cut short.
		if err == nil {
			err = errOther
		}
		return Table{}, err
	}
	return t, err
}

// empty makes the file what it is without cells. The space is not reserved: it
// is taken as cells come.
func (d *disk) empty() error {
	if err := d.file.Truncate(0); err != nil {
		return err
	}
	if err := d.file.Truncate(d.data(d.Slots)); err != nil {
		return err
	}
	_, err := d.file.WriteAt(d.Append(nil), 0)
	return err
}

func (d *disk) entryAt(number uint32) int64 { return pageBytes + int64(number)*entryBytes }

// write puts a cell into an empty slot that the caller has pinned.
func (d *disk) write(number uint32, e Entry, data []byte) error {
	if _, err := d.file.WriteAt(data, d.data(number)); err != nil {
		return err
	}
	_, err := d.file.WriteAt(e.append(nil, d.seed, number), d.entryAt(number))
	return err
}

// erase makes the entry of an empty slot, which the caller has pinned, say so.
func (d *disk) erase(number uint32) error {
	_, err := d.file.WriteAt(make([]byte, entryBytes), d.entryAt(number))
	return err
}

var errCellDamaged = errors.New("cell does not match its checksum")

// read fills b, which is as long as the cell, and verifies it.
func (d *disk) read(number uint32, e Entry, b []byte) error {
	n, err := d.file.ReadAt(b, d.data(number))
	switch {
	case n < len(b) && !errors.Is(err, io.EOF):
		return err
	case n < len(b) || e.sum(d.seed, b) != e.CRC:
		return errCellDamaged
	}
	return nil
}
