//go:build linux

package evloop

import (
	"io"
	"sync"

	"golang.org/x/sys/unix"
)

// Write sends head and then body, and keeps what the kernel does not take: a
// copy of head, and body itself, which therefore must not change any more. What
// was written before is to have been sent.
func (c *Conn) Write(head, body []byte) error {
	if c.closed {
		return io.ErrClosedPipe
	}
	if c.Unsent() {
		panic("evloop: a write before the last one was sent")
	}
	n, err := c.send(head, body)
	if err != nil {
		c.leaving = true
		return err
	}
	if n < len(head) {
		c.busy()
		c.out = append(takeOut(), head[n:]...)
		c.tail = body
	} else if n < len(head)+len(body) {
		c.busy()
		c.tail = body[n-len(head):]
	}
	return nil
}

// Offer is Write of something that may be dropped as long as no byte of it was
// sent: if the kernel takes nothing, nothing is kept, and Sent follows when it is
// worth another try. What is written is kept as by Write.
func (c *Conn) Offer(body []byte) (taken bool, err error) {
	if c.closed {
		return false, io.ErrClosedPipe
	}
	if c.Unsent() {
		panic("evloop: a write before the last one was sent")
	}
	n, err := c.send(nil, body)
	if err != nil {
		c.leaving = true
		return false, err
	}
	if n == 0 {
		c.refused = true
		return false, nil
	}
	if n < len(body) {
		c.busy()
		c.tail = body[n:]
	}
	return true, nil
}

// End is Write of the last bytes of all, which go out together with the end of
// the stream. If the kernel doesn't take all of them, the end is up to the caller
// again, by CloseWrite.
func (c *Conn) End(body []byte) error {
	// Held back, until the end lets it go. On unix sockets there is no such thing,
	// and nothing that could come apart.
	unix.SetsockoptInt(int(c.fd), unix.IPPROTO_TCP, unix.TCP_CORK, 1)
	if err := c.Write(nil, body); err != nil {
		return err
	}
	if c.Unsent() {
		unix.SetsockoptInt(int(c.fd), unix.IPPROTO_TCP, unix.TCP_CORK, 0)
		return nil
	}
	return c.CloseWrite()
}

// SetSendBuffer bounds what the kernel holds of what was written. It takes about
// twice as much for that.
func (c *Conn) SetSendBuffer(n int) {
	unix.SetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_SNDBUF, n) // fails on a broken connection only
}

func (c *Conn) send(head, body []byte) (int, error) {
	total := len(head) + len(body)
	for sent := 0; ; {
		var n int
		var errno unix.Errno
		switch {
		case sent < len(head) && len(body) > 0:
			n, errno = rawWritev(int(c.fd), head[sent:], body)
		case sent < len(head):
			n, errno = rawWrite(int(c.fd), head[sent:])
		default:
			n, errno = rawWrite(int(c.fd), body[sent-len(head):])
		}
		switch errno {
		case 0:
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return sent, nil
		default:
			return sent, errno
		}
		if sent += n; sent == total {
			return sent, nil
		}
	}
}

// flush sends what is unsent. It is true when all is.
func (c *Conn) flush() (bool, error) {
	if !c.Unsent() {
		return true, nil
	}
	n, err := c.send(c.out, c.tail)
	if err != nil {
		return false, err
	}
	if n < len(c.out) {
		c.out = c.out[:copy(c.out, c.out[n:])]
		return false, nil
	}
	c.tail = c.tail[n-len(c.out):]
	giveOut(c.out)
	c.out = nil
	if len(c.tail) > 0 {
		return false, nil
	}
	c.tail = nil
	c.idle()
	return true, nil
}

// CloseWrite tells the peer that nothing more will come.
func (c *Conn) CloseWrite() error { return unix.Shutdown(int(c.fd), unix.SHUT_WR) }

// Buffers for output that the kernel did not take.
var outs = sync.Pool{}

const (
	outBytes     = 4 << 10
	keepOutBytes = 64 << 10
)

func takeOut() []byte {
	if b, ok := outs.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, outBytes)
}

func giveOut(b []byte) {
	if cap(b) > 0 && cap(b) <= keepOutBytes {
		outs.Put(&b)
	}
}
