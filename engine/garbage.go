package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"tailrace/internal/manifest"
)

// takeUp makes the manifest that was loaded ready for writing and removes what
// an earlier process left: outputs of acts that never committed, and files that
// were live once.
func (e *Engine) takeUp() error {
	var err error
	options := manifest.Options{Logger: e.opts.Logger}
	if e.tier != nil {
		options.ReserveBytes = manifestReserve
	}
	if e.manifest, err = e.loaded.Open(options); err != nil {
		return fmt.Errorf("engine: open manifest: %w", err)
	}
	e.loaded = nil
	for _, dir := range []string{manifest.SegmentDir, manifest.MetaDir} {
		if err := e.opts.FS.MkdirAll(path.Join(e.opts.Dir, dir)); err != nil {
			return fmt.Errorf("engine: make %s: %w", path.Join(e.opts.Dir, dir), err)
		}
	}
	for _, act := range e.manifest.State().Acts {
		if err := e.abort(act.ID); err != nil {
			return err
		}
	}
	return e.sweepGarbage()
}

// abort ends an act without result. On a full disk it stays for later: the
// manifest has it, and so the outputs are not forgotten.
func (e *Engine) abort(act uint64) error {
	err := e.manifest.Append(manifest.Abort{Act: act})
	if errors.Is(err, manifest.ErrNoSpace) && !errors.Is(err, manifest.ErrFailed) {
		e.mu.Lock()
		e.unfinished = append(e.unfinished, act)
		e.mu.Unlock()
		return nil
	}
	return err
}

// sweepGarbage removes the files that nothing needs any more, and notes that.
// One that a reader holds open goes later, and so does one that the disk does
// not let go.
func (e *Engine) sweepGarbage() error {
	e.mu.Lock()
	acts := e.unfinished
	e.unfinished = nil
	unshown := e.unshown
	e.unshown = nil
	e.mu.Unlock()
	for _, s := range unshown {
		e.letGoOf(s)
	}
	for _, act := range acts {
		if err := e.abort(act); err != nil {
			return err
		}
	}
	if !e.manifest.Settled() {
		return nil // a power cut could bring back a state that needs them
	}
	state := e.manifest.State()
	var gone []manifest.File
	dirs := map[string]bool{}
	for _, f := range state.Garbage {
		if state.Pinned(f) || e.shows(f) {
			continue
		}
		err := e.opts.FS.Remove(e.filePath(f))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			e.opts.Logger.Warn("cannot remove a file that is not needed any more", "path", e.filePath(f), "err", err)
			continue
		}
		gone = append(gone, f)
		dirs[f.Dir()] = true
	}
	if len(gone) == 0 {
		return nil
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		if err := e.opts.FS.SyncDir(path.Join(e.opts.Dir, dir)); err != nil {
			e.opts.Logger.Warn("cannot sync a directory", "path", path.Join(e.opts.Dir, dir), "err", err)
			return nil
		}
	}
	e.collected(len(gone))
	err := e.manifest.Append(manifest.Removed{Files: gone})
	if errors.Is(err, manifest.ErrNoSpace) && !errors.Is(err, manifest.ErrFailed) {
		return nil // removing them again does no harm
	}
	if errors.Is(err, manifest.ErrRefused) {
		return nil // a backup began meanwhile, which does not need them
	}
	return err
}

// shows reports whether a reader may still read the file.
func (e *Engine) shows(f manifest.File) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.shown[f] > 0
}

// letGoOf closes a segment that no version shows any more, or shows in another
// place.
func (e *Engine) letGoOf(s *segmentFile) {
	s.file.Close() // it was only read
	e.mu.Lock()
	seg, shown := e.version.has(s.info.ID)
	e.mu.Unlock()
	if shown && seg != s {
		return
	}
	e.blocks.forget(s.info.ID)
	if s.far != nil && e.tier != nil {
		e.tier.names.Delete(s.info.ID)
		e.tier.cache.Forget(s.info.ID)
	}
}
