package wal

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"strings"

	"tailrace/internal/frame"
	"tailrace/internal/vfs"
)

// survey is what the names in a store's directory say, before any log file was
// read.
type survey struct {
	store   Store
	found   bool     // STORE is there; false: nothing was ever stored here
	hasWAL  bool     // the directory of log files is there
	numbers []uint64 // of the log files, consecutive, from store.First
	stale   []string // paths of temporary files and of log files given up
}

// look reads STORE and the names. It refuses a store whose parts do not belong
// together; it changes nothing.
func look(fs vfs.FS, p paths) (survey, error) {
	var s survey
	missing := func(path, reason string) (survey, error) {
		return survey{}, &frame.CorruptError{Path: path, Reason: reason}
	}
	b, err := readSmall(fs, p.store(), storeBytes)
	switch {
	case err == nil:
		if s.store, err = ParseStore(b); err != nil {
			return survey{}, inFile(p.store(), 0, err)
		}
		s.found = true
	case !errors.Is(err, iofs.ErrNotExist):
		return survey{}, err
	}
	if err := s.list(fs, p); err != nil {
		return survey{}, err
	}
	switch {
	case !s.found && len(s.numbers) > 0:
		return missing(p.store(), "missing, and the log has files: "+fileName(s.numbers[0]))
	case !s.found:
		return s, nil
	case !s.hasWAL:
		// The classic: the log's own mount is not there, and an empty log is begun.
		return missing(p.wal(), "the directory of the log is missing")
	}
	want := s.store.First
	for len(s.numbers) > 0 && s.numbers[0] < want {
		// Given up before its name was gone from the medium.
		s.stale = append(s.stale, p.file(s.numbers[0]))
		s.numbers = s.numbers[1:]
	}
	for _, n := range s.numbers {
		if n > want {
			return missing(p.file(want), "log file is missing, and later ones are there")
		}
		want++
	}
	if want <= s.store.Newest {
		return missing(p.file(want), fmt.Sprintf("log file is missing: the log went up to file %d", s.store.Newest))
	}
	return s, nil
}

// list sorts the names of both directories.
func (s *survey) list(fs vfs.FS, p paths) error {
	top, err := fs.ReadDir(p.dir)
	if err != nil {
		return fmt.Errorf("wal: list %s: %w", p.dir, err)
	}
	for _, name := range top {
		switch name {
		case walDir:
			s.hasWAL = true
		case storeTmpName, trimName:
			s.stale = append(s.stale, p.dir+"/"+name)
		}
	}
	if !s.hasWAL {
		return nil
	}
	names, err := fs.ReadDir(p.wal())
	if err != nil {
		return fmt.Errorf("wal: list %s: %w", p.wal(), err)
	}
	for _, name := range names {
		n, ok := parseFileName(name)
		switch {
		case ok:
			s.numbers = append(s.numbers, n) // sorted as the names are: they have one width
		case name == nextName || name == rewriteName:
			s.stale = append(s.stale, p.inWAL(name))
		case strings.HasSuffix(name, fileSuffix):
			// It may hold acknowledged data under a wrong name.
			return &frame.CorruptError{Path: p.inWAL(name), Reason: "not the name of a log file"}
		}
	}
	return nil
}

// readSmall reads a whole file, of which at most limit + 1 bytes matter.
func readSmall(fs vfs.FS, name string, limit int) ([]byte, error) {
	file, err := fs.Open(name)
	if err != nil {
		return nil, fmt.Errorf("wal: open %s: %w", name, err)
	}
	defer file.Close()
	return readStart(file, name, limit)
}

// readStart reads up to limit + 1 bytes of a file.
func readStart(file vfs.File, name string, limit int) ([]byte, error) {
	b := make([]byte, limit+1)
	n, err := file.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("wal: read %s: %w", name, err)
	}
	return b[:n], nil
}

// inFile completes an error of a decoder with the place of its bytes.
func inFile(path string, at int64, err error) error {
	switch e := err.(type) { // decoders return these bare
	case *frame.CorruptError:
		return &frame.CorruptError{Path: path, Offset: at + e.Offset, Reason: e.Reason, Err: e.Err}
	case *VersionError:
		return &VersionError{Path: path, Found: e.Found, Want: e.Want}
	}
	return err
}
