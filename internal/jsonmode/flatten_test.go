package jsonmode

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestFlattenStoresMessagesAsTheyCame(t *testing.T) {
	for _, c := range []struct {
		body, stored string
		messages     int
	}{
		{`{"a":1}`, `{"a":1},`, 1},
		{"\t\r\n {\"a\" : 1}\n", `{"a" : 1},`, 1},
		{`[{"a":1},{"b":2}]`, `{"a":1},{"b":2},`, 2},
		{" [ {\"a\" :\n1} ,\r\n 2\t, \"x \" ] ", "{\"a\" :\n1},2,\"x \",", 3},
		{`[[1,2],[3,4]]`, `[1,2],[3,4],`, 2},
		{`[[[1,2,3]]]`, `[[1,2,3]],`, 1},
		{`[[ ]]`, `[ ],`, 1},
		{`[]`, ``, 0},
		{"[ \n]", ``, 0},
		{`{}`, `{},`, 1},
		{`null`, `null,`, 1},
		{`""`, `"",`, 1},
		{`[true,false,null]`, `true,false,null,`, 3},
		{`-0.0e-0`, `-0.0e-0,`, 1},
		{`[1E+400,100000000000000000000000001]`, `1E+400,100000000000000000000000001,`, 2},
		{`{"b":1,"a":2,"b":3}`, `{"b":1,"a":2,"b":3},`, 1},
		{`"\ud800"`, `"\ud800",`, 1},
		{`"\uDC00\u0000\/\"\\"`, `"\uDC00\u0000\/\"\\",`, 1},
		{`["],[","\"],["]`, `"],[","\"],[",`, 2},
		{`"é€😀` + "\u2028\x7f\ufeff" + `"`, `"é€😀` + "\u2028\x7f\ufeff" + `",`, 1},
	} {
		out, n, err := Flatten(nil, []byte(c.body))
		if err != nil || string(out) != c.stored || n != c.messages {
			t.Errorf("Flatten(%q) = %q, %d, %v, want %q, %d", c.body, out, n, err, c.stored, c.messages)
		}
		checkFlatten(t, []byte(c.body))
	}
}

