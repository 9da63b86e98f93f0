package remote

import "testing"

// TestReadsInOrderGoAheadUpToTheirEnd: a reader that says where it will stop is
// given ever longer windows, and nothing beyond that place.
func TestReadsInOrderGoAheadUpToTheirEnd(t *testing.T) {
	const (
		step = 256 * kib
		last = 6 * mib
	)
	b := &bucket{}
	c := mustOpen(t, Options{Bytes: 64 * mib, CellBytes: step, Source: b})
	f := c.File(1, 20*mib)
	for off := int64(0); off < last; off += step {
		read(t, f, Ask{End: last}, off, step)
	}
	settle(c)
	wantAsked(t, b,
		span{1, 0, step},
		span{1, step, step + 1*mib},
		span{1, 2*step + 1*mib, last - 2*step - 1*mib}) // not the whole window
	read(t, f, Ask{End: last}, last, step) // which it wants all the same
	wantAsked(t, b, span{1, last, step})
}
