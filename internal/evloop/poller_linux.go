package evloop

import (
	"errors"
	"fmt"
	"math"
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
//
// It waits in the system call itself, and not in Go's own poller, which would
// have to be asked by another thread, woken for each event, and switched from: in
// all some ten switches between threads for each pass.
type poller struct {
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
	p := &poller{fd: fd}
	if p.bell, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		unix.Close(fd)
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

// wait returns events, as soon as there are any. It returns none after the time,
// which is negative if there is no end to it.
func (p *poller) wait(d time.Duration) ([]unix.EpollEvent, error) {
	ms := -1
	if d >= 0 {
		// Rounded up: a deadline that comes is over.
		ms = int(min((d+time.Millisecond-1)/time.Millisecond, math.MaxInt32))
	}
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), eventsMax, uintptr(ms), 0, 0)
	if errno != 0 && errno != unix.EINTR {
		return nil, fmt.Errorf("evloop: wait: %w", errno)
	}
	return p.events[:max(0, int(n))], nil
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
	return errors.Join(unix.Close(p.fd), unix.Close(p.bell))
}