func TestFlattenRefusesAndNamesThePlace(t *testing.T) {
	for _, c := range []struct {
		body   string
		offset int
	}{
		{"", 0},
		{" \n", 2},
		{"\xef\xbb\xbf{}", 0},
		{"[1,\xef\xbb\xbf2]", 3},
		{"{} {}", 3},
		{"[1],", 3},
		{"1 2", 2},
		{"[1,]", 3},
		{"[,1]", 1},
		{"[1 2]", 3},
		{"[1}", 2},
		{"{]", 1},
		{`{"a":1]`, 6},
		{`{"a":1,}`, 7},
		{`{"a" 1}`, 5},
		{`{"a":}`, 5},
		{`{a:1}`, 1},
		{`{1:1}`, 1},
		{`[`, 1},
		{`[[1]`, 4},
		{`{"a"`, 4},
		{`{"a":1,`, 7},
		{"01", 1},
		{"-", 1},
		{"-a", 1},
		{"+1", 0},
		{".5", 0},
		{"1.", 2},
		{"1.e5", 2},
		{"1e", 2},
		{"1e+", 3},
		{"1ex", 2},
		{"0x10", 1},
		{"NaN", 0},
		{"nul", 3},
		{"nulL", 3},
		{"truely", 4},
		{"'a'", 0},
		{`"a`, 2},
		{`"\`, 2},
		{`"\a"`, 2},
		{`"\u12"`, 5},
		{`"\u12g4"`, 5},
		{`"\u12`, 5},
		{`"\U0041"`, 2},
		{"\"a\nb\"", 2},
		{"\"a\x00\"", 2},
		{"\"a\x1f\"", 2},
		{"\"ab\xffc\"", 3},
		{"\"ab\xc0\xaf\"", 3},     // overlong
		{"\"ab\xed\xa0\x80\"", 3}, // half a surrogate pair as bytes
		{"\"ab\xf4\x90\x80\x80\"", 3},
		{"\"ab\xe2\x82\"", 3},
		{"\"\xff\\x\"", 1},   // the first of two faults
		{"{\"k\xff\":1}", 3}, // in a key
		{"[1,\u00a02]", 3},   // no-break space is no whitespace
		{"[1,\x0c2]", 3},     // nor is form feed
		{"[1]\x00", 3},
		{"/* c */ 1", 0},
		{"{\"a\":1} // more", 8},
	} {
		_, _, err := Flatten(nil, []byte(c.body))
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || syntax.Offset != c.offset {
			t.Errorf("Flatten(%q) = %v, want an error at byte %d", c.body, err, c.offset)
		}
		checkFlatten(t, []byte(c.body))
	}
}

func TestFlattenRefusesMessagesDeeperThanTheLimit(t *testing.T) {
	nest := func(open, middle, end string, depth int) string {
		return strings.Repeat(open, depth) + middle + strings.Repeat(end, depth)
	}
	for name, c := range map[string][2]string{
		"objects": {`{"k":`, `}`},
		"arrays":  {`[`, `]`},
	} {
		for _, middle := range []string{"1", "[]", "{}"} {
			limit := MaxDepth
			if middle != "1" {
				limit-- // the empty one counts as a level
			}
			legal := "[" + nest(c[0], middle, c[1], limit) + "]"
			stored, n, err := Flatten(nil, []byte(legal))
			if err != nil || n != 1 {
				t.Errorf("%s around %s, %d levels: %d messages, %v", name, middle, limit, n, err)
			}
			if again, _, err := Flatten(nil, AppendArray(nil, stored)); err != nil || !bytes.Equal(again, stored) {
				t.Errorf("%s around %s: a read cannot be appended again: %v", name, middle, err)
			}
			out, n, err := Flatten(nil, []byte("["+nest(c[0], middle, c[1], limit+1)+"]"))
			if !errors.Is(err, ErrTooDeep) || errors.Is(err, ErrInvalid) || n != 0 || len(out) != 0 {
				t.Errorf("%s around %s, %d levels: %v, want ErrTooDeep", name, middle, limit+1, err)
			}
		}
	}
	// The kinds of 1,000 levels are told apart, also where words of bits meet.
	for _, wrong := range []int{1, 63, 64, 65, 127, 128, 999, 1000} {
		body := []byte(strings.Repeat(`[{"k":`, MaxDepth/2) + "1" + strings.Repeat("}]", MaxDepth/2))
		body = append(append([]byte{'['}, body...), ']')
		if _, _, err := Flatten(nil, body); err != nil {
			t.Fatalf("mixed levels: %v", err)
		}
		at := len(body) - 1 - wrong
		body[at] ^= '}' ^ ']'
		_, _, err := Flatten(nil, body)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || syntax.Offset != at {
			t.Errorf("closing level %d with the wrong bracket: %v, want an error at byte %d", wrong, err, at)
		}
	}
}

func TestFlattenAllocatesNothingIntoAWarmBuffer(t *testing.T) {
	if raceEnabled {
		t.Log("counts are not exact under the race detector")
		return
	}
	body := []byte(`[{"k":"v","n":[1,2.5e3,{"x":null}]}, "é\n", true]`)
	dst := make([]byte, 0, 2*len(body))
	arr := make([]byte, 0, 2*len(body))
	allocs := testing.AllocsPerRun(1000, func() {
		out, n, err := Flatten(dst, body)
		if err != nil || n != 3 || Count(out) != 3 {
			t.Fatalf("%d messages, %v", n, err)
		}
		prefix, _ := Prefix(out, 2)
		AppendArray(arr, prefix, out)
	})
	if allocs != 0 {
		t.Errorf("%v allocations per body, want 0", allocs)
	}
}
