package model

import "testing"

func TestAppendChecksInOrder(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"offsets grow by the body and five", []step{
			{0, put("a", "abc"), "created tail=8"}, {0, post("a", "d"), "appended tail=14"}, {0, "GET a", "ok abc@8 d@14"},
			{0, post("a", ""), "empty_body"},
		}},
		{"closed wins over content type, offset and seq", []step{
			{0, put("a", ""), "created tail=0"}, {0, post("a", "x", closing, seq("5")), "appended tail=6 closed"},
			{0, post("a", "y", mediaOf("text/html"), expected(0), seq("1")), "stream_closed tail=6 closed"},
			{0, post("a", "y", closing), "stream_closed tail=6 closed"},
			{0, post("a", "", closing, mediaOf("text/html"), expected(0), seq("1")), "closed tail=6 closed"},
			{0, post("a", "", closing), "closed tail=6 closed"}, {0, post("a", ""), "empty_body"},
		}},
		{"then content type, then offset, then seq", []step{
			{0, put("a", ""), "created tail=0"}, {0, post("a", "x", seq("5")), "appended tail=6"},
			{0, post("a", "y", mediaOf("text/html"), expected(0), seq("1")), "content_type_mismatch"},
			{0, post("a", "y", expected(0), seq("1")), "offset_mismatch tail=6"},
			{0, post("a", "y", expected(6), seq("1")), "stream_seq_regression tail=6"},
			{0, post("a", "y", expected(6), seq("5")), "stream_seq_regression tail=6"},
			{0, post("a", "y", expected(6), seq("50")), "appended tail=12"},
			{0, post("a", "", closing, mediaOf("text/html"), expected(6)), "offset_mismatch tail=12"},
			{0, post("a", "", closing, mediaOf("text/html"), seq("50")), "stream_seq_regression tail=12"},
			{0, post("a", "", closing, mediaOf("text/html")), "closed tail=12 closed"},
		}},
		{"Stream-Seq compares bytes, not numbers", []step{
			{0, put("a", ""), "created tail=0"}, {0, post("a", "x", seq("2")), "appended tail=6"},
			{0, post("a", "x", seq("10")), "stream_seq_regression tail=6"},
			{0, post("a", "x"), "appended tail=12"}, {0, post("a", "x", seq("2")), "stream_seq_regression tail=12"},
			{0, put("b", ""), "created tail=0"}, {0, post("b", "x", seq("")), "appended tail=6"},
			{0, post("b", "x", seq("")), "stream_seq_regression tail=6"},
		}},
		{"a producer counts within its epoch", []step{
			{0, put("a", ""), "created tail=0"},
			{0, post("a", "x", by("p", 3, 1)), "sequence_gap expected=0 received=1"},
			{0, post("a", "x", by("p", 3, 0)), "appended tail=6 epoch=3 seq=0"},
			{0, post("a", "y", by("p", 3, 1)), "appended tail=12 epoch=3 seq=1"},
			{0, post("a", "z", by("p", 3, 0)), "duplicate tail=12 epoch=3 seq=1"},
			{0, post("a", "z", by("p", 3, 3)), "sequence_gap expected=2 received=3"},
			{0, post("a", "z", by("p", 2, 0)), "stale_epoch epoch=3"},
			{0, post("a", "z", by("p", 4, 1)), "epoch_start"},
			{0, post("a", "z", by("p", 4, 0)), "appended tail=18 epoch=4 seq=0"},
			{0, post("a", "z", by("p", 3, 2)), "stale_epoch epoch=4"},
			{0, post("a", "q", by("q", 0, 0)), "appended tail=24 epoch=0 seq=0"},
			{0, "GET a", "ok x@6 y@12 z@18 q@24"},
		}},
		{"a duplicate wins over everything a body or header can be wrong about", []step{
			{0, put("a", "", media("application/json")), "created tail=0"},
			{0, post("a", "1", mediaOf("application/json"), by("p", 0, 0), seq("5")), "appended tail=7 epoch=0 seq=0"},
			{0, post("a", "{", mediaOf("text/html"), by("p", 0, 0), seq("1"), expected(3)), "duplicate tail=7 epoch=0 seq=0"},
			{0, post("a", "", by("p", 0, 0), closing), "duplicate tail=7 epoch=0 seq=0"},
			{0, post("a", "", by("p", 0, 0)), "empty_body"},
		}},
		{"a rejected append uses up no seq", []step{
			{0, put("a", "", media("application/json")), "created tail=0"},
			{0, post("a", "{", mediaOf("application/json"), by("p", 7, 0), seq("5"), closing), "invalid_json"},
			{0, post("a", "[]", mediaOf("application/json"), by("p", 7, 0), seq("5")), "empty_array"},
			{0, post("a", "1", by("p", 7, 0), seq("5")), "content_type_mismatch"},
			{0, post("a", "1", mediaOf("application/json"), by("p", 0, 0), seq("1")), "appended tail=7 epoch=0 seq=0"},
		}},
		{"a producer's close is its own to repeat", []step{
			{0, put("a", ""), "created tail=0"},
			{0, post("a", "x", by("p", 1, 0)), "appended tail=6 epoch=1 seq=0"},
			{0, post("a", "", by("p", 1, 2), closing), "sequence_gap expected=1 received=2"},
			{0, post("a", "", by("p", 1, 1), closing), "closed tail=6 epoch=1 seq=1 closed"},
			{0, post("a", "", by("p", 1, 1), closing), "duplicate tail=6 epoch=1 seq=1 closed"},
			{0, post("a", "other", by("p", 1, 1), closing), "duplicate tail=6 epoch=1 seq=1 closed"},
			{0, post("a", "x", by("p", 1, 0)), "duplicate tail=6 epoch=1 seq=1 closed"},
			{0, post("a", "x", by("p", 0, 0)), "stale_epoch epoch=1"},
			{0, post("a", "x", by("p", 1, 2)), "stream_closed tail=6 closed"},
			{0, post("a", "x", by("p", 2, 5)), "stream_closed tail=6 closed"},
			{0, post("a", "", by("q", 0, 0), closing), "stream_closed tail=6 closed"},
			{0, post("a", "", closing), "closed tail=6 closed"},
		}},
		{"a close without a producer is nobody's to repeat with one", []step{
			{0, put("a", ""), "created tail=0"}, {0, post("a", "", closing), "closed tail=0 closed"},
			{0, post("a", "", by("p", 0, 0), closing), "stream_closed tail=0 closed"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) { run(t, c.steps) })
	}
}

