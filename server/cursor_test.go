package server

import (
	"testing"
	"time"
)

func TestCursorNumbersIntervals(t *testing.T) {
	epoch := time.Date(2024, 10, 9, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		at   time.Time
		want uint64
	}{
		{epoch.Add(-time.Hour), 0},
		{epoch, 0},
		{epoch.Add(19999 * time.Millisecond), 0},
		{epoch.Add(20 * time.Second), 1},
		{epoch.Add(24 * time.Hour), 4320},
	} {
		if got := cursorAt(c.at); got != c.want {
			t.Errorf("cursor at %v is %d, want %d", c.at, got, c.want)
		}
	}
}

// However far ahead a client is, its next cursor is greater; and by no more
// than the jitter.
func TestCursorNeverGoesBack(t *testing.T) {
	rng := newRand(t)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	current := cursorAt(now)
	if got := nextCursor(now, 0, false, rng.Uint64); got != current {
		t.Errorf("without a cursor: %d, want %d", got, current)
	}
	if got := nextCursor(now, current-1, true, rng.Uint64); got != current {
		t.Errorf("of the interval before: %d, want %d", got, current)
	}
	const jitterMax = uint64(cursorJitterMax / cursorInterval)
	for _, client := range []uint64{current, current + 1, current + 1e6, 1<<53 - 2, 1 << 60, cursorMax} {
		for range 1000 {
			got := nextCursor(now, client, true, rng.Uint64)
			if got <= client || got-client > jitterMax {
				t.Fatalf("after %d comes %d", client, got)
			}
		}
	}
}

func TestCursorOfTheQueryIsANumberOrNothing(t *testing.T) {
	for raw, want := range map[string]struct {
		cursor uint64
		given  bool
	}{
		"":                       {0, false},
		"123":                    {123, true},
		"%31%32":                 {12, true},
		"abc":                    {0, false},
		"-1":                     {0, false},
		"1.5":                    {0, false},
		"0":                      {0, true},
		"9007199254740990":       {9007199254740990, true},
		"18446744073709551614":   {cursorMax, true},
		"18446744073709551615":   {0, false}, // there is no greater one
		"18446744073709551616":   {0, false},
		"9999999999999999999999": {0, false},
	} {
		q, f := parseQuery([]byte("cursor=" + raw))
		if f != faultNone || q.cursor != want.cursor || q.hasCursor != want.given {
			t.Errorf("cursor=%s is %d, %v (fault %d)", raw, q.cursor, q.hasCursor, f)
		}
	}
}
