package config

import (
	"strings"
	"testing"
)

// TestSharesStayWithinTheBudget adds them up. A budget that is too small for them
// is refused with their names.
func TestSharesStayWithinTheBudget(t *testing.T) {
	for _, test := range []struct {
		args []string
		good bool
	}{
		{[]string{"--memory-bytes=64MiB"}, false},
		{[]string{"--memory-bytes=64MiB", "--body-bytes=4MiB"}, true},
		{[]string{"--memory-bytes=256MiB"}, true},
		{[]string{"--memory-bytes=1GiB"}, true},
		{nil, true},
		{[]string{"--memory-bytes=8GiB"}, true},
		{[]string{"--memory-bytes=8GiB", "--frame-bytes=4GiB"}, false},
		{[]string{"--bodies-bytes=256MiB"}, false},
		{[]string{"--responses-bytes=256MiB"}, false},
		{[]string{"--block-cache-bytes=128MiB"}, true},
	} {
		c, err := Load(test.args, nil)
		if !test.good {
			for _, name := range []string{"--memory-bytes", "--frame-bytes", "--block-cache-bytes", "--bodies-bytes", "--responses-bytes"} {
				if err == nil || !strings.Contains(err.Error(), name) {
					t.Errorf("%q: the error does not name %s: %v", test.args, name, err)
				}
			}
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		s := c.Shares()
		sum := s.Streams + s.Frames + s.BlockCache + s.Bodies + s.Responses
		if sum > c.MemoryBytes || s.Rest != c.MemoryBytes-sum || s.Staged > s.Frames || s.Bodies < c.BodyBytes {
			t.Errorf("%q: %+v: %d of %d", test.args, s, sum, c.MemoryBytes)
		}
		for _, part := range []int64{s.Streams, s.Frames, s.Staged, s.BlockCache, s.Bodies, s.Responses} {
			if part <= 0 {
				t.Errorf("%q: %+v", test.args, s)
			}
		}
	}
}

// TestSharesAreThoseOfThePage has the column of docs/configuration.md for 1 GiB.
func TestSharesAreThoseOfThePage(t *testing.T) {
	const mib = 1 << 20
	want := Shares{Streams: 512 * mib, Frames: 192 * mib, Staged: 64 * mib, BlockCache: 64 * mib, Bodies: 64 * mib, Responses: 64 * mib, Rest: 128 * mib}
	if got := load(t).Shares(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
