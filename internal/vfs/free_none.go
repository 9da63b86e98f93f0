//go:build unix && !linux && !darwin && !freebsd && !dragonfly

package vfs

import "errors"

// statfs is not in the standard library of these systems.
func statfs(string) (uint64, error) { return 0, errors.ErrUnsupported }
