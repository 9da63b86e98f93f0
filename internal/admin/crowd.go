package admin

import (
	"net"
	"net/http"
	"slices"
	"sync"
)

// crowd bounds the connections of a server. When there is one too many, it closes
// the one that has been without a request for the longest time, so that a probe gets
// its answer whoever else holds connections open.
type crowd struct {
	most int

	mu      sync.Mutex
	open    map[net.Conn]bool
	waiting []net.Conn // those without a request, the one waiting longest first
}

func newCrowd(most int) *crowd { return &crowd{most: most, open: make(map[net.Conn]bool)} }

// note is the ConnState of the server.
func (c *crowd) note(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := slices.Index(c.waiting, conn); at >= 0 {
		c.waiting = slices.Delete(c.waiting, at, at+1)
	}
	switch state {
	case http.StateNew:
		c.open[conn] = true
		c.waiting = append(c.waiting, conn)
	case http.StateIdle:
		if c.open[conn] {
			c.waiting = append(c.waiting, conn)
		}
	case http.StateClosed, http.StateHijacked:
		delete(c.open, conn)
	}
	for len(c.open) > c.most && len(c.waiting) > 0 {
		last := c.waiting[0]
		c.waiting = slices.Delete(c.waiting, 0, 1)
		delete(c.open, last)
		last.Close()
	}
}
