package livetest

import (
	"slices"
	"testing"
)

// What is found has to be found for sure: the truth is compared here with what
// a broken server would show.
func TestJudgeFindsWhatIsWrong(t *testing.T) {
	const end = 3 + appendFixed // of an append of three bytes
	text := func() *track {
		tr := newTrack("a", "a", textKind)
		for i, body := range []string{"1\r\n", "\n2\r", "\n3\n"} {
			if err := tr.ack([]byte(body), nil, offset(i+1)*end); err != nil {
				t.Fatal(err)
			}
		}
		return tr
	}()
	values := newTrack("j", "j", jsonKind)
	for i, body := range []string{`{"a":1,"b":[2]},`, `"\u00e9",`} {
		if err := values.ack([]byte(body), nil, []offset{21, 35}[i]); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		tr    *track
		p     piece
		known bool
		right bool
	}{
		"all":                     {text, piece{0, 3 * end, []byte("1\r\n\n2\r\n3\n"), false}, true, true},
		"a part":                  {text, piece{end, 2 * end, []byte("\n2\r"), false}, true, true},
		"from inside":             {text, piece{end + 2, 2 * end, []byte("\n2\r"), false}, true, true},
		"nothing":                 {text, piece{end, end, nil, false}, true, true},
		"not known yet":           {text, piece{end, 3*end + 8, []byte("\n2\r\n3\nnew"), false}, false, false},
		"left out":                {text, piece{0, 3 * end, []byte("1\r\n\n3\n"), false}, true, false},
		"twice":                   {text, piece{0, 2 * end, []byte("1\r\n1\r\n\n2\r"), false}, true, false},
		"too far":                 {text, piece{0, 2 * end, []byte("1\r\n"), false}, true, false},
		"inside":                  {text, piece{0, end + 1, []byte("1\r\n"), false}, true, false},
		"another order":           {text, piece{0, 2 * end, []byte("\n2\r1\r\n"), false}, true, false},
		"lines as they are":       {text, piece{0, end, []byte("1\n"), false}, true, false},
		"lines of an event":       {text, piece{0, end, []byte("1\n"), true}, true, true},
		"an end in two appends":   {text, piece{end, 3 * end, []byte("\n2\n3\n"), true}, true, true},
		"an end between events":   {text, piece{2 * end, 3 * end, []byte("\n3\n"), true}, true, true},
		"a line too much":         {text, piece{end, 3 * end, []byte("\n2\n\n3\n"), true}, true, false},
		"values":                  {values, piece{0, 35, []byte("[{\"b\": [2], \"a\":1}\n, \"é\"]"), true}, true, true},
		"other values":            {values, piece{0, 35, []byte(`[{"a":1,"b":[2]},"e"]`), true}, true, false},
		"other numbers":           {values, piece{0, 21, []byte(`[{"a":1.0,"b":[2]}]`), true}, true, false},
		"values without bracket":  {values, piece{21, 35, []byte(`"é"`), true}, true, false},
		"no values":               {values, piece{35, 35, nil, true}, true, true},
		"values before their end": {values, piece{21, 21, []byte(`["é"]`), true}, true, false},
	} {
		known, err := c.tr.judge(c.p)
		if known != c.known || known && (err == nil) != c.right {
			t.Errorf("%s: known %v, %v", name, known, err)
		}
	}
}

// Appends that were acknowledged join without a gap, whoever wrote them.
func TestTrackFindsGapsAndDoubles(t *testing.T) {
	tr := newTrack("a", "a", binaryKind)
	body := []byte("123")
	for _, end := range []offset{16, 32, 8} { // 24 is missing
		if err := tr.ack(body, nil, end); err != nil {
			t.Error(err)
		}
	}
	if s := tr.state(); s.tail != 16 || tr.gap() == nil {
		t.Errorf("known up to %d, gap %v", s.tail, tr.gap())
	}
	for _, end := range []offset{8, 16, 12, 3} {
		if tr.ack(body, nil, end) == nil {
			t.Errorf("two appends end at %d, or one inside another", end)
		}
	}
	if err := tr.ack(body, nil, 24); err != nil || tr.gap() != nil || tr.state().tail != 32 {
		t.Errorf("%v, %v, known up to %d", err, tr.gap(), tr.state().tail)
	}
	f := forkTrack(tr, "f", "f", 20)
	if !slices.EqualFunc(f.known, tr.known[:2], func(a, b appended) bool { return a.end == b.end }) || f.tail != 20 {
		t.Errorf("a fork at 20 has %d appends up to %d", len(f.known), f.tail)
	}
}
