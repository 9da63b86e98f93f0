//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package server

// gone cannot tell here; a client that has left keeps its place until the time
// of its long-poll is up.
func (c *conn) gone() bool { return false }
