package model

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// put is a plain PUT of text, changed by the functions given.
func put(path, body string, change ...func(*CreateRequest)) CreateRequest {
	r := CreateRequest{Path: path, ContentType: "text/plain", TTL: -1, FromOffset: -1, Body: []byte(body)}
	for _, c := range change {
		c(&r)
	}
	return r
}

// fork is a PUT that says nothing but where to fork.
func fork(path, from string, offset int64, sub uint64, body string) CreateRequest {
	return CreateRequest{Path: path, TTL: -1, From: from, FromOffset: offset, Sub: sub, Body: []byte(body)}
}

// post is a plain POST of text, changed by the functions given.
func post(path, body string, change ...func(*AppendRequest)) AppendRequest {
	r := AppendRequest{Path: path, ContentType: "text/plain", Body: []byte(body), Expected: -1}
	for _, c := range change {
		c(&r)
	}
	return r
}

func ttl(seconds int64) func(*CreateRequest) { return func(r *CreateRequest) { r.TTL = seconds } }
func expires(at int64) func(*CreateRequest)  { return func(r *CreateRequest) { r.ExpiresAt = at } }
func media(text string) func(*CreateRequest) { return func(r *CreateRequest) { r.ContentType = text } }
func keeping(bytes int64) func(*CreateRequest) {
	return func(r *CreateRequest) { r.KeepBytes = bytes }
}
func closed(r *CreateRequest) { r.Closed = true }
func forAll(public bool) func(*CreateRequest) {
	return func(r *CreateRequest) { r.Public = public }
}
func mediaOf(text string) func(*AppendRequest) {
	return func(r *AppendRequest) { r.ContentType = text }
}
func closing(r *AppendRequest) { r.Close = true }
func seq(text string) func(*AppendRequest) {
	return func(r *AppendRequest) { r.Seq, r.HasSeq = text, true }
}
func expected(tail int64) func(*AppendRequest) { return func(r *AppendRequest) { r.Expected = tail } }
func by(id string, n ...int64) func(*AppendRequest) {
	return func(r *AppendRequest) { r.Producer = &Producer{ID: id, Epoch: n[0], Seq: n[1]} }
}

// step is one request and what must come of it.
type step struct {
	now  int64
	do   any // CreateRequest, AppendRequest, or "METHOD path"
	want string
}

// summary is the part of an answer that a step states: the code, then what is
// meaningful beside it.
func summary(m *Model, now int64, do any) string {
	var r Result
	switch do := do.(type) {
	case CreateRequest:
		r = m.Create(now, do)
	case AppendRequest:
		r = m.Append(now, do)
	case string:
		method, path, _ := strings.Cut(do, " ")
		switch method {
		case "DELETE":
			r = m.Delete(now, path)
		case "HEAD":
			r = m.Head(now, path)
		case "SWEEP":
			m.Sweep(now)
			return ""
		case "GET":
			return content(m, now, path)
		}
	}
	text := string(r.Code)
	for _, f := range []struct {
		name  string
		value int64
	}{{"tail", r.Tail}, {"epoch", r.Epoch}, {"seq", r.Seq}, {"expected", r.ExpectedSeq}, {"received", r.ReceivedSeq}, {"ttl", r.TTL}} {
		if f.value != -1 {
			text += fmt.Sprintf(" %s=%d", f.name, f.value)
		}
	}
	if r.ExpiresAt != 0 {
		text += fmt.Sprintf(" expires=%d", r.ExpiresAt)
	}
	if r.Closed {
		text += " closed"
	}
	return text
}

// content is everything a stream holds: "ok ab@7 c@13", each append with its end.
func content(m *Model, now int64, path string) string {
	r := m.Read(now, path, -1, 1<<20)
	text := string(r.Code)
	for i, body := range r.Appends {
		text += fmt.Sprintf(" %s@%d", body, r.Ends[i])
	}
	if r.Closed {
		text += " closed"
	}
	return text
}

func run(t *testing.T, steps []step) {
	t.Helper()
	m := New()
	for i, s := range steps {
		if got := summary(m, s.now, s.do); got != s.want {
			t.Fatalf("step %d: %+v:\n got %s\nwant %s", i, s.do, got, s.want)
		}
	}
}

