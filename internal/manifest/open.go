package manifest

import (
	"errors"
	"fmt"
	iofs "io/fs"

	"tailrace/internal/vfs"
)

// Open takes the manifest over. It writes the state into the next file, so that
// nothing is ever appended to a file of an earlier process: what was read may
// have been in memory of the system only.
//
// On a full disk a manifest that was found is opened all the same. Its edits
// then fail with ErrNoSpace until there is space; see Settled. A new one fails.
func (l *Loaded) Open(o Options) (*Manifest, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	c := &l.contents
	m := &Manifest{o: o, fs: l.fs, paths: l.paths, store: l.store, number: c.Number, seq: c.Seq}
	state := c.State
	m.state.Store(&state)
	m.settled.Store(c.Confirmed)
	if l.Torn != nil {
		o.Logger.Warn("manifest: cut a torn tail that was never acknowledged", "path", l.Torn.Path, "offset", l.Torn.Offset, "reason", l.Torn.Reason)
	}
	if err := m.clean(); err != nil {
		return nil, err
	}
	if err := m.roll(0); err != nil {
		if l.Found && noSpace(err) {
			o.Logger.Warn("manifest: no space for the next file", "error", err)
			return m, nil
		}
		m.Close() // the first error says more
		return nil, err
	}
	return m, nil
}

// clean removes what an earlier process left when it died within a switch. The
// names are known: a switch touches no others. That they are gone is durable
// before the next switch, which syncs their directory.
func (m *Manifest) clean() error {
	if err := m.fs.MkdirAll(m.paths.manifest()); err != nil {
		return fmt.Errorf("manifest: make %s: %w", m.paths.manifest(), err)
	}
	// The CURRENT that was read may be a rename that nobody synced. Without it on
	// the medium, the file before is the one that counts.
	if err := m.fs.SyncDir(m.paths.dir); err != nil {
		return fmt.Errorf("manifest: sync %s: %w", m.paths.dir, err)
	}
	stale := []string{m.paths.currentTmp(), m.paths.file(m.number + 1)}
	if m.number > 1 {
		stale = append(stale, m.paths.file(m.number-1))
	}
	for _, path := range stale {
		if err := m.fs.Remove(path); err != nil && !errors.Is(err, iofs.ErrNotExist) {
			return fmt.Errorf("manifest: remove %s: %w", path, err)
		}
	}
	return nil
}

// noSpace tells a full disk that was met while nothing was at stake.
func noSpace(err error) bool { return errors.Is(err, vfs.ErrNoSpace) && !errors.Is(err, ErrFailed) }
