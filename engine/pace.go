package engine

import "time"

// pace keeps a merge from taking the disk and the processors from those who
// append: it rests as long as it works, and longer while commits are slow.
type pace struct {
	engine *Engine
	since  time.Time
}

const (
	restMax = 100 * time.Millisecond

	// Commits count as slow when one takes that much longer than the fastest
	// ones, and never below slowCommitMin.
	slowCommitTimes = 4
	slowCommitMin   = 2 * time.Millisecond
)

func (e *Engine) newPace() *pace { return &pace{engine: e, since: time.Now()} }

// wrote is called after each step. A Manual engine does not rest, and neither does a
// merge that is late.
func (p *pace) wrote() {
	e := p.engine
	if e.opts.Manual {
		return
	}
	e.mu.Lock()
	late := len(e.version.layers) > layersLate*e.opts.MergeFanIn
	e.mu.Unlock()
	if late {
		p.since = time.Now()
		return
	}
	p.rest(min(time.Since(p.since), restMax))
	for range 10 {
		usual, now := e.group.CommitTimes()
		if now < slowCommitMin || now < slowCommitTimes*usual {
			break
		}
		p.rest(restMax)
	}
	p.since = time.Now()
}

// layersLate is how many times the fan-in there may be layers before merging
// comes first: each is another place to look for every reader.
const layersLate = 4

func (p *pace) rest(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.engine.stop:
	}
}
