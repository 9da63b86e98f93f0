//go:build linux

package evloop

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Input that is kept is counted, whatever way it goes, and who makes it too much
// is named.
func TestInputIsBounded(t *testing.T) {
	crowded := make(chan *Conn, 10)
	seen := make(chan struct{}, 100)
	eat := false
	r := start(t, &funcs{
		input: func(c *Conn) {
			if eat {
				c.Consume(len(c.In()))
			}
			seen <- struct{}{}
		},
		crowded: func(c *Conn) { crowded <- c },
	})
	r.do(func() { r.InputMax = 10_000 })
	one, first := r.connect("")
	two, second := r.connect("")
	one.Write(make([]byte, 8000))
	await(t, "input", seen)
	if len(crowded) != 0 {
		t.Fatal("8,000 bytes are too much")
	}
	two.Write(make([]byte, 3000))
	if c := await(t, "a crowd", crowded); c != second {
		t.Fatal("of the wrong connection")
	}
	r.do(second.Close)
	r.do(func() {
		if r.kept < 8000 || r.kept > 10_000 {
			t.Errorf("%d bytes are kept, of 8,000", r.kept)
		}
		eat = true
		first.Again()
	})
	await(t, "input", seen)
	await(t, "input", seen)
	r.do(func() {
		if r.kept != 0 || first.data != &nothing {
			t.Errorf("%d bytes are kept of nothing", r.kept)
		}
	})
}

// fill writes until the kernel takes no more.
func fill(c *Conn, size int) (taken int) {
	for piece := make([]byte, size); ; taken += len(piece) {
		if ok, err := c.Offer(piece); !ok || err != nil || c.Unsent() {
			return taken
		}
	}
}

// What is offered in vain is forgotten, and another try is worth it later; what
// was taken in part is sent whole.
func TestOffersAreTakenWholeOrNotAtAll(t *testing.T) {
	sent := make(chan struct{}, 1)
	r := start(t, &funcs{
		input: func(c *Conn) { c.Consume(len(c.In())) },
		sent:  func(*Conn) { sent <- struct{}{} },
	})
	client, c := r.connect("")
	for range 50 {
		var taken int
		var partly bool
		r.do(func() {
			taken = fill(c, 4096)
			if partly = c.Unsent(); partly {
				taken += 4096
				return
			}
			if ok, err := c.Offer([]byte("too much")); ok || err != nil || c.Unsent() {
				t.Errorf("taken %v, %v by a full socket", ok, err)
			}
		})
		if _, err := io.ReadFull(client, make([]byte, taken)); err != nil {
			t.Fatal(err)
		}
		await(t, "room", sent)
		r.do(func() {
			if c.Unsent() {
				t.Error("there is something left to send")
			}
			if ok, err := c.Offer([]byte("more")); !ok || err != nil {
				t.Errorf("not taken by an empty socket: %v", err)
			}
		})
		got := make([]byte, 4)
		if _, err := io.ReadFull(client, got); err != nil || string(got) != "more" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
}

// The end comes behind all bytes, also those that wait.
func TestEndComesLast(t *testing.T) {
	for _, size := range []int{10, 1 << 20} {
		r := start(t, &funcs{
			input: func(c *Conn) { c.Consume(len(c.In())) },
			sent:  func(c *Conn) { c.CloseWrite() },
		})
		client, c := r.connect("")
		body := bytes.Repeat([]byte("x"), size)
		r.do(func() {
			if err := c.End(body); err != nil {
				t.Error(err)
			}
		})
		if got, err := io.ReadAll(client); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%d of %d bytes, %v", len(got), size, err)
		}
		r.do(c.Close)
	}
}

// A pass comes when it was asked for, without an event.
func TestWakeAtMakesAPass(t *testing.T) {
	passes := make(chan struct{}, 1)
	r := start(t, &funcs{passEnd: func() bool {
		select {
		case passes <- struct{}{}:
		default:
		}
		return true
	}})
	r.do(func() {
		r.WakeAt(time.Now().Add(time.Hour))
		r.WakeAt(time.Now().Add(5 * time.Millisecond)) // the earlier one counts
	})
	await(t, "the pass of that", passes)
	await(t, "another pass", passes)
}

// Many deadlines that come together do not keep the others waiting.
func TestDeadlinesComeInSlices(t *testing.T) {
	const conns = expiredMax + 50
	var passes, most, now int
	done := make(chan struct{})
	left := conns
	r := start(t, &funcs{
		expired: func(*Conn) {
			now++
			if left--; left == 0 {
				close(done)
			}
		},
		passEnd: func() bool {
			passes++
			most, now = max(most, now), 0
			return true
		},
	})
	var ends []net.Conn
	var all []*Conn
	for range conns {
		end, c := r.connect("")
		ends, all = append(ends, end), append(all, c)
	}
	r.do(func() {
		at := time.Now().Add(20 * time.Millisecond)
		for _, c := range all {
			c.SetDeadline(at)
		}
	})
	await(t, "all deadlines", done)
	r.do(func() {
		if most > expiredMax {
			t.Errorf("%d expired in a pass", most)
		}
	})
	for _, c := range ends {
		c.Close()
	}
}

// A peer that takes nothing makes the kernel hold what was set, and what it needs
// beside that.
func TestSendBufferBoundsTheKernel(t *testing.T) {
	for _, size := range []int{100, 4096, 64 << 10, 1 << 20} {
		boundKernel(t, size)
	}
}

func boundKernel(t *testing.T, size int) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := Duplicate(accepted)
	if err != nil {
		t.Fatal(err)
	}
	accepted.Close()
	r := start(t, &funcs{})
	r.do(func() {
		c, err := r.Adopt(fd, nil, nil)
		if err != nil {
			t.Error(err)
			return
		}
		c.SetSendBuffer(32 << 10)
		taken := fill(c, size)
		const queued = 5 // of SO_MEMINFO: what the socket's unsent bytes take, with all around them
		var info [9]uint32
		room := uint32(unsafe.Sizeof(info))
		if _, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(c.fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&room)), 0); errno != 0 {
			t.Error(errno)
		}
		if info[queued] == 0 || info[queued] > 128<<10 {
			t.Errorf("the kernel holds %d bytes, after taking %d in pieces of %d", info[queued], taken, size)
		}
		c.Close()
	})
}
