package faultfs

import (
	"slices"
	"sync"
)

// rule is a fault of one of the conveniences. FS.hooks guards it.
type rule struct {
	fault func(Op) (Fault, bool)
}

// Inject makes decide choose the fault of every call from now on, in place of
// the function that did so before; nil ends that. decide is called with one
// call at a time, in the order of their numbers, from the goroutine of the
// call. It may use the base file system and look at the trace, but not make
// calls through the FS or change its faults.
func (f *FS) Inject(decide func(Op) Fault) {
	f.hooks.Lock()
	defer f.hooks.Unlock()
	f.injected = decide
}

// FailNth makes the n-th call of a kind from now fail with err; the first is
// 1. It goes before the injected function, and ends when it has struck.
func (f *FS) FailNth(kind Kind, n int, err error) {
	f.hooks.Lock()
	defer f.hooks.Unlock()
	r := &rule{}
	r.fault = func(op Op) (Fault, bool) {
		if op.Kind != kind {
			return Fault{}, false
		}
		if n--; n > 0 {
			return Fault{}, false
		}
		f.drop(r)
		return Fault{Err: err}, true
	}
	f.rules = append(f.rules, r)
}

// HoldSync keeps every Sync and SyncData of a file waiting until release is
// called, which lets them go on, or fail with err if that is not nil. held
// gets a value for each sync that begins to wait, up to 64 that nobody
// received. Later calls of release do nothing.
func (f *FS) HoldSync() (held <-chan struct{}, release func(err error)) {
	signal := make(chan struct{}, 64)
	gate := make(chan struct{})
	var result error // written before gate is closed

	r := &rule{}
	r.fault = func(op Op) (Fault, bool) {
		if op.Kind != Sync && op.Kind != SyncData {
			return Fault{}, false
		}
		return Fault{
			Delay: func() {
				select {
				case signal <- struct{}{}:
				default:
				}
			},
			Hold:    gate,
			release: func() error { return result },
		}, true
	}
	f.hooks.Lock()
	f.rules = append(f.rules, r)
	f.hooks.Unlock()

	var once sync.Once
	return signal, func(err error) {
		once.Do(func() {
			f.hooks.Lock()
			f.drop(r)
			f.hooks.Unlock()
			result = err
			close(gate)
		})
	}
}

// Clear ends all faults to come. It does not let held calls go, nor start a
// stopped file system again.
func (f *FS) Clear() {
	f.hooks.Lock()
	defer f.hooks.Unlock()
	f.injected = nil
	f.rules = nil
}

// drop removes a rule. Called with hooks held. The slice is replaced, because
// decide may be walking the old one.
func (f *FS) drop(r *rule) {
	f.rules = slices.DeleteFunc(slices.Clone(f.rules), func(x *rule) bool { return x == r })
}

// decide picks the fault of op. Called with hooks held.
func (f *FS) decide(op Op) Fault {
	picked, found := Fault{}, false
	for _, r := range f.rules {
		// Every rule sees every call, or those that count would miscount.
		if fault, ok := r.fault(op); ok && !found {
			picked, found = fault, true
		}
	}
	if f.injected != nil {
		if fault := f.injected(op); !found {
			picked = fault
		}
	}
	return picked
}

// Stop makes every call from now on return ErrStopped.
func (f *FS) Stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = true
}

// Stopped reports whether the file system has stopped.
func (f *FS) Stopped() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stopped
}

// enter is the gate. With an error the caller does not do the call, except
// for the bytes of Fault.Short. The fault returned has only Err and Short set:
// the failure that was injected, if one was.
func (f *FS) enter(op Op) (Fault, error) {
	site := callSite(op.Kind)
	fault, at, err := f.admit(op, site)
	if err != nil {
		return Fault{}, err
	}
	if fault.Delay != nil {
		fault.Delay()
	}
	if fault.Hold != nil {
		<-fault.Hold
	}
	if fault.release != nil {
		fault.Err = fault.release()
	}
	if op.Kind != ReadAt && op.Kind != WriteAt {
		fault.Short = 0
	}
	if fault.Short > 0 && fault.Err == nil {
		fault.Err = ErrShort
	}

	f.mu.Lock()
	defer f.mu.Unlock()
	if fault.waits() {
		// A crash may have come while this call waited.
		if f.stopped {
			return Fault{}, ErrStopped
		}
		f.stopped = fault.StopAfter
	}
	if fault.Err != nil {
		f.sites.failed(site)
		at.err = fault.Err
	}
	return Fault{Err: fault.Err, Short: fault.Short}, fault.Err
}

func (f Fault) waits() bool { return f.Delay != nil || f.Hold != nil }

// admit gives op its number, its place in the trace and its fault.
func (f *FS) admit(op Op, site string) (fault Fault, at *step, err error) {
	f.hooks.Lock()
	defer f.hooks.Unlock()

	f.mu.Lock()
	if f.stopped {
		f.mu.Unlock()
		return Fault{}, nil, ErrStopped
	}
	f.calls++
	op.N = f.calls
	at = &step{op: op}
	f.trace = append(f.trace, at)
	f.sites.saw(site)
	f.mu.Unlock()

	fault = f.decide(op)
	if fault.StopAfter && !fault.waits() {
		// Before the next call can get a number.
		f.Stop()
	}
	return fault, at, nil
}
