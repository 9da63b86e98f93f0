package evloop

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// eventsMax is how many events a pass takes. More make a pass longer, and with
// it the wait of whoever is last in it.
const eventsMax = 256

// interest is what every connection is registered for, once: by edge, so that
// nothing has to be changed as a connection goes from reading to writing.
const interest = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET

// poller is an epoll instance with a descriptor that wakes it.
type poller struct {
	file   *os.File // the epoll descriptor, in Go's own poller
	raw    syscall.RawConn
	fd     int
	bell   int // an eventfd
	events [eventsMax]unix.EpollEvent
}

// bellToken is the token of the bell. No connection has it.
const bellToken = ^uint64(0)

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("evloop: epoll: %w", err)
	}
	// Non-blocking, which means nothing to epoll, has Go take it into its poller.
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("evloop: epoll: %w", err)
	}
	p := &poller{fd: fd, file: os.NewFile(uintptr(fd), "epoll")}
	if p.raw, err = p.file.SyscallConn(); err == nil {
		// Fails if Go did not take it: then waiting would hold a thread.
		err = p.file.SetReadDeadline(time.Time{})
	}
	if err == nil {
		p.bell, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	}
	if err != nil {
		p.file.Close()
		return nil, fmt.Errorf("evloop: epoll: %w", err)
	}
	if err := p.add(p.bell, bellToken, unix.EPOLLIN|unix.EPOLLET); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// add registers a descriptor. Closing it takes it out again.
func (p *poller) add(fd int, token uint64, events uint32) error {
	e := unix.EpollEvent{Events: events, Fd: int32(uint32(token)), Pad: int32(uint32(token >> 32))}
	if err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &e); err != nil {
		return fmt.Errorf("evloop: register: %w", err)
	}
	return nil
}

// remove takes out a descriptor that stays open.
func (p *poller) remove(fd int) { unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, fd, nil) }

func tokenOf(e *unix.EpollEvent) uint64 { return uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32 }

// poll returns the events that are there, without waiting.
func (p *poller) poll() []unix.EpollEvent {
	n, _, _ := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), eventsMax, 0, 0, 0)
	return p.events[:max(0, int(n))] // an interrupted call has none
}

// yield lets other threads of the system run that wait for this processor. If none
// does, it returns at once.
func yield() { unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }

// wait returns events, as soon as there are any. It returns none after the time,
// which is negative if there is no end to it.
func (p *poller) wait(d time.Duration) (events []unix.EpollEvent, err error) {
	if events = p.poll(); len(events) > 0 || d == 0 {
		return events, nil
	}
	var deadline time.Time
	if d > 0 {
		deadline = time.Now().Add(d)
	}
	if err := p.file.SetReadDeadline(deadline); err != nil {
		return nil, fmt.Errorf("evloop: wait: %w", err)
	}
	err = p.raw.Read(func(uintptr) bool {
		events = p.poll()
		return len(events) > 0
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("evloop: wait: %w", err)
	}
	return events, nil
}

// ring ends a wait.
func (p *poller) ring() {
	one := uint64(1)
	unix.Write(p.bell, (*[8]byte)(unsafe.Pointer(&one))[:]) // fails only if it rings already
}

// silence makes the bell ready to ring again.
func (p *poller) silence() {
	var n [8]byte
	unix.Read(p.bell, n[:])
}

func (p *poller) close() error {
	return errors.Join(p.file.Close(), unix.Close(p.bell))
}
