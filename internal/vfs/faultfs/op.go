package faultfs

import (
	"errors"
	"fmt"
	"strings"
)

// Kind is what a call does.
type Kind string

// Kinds of calls: of the file system, of a file, of a lock.
const (
	Create    Kind = "create"
	Open      Kind = "open"
	OpenWrite Kind = "openwrite"
	Rename    Kind = "rename"
	Link      Kind = "link"
	Remove    Kind = "remove"
	MkdirAll  Kind = "mkdirall"
	ReadDir   Kind = "readdir"
	SyncDir   Kind = "syncdir"
	Lock      Kind = "lock"

	ReadAt   Kind = "read"
	WriteAt  Kind = "write"
	Size     Kind = "size"
	Truncate Kind = "truncate"
	Allocate Kind = "allocate"
	Sync     Kind = "sync"
	SyncData Kind = "syncdata"
	Linked   Kind = "linked"
	Close    Kind = "close"

	Unlock Kind = "unlock"
)

// Mutates reports whether a call of this kind can change what a crash leaves:
// a crash before and after any other call is the same.
func (k Kind) Mutates() bool {
	switch k {
	case Create, Rename, Link, Remove, MkdirAll, SyncDir, Lock, WriteAt, Truncate, Allocate, Sync, SyncData:
		return true
	}
	return false
}

// Op is one call.
type Op struct {
	Kind Kind
	Name string // as the caller gave it; of a file, the name it was opened by
	To   string // Rename, Link: the new name
	N    int    // number of the call on this FS, the first is 1
	Off  int64  // ReadAt, WriteAt: where
	Len  int64  // ReadAt, WriteAt: bytes; Truncate, Allocate: the size asked for
}

func (o Op) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s %s", o.N, o.Kind, o.Name)
	switch o.Kind {
	case Rename, Link:
		fmt.Fprintf(&b, " to=%s", o.To)
	case ReadAt, WriteAt:
		fmt.Fprintf(&b, " off=%d len=%d", o.Off, o.Len)
	case Truncate, Allocate:
		fmt.Fprintf(&b, " size=%d", o.Len)
	}
	return b.String()
}

// Fault is what to do with a call. The zero value lets it pass. A fault that
// has several fields set delays, then holds, then fails or stops.
type Fault struct {
	// Err fails the call before it does anything, with two exceptions that
	// are how systems behave. A Close or Unlock that fails has released the
	// file or lock all the same. A failed Sync or SyncData has lost what was
	// written, if the base file system can do that (see SyncFailer): a later
	// sync does not make it durable.
	Err error

	// Short, if more than 0, lets a WriteAt or ReadAt do its first Short bytes
	// before it fails with Err, or with ErrShort if Err is nil. Calls of other
	// kinds ignore it.
	Short int

	// Delay is called before the call. It may use the base file system.
	Delay func()

	// Hold keeps the call waiting until the channel is closed.
	Hold <-chan struct{}

	// StopAfter makes this call the last: it is done, and every later one
	// returns ErrStopped, as in a process that died. With Err the call fails
	// first, as in a process that died of it.
	StopAfter bool

	release func() error // asked for Err after Hold
}

var (
	// ErrInjected is the error of a fault whose maker did not care which.
	ErrInjected = errors.New("faultfs: injected failure")

	// ErrShort is the error of a call that Fault.Short cut.
	ErrShort = errors.New("faultfs: short transfer")

	// ErrStopped is the answer to every call after a Fault.StopAfter or Stop.
	ErrStopped = errors.New("faultfs: stopped")
)
