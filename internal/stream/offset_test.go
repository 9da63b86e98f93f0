package stream

import (
	"cmp"
	"strings"
	"testing"
)

const (
	zeros16 = "0000000000000000"
	nines16 = "9999999999999999"
)

// TestOffsetTokensSortAsNumbers is what lets clients compare tokens as strings.
func TestOffsetTokensSortAsNumbers(t *testing.T) {
	r := newRand(newSeed(t))
	random := func() Offset {
		// Every magnitude is as likely, and neighbours come up too.
		o := Offset(r.Uint64N(offsetEnd)) >> r.IntN(54)
		return min(o+Offset(r.IntN(2)), offsetEnd-1)
	}
	for range 20_000 {
		a, b := random(), random()
		if r.IntN(4) == 0 {
			b = min(a+1, offsetEnd-1)
		}
		if got, want := strings.Compare(a.String(), b.String()), cmp.Compare(a, b); got != want {
			t.Fatalf("tokens %s and %s compare %d, the offsets %d", a, b, got, want)
		}
		parsed, err := ParseOffset([]byte(a.String()))
		if err != nil || parsed != a {
			t.Fatalf("offset %d has the token %s, which parses to %d, %v", uint64(a), a, uint64(parsed), err)
		}
	}
}

func TestParseOffset(t *testing.T) {
	for _, c := range []struct {
		token string
		want  Offset
	}{
		{zeros16 + "_" + zeros16, 0},
		{zeros16 + "_0000000000000001", 1},
		{zeros16 + "_0000000001234567", 1234567},
		{zeros16 + "_" + nines16, offsetEnd - 1},
		// The first group counts no bytes of ours: past every tail.
		{"0000000000000001_" + zeros16, OffsetMax},
		{"1000000000000000_" + zeros16, OffsetMax},
		{nines16 + "_" + nines16, OffsetMax},
	} {
		got, err := ParseOffset([]byte(c.token))
		if err != nil || got != c.want {
			t.Errorf("%q parses to %d, %v; want %d", c.token, uint64(got), err, uint64(c.want))
		}
		if c.want != OffsetMax && got.String() != c.token {
			t.Errorf("%q comes back as %q", c.token, got)
		}
	}
}

func TestParseOffsetRejects(t *testing.T) {
	for _, token := range []string{
		"", "0", "-1", "now", "_", zeros16, zeros16 + "_",
		zeros16 + "_000000000000000",        // 15 digits
		"000000000000000_" + zeros16,        // 15 digits
		zeros16 + "_00000000000000000",      // 17 digits
		"00000000000000000_" + zeros16,      // 17 digits
		"00000000000000000_000000000000000", // the underscore is one too late
		"000000000000000_00000000000000000", // and one too early
		zeros16 + "-" + zeros16,             // another separator
		zeros16 + "\uff3f" + zeros16,        // a wide underscore
		zeros16 + "0" + zeros16,             // none
		zeros16 + "_" + "_000000000000000",  // two
		zeros16 + "_+000000000000001",       // signs
		zeros16 + "_-000000000000001",
		"+000000000000000_" + zeros16,
		"-000000000000001_" + zeros16,
		zeros16 + "_ 000000000000001", // spaces
		zeros16 + "_000000000000001 ",
		" " + zeros16 + "_" + zeros16,
		zeros16 + "_" + zeros16 + " ",
		zeros16 + "_000000000000000a",              // other digits
		zeros16 + "_000000000000000:",              // the byte after 9
		zeros16 + "_000000000000000/",              // the byte before 0
		zeros16 + "_00000000000\u0661\u0661" + "0", // Arabic ones
		zeros16 + "_0x00000000000000",
		zeros16 + "_00000000000000.0",
		zeros16 + "_000000000000000\x00",
		zeros16 + "_000000000000000\n",
		zeros16 + "," + zeros16,
		zeros16 + "_" + zeros16 + "_" + zeros16,
		strings.Repeat("0", 33),
		strings.Repeat("_", 33),
		zeros16 + "_" + zeros16 + "?", "../" + zeros16,
	} {
		if got, err := ParseOffset([]byte(token)); err == nil {
			t.Errorf("%q parses to %d", token, uint64(got))
		}
	}
}

func TestOffsetWithoutTokenPanics(t *testing.T) {
	for _, o := range []Offset{offsetEnd, offsetEnd + 1, OffsetMax} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("offset %d has a token", uint64(o))
				}
			}()
			o.Append(nil)
		}()
	}
}

func TestOffsetAppendKeepsWhatIsThere(t *testing.T) {
	got := string(Offset(42).Append([]byte("at ")))
	if want := "at " + zeros16 + "_0000000000000042"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if o := Offset(10); o.End(0) != 15 || o.End(7) != 22 {
		t.Errorf("appends of 0 and 7 bytes at 10 end at %d and %d", uint64(o.End(0)), uint64(o.End(7)))
	}
}

// FuzzOffset holds that a token is accepted only if it is the one token of its
// offset, or lies past every tail.
func FuzzOffset(f *testing.F) {
	for _, token := range []string{zeros16 + "_" + zeros16, nines16 + "_" + nines16, zeros16 + "_0000000000000042", "-1", "now", ""} {
		f.Add([]byte(token))
	}
	f.Fuzz(func(t *testing.T, token []byte) {
		o, err := ParseOffset(token)
		if err != nil {
			return
		}
		if len(token) != OffsetLen {
			t.Fatalf("%q parses", token)
		}
		if o == OffsetMax {
			if strings.HasPrefix(string(token), zeros16) {
				t.Fatalf("%q lies past every tail", token)
			}
			return
		}
		if o.String() != string(token) {
			t.Fatalf("%q is the token of %d, which has %q", token, uint64(o), o)
		}
	})
}
