package model

import "testing"

func TestForksShareAPrefix(t *testing.T) {
	// abcd@9 ef@16
	source := []step{{0, put("s", "abcd"), "created tail=9"}, {0, post("s", "ef"), "appended tail=16"}}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"at the tail, at an end and at the start", []step{
			{0, fork("f", "s", -1, 0, ""), "created tail=16"}, {0, "GET f", "ok abcd@9 ef@16"},
			{0, fork("g", "s", 9, 0, "new"), "created tail=17"}, {0, "GET g", "ok abcd@9 new@17"},
			{0, fork("h", "s", 0, 0, ""), "created tail=0"}, {0, "GET h", "ok"},
			{0, fork("i", "s", 17, 0, ""), "fork_offset_beyond"},
			{0, fork("i", "nothing", 0, 0, ""), "fork_source_not_found"},
			{0, fork("i", "i", 0, 0, ""), "fork_source_not_found"},
		}},
		{"inside an append the fork has what ended before", []step{
			{0, fork("f", "s", 12, 0, ""), "created tail=12"}, {0, "GET f", "ok abcd@9"},
			{0, post("f", "x"), "appended tail=18"}, {0, "GET f", "ok abcd@9 x@18"},
		}},
		{"a sub-offset copies the start of one append", []step{
			{0, fork("f", "s", 0, 3, "body"), "created tail=17"}, {0, "GET f", "ok abc@8 body@17"},
			{0, fork("f", "s", 0, 3, ""), "exists tail=17"}, {0, fork("f", "s", 0, 2, ""), "config_mismatch"},
			{0, fork("g", "s", 9, 2, ""), "created tail=16"}, {0, "GET g", "ok abcd@9 ef@16"},
			{0, fork("h", "s", 9, 3, ""), "fork_sub_offset"}, {0, fork("h", "s", 16, 1, ""), "fork_sub_offset"},
			{0, fork("h", "s", -1, 1, ""), "fork_sub_offset"}, {0, fork("h", "s", 0, 1<<63, ""), "fork_sub_offset"},
			{0, fork("h", "s", 17, 1, ""), "fork_offset_beyond"},
		}},
		{"a sub-offset reaches through a chain", []step{
			{0, fork("f", "s", 9, 1, "zz"), "created tail=22"}, {0, "GET f", "ok abcd@9 e@15 zz@22"},
			{0, fork("g", "f", 0, 2, ""), "created tail=7"}, {0, "GET g", "ok ab@7"},
			{0, fork("h", "f", 15, 1, ""), "created tail=21"}, {0, "GET h", "ok abcd@9 e@15 z@21"},
		}},
		{"neither side sees what the other appends", []step{
			{0, fork("f", "s", -1, 0, ""), "created tail=16"}, {0, fork("g", "f", 9, 0, ""), "created tail=9"},
			{0, post("s", "S"), "appended tail=22"}, {0, post("f", "FF"), "appended tail=23"}, {0, post("g", "G"), "appended tail=15"},
			{0, "GET s", "ok abcd@9 ef@16 S@22"}, {0, "GET f", "ok abcd@9 ef@16 FF@23"}, {0, "GET g", "ok abcd@9 G@15"},
		}},
		{"a fork starts open, with no writers", []step{
			{0, post("s", "x", by("p", 5, 0), seq("9"), closing), "appended tail=22 epoch=5 seq=0 closed"},
			{0, fork("f", "s", -1, 0, ""), "created tail=22"},
			{0, post("f", "y", by("p", 0, 0), seq("1")), "appended tail=28 epoch=0 seq=0"},
			{0, put("g", "end", closed, func(r *CreateRequest) { r.From = "s" }), "created tail=30 closed"},
			{0, "GET g", "ok abcd@9 ef@16 x@22 end@30 closed"},
		}},
		{"a deleted source is hidden until its last fork is gone", []step{
			{0, fork("f", "s", -1, 0, ""), "created tail=16"}, {0, fork("g", "f", -1, 0, ""), "created tail=16"},
			{0, fork("h", "s", -1, 0, ""), "created tail=16"},
			{0, "DELETE s", "deleted"}, {0, "DELETE f", "deleted"},
			{0, "GET s", "gone"}, {0, "HEAD s", "gone"}, {0, "DELETE s", "gone"}, {0, post("s", "x"), "gone"},
			{0, post("s", ""), "gone"}, {0, put("s", "abcd"), "path_blocked"}, {0, fork("i", "s", 0, 0, ""), "fork_source_gone"},
			{0, "GET g", "ok abcd@9 ef@16"},
			{0, "DELETE h", "deleted"}, {0, "GET s", "gone"},
			{0, "DELETE g", "deleted"}, {0, "GET g", "not_found"}, {0, "GET f", "not_found"}, {0, "GET s", "not_found"},
		}},
		{"a rejected fork takes no reference", []step{
			{0, put("f", "", media("text/html"), func(r *CreateRequest) { r.From = "s" }), "fork_content_type"},
			{0, fork("f", "s", 99, 0, ""), "fork_offset_beyond"}, {0, fork("f", "s", 0, 99, ""), "fork_sub_offset"},
			{0, "DELETE s", "deleted"}, {0, "GET s", "not_found"},
		}},
		{"a content type is compared before an offset", []step{
			{0, put("f", "", media("text/html"), func(r *CreateRequest) { r.From, r.FromOffset = "s", 99 }), "fork_content_type"},
			{0, put("f", "", media("TEXT/plain; charset=utf-8"), func(r *CreateRequest) { r.From = "s" }), "created tail=16"},
		}},
		{"an expired fork that PUT replaces lets its hidden source go first", []step{
			{0, put("f", "", ttl(1), func(r *CreateRequest) { r.From = "s" }), "created tail=16"},
			{0, "DELETE s", "deleted"}, {0, "GET s", "gone"},
			{1000, fork("f", "s", -1, 0, ""), "fork_source_not_found"}, {1000, "GET s", "not_found"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) { run(t, append(source[:2:2], c.steps...)) })
	}
}

