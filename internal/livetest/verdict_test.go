package livetest

import (
	"fmt"
	"sync"
	"testing"
)

// fault is a way to break the promise.
type fault int

const (
	corrupt   fault = iota // not what was appended there: lost, doubled, moved or changed
	misplaced              // an offset that can't be
	stale                  // not what was acknowledged before it was asked for
	undone                 // an end of the stream that is not so, or was not told
	broken                 // a connection that ended without reason
	refused                // an answer, or none, that a healthy server does not give
	faults
)

func (f fault) String() string {
	return [...]string{"corrupt", "misplaced", "stale", "undone", "broken", "refused"}[f]
}

// verdict collects faults. It is safe for concurrent use.
type verdict struct {
	mu    sync.Mutex
	count [faults]int
	lines []string
}

// verdictLinesMax keeps the output readable when everything is wrong.
const verdictLinesMax = 30

func (v *verdict) add(f fault, format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.count[f]++
	if len(v.lines) < verdictLinesMax {
		v.lines = append(v.lines, f.String()+": "+fmt.Sprintf(format, args...))
	}
}

func (v *verdict) guilty() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.lines) > 0
}

// report fails the test with everything found.
func (v *verdict) report(t *testing.T) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, line := range v.lines {
		t.Error(line)
	}
	for f, n := range v.count {
		if n > 0 {
			t.Errorf("%d × %v", n, fault(f))
		}
	}
}
