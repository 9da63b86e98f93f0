package memfs_test

import (
	"testing"

	"tailrace/internal/vfs"
	"tailrace/internal/vfs/memfs"
	"tailrace/internal/vfs/vfstest"
)

func TestKeepsLaws(t *testing.T) {
	vfstest.Run(t, func(*testing.T) vfs.FS { return memfs.New() })
}

func TestCloneAndCrashKeepLaws(t *testing.T) {
	vfstest.Run(t, func(*testing.T) vfs.FS { return memfs.New().Clone().Crash(nil, memfs.KeepNone) })
}
