package faultfs

import (
	"fmt"
	"strings"
)

// step is a line of the trace.
type step struct {
	op  Op
	err error // injected
}

// Trace returns the calls so far in the order of their numbers. Calls after a
// stop are not in it.
func (f *FS) Trace() []Op {
	f.mu.Lock()
	defer f.mu.Unlock()
	ops := make([]Op, len(f.trace))
	for i, s := range f.trace {
		ops[i] = s.op
	}
	return ops
}

// TraceString returns the trace as text, a line for each call, with the
// failures that were injected.
func (f *FS) TraceString() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var b strings.Builder
	for _, s := range f.trace {
		b.WriteString(s.op.String())
		if s.err != nil {
			fmt.Fprintf(&b, " error=%q", s.err.Error())
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// ResetTrace empties the trace. Numbers go on.
func (f *FS) ResetTrace() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trace = nil
}

// Calls is the number of the newest call, 0 if there was none.
func (f *FS) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}
