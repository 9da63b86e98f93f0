package engine

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"path"
	"slices"

	"tailrace/internal/manifest"
	"tailrace/internal/vfs"
	"tailrace/wal"
)

// Names in the directory of a store, of those that packages wal and manifest
// write, and of what keeps a directory from being taken for a store.
const (
	logDir      = "wal"
	lockName    = "LOCK"
	storeName   = "STORE"
	manifestDir = "manifest"
	currentName = "CURRENT"

	backupName     = "BACKUP"            // what the backup has, see marker
	unfinishedName = "BACKUP.unfinished" // and that it does not have all of it yet
	restoringName  = "RESTORE"           // a store that is being restored
)

// ErrTarget means that a backup or a restore was asked to go where something is
// already. Nothing was changed.
var ErrTarget = errors.New("engine: the target is not an empty directory")

// ErrNotAStore means that a directory has a backup, or a beginning of a backup
// or of a restored store.
var ErrNotAStore = errors.New("engine: the directory is no store")

// refuseMarked refuses to take for a store what is none: a new, empty store
// could be made in it, and a backup would not be one any more.
func refuseMarked(fs vfs.FS, dir string, marks ...string) error {
	for _, mark := range marks {
		file, err := fs.Open(path.Join(dir, mark))
		if errors.Is(err, iofs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("engine: open %s: %w", path.Join(dir, mark), err)
		}
		file.Close() // it was only looked for
		return fmt.Errorf("%w: %s: %s", ErrNotAStore, dir, map[string]string{
			backupName:     "it is a backup, to be restored into another directory",
			unfinishedName: "it is a backup that was not finished",
			restoringName:  "a backup was being restored into it, and that was not finished",
		}[mark])
	}
	return nil
}

// targetDirs are the directories that a copy of a store has.
var targetDirs = []string{logDir, manifestDir, manifest.MetaDir, manifest.SegmentDir}

// openTarget makes an empty or missing directory one that is being written,
// which mark says, durably before anything else is in it.
func openTarget(fs vfs.FS, dir, mark string) error {
	if err := checkTarget(fs, dir); err != nil {
		return err
	}
	if err := fs.MkdirAll(dir); err != nil {
		return fmt.Errorf("engine: make %s: %w", dir, err)
	}
	err := writeSmall(fs, path.Join(dir, mark), nil)
	for _, sub := range targetDirs {
		if err != nil {
			break
		}
		err = fs.MkdirAll(path.Join(dir, sub))
	}
	if err != nil {
		return errors.Join(err, emptyTarget(fs, dir))
	}
	return nil
}

// checkTarget refuses a directory with files in it. What an earlier try made
// and emptied again may be there.
func checkTarget(fs vfs.FS, dir string) error {
	names, err := fs.ReadDir(dir)
	if errors.Is(err, iofs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("engine: list %s: %w", dir, err)
	}
	for _, name := range names {
		inside := []string{name}
		if slices.Contains(targetDirs, name) {
			if inside, err = fs.ReadDir(path.Join(dir, name)); err != nil {
				return fmt.Errorf("engine: list %s: %w", path.Join(dir, name), err)
			}
		}
		if len(inside) > 0 {
			return fmt.Errorf("%w: %s has %s", ErrTarget, dir, name)
		}
	}
	return nil
}

// emptyTarget removes the files that were made in a target, and last the one
// that keeps it from being taken for something else.
func emptyTarget(fs vfs.FS, dir string) error {
	remove := func(name string) error {
		if err := fs.Remove(path.Join(dir, name)); err != nil && !errors.Is(err, iofs.ErrNotExist) {
			return fmt.Errorf("engine: remove %s: %w", path.Join(dir, name), err)
		}
		return nil
	}
	for _, sub := range targetDirs {
		names, err := fs.ReadDir(path.Join(dir, sub))
		if errors.Is(err, iofs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("engine: list %s: %w", path.Join(dir, sub), err)
		}
		for _, name := range names {
			if err := remove(path.Join(sub, name)); err != nil {
				return err
			}
		}
		if err := fs.SyncDir(path.Join(dir, sub)); err != nil {
			return err
		}
	}
	for _, name := range []string{backupName, storeName, currentName, currentName + ".tmp"} {
		if err := remove(name); err != nil {
			return err
		}
	}
	if err := fs.SyncDir(dir); err != nil {
		return err
	}
	for _, name := range []string{unfinishedName, restoringName} {
		if err := remove(name); err != nil {
			return err
		}
	}
	return fs.SyncDir(dir)
}

// storeFiles lists the files of a copy of a store, all but what says that it
// is one.
func storeFiles(fs vfs.FS, dir string) ([]backupFile, error) {
	var files []backupFile
	add := func(name string) error {
		size, err := sizeOf(fs, path.Join(dir, name))
		files = append(files, backupFile{name: name, size: size, length: size})
		return err
	}
	for _, sub := range targetDirs {
		names, err := fs.ReadDir(path.Join(dir, sub))
		if err != nil {
			return nil, fmt.Errorf("engine: list %s: %w", path.Join(dir, sub), err)
		}
		for _, name := range names {
			if err := add(path.Join(sub, name)); err != nil {
				return nil, err
			}
		}
	}
	return files, errors.Join(add(currentName), add(storeName))
}

func bytesOf(files []backupFile) (sum int64) {
	for _, f := range files {
		sum += f.length
	}
	return sum
}

func sizeOf(fs vfs.FS, name string) (int64, error) {
	file, err := fs.Open(name)
	if err != nil {
		return 0, fmt.Errorf("engine: open %s: %w", name, err)
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return 0, fmt.Errorf("engine: examine %s: %w", name, err)
	}
	return size, nil
}

// writeSmall makes a file, durably with its name.
func writeSmall(fs vfs.FS, name string, b []byte) error {
	file, err := fs.Create(name)
	if err != nil {
		return fmt.Errorf("engine: make %s: %w", name, err)
	}
	if _, err = file.WriteAt(b, 0); err == nil {
		err = file.Sync()
	}
	file.Close() // its content is synced, or of no use
	if err == nil {
		err = fs.SyncDir(path.Dir(name))
	}
	if err != nil {
		return fmt.Errorf("engine: write %s: %w", name, err)
	}
	return nil
}

// readSmall reads a file, of which at most limit + 1 bytes matter.
func readSmall(fs vfs.FS, name string, limit int) ([]byte, error) {
	file, err := fs.Open(name)
	if err != nil {
		return nil, fmt.Errorf("engine: open %s: %w", name, err)
	}
	defer file.Close()
	b := make([]byte, limit+1)
	n, err := file.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("engine: read %s: %w", name, err)
	}
	return b[:n], nil
}

// readStore reads the STORE file of a directory.
func readStore(fs vfs.FS, dir string) (wal.Store, error) {
	name := path.Join(dir, storeName)
	b, err := readSmall(fs, name, len(wal.Store{}.Append(nil)))
	if err != nil {
		return wal.Store{}, err
	}
	s, err := wal.ParseStore(b)
	if err != nil {
		return wal.Store{}, inFile(name, err)
	}
	return s, nil
}