func TestJSONIsFlattenedOnceAndKeptAsSent(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{` {"a" : 1e999} `, "ok {\"a\" : 1e999},@19"},
		{"1", "ok 1,@7"},
		{"[1, 2 ,\n3]", "ok 1,2,3,@11"},
		{"[[1, 2]]", "ok [1, 2],@12"},
		{"[[]]", "ok [],@8"},
		{"[null,\"a,]\"]", "ok null,\"a,]\",@16"},
		{`"\ud800"`, `ok "\ud800",@14`},
		{"[]", "empty_array"},
		{" [ ] ", "empty_array"},
		{"[1,]", "invalid_json"},
		{"1 2", "invalid_json"},
		{" ", "invalid_json"},
		{"01", "invalid_json"},
		{"\"\xff\"", "invalid_json"},
		{"\ufeff1", "invalid_json"},
	} {
		m := New()
		m.Create(0, put("a", "", media("Application/JSON; charset=utf-8")))
		got := string(m.Append(0, post("a", c.body, mediaOf("application/json"))).Code)
		if got == string(Appended) {
			got = content(m, 0, "a")
		}
		if got != c.want {
			t.Errorf("POST of %q: %s, want %s", c.body, got, c.want)
		}
	}
	run(t, []step{
		{0, put("e", "[]", media("application/json")), "created tail=0"}, {0, "GET e", "ok"},
		{0, put("f", "[1,2]", media("application/json")), "created tail=9"}, {0, "GET f", "ok 1,2,@9"},
		{0, put("g", "[1", media("application/json")), "invalid_json"}, {0, "HEAD g", "not_found"},
	})
}

func TestContentTypesCompareByMeaning(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"text/plain", "Text/PLAIN", true},
		{"text/plain", " text/plain ;", true},
		{"text/plain", "text/plain; charset=utf-8", true},
		{"text/plain", "text/plain;CHARSET=\"UTF-8\"", true},
		{"text/plain", "text/plain; charset=latin1", false},
		{"text/plain", "text/html", false},
		{"a/b; x=1; y=2", "a/b;Y=2;X=1; charset=utf-8", true},
		{"a/b; x=v", "a/b; x=V", false},
		{"a/b; x=\"v;w\"", "a/b; x=\"v;w\"", true},
		{"a/b; x=\"v;w\"", "a/b; x=v; w", false},
		{"a/b; x=\"v; charset=utf-8; w\"", "a/b; x=\"v; w\"", false},
		{"a/b; x=\"\\v\"", "a/b; x=v", true},
		{"a/b; x=1", "a/b", false},
		{"", "text/plain", false},
	} {
		if got := sameContentType(c.a, c.b); got != c.same || sameContentType(c.b, c.a) != c.same {
			t.Errorf("%q and %q: same is %v, want %v", c.a, c.b, got, c.same)
		}
	}
}
