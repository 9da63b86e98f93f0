package manifest

import (
	"fmt"

	"tailrace/internal/vfs"
)

// Create makes the manifest of a store that has none, in a directory that is
// there: a backup, say. It says what s says of live files and of the bucket (see
// State.Detached); acts and garbage are matters of the store that s was taken
// from. The directory has no manifest afterwards, or the whole one: when Create
// returns nil, it is durable.
func Create(fs vfs.FS, dir string, store [16]byte, s State) error {
	s.Acts, s.Garbage = nil, nil
	if err := s.validate(); err != nil {
		return refused("%v", err)
	}
	m := &Manifest{o: Options{}.withDefaults(), fs: fs, paths: paths{dir}, store: store}
	m.state.Store(&s)
	if err := fs.MkdirAll(m.paths.manifest()); err != nil {
		return fmt.Errorf("manifest: make %s: %w", m.paths.manifest(), err)
	}
	if err := m.roll(0); err != nil {
		return err
	}
	return m.Close()
}
