package crashtest

import (
	"fmt"
	"sync"
	"testing"
)

// fault is a way to break the promise.
type fault int

const (
	lost      fault = iota // acknowledged, and not there
	doubled                // there twice
	reordered              // not in the order in which its producer sent it
	corrupt                // not what was sent
	misplaced              // not at the offset that was told
	takenBack              // shown to a reader, and not there, or elsewhere, later
	undone                 // an acknowledged create, delete, close or fork that is not so
	refused                // an answer, or none, that a healthy server does not give
	faults
)

func (f fault) String() string {
	return [...]string{"lost", "doubled", "reordered", "corrupt", "misplaced", "taken back", "undone", "refused"}[f]
}

// verdict collects faults. It is safe for concurrent use.
type verdict struct {
	mu     sync.Mutex
	counts [faults]int
	lines  []string
}

// verdictLinesMax keeps the output readable when everything is wrong.
const verdictLinesMax = 40

func (v *verdict) add(f fault, format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.counts[f]++
	if len(v.lines) < verdictLinesMax {
		v.lines = append(v.lines, f.String()+": "+fmt.Sprintf(format, args...))
	}
}

func (v *verdict) count(f fault) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.counts[f]
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
}
