package jsonmode

import (
	"errors"
	"testing"
)

// FuzzFlatten compares the scanner with encoding/json, which shares no code with
// it, on bodies that the corpus and the fuzzer bring up.
func FuzzFlatten(f *testing.F) {
	f.Add([]byte(`[{"a":[1,-2.5e3,null]}, "é\ud800\n", true]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		// Beyond the depth limit the two differ by design.
		if _, _, err := Flatten(nil, body); errors.Is(err, ErrTooDeep) {
			return
		}
		checkFlatten(t, body)
	})
}

// FuzzPrefix feeds bytes that Flatten never made.
func FuzzPrefix(f *testing.F) {
	f.Add([]byte(`{"a":[1,2]},"x,\",y",`), 1)
	f.Fuzz(func(t *testing.T, stored []byte, n int) {
		prefix, have := Prefix(stored, n)
		if have > max(n, 0) || have > Count(stored) || Count(prefix) != have {
			t.Fatalf("Prefix(%q, %d) = %q, %d", stored, n, prefix, have)
		}
		if string(stored[:len(prefix)]) != string(prefix) {
			t.Fatalf("Prefix(%q, %d) = %q is no prefix", stored, n, prefix)
		}
	})
}
