package wal

import (
	"encoding/binary"

	"tailrace/internal/frame"
	"tailrace/internal/vfs"
)

const storeMagic = "TAILSTO\n"

// Store is the content of the STORE file.
type Store struct {
	ID      UUID
	Created int64  // unix milliseconds
	First   uint64 // number of the first log file
	Newest  uint64 // no file up to this one may be missing; 0 = none was in service
}

// Append adds the encoded store file to b.
func (s Store) Append(b []byte) []byte {
	begin := len(b)
	b = append(b, make([]byte, storeBytes)...)
	p := b[begin:]
	le := binary.LittleEndian
	copy(p, storeMagic)
	le.PutUint32(p[8:], formatVersion)
	le.PutUint32(p[12:], 1)
	copy(p[16:], s.ID[:])
	le.PutUint64(p[32:], uint64(s.Created))
	le.PutUint64(p[40:], s.First)
	le.PutUint64(p[48:], s.Newest)
	le.PutUint32(p[60:], frame.Checksum(p[:60]))
	return b
}

// ParseStore decodes a whole STORE file. Its errors are *VersionError and
// *frame.CorruptError.
func ParseStore(p []byte) (Store, error) {
	corrupt := func(at int64, reason string) (Store, error) {
		return Store{}, &frame.CorruptError{Offset: at, Reason: reason}
	}
	le := binary.LittleEndian
	if len(p) < 12 {
		return corrupt(int64(len(p)), "store file is cut short")
	}
	if string(p[:8]) != storeMagic {
		return corrupt(0, "not a store file: bad magic")
	}
	if v := le.Uint32(p[8:]); v != formatVersion {
		return Store{}, &VersionError{Found: v, Want: formatVersion}
	}
	if len(p) != storeBytes {
		return corrupt(int64(min(len(p), storeBytes)), "store file has the wrong length")
	}
	if frame.Checksum(p[:60]) != le.Uint32(p[60:]) {
		return corrupt(0, "store file does not match its checksum")
	}
	s := Store{
		ID:      UUID(p[16:32]),
		Created: int64(le.Uint64(p[32:])),
		First:   le.Uint64(p[40:]),
		Newest:  le.Uint64(p[48:]),
	}
	switch {
	case le.Uint32(p[12:]) != 1:
		return corrupt(12, "store does not have one shard")
	case le.Uint32(p[56:]) != 0:
		return corrupt(56, "reserved bytes are not zero")
	case s.First == 0 || s.Newest != 0 && s.Newest < s.First:
		return corrupt(40, "first and newest file contradict each other")
	}
	return s, nil
}

// makeStore writes a coming STORE file, synced, under a temporary name. The file
// stays open: its owner asks it whether it was replaced. On an error the file
// is returned too if it was made, and is the caller's to discard.
func makeStore(fs vfs.FS, tmp string, s Store) (vfs.File, error) {
	file, err := fs.Create(tmp)
	if err != nil {
		return nil, err
	}
	return file, writeStore(file, s)
}

// writeStore gives a STORE file that has a temporary name its content. To one
// that was made before, it needs no space.
func writeStore(file vfs.File, s Store) error {
	if _, err := file.WriteAt(s.Append(nil), 0); err != nil {
		return err
	}
	return file.Sync()
}

// commitStore puts the STORE file at tmp in place of the current one.
func commitStore(fs vfs.FS, p paths, tmp string) error {
	if err := fs.Rename(tmp, p.store()); err != nil {
		return err
	}
	return fs.SyncDir(p.dir)
}
