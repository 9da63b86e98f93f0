package client

import "testing"

func TestValuesAreLines(t *testing.T) {
	for array, want := range map[string]string{
		`[]`:                         "",
		`[1,"a\nb" , {"b":1,"a":2}]`: "1\n\"a\\nb\"\n{\"b\":1,\"a\":2}\n",
		"[{\"a\":\n [1, 2]\n}]":      "{\"a\":[1,2]}\n",
		`[12345678901234567890.10,"<&>\u00e9é"]`: "12345678901234567890.10\n\"<&>\\u00e9é\"\n",
		`[[1],[]]`: "[1]\n[]\n",
	} {
		if got, err := AppendLines([]byte("kept\n"), []byte(array)); err != nil || string(got) != "kept\n"+want {
			t.Errorf("%s: %q, %v", array, got, err)
		}
	}
	for _, bad := range []string{``, `{}`, `1`, `[1`, `[1,]`, `[1 2]`} {
		if _, err := AppendLines(nil, []byte(bad)); err == nil {
			t.Errorf("%q is taken for an array", bad)
		}
	}
}