func TestStreamsExpireAndGo(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"a missing path is not found by any method", []step{
			{0, post("a", "x"), "not_found"}, {0, post("a", ""), "not_found"}, {0, "GET a", "not_found"},
			{0, "HEAD a", "not_found"}, {0, "DELETE a", "not_found"},
		}},
		{"a deleted path starts anew", []step{
			{0, put("a", "old"), "created tail=8"}, {0, post("a", "x", by("p", 0, 0), seq("9")), "appended tail=14 epoch=0 seq=0"},
			{0, "DELETE a", "deleted"}, {0, "GET a", "not_found"},
			{0, put("a", ""), "created tail=0"}, {0, "GET a", "ok"},
			{0, post("a", "y", by("p", 0, 0), seq("1")), "appended tail=6 epoch=0 seq=0"},
		}},
		{"a TTL ends exactly at the deadline", []step{
			{0, put("a", "", ttl(2)), "created tail=0"},
			{1999, "HEAD a", "ok tail=0 ttl=2"}, {2000, "HEAD a", "not_found"},
		}},
		{"reads, appends, closes and repeated PUTs slide a TTL", []step{
			{0, put("a", "", ttl(2)), "created tail=0"},
			{1999, "GET a", "ok"},
			{3998, post("a", "x", by("p", 0, 0)), "appended tail=6 epoch=0 seq=0"},
			{5997, post("a", "x", by("p", 0, 0)), "duplicate tail=6 epoch=0 seq=0"},
			{7996, put("a", "", ttl(2)), "exists tail=6"},
			{9995, post("a", "", closing), "closed tail=6 closed"},
			{11994, post("a", "", closing), "closed tail=6 closed"},
			{13993, "GET a", "ok x@6 closed"},
			{15993, "GET a", "not_found"},
		}},
		{"neither HEAD nor a rejected request slides a TTL", []step{
			{0, put("a", "", ttl(2)), "created tail=0"},
			{1500, "HEAD a", "ok tail=0 ttl=2"},
			{1500, post("a", "x", mediaOf("text/html")), "content_type_mismatch"},
			{1500, post("a", "x", by("p", 0, 1)), "sequence_gap expected=0 received=1"},
			{1500, put("a", "", ttl(3)), "config_mismatch"},
			{1500, fork("b", "a", -1, 0, ""), "created tail=0"},
			{1500, "DELETE b", "deleted"},
			{2000, "HEAD a", "not_found"},
		}},
		{"an instant is never extended, and one that passed ends a stream at once", []step{
			{10, put("a", "", expires(20)), "created tail=0"}, {19, "GET a", "ok"}, {20, "GET a", "not_found"},
			{20, put("a", "", expires(20)), "created tail=0"}, {20, "GET a", "not_found"},
			{20, put("a", "", ttl(0)), "created tail=0"}, {20, "GET a", "not_found"},
			{20, put("a", "x", ttl(1<<62)), "created tail=6"}, {1 << 60, "GET a", "ok x@6"},
		}},
		{"an expired stream with forks hides, one without is replaced", []step{
			{0, put("a", "x", expires(10)), "created tail=6"},
			{0, fork("f", "a", -1, 0, ""), "created tail=6"},
			{0, put("g", "", ttl(-1), func(r *CreateRequest) { r.From, r.ExpiresAt = "a", 99 }), "created tail=6"},
			{10, put("a", "x"), "path_blocked"}, {10, "GET a", "gone"},
			{10, fork("h", "a", -1, 0, ""), "fork_source_gone"},
			{10, "GET g", "ok x@6"},
			{10, put("f", "new"), "created tail=8"}, // it had inherited the instant
			{10, "DELETE g", "deleted"}, {10, put("a", ""), "created tail=0"},
		}},
		{"an expired fork that nobody named keeps its source until a sweep", []step{
			{0, put("a", ""), "created tail=0"},
			{0, put("f", "", ttl(1), func(r *CreateRequest) { r.From = "a" }), "created tail=0"},
			{5000, "DELETE a", "deleted"}, {5000, "GET a", "gone"},
			{5000, "SWEEP", ""}, {5000, "GET a", "not_found"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) { run(t, c.steps) })
	}
}

