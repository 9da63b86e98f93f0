package engine

import "time"

// Clock is where the engine learns the time.
type Clock interface {
	// Now returns the wall clock and a monotonic one. Only differences of the
	// monotonic reading mean anything.
	Now() (wall time.Time, mono time.Duration)
}

// SystemClock is the clock of the machine.
type SystemClock struct{ start time.Time }

// NewSystemClock starts a clock.
func NewSystemClock() SystemClock { return SystemClock{start: time.Now()} }

// Now implements Clock.
func (c SystemClock) Now() (time.Time, time.Duration) {
	now := time.Now()
	return now, now.Sub(c.start)
}

// slewShare limits how fast the engine's time gives way to a wall clock that
// disagrees with it: by one part in slewShare of the time that passes.
const slewShare = 16

// timeline is the engine's time. It advances with the monotonic clock and is
// drawn slowly toward the wall clock, so that a wall clock that steps by an
// hour and back neither expires streams nor prolongs them noticeably, while
// drift is still followed. It never goes back.
type timeline struct {
	src  Clock
	mono time.Duration
	at   int64 // Unix nanoseconds
}

// newTimeline starts at the wall clock, but not before floor, a Unix time in
// milliseconds: the log may remember a later time than the wall clock shows.
func newTimeline(src Clock, floor int64) timeline {
	wall, mono := src.Now()
	return timeline{src: src, mono: mono, at: max(wall.UnixNano(), floor*int64(time.Millisecond))}
}

// now returns the engine's time in Unix milliseconds.
func (t *timeline) now() int64 {
	wall, mono := t.src.Now()
	passed := int64(mono - t.mono)
	if passed > 0 {
		t.mono = mono
		t.at += passed
		give := passed / slewShare
		t.at += min(max(wall.UnixNano()-t.at, -give), give)
	}
	return t.at / int64(time.Millisecond)
}
