//go:build darwin || freebsd || dragonfly

package vfs

import "syscall"

func statfs(dir string) (uint64, error) {
	var st syscall.Statfs_t
	if err := retry(func() error { return syscall.Statfs(dir, &st) }); err != nil {
		return 0, err
	}
	// Below zero the rest is only for the superuser.
	return uint64(max(0, int64(st.Bavail))) * uint64(st.Bsize), nil
}
