package fuzz

import "testing"

// arena is what all runs take place in.
type arena struct {
	both   [2]*driven // on a loop, and portable
	others *opinions
	runs   int
	sent   int // bytes
}

// What an arena is good for: the log grows, and is not to come to its end.
const (
	arenaRuns  = 3000
	arenaBytes = 8 << 20
)

func openArena(t testing.TB) *arena {
	return &arena{both: [2]*driven{openDriven(t, false), openDriven(t, true)}, others: openOpinions()}
}

func (a *arena) close(t testing.TB) {
	t.Helper()
	for _, d := range a.both {
		d.close(t)
	}
	a.others.close(t)
}

// arenas makes the arena, and another one when it is used up. A run that failed
// may have left anything.
type arenas struct{ now *arena }

func (p *arenas) take(t testing.TB) *arena {
	if a := p.now; a != nil && (a.runs >= arenaRuns || a.sent >= arenaBytes) {
		p.drop(t)
	}
	if p.now == nil {
		p.now = openArena(t)
	}
	p.now.runs++
	return p.now
}

func (p *arenas) drop(t testing.TB) {
	if a := p.now; a != nil {
		p.now = nil
		a.close(t)
	}
}
