package manifest

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"

	"tailrace/internal/frame"
	"tailrace/internal/vfs"
)

// Loaded is a manifest that was read and verified. Nothing was changed yet.
type Loaded struct {
	// Found tells that there is a manifest. A store without one has the zero
	// state, but for NextID.
	Found bool

	// Torn is the tail that Open will cut, or nil.
	Torn *Torn

	fs       vfs.FS
	paths    paths
	store    [16]byte
	contents Contents
}

// Torn is a tail that was being written when its process ended. Nobody was told
// that it is durable, so it is cut.
type Torn struct {
	Path   string
	Offset int64  // where the frame would have begun
	Reason string // why it is no frame
}

// Load reads the manifest of the store in dir and verifies all of it. It
// changes nothing. The caller holds the lock of the store and keeps it for as
// long as what Open returns is in use.
//
// Bytes that do not verify, a file that is missing and a manifest of another
// store are a *frame.CorruptError, another format is a *VersionError. A store
// that never had a manifest is none of these: see Found.
func Load(fs vfs.FS, dir string, store [16]byte) (*Loaded, error) {
	l := &Loaded{fs: fs, paths: paths{dir}, store: store, contents: Contents{State: newState()}}
	b, err := readFile(fs, l.paths.current(), currentBytes)
	if errors.Is(err, iofs.ErrNotExist) {
		return l, l.absent()
	}
	if err != nil {
		return nil, err
	}
	cur, err := ParseCurrent(b)
	if err != nil {
		return nil, inFile(l.paths.current(), err)
	}
	if cur.Store != store {
		return nil, inFile(l.paths.current(), corrupt(16, fmt.Sprintf("CURRENT of another store, %x", cur.Store), nil))
	}
	path := l.paths.file(cur.Number)
	if err := l.read(path, cur); err != nil {
		return nil, inFile(path, err)
	}
	l.Found = true
	return l, nil
}

// State is the state that was found.
func (l *Loaded) State() State { return l.contents.State }

// Settled is Manifest.Settled of what was found.
func (l *Loaded) Settled() bool { return !l.Found || l.contents.Confirmed }

// read reads the file that CURRENT names.
func (l *Loaded) read(path string, cur Current) error {
	b, err := readFile(l.fs, path, fileBytesMax)
	if errors.Is(err, iofs.ErrNotExist) {
		return corrupt(0, "the file that CURRENT names is missing", err)
	}
	if err != nil {
		return err
	}
	h, err := ParseHeader(b)
	switch {
	case err != nil:
		return err
	case h.Store != l.store:
		return corrupt(16, fmt.Sprintf("manifest of another store, %x", h.Store), nil)
	case h.Number != cur.Number:
		return corrupt(32, fmt.Sprintf("file says that it is number %d", h.Number), nil)
	}
	c, err := Parse(b)
	switch {
	case err != nil:
		return err
	case c.FirstSeq != cur.SnapshotSeq || c.snapshotCRC != cur.SnapshotCRC:
		return corrupt(headerBytes, "snapshot is not the one that CURRENT names", nil)
	}
	l.contents = *c
	if c.Torn != "" {
		l.Torn = &Torn{Path: path, Offset: c.Pos, Reason: c.Torn}
	}
	return nil
}

// absent judges a store without CURRENT. The first manifest file is made before
// CURRENT, so it may be there, without edits. Anything more means that there
// was a CURRENT, and without it nobody knows what is live.
func (l *Loaded) absent() error {
	names, err := l.fs.ReadDir(l.paths.manifest())
	if errors.Is(err, iofs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("manifest: list %s: %w", l.paths.manifest(), err)
	}
	missing := func(name string) error {
		return &frame.CorruptError{Path: l.paths.current(), Reason: "CURRENT is missing, and " + name + " shows that there was one"}
	}
	for _, name := range names {
		n, ok := parseFileName(name)
		if !ok {
			continue
		}
		if n > 1 {
			return missing(name)
		}
		b, err := readFile(l.fs, l.paths.file(n), fileBytesMax)
		if err != nil {
			return err
		}
		if c, err := Parse(b); err == nil && c.Seq > c.FirstSeq {
			return missing(name)
		}
	}
	return nil
}

// readFile reads a whole file. One that is longer than limit is corrupt.
func readFile(fs vfs.FS, path string, limit int64) ([]byte, error) {
	file, err := fs.Open(path)
	if err != nil {
		return nil, fmt.Errorf("manifest: open %s: %w", path, err)
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return nil, fmt.Errorf("manifest: size of %s: %w", path, err)
	}
	if size > limit {
		return nil, &frame.CorruptError{Path: path, Offset: limit, Reason: fmt.Sprintf("file of %d bytes is longer than any that was written", size)}
	}
	b := make([]byte, size)
	if n, err := file.ReadAt(b, 0); int64(n) < size {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("manifest: read %s at byte %d: %w", path, n, err)
	}
	return b, nil
}
