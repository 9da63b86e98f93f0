package faultobj

import (
	"fmt"
	"slices"

	"tailrace/internal/objstore"
)

// Call is one call in the trace.
type Call struct {
	Op, Key string
	Fault   Fault
	Done    bool          // it has returned
	Outcome objstore.Kind // if it has
}

func (c Call) String() string {
	outcome := "under way"
	if c.Done {
		outcome = c.Outcome.String()
	}
	return fmt.Sprintf("%s %s: %s, %s", c.Op, c.Key, c.Fault, outcome)
}

// Trace is every call so far, in the order in which they began.
func (b *Bucket) Trace() []Call {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.trace)
}

// Forget empties the trace and lets the choice of faults begin anew. No call
// may be under way.
func (b *Bucket) Forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trace = nil
	clear(b.seen)
}