func TestPutComparesConfigurations(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"the same request finds the stream and drops its body", []step{
			{0, put("a", "x"), "created tail=6"}, {0, put("a", "other"), "exists tail=6"}, {0, "GET a", "ok x@6"},
		}},
		{"every property takes part", []step{
			{0, put("a", "", ttl(9)), "created tail=0"},
			{0, put("a", ""), "config_mismatch"}, {0, put("a", "", ttl(8)), "config_mismatch"},
			{0, put("a", "", ttl(9), expires(5000)), "config_mismatch"},
			{0, put("a", "", ttl(9), media("text/html")), "config_mismatch"},
			{0, put("a", "", ttl(9), media("TEXT/Plain; charset=\"UTF-8\"")), "exists tail=0"},
			{0, put("a", "", ttl(9), media("")), "config_mismatch"},
			{0, put("a", "", ttl(9), closed), "config_mismatch"},
			{0, put("a", "", ttl(9), func(r *CreateRequest) { r.From = "a" }), "config_mismatch"},
		}},
		{"closure is compared with the present", []step{
			{0, put("a", "x", closed), "created tail=6 closed"}, {0, put("a", "x"), "config_mismatch"},
			{0, put("a", "x", closed), "exists tail=6 closed"},
			{0, put("b", ""), "created tail=0"}, {0, post("b", "", closing), "closed tail=0 closed"},
			{0, put("b", ""), "config_mismatch"}, {0, put("b", "", closed), "exists tail=0 closed"},
		}},
		{"no content type means octets", []step{
			{0, put("a", "", media("")), "created tail=0"},
			{0, put("a", "", media("application/octet-stream")), "exists tail=0"},
			{0, put("a", "", media("")), "exists tail=0"},
			{0, post("a", "x", mediaOf("application/octet-stream")), "appended tail=6"},
		}},
		{"a fork is compared with its request, or with what it inherited", []step{
			{0, put("s", "ab", ttl(60)), "created tail=7"},
			{0, fork("f", "s", -1, 0, ""), "created tail=7"},
			{0, post("s", "cd"), "appended tail=14"},
			{0, fork("f", "s", -1, 0, ""), "exists tail=7"}, {0, fork("f", "s", 7, 0, ""), "exists tail=7"},
			{0, fork("f", "s", 0, 0, ""), "config_mismatch"}, {0, fork("f", "s", 7, 1, ""), "config_mismatch"},
			{0, put("f", "", ttl(60), func(r *CreateRequest) { r.From = "s" }), "exists tail=7"},
			{0, put("f", "", ttl(61), func(r *CreateRequest) { r.From = "s" }), "config_mismatch"},
			{0, fork("f", "other", -1, 0, ""), "config_mismatch"}, {0, put("f", ""), "config_mismatch"},
			{0, put("g", "", ttl(60), func(r *CreateRequest) { r.From = "s" }), "created tail=14"},
			{0, fork("g", "s", -1, 0, ""), "config_mismatch"}, // it asked for more
			{0, put("h", "", media("text/plain"), func(r *CreateRequest) { r.From = "s" }), "created tail=14"},
			{0, put("h", "", media(""), func(r *CreateRequest) { r.From = "s" }), "exists tail=14"}, // all forks have it
		}},
		{"an existing path is compared before the source is looked at", []step{
			{0, put("s", ""), "created tail=0"}, {0, fork("f", "s", -1, 0, ""), "created tail=0"},
			{0, "DELETE s", "deleted"}, {0, fork("f", "s", -1, 0, ""), "exists tail=0"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) { run(t, c.steps) })
	}
}

func TestReadsReturnWholeAppends(t *testing.T) {
	m := New()
	m.Create(0, put("a", ""))
	for _, body := range []string{"aaaa", "bb", "cccc"} { // ends 9, 16, 25
		m.Append(0, post("a", body))
	}
	m.Append(0, post("a", "", closing))
	for _, c := range []struct {
		from     int64
		sizeMax  int
		want     string
		next     int64
		upToDate bool
	}{
		{-1, 100, "aaaa bb cccc", 25, true},
		{0, 10, "aaaa bb cccc", 25, true}, // exactly the limit
		{0, 9, "aaaa bb", 16, false},
		{0, 5, "aaaa", 9, false}, // an append that does not fit ends the read
		{0, 0, "aaaa", 9, false}, // but never the first
		{8, 100, "aaaa bb cccc", 25, true},
		{9, 100, "bb cccc", 25, true},
		{10, 2, "bb", 16, false}, // one past an end is inside the next append
		{24, 0, "cccc", 25, true},
		{25, 100, "", 25, true},
		{26, 100, "", 25, true},
		{1 << 60, 100, "", 25, true},
	} {
		r := m.Read(0, "a", c.from, c.sizeMax)
		got := string(slices.Concat(joinSpace(r.Appends)...))
		if got != c.want || r.Next != c.next || r.UpToDate != c.upToDate || r.Closed != c.upToDate || r.Tail != 25 {
			t.Errorf("read from %d at most %d: %q %+v, want %q next %d up to date %v", c.from, c.sizeMax, got, r, c.want, c.next, c.upToDate)
		}
	}
}

func joinSpace(bodies [][]byte) [][]byte {
	var parts [][]byte
	for i, body := range bodies {
		if i > 0 {
			parts = append(parts, []byte(" "))
		}
		parts = append(parts, body)
	}
	return parts
}

func TestCallersOwnTheirBytes(t *testing.T) {
	m, body := New(), []byte("abc")
	m.Create(0, put("a", ""))
	r := post("a", "")
	r.Body = body
	m.Append(0, r)
	body[0] = 'X'
	m.Read(0, "a", -1, 10).Appends[0][1] = 'X'
	if got := content(m, 0, "a"); got != "ok abc@8" {
		t.Fatalf("the stream changed with its caller's bytes: %s", got)
	}
}
