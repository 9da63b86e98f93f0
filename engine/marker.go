package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	iofs "io/fs"
	"path"

	"tailrace/internal/frame"
	"tailrace/internal/vfs"
)

// marker is the file BACKUP: it makes a directory with a store a backup, and
// tells what has to be in it. 68 bytes, little-endian:
//
//	offset  size  field     notes
//	0       8     magic     "TAILBAK\n"
//	8       4     version   1
//	12      4     reserved  zero; readers reject anything else
//	16      16    store     identity of the store, as in STORE
//	32      8     batch     the newest batch that is in the backup
//	40      8     at        engine time of that batch, unix milliseconds
//	48      8     files     number of files, without this one
//	56      8     bytes     in all of them
//	64      4     crc       CRC-32C of the bytes before it
//
// That the files are the right ones is for their own checksums to say.
type marker struct {
	Store [16]byte
	Batch uint64
	At    int64
	Files uint64
	Bytes int64
}

const (
	markerMagic   = "TAILBAK\n"
	markerVersion = 1
	markerBytes   = 68
)

func (m marker) encode() []byte {
	p := make([]byte, markerBytes)
	le := binary.LittleEndian
	copy(p, markerMagic)
	le.PutUint32(p[8:], markerVersion)
	copy(p[16:], m.Store[:])
	le.PutUint64(p[32:], m.Batch)
	le.PutUint64(p[40:], uint64(m.At))
	le.PutUint64(p[48:], m.Files)
	le.PutUint64(p[56:], uint64(m.Bytes))
	le.PutUint32(p[64:], frame.Checksum(p[:64]))
	return p
}

// parseMarker decodes a whole file BACKUP. Bytes that are none are a
// *frame.CorruptError.
func parseMarker(p []byte) (marker, error) {
	corrupt := func(at int64, format string, args ...any) (marker, error) {
		return marker{}, &frame.CorruptError{Offset: at, Reason: fmt.Sprintf(format, args...)}
	}
	le := binary.LittleEndian
	switch {
	case len(p) < 12 || string(p[:8]) != markerMagic:
		return corrupt(0, "this marks no backup: bad magic")
	case le.Uint32(p[8:]) != markerVersion:
		return corrupt(8, "format version %d, this program reads version %d", le.Uint32(p[8:]), markerVersion)
	case len(p) != markerBytes:
		return corrupt(int64(min(len(p), markerBytes)), "the file has the wrong length")
	case frame.Checksum(p[:64]) != le.Uint32(p[64:]):
		return corrupt(0, "the file does not match its checksum")
	case le.Uint32(p[12:]) != 0:
		return corrupt(12, "reserved bytes are not zero")
	}
	return marker{
		Store: [16]byte(p[16:32]), Batch: le.Uint64(p[32:]), At: int64(le.Uint64(p[40:])),
		Files: le.Uint64(p[48:]), Bytes: int64(le.Uint64(p[56:])),
	}, nil
}

// finish makes a directory whose files are durable a backup.
func (m marker) finish(fs vfs.FS, dir string) error {
	if err := writeSmall(fs, path.Join(dir, backupName), m.encode()); err != nil {
		return err
	}
	return unmark(fs, dir, unfinishedName)
}

// unmark removes what says that a directory is not finished.
func unmark(fs vfs.FS, dir, mark string) error {
	err := fs.Remove(path.Join(dir, mark))
	if err == nil {
		err = fs.SyncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("engine: remove %s: %w", path.Join(dir, mark), err)
	}
	return nil
}

// readMarker reads the marker of a backup and compares it with what is there.
func readMarker(fs vfs.FS, dir string) (marker, []backupFile, error) {
	name := path.Join(dir, backupName)
	b, err := readSmall(fs, name, markerBytes)
	if err != nil {
		return marker{}, nil, err
	}
	m, err := parseMarker(b)
	if err != nil {
		return marker{}, nil, inFile(name, err)
	}
	files, err := storeFiles(fs, dir)
	if err != nil {
		return marker{}, nil, err
	}
	store, err := readStore(fs, dir)
	if err != nil {
		return marker{}, nil, err
	}
	corrupt := func(at int64, format string, args ...any) (marker, []backupFile, error) {
		return marker{}, nil, &frame.CorruptError{Path: name, Offset: at, Reason: fmt.Sprintf(format, args...)}
	}
	switch {
	case store.ID != m.Store:
		return corrupt(16, "backup of store %x, and the files are of %x", m.Store, store.ID)
	case m.Files != uint64(len(files)):
		return corrupt(48, "the backup has %d files, and %d are there", m.Files, len(files))
	case m.Bytes != bytesOf(files):
		return corrupt(56, "the backup has %d bytes, and %d are there", m.Bytes, bytesOf(files))
	}
	return m, files, nil
}

// checkMarker is readMarker of a directory that need not be a backup.
func checkMarker(fs vfs.FS, dir string) error {
	file, err := fs.Open(path.Join(dir, backupName))
	if errors.Is(err, iofs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	file.Close() // it was only looked for
	_, _, err = readMarker(fs, dir)
	return err
}
