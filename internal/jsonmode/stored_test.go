package jsonmode

import (
	"bytes"
	"encoding/json"
	"testing"
)

// checkStored holds the laws of n messages in their stored form.
func checkStored(t *testing.T, stored []byte, n int) {
	t.Helper()
	if got := Count(stored); got != n {
		t.Fatalf("Count(%q) = %d, want %d", stored, got, n)
	}
	var elements []json.RawMessage
	array := AppendArray(nil, stored)
	if err := json.Unmarshal(array, &elements); err != nil || len(elements) != n {
		t.Fatalf("AppendArray(%q) = %q: %d elements, %v, want %d", stored, array, len(elements), err, n)
	}
	if again, m, err := Flatten(nil, array); err != nil || m != n || !bytes.Equal(again, stored) {
		t.Fatalf("Flatten(AppendArray(%q)) = %q, %d, %v", stored, again, m, err)
	}
	// Prefixes are whole messages: the first k of them, as they are.
	var want []byte
	for k := range min(n+2, 64) {
		prefix, have := Prefix(stored, k)
		if !bytes.Equal(prefix, want) || have != min(k, n) {
			t.Fatalf("Prefix(%q, %d) = %q, %d, want %q, %d", stored, k, prefix, have, want, min(k, n))
		}
		if k < n {
			want = append(append(want, elements[k]...), ',')
		}
	}
}

func TestPrefixTakesWholeMessages(t *testing.T) {
	const stored = `{"a":[1,2]},"x,\",y",[[],{}],3,`
	for _, c := range []struct {
		n, have int
		prefix  string
	}{
		{-1, 0, ``},
		{0, 0, ``},
		{1, 1, `{"a":[1,2]},`},
		{2, 2, `{"a":[1,2]},"x,\",y",`},
		{3, 3, `{"a":[1,2]},"x,\",y",[[],{}],`},
		{4, 4, stored},
		{5, 4, stored},
	} {
		prefix, have := Prefix([]byte(stored), c.n)
		if string(prefix) != c.prefix || have != c.have {
			t.Errorf("Prefix(%d) = %q, %d, want %q, %d", c.n, prefix, have, c.prefix, c.have)
		}
	}
	if prefix, have := Prefix(nil, 3); len(prefix) != 0 || have != 0 {
		t.Errorf("Prefix of nothing = %q, %d", prefix, have)
	}
	// Appending to a prefix must not write into the stream it was taken from.
	whole := []byte(stored)
	prefix, _ := Prefix(whole, 1)
	_ = append(prefix, "overwritten"...)
	if string(whole) != stored {
		t.Errorf("append to a prefix changed the stored bytes to %q", whole)
	}
}

func TestAppendArrayJoinsParts(t *testing.T) {
	for _, c := range []struct {
		parts []string
		want  string
	}{
		{nil, `[]`},
		{[]string{""}, `[]`},
		{[]string{"", ""}, `[]`},
		{[]string{`1,`}, `[1]`},
		{[]string{`1,2,`, `{"a": 3},`}, `[1,2,{"a": 3}]`},
		{[]string{"", `1,`, "", `2,`, "", ""}, `[1,2]`},
		{[]string{`{"a"`, `:1},`}, `[{"a":1}]`},
	} {
		var parts [][]byte
		for _, p := range c.parts {
			parts = append(parts, []byte(p))
		}
		if got := AppendArray([]byte("kept"), parts...); string(got) != "kept"+c.want {
			t.Errorf("AppendArray(%q) = %q, want %q", c.parts, got, c.want)
		}
		for i, p := range parts {
			if string(p) != c.parts[i] {
				t.Errorf("AppendArray changed part %d of %q to %q", i, c.parts, p)
			}
		}
	}
}

func TestAppendArrayRefusesBytesThatAreNoMessages(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("AppendArray of bytes without a last comma did not panic")
		}
	}()
	AppendArray(nil, []byte(`1,`), []byte(`{"a":1}`))
}

// Stored bytes are trusted, but a mistake must not become a crash or a loop.
func TestPrefixStaysInsideForeignBytes(t *testing.T) {
	for _, s := range []string{`"`, `"\`, `"\"`, `"abcdefgh\`, `}`, `}},`, `]1,`, `{,`, `1`, `1,2`, "\"\x01,", `"a,b`} {
		for cut := range len(s) + 1 {
			stored := []byte(s[:cut])
			prefix, have := Prefix(stored, 1<<30)
			if !bytes.HasPrefix(stored, prefix) || have != Count(stored) || have > len(stored) {
				t.Errorf("Prefix(%q) = %q, %d", stored, prefix, have)
			}
		}
	}
	if prefix, have := Prefix([]byte(`1,2`), 2); string(prefix) != `1,` || have != 1 {
		t.Errorf("a message without its comma was counted: %q, %d", prefix, have)
	}
}
