//go:build !linux

package server

import (
	"net"
	"sync"
)

// loops need epoll. Elsewhere every connection has a goroutine.
type loops struct{ running sync.WaitGroup }

const loopsExist = false

func (l *loops) start(*Server) error { return nil }
func (l *loops) stop()               {}
func (l *loops) abort()              {}
func (l *loops) wakeAll()            {}

func (s *Server) toLoop(*conn, []byte, bool) bool { return false }

func (s *Server) giveBack(c *conn, _ net.Conn) { c.Close() }
