package server

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestCreateAnswersWithWhatWasMade(t *testing.T) {
	f := start(t)
	r := f.create("a", "", text)
	r.wantHeaders(t, "Location: http://"+f.addr+"/v1/stream/a", "Content-Type: text/plain",
		"Stream-Next-Offset: "+token(0), "Stream-Closed:")
	f.do("PUT", root+"a", "", text).want(t, 200).
		wantHeaders(t, "Location:", "Content-Type: text/plain", "Stream-Next-Offset: "+token(0))
	f.do("PUT", root+"a", "", jsonCT).wantError(t, 409, "config_mismatch")
	f.create("b", "bye", text, "Stream-Closed: TRUE").
		wantHeaders(t, "Stream-Closed: true", "Stream-Next-Offset: "+token(8))
	f.create("c", "").wantHeaders(t, "Content-Type: application/octet-stream")
	f.create("d", "", "Stream-Closed: 1").wantHeaders(t, "Stream-Closed:")
}

func TestAppendAnswersWithTheTail(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	f.append("a", "hello", text).wantHeaders(t, "Stream-Next-Offset: "+token(10), "Stream-Closed:", "Content-Length:")
	f.append("a", "bye", text, "Stream-Closed: true").
		wantHeaders(t, "Stream-Next-Offset: "+token(18), "Stream-Closed: true")
	f.do("POST", root+"a", "late", text).wantError(t, 409, "stream_closed").
		wantHeaders(t, "Stream-Next-Offset: "+token(18), "Stream-Closed: true")
	f.do("POST", root+"a", "", "Stream-Closed: true").want(t, 204).
		wantHeaders(t, "Stream-Next-Offset: "+token(18), "Stream-Closed: true")
	if got := f.content("a"); got != "hellobye" {
		t.Errorf("stored %q", got)
	}
}

func TestProducerIsToldWhatItsRequestWas(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	claim := func(epoch, seq int) []string {
		return []string{text, "Producer-Id: p", fmt.Sprintf("Producer-Epoch: %d", epoch), fmt.Sprintf("Producer-Seq: %d", seq)}
	}
	post := func(epoch, seq int) *response { return f.do("POST", root+"a", "x", claim(epoch, seq)...) }
	post(1, 0).want(t, 200).wantHeaders(t, "Producer-Epoch: 1", "Producer-Seq: 0", "Stream-Next-Offset: "+token(6))
	post(1, 1).want(t, 200).wantHeaders(t, "Producer-Epoch: 1", "Producer-Seq: 1")
	// The duplicate is told the highest sequence accepted, not its own.
	post(1, 0).want(t, 204).wantHeaders(t, "Producer-Epoch: 1", "Producer-Seq: 1", "Stream-Next-Offset: "+token(12))
	post(1, 5).wantError(t, 409, "sequence_gap").wantHeaders(t, "Producer-Expected-Seq: 2", "Producer-Received-Seq: 5")
	post(2, 1).wantError(t, 400, "epoch_start")
	post(2, 0).want(t, 200)
	post(1, 2).wantError(t, 403, "stale_epoch").wantHeaders(t, "Producer-Epoch: 2")
	r := f.do("POST", root+"a", "", append(claim(2, 1), "Stream-Closed: true")...)
	r.want(t, 204).wantHeaders(t, "Stream-Closed: true", "Producer-Seq: 1")
	f.do("POST", root+"a", "", append(claim(2, 1), "Stream-Closed: true")...).want(t, 204).
		wantHeaders(t, "Stream-Closed: true")
}

func TestConflictsTellTheTail(t *testing.T) {
	f := start(t)
	f.create("a", "12345", text)
	f.append("a", "x", text, "Stream-Seq: b")
	f.do("POST", root+"a", "x", text, "Stream-Seq: a").wantError(t, 409, "stream_seq_regression").
		wantHeaders(t, "Stream-Next-Offset: "+token(16))
	f.do("POST", root+"a", "x", text, "Stream-Expected-Offset: "+token(10)).wantError(t, 409, "offset_mismatch").
		wantHeaders(t, "Stream-Next-Offset: "+token(16))
	f.append("a", "x", text, "Stream-Expected-Offset: "+token(16))
	f.do("POST", root+"a", "x", jsonCT).wantError(t, 409, "content_type_mismatch")
}

func TestHeadTellsWhatIsConfigured(t *testing.T) {
	f := start(t)
	f.create("a", "12345", "Content-Type: text/plain; charset=UTF-8", "Stream-TTL: 3600")
	r := f.do("HEAD", root+"a?offset=bad&live=no", "").want(t, 200)
	r.wantHeaders(t, "Content-Type: text/plain; charset=UTF-8", "Stream-TTL: 3600", "Stream-Expires-At:",
		"Stream-Next-Offset: "+token(10), "Stream-Closed:", "Cache-Control: no-store", "ETag:")
	at := time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05+00:00")
	f.create("b", "", "Stream-Expires-At: "+at, "Stream-Closed: true")
	f.do("HEAD", root+"b", "").want(t, 200).wantHeaders(t, "Stream-TTL:", "Stream-Expires-At: "+at, "Stream-Closed: true")
	if r := f.do("HEAD", root+"none", ""); r.want(t, 404).body != "" {
		t.Errorf("a HEAD has the body %q", r.body)
	}
}

