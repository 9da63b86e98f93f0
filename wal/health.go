package wal

import "time"

// Fail ends the group because of a failure elsewhere: nothing is acknowledged
// after it. Failed is called as for a failure of the log, and with its error if
// the log failed before.
func (g *Group) Fail(err error) { g.fail(err, nil) }

// CommitTimes is how long commits take: usually, as a low estimate that moves
// slowly, and now, as an average of the last few. When nothing was committed for
// a second, now is what is usual. Both are 0 before the first commit, and in a
// Manual group always.
func (g *Group) CommitTimes() (usual, now time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.times
	if t.usual > 0 && time.Since(t.last) > commitTimesHold {
		return t.usual, t.usual
	}
	return t.usual, t.now
}

const (
	// commitNowShare of a commit goes into the average: one in so many.
	commitNowShare = 8

	// The usual time follows shorter commits by that share of the distance, and
	// grows with each longer one by that share of itself, however long it was: an
	// hour of slow commits is not usual at once, and one stall is not at all.
	usualFallShare = 8
	usualRiseShare = 1024

	commitTimesHold = time.Second
)

// commitTimes are the estimates.
type commitTimes struct {
	usual, now time.Duration
	last       time.Time // the newest commit ended
}

func (t *commitTimes) add(begin, end time.Time) {
	d := max(end.Sub(begin), 1)
	t.last = end
	switch {
	case t.usual == 0:
		t.usual, t.now = d, d
		return
	case d < t.usual:
		t.usual -= (t.usual - d) / usualFallShare
	default:
		t.usual += min(d-t.usual, t.usual/usualRiseShare+1)
	}
	t.now += (d - t.now) / commitNowShare
}
