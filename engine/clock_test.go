package engine

import (
	"testing"
	"time"
)

func TestTimeNeverGoesBack(t *testing.T) {
	clock := newFakeClock()
	line := newTimeline(clock, 0)
	last := line.now()
	for _, step := range []time.Duration{-time.Hour, time.Hour, 2 * time.Hour, -3 * time.Hour} {
		clock.step(step)
		for range 50 {
			clock.advance(time.Second)
			if now := line.now(); now < last {
				t.Fatalf("time went back by %d ms after a step of %v", last-now, step)
			} else {
				last = now
			}
		}
	}
}

func TestTimeHardlyFollowsAStep(t *testing.T) {
	clock := newFakeClock()
	line := newTimeline(clock, 0)
	begin := line.now()
	clock.step(time.Hour)
	clock.advance(160 * time.Second)
	if got := line.now() - begin; got != 170_000 {
		t.Fatalf("160 s and a step of an hour passed as %d ms, want 170000", got)
	}
}

func TestTimeFollowsDrift(t *testing.T) {
	clock := newFakeClock()
	line := newTimeline(clock, 0)
	for range 1000 {
		clock.advance(time.Second)
		clock.step(50 * time.Microsecond)
		line.now()
	}
	if got, want := line.now(), clock.wall.UnixMilli(); got != want {
		t.Fatalf("engine time %d, wall clock %d", got, want)
	}
}

func TestTimeStartsWhereTheLogEnded(t *testing.T) {
	clock := newFakeClock()
	floor := clock.wall.Add(time.Hour).UnixMilli()
	line := newTimeline(clock, floor)
	if got := line.now(); got < floor {
		t.Fatalf("time starts %d ms before the newest record", floor-got)
	}
}