func TestDeletedStreamIsGone(t *testing.T) {
	f := start(t)
	f.create("a", "old", text)
	f.do("DELETE", root+"a", "").want(t, 204)
	f.do("GET", root+"a", "").wantError(t, 404, "not_found")
	f.do("DELETE", root+"a", "").wantError(t, 404, "not_found")
	f.create("a", "", text)
	if got := f.content("a"); got != "" {
		t.Errorf("the new stream shows %q of the old one", got)
	}
}

func TestForkTakesTheTypeOfItsSource(t *testing.T) {
	f := start(t)
	f.create("a", `[1,2]`, jsonCT)
	// The body is JSON although the request does not say so.
	f.create("b", ` [3, 4] `, "Stream-Forked-From: /v1/stream/a").wantHeaders(t, "Content-Type: application/json")
	if got := f.content("b"); got != "[1,2,3,4]" {
		t.Errorf("the fork holds %s", got)
	}
	f.do("PUT", root+"b", `[3]`, "Stream-Forked-From: /v1/stream/a").want(t, 200)
	f.do("PUT", root+"c", `{`, "Stream-Forked-From: /v1/stream/a").wantError(t, 400, "invalid_json")
	f.do("PUT", root+"c", `{`, "Stream-Forked-From: /v1/stream/none").wantError(t, 404, "fork_source_not_found")
	// Its type was decided when it was made, whatever became of the source.
	f.do("DELETE", root+"a", "").want(t, 204)
	f.do("PUT", root+"b", `[3]`, "Stream-Forked-From: /v1/stream/a").want(t, 200)
	f.do("PUT", root+"c", `1`, "Stream-Forked-From: /v1/stream/a").wantError(t, 409, "fork_source_gone")
	f.do("GET", root+"a", "").wantError(t, 410, "gone")
	f.do("PUT", root+"a", "").wantError(t, 409, "path_blocked")
}

func TestForkSourceFollowsThePathRules(t *testing.T) {
	f := start(t)
	f.create("a%20b", "12345", text)
	f.create("f1", "", "Stream-Forked-From: /v1/stream/a%20b")
	f.create("f2", "", "Stream-Forked-From: /v1/stream/a%20b", "Stream-Fork-Offset: "+token(0))
	for _, source := range []string{
		"", "a", "/a", "/v1/stream/", "/v1/stream/a//b", "/v1/stream/a%2Fb", "/v1/stream/../a", "/v1/stream/a?x",
		"/v1/stream/__ds/x", "http://" + f.addr + "/v1/stream/a%20b", "/v1/stream/a#b", "/v1/stream/%zz",
	} {
		f.do("PUT", root+"x", "", "Stream-Forked-From: "+source).wantError(t, 400, "invalid_fork_source")
	}
}

func TestJSONIsStoredAsItCame(t *testing.T) {
	f := start(t)
	f.create("a", `[]`, jsonCT).wantHeaders(t, "Stream-Next-Offset: "+token(0))
	f.append("a", ` [ {"b":1.0,"a":2e3} , [1, 2] ] `, jsonCT)
	f.append("a", `"é"`, "Content-Type: application/json; charset=utf-8")
	if got, want := f.content("a"), `[{"b":1.0,"a":2e3},[1, 2],"é"]`; got != want {
		t.Errorf("read %s, want %s", got, want)
	}
	f.do("POST", root+"a", `[]`, jsonCT).wantError(t, 400, "empty_array")
	r := f.do("POST", root+"a", `{"a":tru}`, jsonCT).wantError(t, 400, "invalid_json")
	if !strings.Contains(r.body, ": malformed literal at byte 8\"") {
		t.Errorf("the reason or the place of the error is missing: %s", r.body)
	}
	f.do("POST", root+"a", "\"\xff\"", jsonCT).wantError(t, 400, "invalid_json")
	f.do("PUT", root+"b", `{`, jsonCT).wantError(t, 400, "invalid_json")
	f.do("GET", root+"b", "").wantError(t, 404, "not_found")
}

func TestLocationIsWhereTheClientWas(t *testing.T) {
	forwarded := []string{"X-Forwarded-Proto: https, http", "X-Forwarded-Host: log.example, inner"}
	f := start(t)
	f.create("a%20b", "", forwarded...).wantHeaders(t, "Location: http://"+f.addr+"/v1/stream/a%20b")
	f.do("PUT", "http://other.example:81/v1/stream/b?x=1", "").want(t, 201).
		wantHeaders(t, "Location: http://other.example:81/v1/stream/b")
	trusting := start(t, func(u *setup) { u.server.TrustForwarded = true })
	trusting.create("a", "", forwarded...).wantHeaders(t, "Location: https://log.example/v1/stream/a")
	trusting.create("b", "").wantHeaders(t, "Location: http://"+trusting.addr+"/v1/stream/b")
}

// Without a host there is no absolute URL to tell.
func TestLocationWithoutAHostIsAPath(t *testing.T) {
	f := start(t)
	for name, raw := range map[string]string{
		"a": "PUT /v1/stream/a HTTP/1.0\r\n\r\n",
		"b": "PUT /v1/stream/b HTTP/1.0\r\nHost:\r\n\r\n",
		"c": "PUT http:///v1/stream/c HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			f.dial().send(raw).read("PUT").want(t, 201).wantHeaders(t, "Location: /v1/stream/"+name)
		})
	}
}
