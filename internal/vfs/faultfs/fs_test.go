package faultfs_test

import (
	"testing"

	"tailrace/internal/vfs"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
	"tailrace/internal/vfs/vfstest"
)

func TestKeepsLaws(t *testing.T) {
	vfstest.Run(t, func(*testing.T) vfs.FS { return faultfs.New(memfs.New()) })
}