func TestForksOfJSONCountMessages(t *testing.T) {
	json := mediaOf("application/json")
	run(t, []step{
		{0, put("s", `[{"a": [1,2]},2,3]`, media("application/json")), "created tail=22"},
		{0, post("s", "4", json), "appended tail=29"},
		{0, fork("f", "s", 0, 2, "[9]"), "created tail=27"}, {0, "GET f", `ok {"a": [1,2]},2,@20 9,@27`},
		{0, fork("g", "f", 0, 1, ""), "created tail=18"}, {0, "GET g", `ok {"a": [1,2]},@18`},
		{0, fork("j", "f", 0, 2, ""), "created tail=20"}, {0, "GET j", `ok {"a": [1,2]},2,@20`},
		{0, fork("h", "f", 0, 3, ""), "fork_sub_offset"}, {0, fork("h", "s", 22, 2, ""), "fork_sub_offset"},
		{0, fork("h", "s", 0, 1, "[]"), "created tail=18"},
		{0, fork("i", "s", 0, 1, "{"), "invalid_json"}, {0, "HEAD i", "not_found"},
		{0, post("f", "[", json), "invalid_json"},
	})
}

func TestForksInheritExpiryByTheTable(t *testing.T) {
	none, window, instant := ttl(-1), ttl(60), expires(9000)
	for _, c := range []struct {
		name         string
		source, fork func(*CreateRequest)
		want         string
	}{
		{"none, none", none, none, "ok tail=0"},
		{"none, TTL", none, ttl(7), "ok tail=0 ttl=7"},
		{"none, instant", none, expires(70), "ok tail=0 expires=70"},
		{"TTL, none", window, none, "ok tail=0 ttl=60"},
		{"TTL, TTL", window, ttl(7), "ok tail=0 ttl=7"},
		{"TTL, instant", window, expires(70), "ok tail=0 expires=70"},
		{"instant, none", instant, none, "ok tail=0 expires=9000"},
		{"instant, TTL", instant, ttl(7), "ok tail=0 ttl=7"},
		{"instant, instant", instant, expires(70), "ok tail=0 expires=70"},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, []step{
				{0, put("s", "", c.source), "created tail=0"},
				{0, put("f", "", c.fork, func(r *CreateRequest) { r.From = "s" }), "created tail=0"},
				{0, "HEAD f", c.want},
			})
		})
	}
}

func TestContentTypeIsReturnedAsGiven(t *testing.T) {
	m := New()
	m.Create(0, put("s", "", media("Text/Plain; x=1")))
	m.Create(0, fork("f", "s", -1, 0, ""))
	m.Create(0, put("g", "", media("text/PLAIN;X=1"), func(r *CreateRequest) { r.From = "s" }))
	m.Create(0, put("d", "", media("")))
	for path, want := range map[string]string{"s": "Text/Plain; x=1", "f": "Text/Plain; x=1", "g": "text/PLAIN;X=1", "d": "application/octet-stream"} {
		if head, read := m.Head(0, path).ContentType, m.Read(0, path, 0, 1).ContentType; head != want || read != want {
			t.Errorf("%s: HEAD %q, GET %q, want %q", path, head, read, want)
		}
	}
}

// TestForkInsideAnAppendIsReadUpAtOnce reads a fork whose tail no append ends
// at: who gets its last append has all there is.
func TestForkInsideAnAppendIsReadUpAtOnce(t *testing.T) {
	m := New()
	m.Create(0, CreateRequest{Path: "s", TTL: -1, Body: []byte("abcd")})
	m.Append(0, AppendRequest{Path: "s", ContentType: defaultContentType, Body: []byte("ef"), Expected: -1})
	m.Create(0, CreateRequest{Path: "f", TTL: -1, From: "s", FromOffset: 12, Closed: true})
	r := m.Read(0, "f", 0, 1)
	if len(r.Appends) != 1 || r.Next != 12 || r.Tail != 12 || !r.UpToDate || !r.Closed {
		t.Fatalf("read %+v", r)
	}
}
