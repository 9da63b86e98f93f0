package bench

import (
	"cmp"
	"fmt"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// audience holds its readers by one epoll loop: what a reader costs here is
// taken from the server it is measured with, as they share the cores.
type audience struct {
	poll int

	mu       sync.Mutex // held by the loop while it takes what came
	readers  []*reader
	conns    []int // their sockets, -1 when closed
	stalled  int   // readers that are in neither, as nothing is ever read
	begun    int
	finished int
	broken   int
	tally    tally
	failure  error // the first thing that a reader was not to get
}

func newAudience() (*audience, error) {
	poll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("bench: epoll: %w", err)
	}
	a := &audience{poll: poll}
	go a.run() // until the process ends
	return a, nil
}

func (a *audience) obey(o *audienceOrder) (audienceState, error) {
	var missing int
	var err error
	switch {
	case o.Connect != nil:
		err = a.connect(o.Connect)
	case o.Await != nil:
		a.await(func() bool {
			missing = a.missing(o.Await)
			return missing == 0
		})
	case o.Ends:
		a.await(func() bool { return a.finished+a.broken == len(a.readers) })
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if o.Forget {
		a.tally.clear()
	}
	s := a.tally.state()
	s.Begun, s.Finished, s.Broken, s.Missing = a.begun, a.finished, a.broken, missing
	return s, cmp.Or(a.failure, err)
}

// await waits until done, which is asked under the lock, or something is wrong,
// for as long as it has patience.
func (a *audience) await(done func() bool) {
	for deadline := time.Now().Add(audiencePatience); ; {
		a.mu.Lock()
		over := done() || a.failure != nil
		a.mu.Unlock()
		if over || time.Now().After(deadline) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// missing counts the readers that are connected and don't have so many messages.
func (a *audience) missing(want []uint64) (n int) {
	for i, r := range a.readers {
		if a.conns[i] >= 0 && r.kind == readSSE && r.got != want[r.stream] {
			n++
		}
	}
	return n
}

// connectStep is how many readers may wait for their beginning: more would
// overflow the queue of the listener, and connect only after a second.
const connectStep = 256

func (a *audience) connect(o *readersOrder) error {
	addr, err := netip.ParseAddrPort(o.Addr)
	if err != nil {
		return err
	}
	offset := "-1"
	if o.Now || o.Kind == readLongPoll {
		offset = "now"
	}
	for i := range o.Readers {
		r := &reader{kind: o.Kind, stream: uint32(o.First + i%o.Streams)}
		if o.Before > 0 {
			r.got, r.next = o.Before, []uint64{o.Before}
		}
		conn, err := dialReader(addr, len(a.readers)+a.stalled, o.Stalled)
		if err != nil {
			return err
		}
		if _, err := syscall.Write(conn, r.kind.request(int(r.stream), offset)); err != nil {
			return fmt.Errorf("bench: send the request of reader %d: %w", i, err)
		}
		if o.Stalled {
			a.stalled++
			continue
		}
		if err := a.add(r, conn); err != nil {
			return err
		}
		if last := i == o.Readers-1; o.Kind != readLongPoll && (last || i%connectStep == connectStep-1) {
			if err := a.awaitBeginning(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *audience) awaitBeginning() error {
	var begun, ended int
	a.await(func() bool {
		begun, ended = a.begun, a.finished+a.broken
		return begun == len(a.readers) || ended > 0
	})
	if begun < len(a.readers) || ended > 0 {
		return fmt.Errorf("bench: of %d readers %d have begun and %d have ended", len(a.readers), begun, ended)
	}
	return nil
}

// addressReaders is how many readers come from one address of the loopback
// network, which has about 28,000 ports each.
const addressReaders = 5000

const ipBindAddressNoPort = 24 // IP_BIND_ADDRESS_NO_PORT; syscall lacks it

// dialReader connects reader n. It waits, as connections within a machine take
// no time; the socket it returns does not.
func dialReader(to netip.AddrPort, n int, stalled bool) (conn int, err error) {
	conn, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("bench: socket of reader %d: %w", n, err)
	}
	if stalled {
		// As little as the kernel allows, and before the window is agreed on.
		err = syscall.SetsockoptInt(conn, syscall.SOL_SOCKET, syscall.SO_RCVBUF, 1)
	}
	if err == nil {
		// The port is chosen when connecting: binding would look for one that
		// nobody has, which takes longer with each connection.
		err = syscall.SetsockoptInt(conn, syscall.IPPROTO_IP, ipBindAddressNoPort, 1)
	}
	from := syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(2 + n/addressReaders)}}
	if err == nil {
		err = syscall.Bind(conn, &from)
	}
	if err == nil {
		err = syscall.Connect(conn, &syscall.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
	}
	if err == nil {
		err = syscall.SetNonblock(conn, true)
	}
	if err != nil {
		syscall.Close(conn)
		return 0, fmt.Errorf("bench: connect reader %d: %w", n, err)
	}
	return conn, nil
}

func (a *audience) add(r *reader, conn int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	// The number of the reader is what the event brings back.
	event := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP, Fd: int32(len(a.readers))}
	a.readers, a.conns = append(a.readers, r), append(a.conns, conn)
	if err := syscall.EpollCtl(a.poll, syscall.EPOLL_CTL_ADD, conn, &event); err != nil {
		return fmt.Errorf("bench: watch a reader: %w", err)
	}
	return nil
}

// run takes what comes for any reader.
func (a *audience) run() {
	events := make([]syscall.EpollEvent, 256)
	buf := make([]byte, 64<<10)
	for {
		n, err := syscall.EpollWait(a.poll, events, -1)
		a.mu.Lock()
		if err != nil && err != syscall.EINTR {
			a.fail(fmt.Errorf("bench: epoll: %w", err))
			a.mu.Unlock()
			return
		}
		for _, e := range events[:max(n, 0)] {
			a.take(int(e.Fd), buf)
		}
		a.mu.Unlock()
	}
}

func (a *audience) fail(err error) {
	if a.failure == nil {
		a.failure = err
	}
}

// take reads once from a reader's connection; the rest is reported again.
func (a *audience) take(i int, buf []byte) {
	r := a.readers[i]
	n, err := syscall.Read(a.conns[i], buf)
	switch {
	case err == syscall.EAGAIN, err == syscall.EINTR:
		return
	case err != nil, n == 0:
		a.end(i, err)
		return
	}
	begun := r.begun
	if err := r.take(buf[:n], time.Now().UnixNano(), &a.tally); err != nil {
		a.fail(err)
		a.end(i, err)
		return
	}
	if r.begun && !begun {
		a.begun++
	}
}

// end closes a connection that the server has ended. A clean end comes after
// the whole answer.
func (a *audience) end(i int, err error) {
	syscall.Close(a.conns[i])
	a.conns[i] = -1
	if err == nil && a.readers[i].phase == phaseDone {
		a.finished++
	} else {
		a.broken++
	}
}
