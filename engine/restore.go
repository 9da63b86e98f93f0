package engine

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"path"

	"tailrace/internal/vfs"
)

// Restore copies a backup into a directory that must be empty or missing, and
// checks it there: when it returns nil the directory is a store, and the report
// is that of Check. The backup stays as it is, and shares nothing with the
// store. progress may be nil. An end of ctx, like any error but a fault that
// Check found, removes what was made but for empty directories; what is left
// by a crash, or by a fault, is refused by Open.
func Restore(ctx context.Context, fs vfs.FS, from, to string, progress func(done, total int64)) (Report, error) {
	r, err := restore(ctx, fs, from, to, progress)
	if err != nil {
		return Report{}, fmt.Errorf("engine: restore %s: %w", from, err)
	}
	return r, nil
}

func restore(ctx context.Context, fs vfs.FS, from, to string, progress func(done, total int64)) (Report, error) {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	if err := refuseMarked(fs, from, unfinishedName); err != nil {
		return Report{}, err
	}
	_, files, err := readMarker(fs, from)
	if errors.Is(err, iofs.ErrNotExist) {
		return Report{}, fmt.Errorf("it is no whole backup: %w", err)
	}
	if err != nil {
		return Report{}, err
	}
	if err := openTarget(fs, to, restoringName); err != nil {
		return Report{}, err
	}
	if err := copyAll(ctx, fs, from, to, files, progress); err != nil {
		return Report{}, errors.Join(err, emptyTarget(fs, to))
	}
	r, err := checkStore(Options{FS: fs, Dir: to}.withDefaults())
	if err != nil {
		return Report{}, err
	}
	return r, unmark(fs, to, restoringName)
}

// copyAll copies files, durably with their names. STORE, which makes the others
// a store, is the last of them.
func copyAll(ctx context.Context, fs vfs.FS, from, to string, files []backupFile, progress func(done, total int64)) error {
	done, total := int64(0), bytesOf(files)
	for i := range files {
		f := &files[i]
		if f.name == storeName {
			for _, dir := range targetDirs {
				if err := fs.SyncDir(path.Join(to, dir)); err != nil {
					return fmt.Errorf("engine: sync %s: %w", path.Join(to, dir), err)
				}
			}
		}
		c, err := newFileCopy(fs, path.Join(from, f.name), path.Join(to, f.name), f, nil)
		if err != nil {
			return err
		}
		for over := false; !over && err == nil; {
			var n int64
			if err = ctx.Err(); err == nil {
				n, over, err = c.step()
			}
			done += n
			progress(done, total)
		}
		c.close()
		if err != nil {
			return err
		}
	}
	if err := fs.SyncDir(to); err != nil {
		return fmt.Errorf("engine: sync %s: %w", to, err)
	}
	return nil
}
