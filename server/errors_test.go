package server

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"tailrace/engine"
	"tailrace/internal/project"
	"tailrace/internal/stream"
	"tailrace/internal/vfs/faultfs"
)

// refusal is a request and what it has to be refused as.
type refusalCase struct {
	method, target, body string
	headers              []string
	status               int
	code                 string
}

// refusals are requests on a server that has an open text stream "a" of 5
// bytes, a JSON stream "j", a closed stream "c", a stream "gone" that only
// its fork "fork" keeps, a text stream "t" of two appends whose first was trimmed, and
// a producer "p" of a with epoch 3 and sequence 0.
var refusals = []refusalCase{
	{"GET", "/v1/stream/", "", nil, 400, "invalid_path"},
	{"GET", "/", "", nil, 404, "no_such_route"},
	{"GET", root + "__ds/x", "", nil, 404, "reserved"},
	{"BREW", root + "a", "", nil, 405, "method_not_allowed"},
	{"POST", root + "a", "x", []string{text, "Expect: x"}, 417, "expectation_failed"},
	{"GET", root + "a", "", []string{"X: y\r\n z"}, 400, "folded_header"},
	{"GET", root + "a", "", []string{"Content Length: 0"}, 400, "bad_request"},
	{"GET", root + "a", "", []string{"X\ty: z"}, 400, "bad_request"},
	{"GET", root + "a", "", []string{"X: " + strings.Repeat("x", headerBytesMax)}, 431, "headers_too_large"},
	{"GET", root + "a", "", slices.Repeat([]string{"X:"}, headerFieldsMax), 431, "headers_too_large"},
	{"GET", root + "a", "", []string{"X : y"}, 400, "bad_request"},
	{"POST", root + "a", "x", []string{text, text}, 400, "duplicate_header"},

	{"GET", root + "none", "", nil, 404, "not_found"},
	{"GET", root + "gone", "", nil, 410, "gone"},
	{"GET", root + "a?offset=1&offset=2", "", nil, 400, "duplicate_parameter"},
	{"GET", root + "a?offset=", "", nil, 400, "invalid_offset"},
	{"GET", root + "a?offset=-2", "", nil, 400, "invalid_offset"},
	{"GET", root + "a?offset=1", "", nil, 400, "invalid_offset"},
	{"GET", root + "a?offset=00", "", nil, 400, "invalid_offset"},
	{"GET", root + "a?offset=NOW", "", nil, 400, "invalid_offset"},
	{"GET", root + "a?offset=%zz", "", nil, 400, "invalid_offset"},
	{"GET", root + "a?offset=0000000000000000_000000000000000", "", nil, 400, "invalid_offset"},
	{"GET", root + "a?offset=0000000000000000_000000000000000a", "", nil, 400, "invalid_offset"},
	{"GET", root + "a?offset=0000000000000000%20000000000000000", "", nil, 400, "invalid_offset"},
	{"GET", root + "a?offset=-1&live=", "", nil, 400, "invalid_live"},
	{"GET", root + "a?offset=-1&live=true", "", nil, 400, "invalid_live"},
	{"GET", root + "a?offset=-1&live=SSE", "", nil, 400, "invalid_live"},
	{"GET", root + "a?offset=-1&live=sse&ids=1", "", nil, 400, "invalid_ids"},
	{"GET", root + "a?ids=", "", nil, 400, "invalid_ids"},
	{"GET", root + "a?offset=-1&live=sse&ids=true&ids=true", "", nil, 400, "duplicate_parameter"},
	{"GET", root + "a?offset=-1&live=sse&ids=true", "", []string{"Last-Event-ID: 12"}, 400, "invalid_offset"},
	{"GET", root + "a?offset=-1&live=sse", "", []string{"Last-Event-ID: 1", "Last-Event-ID: 2"}, 400, "duplicate_header"},
	{"GET", root + "a?live=sse", "", nil, 400, "offset_required"},
	{"GET", root + "a?live=long-poll", "", nil, 400, "offset_required"},
	{"GET", root + "none?offset=-1&live=sse", "", nil, 404, "not_found"},
	{"GET", root + "none?offset=-1&live=long-poll", "", nil, 404, "not_found"},
	{"GET", root + "gone?offset=-1&live=sse", "", nil, 410, "gone"},
	{"GET", root + "gone?offset=now&live=long-poll", "", nil, 410, "gone"},
	{"DELETE", root + "none", "", nil, 404, "not_found"},
	{"DELETE", root + "gone", "", nil, 410, "gone"},

	{"POST", root + "none", "x", []string{text}, 404, "not_found"},
	{"POST", root + "gone", "x", []string{text}, 410, "gone"},
	{"POST", root + "a", "", []string{text}, 400, "empty_body"},
	{"POST", root + "a", "x", nil, 400, "content_type_required"},
	{"POST", root + "a", "x", []string{"Content-Type: "}, 400, "invalid_content_type"},
	{"POST", root + "a", "x", []string{"Content-Type: text"}, 400, "invalid_content_type"},
	{"POST", root + "a", "x", []string{"Content-Type: text/plain; charset"}, 400, "invalid_content_type"},
	{"POST", root + "a", "x", []string{"Content-Type: text/" + strings.Repeat("x", contentTypeBytesMax)}, 400, "invalid_content_type"},
	{"POST", root + "a", strings.Repeat("x", testBodyMax+1), []string{text}, 413, "body_too_large"},
	{"POST", root + "a", "x", []string{jsonCT}, 409, "content_type_mismatch"},
	{"POST", root + "c", "x", []string{text}, 409, "stream_closed"},
	{"POST", root + "c", "x", []string{jsonCT, "Stream-Closed: true"}, 409, "stream_closed"},
	{"POST", root + "j", "{", []string{jsonCT}, 400, "invalid_json"},
	{"POST", root + "j", "[] []", []string{jsonCT}, 400, "invalid_json"},
	{"POST", root + "j", "\"\xc3\x28\"", []string{jsonCT}, 400, "invalid_json"},
	{"POST", root + "j", "\xef\xbb\xbf1", []string{jsonCT}, 400, "invalid_json"},
	{"POST", root + "j", strings.Repeat("[", 100_000), []string{jsonCT}, 400, "invalid_json"},
	{"POST", root + "j", "[]", []string{jsonCT}, 400, "empty_array"},
	{"POST", root + "j", "[]", []string{jsonCT, "Stream-Closed: true"}, 400, "empty_array"},
	{"POST", root + "a", "x", []string{text, "Stream-Seq: "}, 400, "invalid_stream_seq"},
	{"POST", root + "a", "x", []string{text, "Stream-Seq: " + strings.Repeat("x", streamSeqBytesMax+1)}, 400, "invalid_stream_seq"},
	{"POST", root + "a", "x", []string{text, "Stream-Seq: a"}, 409, "stream_seq_regression"},
	{"POST", root + "a", "x", []string{text, "Stream-Expected-Offset: -1"}, 400, "invalid_offset"},
	{"POST", root + "a", "x", []string{text, "Stream-Expected-Offset: now"}, 400, "invalid_offset"},
	{"POST", root + "a", "x", []string{text, "Stream-Expected-Offset: " + token(1)}, 409, "offset_mismatch"},
	{"POST", root + "a", "x", []string{text, "Stream-Expected-Offset: 9999999999999999_9999999999999999"}, 409, "offset_mismatch"},
	{"POST", root + "a", "x", []string{text, "Producer-Id: p"}, 400, "incomplete_producer"},
	{"POST", root + "a", "x", []string{text, "Producer-Epoch: 1", "Producer-Seq: 1"}, 400, "incomplete_producer"},
	{"POST", root + "a", "x", producer("", "0", "0"), 400, "invalid_producer"},
	{"POST", root + "a", "x", producer(strings.Repeat("p", producerIDBytesMax+1), "0", "0"), 400, "invalid_producer"},
	{"POST", root + "a", "x", producer("p", "", "0"), 400, "invalid_producer"},
	{"POST", root + "a", "x", producer("p", "-1", "0"), 400, "invalid_producer"},
	{"POST", root + "a", "x", producer("p", "+1", "0"), 400, "invalid_producer"},
	{"POST", root + "a", "x", producer("p", "1.0", "0"), 400, "invalid_producer"},
	{"POST", root + "a", "x", producer("p", "01", "0"), 400, "invalid_producer"},
	{"POST", root + "a", "x", producer("p", "0x1", "0"), 400, "invalid_producer"},
	{"POST", root + "a", "x", producer("p", "1", "9007199254740992"), 400, "invalid_producer"},
	{"POST", root + "a", "x", producer("p", "99999999999999999999999", "0"), 400, "invalid_producer"},
	{"POST", root + "a", "x", producer("p", "2", "1"), 403, "stale_epoch"},
	{"POST", root + "a", "x", producer("p", "4", "1"), 400, "epoch_start"},
	{"POST", root + "a", "x", producer("p", "3", "9"), 409, "sequence_gap"},
	{"POST", root + "a", "x", producer("new", "0", "1"), 409, "sequence_gap"},

	{"PUT", root + "a", "", []string{jsonCT}, 409, "config_mismatch"},
	{"PUT", root + "c", "", []string{text}, 409, "config_mismatch"},
	{"PUT", root + "gone", "", []string{text}, 409, "path_blocked"},
	{"PUT", root + "n", "", []string{"Content-Type: nonsense"}, 400, "invalid_content_type"},
	{"PUT", root + "n", "{", []string{jsonCT}, 400, "invalid_json"},
	{"PUT", root + "n", strings.Repeat("x", testBodyMax+1), nil, 413, "body_too_large"},
	{"PUT", root + "n", "", []string{"Stream-TTL: "}, 400, "invalid_ttl"},
	{"PUT", root + "n", "", []string{"Stream-TTL: -1"}, 400, "invalid_ttl"},
	{"PUT", root + "n", "", []string{"Stream-TTL: +5"}, 400, "invalid_ttl"},
	{"PUT", root + "n", "", []string{"Stream-TTL: 007"}, 400, "invalid_ttl"},
	{"PUT", root + "n", "", []string{"Stream-TTL: 1e3"}, 400, "invalid_ttl"},
	{"PUT", root + "n", "", []string{"Stream-TTL: 1.5"}, 400, "invalid_ttl"},
	{"PUT", root + "n", "", []string{"Stream-TTL: 9007199254740992"}, 400, "invalid_ttl"},
	{"PUT", root + "n", "", []string{"Stream-Expires-At: "}, 400, "invalid_expires_at"},
	{"PUT", root + "n", "", []string{"Stream-Expires-At: tomorrow"}, 400, "invalid_expires_at"},
	{"PUT", root + "n", "", []string{"Stream-Expires-At: 2030-01-01"}, 400, "invalid_expires_at"},
	{"PUT", root + "n", "", []string{"Stream-Expires-At: 2030-01-01T00:00:00"}, 400, "invalid_expires_at"},
	{"PUT", root + "n", "", []string{"Stream-Expires-At: 2030-01-01T0:00:00Z"}, 400, "invalid_expires_at"},
	{"PUT", root + "n", "", []string{"Stream-Expires-At: 2030-02-30T00:00:00Z"}, 400, "invalid_expires_at"},
	{"PUT", root + "n", "", []string{"Stream-Expires-At: 2030-01-01T00:00:00,5Z"}, 400, "invalid_expires_at"},
	{"PUT", root + "n", "", []string{"Stream-Expires-At: 2030-01-01T00:00:00." + strings.Repeat("0", 64) + "Z"}, 400, "invalid_expires_at"},
	{"PUT", root + "n", "", []string{"Stream-TTL: 5", "Stream-Expires-At: 2030-01-01T00:00:00Z"}, 400, "ttl_and_expires_at"},

	{"PUT", root + "n", "", fork("a", "Stream-Fork-Offset: "+token(11)), 400, "fork_offset_beyond"},
	{"PUT", root + "n", "", fork("a", "Stream-Fork-Offset: 9999999999999999_9999999999999999"), 400, "fork_offset_beyond"},
	{"PUT", root + "n", "", fork("a", "Stream-Fork-Offset: -1"), 400, "invalid_offset"},
	{"PUT", root + "n", "", fork("a", "Stream-Fork-Offset: "+token(0), "Stream-Fork-Sub-Offset: 6"), 400, "fork_sub_offset"},
	{"PUT", root + "n", "", fork("a", "Stream-Fork-Offset: "+token(0), "Stream-Fork-Sub-Offset: 05"), 400, "invalid_fork_sub_offset"},
	{"PUT", root + "n", "", fork("a", "Stream-Fork-Offset: "+token(0), "Stream-Fork-Sub-Offset: -1"), 400, "invalid_fork_sub_offset"},
	{"PUT", root + "n", "", fork("a", "Stream-Fork-Offset: "+token(0), "Stream-Fork-Sub-Offset: abc"), 400, "invalid_fork_sub_offset"},
	{"PUT", root + "n", "", fork("a", "Stream-Fork-Sub-Offset: 1"), 400, "fork_offset_required"},
	{"PUT", root + "n", "", []string{"Stream-Fork-Offset: " + token(0)}, 400, "fork_source_required"},
	{"PUT", root + "n", "", []string{"Stream-Fork-Sub-Offset: 0"}, 400, "fork_source_required"},
	{"PUT", root + "n", "", []string{"Stream-Forked-From: nowhere"}, 400, "invalid_fork_source"},
	{"PUT", root + "n", "", fork("none"), 404, "fork_source_not_found"},
	{"PUT", root + "n", "", fork("gone"), 409, "fork_source_gone"},
	{"PUT", root + "n", "", fork("a", jsonCT), 409, "fork_content_type"},
	{"PUT", root + "n", "", fork("t", "Stream-Fork-Offset: "+token(9)), 409, "fork_offset_trimmed"},
	{"PUT", root + "n", "", fork("t", "Stream-Fork-Offset: "+token(0), "Stream-Fork-Sub-Offset: 1"), 409, "fork_offset_trimmed"},

	{"PUT", root + "n", "", []string{"Stream-Retention-Age: "}, 400, "invalid_retention"},
	{"PUT", root + "n", "", []string{"Stream-Retention-Age: 0"}, 400, "invalid_retention"},
	{"PUT", root + "n", "", []string{"Stream-Retention-Age: -1"}, 400, "invalid_retention"},
	{"PUT", root + "n", "", []string{"Stream-Retention-Age: 05"}, 400, "invalid_retention"},
	{"PUT", root + "n", "", []string{"Stream-Retention-Age: 1.5"}, 400, "invalid_retention"},
	{"PUT", root + "n", "", []string{"Stream-Retention-Age: none"}, 400, "invalid_retention"},
	{"PUT", root + "n", "", []string{"Stream-Retention-Age: 9007199254740992"}, 400, "invalid_retention"},
	{"PUT", root + "n", "", []string{"Stream-Retention-Bytes: "}, 400, "invalid_retention"},
	{"PUT", root + "n", "", []string{"Stream-Retention-Bytes: 0"}, 400, "invalid_retention"},
	{"PUT", root + "n", "", []string{"Stream-Retention-Bytes: 1k"}, 400, "invalid_retention"},
	{"PUT", root + "n", "", []string{"Stream-Retention-Bytes: none"}, 400, "invalid_retention"},
	{"PUT", root + "n", "", []string{"Stream-Retention-Bytes: 9007199254740992"}, 400, "invalid_retention"},
	{"PUT", root + "n", "", []string{"Stream-Retention-Age: 5", "Stream-Retention-Bytes: x"}, 400, "invalid_retention"},
	{"PUT", root + "a", "", []string{text, "Stream-Retention-Age: 5"}, 409, "config_mismatch"},
	{"PUT", root + "a", "", []string{text, "Stream-Retention-Bytes: 5"}, 409, "config_mismatch"},

	{"PATCH", root + "a", "", nil, 400, "nothing_to_change"},
	{"PATCH", root + "none", "", nil, 400, "nothing_to_change"},
	{"PATCH", root + "a", "", []string{"Stream-Closed: true", text}, 400, "nothing_to_change"},
	{"PATCH", root + "a", "x", []string{"Stream-Retention-Age: 5"}, 400, "unexpected_body"},
	{"PATCH", root + "a", "x", nil, 400, "unexpected_body"},
	{"PATCH", root + "a", strings.Repeat("x", 20000), []string{"Stream-Retention-Age: 5"}, 400, "unexpected_body"},
	{"PATCH", root + "a", strings.Repeat("x", testBodyMax+1), []string{"Stream-Retention-Age: 5"}, 413, "body_too_large"},
	{"PATCH", root + "none", "", []string{"Stream-Retention-Age: 5"}, 404, "not_found"},
	{"PATCH", root + "gone", "", []string{"Stream-Retention-Age: 5"}, 410, "gone"},
	{"PATCH", root + "a", "", []string{"Stream-Retention-Age: "}, 400, "invalid_retention"},
	{"PATCH", root + "a", "", []string{"Stream-Retention-Age: 0"}, 400, "invalid_retention"},
	{"PATCH", root + "a", "", []string{"Stream-Retention-Age: None"}, 400, "invalid_retention"},
	{"PATCH", root + "a", "", []string{"Stream-Retention-Age: +5"}, 400, "invalid_retention"},
	{"PATCH", root + "a", "", []string{"Stream-Retention-Age: 9007199254740992"}, 400, "invalid_retention"},
	{"PATCH", root + "a", "", []string{"Stream-Retention-Bytes: 0"}, 400, "invalid_retention"},
	{"PATCH", root + "a", "", []string{"Stream-Retention-Bytes: -5"}, 400, "invalid_retention"},
	{"PATCH", root + "a", "", []string{"Stream-Retention-Bytes: 9007199254740992"}, 400, "invalid_retention"},
	{"PATCH", root + "a", "", []string{"Stream-Retention-Age: 5", "Stream-Retention-Bytes: x"}, 400, "invalid_retention"},
	{"PATCH", root + "a", "", []string{"Stream-TTL: "}, 400, "invalid_ttl"},
	{"PATCH", root + "a", "", []string{"Stream-TTL: -1"}, 400, "invalid_ttl"},
	{"PATCH", root + "a", "", []string{"Stream-TTL: NONE"}, 400, "invalid_ttl"},
	{"PATCH", root + "a", "", []string{"Stream-Expires-At: tomorrow"}, 400, "invalid_expires_at"},
	{"PATCH", root + "a", "", []string{"Stream-TTL: 5", "Stream-Expires-At: 2030-01-01T00:00:00Z"}, 400, "ttl_and_expires_at"},
	{"PATCH", root + "a", "", []string{"Stream-TTL: none", "Stream-Expires-At: none"}, 400, "ttl_and_expires_at"},
	{"PATCH", root + "a", "", []string{"Stream-Trim: "}, 400, "invalid_offset"},
	{"PATCH", root + "a", "", []string{"Stream-Trim: -1"}, 400, "invalid_offset"},
	{"PATCH", root + "a", "", []string{"Stream-Trim: NOW"}, 400, "invalid_offset"},
	{"PATCH", root + "a", "", []string{"Stream-Trim: 5"}, 400, "invalid_offset"},
	{"PATCH", root + "a", "", []string{"Stream-Trim: " + token(5), "Stream-Retention-Age: x"}, 400, "invalid_retention"},
	{"PATCH", root + "a", "", []string{"Stream-Trim: " + token(11)}, 400, "trim_beyond_tail"},
	{"PATCH", root + "a", "", []string{"Stream-Trim: " + token(11), "Stream-Retention-Age: 5"}, 400, "trim_beyond_tail"},
	{"PATCH", root + "a", "", []string{"Stream-Trim: 0000000000000001_0000000000000000"}, 400, "trim_beyond_tail"},
	{"PATCH", root + "a", "", []string{"Stream-Trim: 9999999999999999_9999999999999999"}, 400, "trim_beyond_tail"},

	{"GET", root + "t?offset=" + token(0), "", nil, 410, "offset_trimmed"},
	{"GET", root + "t?offset=" + token(9), "", nil, 410, "offset_trimmed"},
	{"GET", root + "t?live=long-poll&offset=" + token(9), "", nil, 410, "offset_trimmed"},
	{"GET", root + "t?live=sse&offset=" + token(9), "", nil, 410, "offset_trimmed"},
	{"GET", root + "t?live=sse&ids=true&offset=-1", "", []string{"Last-Event-ID: " + token(9)}, 410, "offset_trimmed"},
}

func producer(id, epoch, seq string) []string {
	return []string{text, "Producer-Id: " + id, "Producer-Epoch: " + epoch, "Producer-Seq: " + seq}
}

func fork(source string, headers ...string) []string {
	return append([]string{"Stream-Forked-From: " + root + source}, headers...)
}

// populate makes what refusals relies on.
func (f *fixture) populate() {
	f.create("a", "", text)
	f.do("POST", root+"a", "12345", append(producer("p", "3", "0"), "Stream-Seq: m")...).want(f.t, 200)
	f.create("j", "[1]", jsonCT)
	f.create("c", "done", text, "Stream-Closed: true")
	f.create("gone", "12345", text)
	f.create("fork", "", fork("gone")...)
	f.do("DELETE", root+"gone", "").want(f.t, 204)
	f.create("t", "12345", text)
	f.append("t", "12345", text)
	f.patch("t", "Stream-Trim: "+token(10)).want(f.t, 204)
}

// Every refusal has the one envelope, its code is in the catalogue with its
// status, it carries the headers of every response, and it changes nothing.
func TestRefusalsHaveOneForm(t *testing.T) {
	f := start(t)
	f.populate()
	known := make(map[string]int)
	for _, e := range Catalogue() {
		known[e.Code] = e.Status
	}
	before := f.snapshot()
	for _, c := range refusals {
		r := f.do(c.method, c.target, c.body, c.headers...)
		t.Run(c.code, func(t *testing.T) {
			r.wantError(t, c.status, c.code)
			r.wantHeaders(t, everyResponse...)
			if known[c.code] != c.status {
				t.Errorf("the catalogue has status %d for %s", known[c.code], c.code)
			}
			if after := f.snapshot(); after != before {
				t.Errorf("%s %s changed %s to %s", c.method, c.target, before, after)
			}
		})
	}
}

// snapshot is what can be seen of the streams of populate.
func (f *fixture) snapshot() string {
	var b strings.Builder
	for _, name := range []string{"a", "j", "c", "gone", "fork", "t", "n", "none"} {
		r := f.do("HEAD", root+name, "")
		fmt.Fprintln(&b, name, r.StatusCode, r.Header.Get("Stream-Next-Offset"), r.Header.Get("Stream-Closed"), r.Header.Get("Stream-Earliest-Offset"),
			r.Header.Get("Stream-Retention-Age"), r.Header.Get("Stream-Retention-Bytes"), r.Header.Get("Stream-TTL"), r.Header.Get("Stream-Expires-At"))
	}
	return b.String()
}

// Every code can be had: by a request of refusals, or by one of the tests
// named here.
func TestCatalogueHasNoCodeThatIsNeverSent(t *testing.T) {
	sent := map[string]string{
		"unsupported_version":   "TestOtherVersionsAreRefused",
		"request_timeout":       "TestSilentClientsAreTimedOut",
		"incomplete_body":       "TestBrokenBodyAppendsNothing",
		"overloaded":            "TestBodyBudgetIsAnAnswer",
		"internal":              "TestPanicIsContained",
		"data_corrupt":          "TestCorruptDataIsAnAnswer",
		"storage_unavailable":   "TestAnUnavailableBucketIsAnAnswer",
		"too_many_readers":      "TestTooManyReadersAreRefused",
		"too_many_connections":  "TestTooManyConnectionsAreRefused",
		"too_many_from_address": "TestAddressesHaveTheirLimits",
		"too_many_streams":      "TestLimitsOfTheEngineAreAnswers",
		"too_many_producers":    "TestLimitsOfTheEngineAreAnswers",
		"quota_bytes":           "TestLimitsOfTheEngineAreAnswers",
		"quota_streams":         "TestLimitsOfTheEngineAreAnswers",
		"fork_too_deep":         "TestForksOfForksAreBounded",
		"memory_full":           "TestLimitsOfTheEngineAreAnswers",
		"disk_full":             "TestFullDiskIsAnAnswer",
		"unauthorized":          "TestStrangersLearnNothing",
		"token_expired":         "TestStrangersLearnNothing",
		"forbidden":             "TestGrantsEndWhereTheySay",
		"invalid_access":        "TestPublicStreamsAreForEverybody",
		"invalid_token_life":    "TestTokensOfURLs",
		"too_many_failures":     "TestFailuresOfAnAddressAreLimited",
		"rate_limited":          "TestRequestsHaveALimit",
		"quota_readers":         "TestLiveReadersHaveALimit",
	}
	for _, c := range refusals {
		sent[c.code] = "refusals"
	}
	for _, e := range Catalogue() {
		if sent[e.Code] == "" {
			t.Errorf("no test provokes %s", e.Code)
		}
		delete(sent, e.Code)
	}
	for code := range sent {
		t.Errorf("%s is not in the catalogue", code)
	}
}

func TestCatalogueIsConsistent(t *testing.T) {
	codes := make(map[string]bool)
	last := 0
	for _, e := range Catalogue() {
		if codes[e.Code] {
			t.Errorf("%s is there twice", e.Code)
		}
		codes[e.Code] = true
		if e.Status < last {
			t.Errorf("%s is out of order", e.Code)
		}
		last = e.Status
		if e.Message == "" || strings.HasSuffix(e.Message, ".") {
			t.Errorf("%s has the message %q", e.Code, e.Message)
		}
	}
	// Every code of the engine that refuses has an answer, but for the one
	// that must not be answered.
	for c := stream.Rejected + 1; c < stream.Failed; c++ {
		if r := catalogue[c]; r.Status == 0 || r.Code != c.String() {
			t.Errorf("%v is answered as %+v", c, r)
		}
	}
	for f := fault(stream.Failed) + 1; f < faults; f++ {
		if catalogue[f].Status == 0 {
			t.Errorf("fault %d is answered as %+v", f, catalogue[f])
		}
	}
}

func TestLimitsOfTheEngineAreAnswers(t *testing.T) {
	f := start(t, func(u *setup) {
		u.engine.StreamsMax, u.engine.ProducersPerStreamMax = 2, 1
		u.engine.MemoryBytes = 4096
	})
	f.create("a", "", text)
	f.create("b", "", text)
	f.do("PUT", root+"c", "").wantError(t, 507, "too_many_streams")
	f.do("POST", root+"a", "x", producer("p", "0", "0")...).want(t, 200)
	f.do("POST", root+"a", "x", producer("q", "0", "0")...).wantError(t, 429, "too_many_producers")
	f.do("POST", root+"a", strings.Repeat("x", 8192), text).wantError(t, 503, "overloaded") // no segment has the append before
	f.do("POST", root+"a", "", "Stream-Closed: true").want(t, 204)
	f.do("DELETE", root+"b", "").want(t, 204)
	f.create("c", "", text)

	f.engine.SetLimits(project.Default, engine.ProjectLimits{StoredBytes: 100, Streams: 1})
	f.do("DELETE", root+"c", "").want(t, 204)
	f.do("PUT", root+"c", "").wantError(t, 507, "quota_streams")
	f.engine.SetLimits(project.Default, engine.ProjectLimits{StoredBytes: 100})
	f.do("PUT", root+"c", strings.Repeat("x", 100), text).wantError(t, 507, "quota_bytes")

	small := start(t, func(u *setup) { u.engine.MemoryBytes, u.engine.FrameBytesMax = 300, 1<<20 })
	small.do("PUT", root+"a", "").wantError(t, 507, "memory_full")
}

// On a full disk appends are refused, reads and what frees space go on.
func TestFullDiskIsAnAnswer(t *testing.T) {
	f := start(t, silent)
	f.create("a", "", text)
	f.create("b", "12345", text)
	f.create("ttl", "12345", text, "Stream-TTL: 1000")
	f.fs.Inject(func(op faultfs.Op) faultfs.Fault {
		if op.Kind == faultfs.Allocate || op.Kind == faultfs.Create {
			return faultfs.Fault{Err: errNoSpace()}
		}
		return faultfs.Fault{}
	})
	body := strings.Repeat("x", testBodyMax)
	full := false
	for range 64 {
		r := f.do("POST", root+"a", body, text)
		if full = r.StatusCode == 507; full {
			r.wantError(t, 507, "disk_full")
			break
		}
		r.want(t, 204)
	}
	if !full {
		t.Fatal("the log never ran out of space")
	}
	for n := 0; f.do("POST", root+"a", "x", text).StatusCode != 507; n++ {
		if n == 10_000 {
			t.Fatal("there is always room for a little")
		}
	}
	f.do("GET", root+"b", "").want(t, 200)
	f.patch("b", "Stream-Trim: now").want(t, 204)
	f.patch("ttl", "Stream-Trim: now").want(t, 204)
	f.patch("b", "Stream-Retention-Age: 5", "Stream-Trim: now").wantError(t, 507, "disk_full")
	f.do("POST", root+"b", "", "Stream-Closed: true").want(t, 204)
	f.do("DELETE", root+"b", "").want(t, 204)
	f.fs.Inject(nil)
}

func TestErrorsOfTheParserAreMapped(t *testing.T) {
	for _, c := range []struct {
		err  error
		want fault
	}{
		{&fasthttp.ErrSmallBuffer{}, faultHeadersTooLarge},
		{fmt.Errorf("wrapped: %w", fasthttp.ErrBodyTooLarge), faultBodyTooLarge},
		{fmt.Errorf("wrapped: %w", timeoutError{}), faultTimeout},
		{errors.New("anything"), faultBadRequest},
	} {
		if got := httpFault(c.err); got != c.want {
			t.Errorf("%v is fault %d, want %d", c.err, got, c.want)
		}
	}
}

type timeoutError struct{}

func (timeoutError) Error() string   { return "timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

// No part of a request comes back in an error: it could be anything.
func TestErrorsRepeatNothingOfTheRequest(t *testing.T) {
	f := start(t)
	f.populate()
	const secret = "sekret"
	for _, r := range []*response{
		f.do("GET", root+secret, ""),
		f.do("GET", root+"a?offset="+secret, ""),
		f.do("POST", root+"j", `{"`+secret+`": `+secret+`}`, jsonCT),
		f.do("PUT", root+"n", "", "Stream-TTL: "+secret),
		f.do("POST", root+"a", "x", "Content-Type: "+secret),
	} {
		if r.StatusCode < 400 || strings.Contains(r.body, secret) {
			t.Errorf("status %d, body %s", r.StatusCode, r.body)
		}
	}
	if strings.Contains(catalogue[faultInternal].Message, "panic") {
		t.Error("a client learns of panics")
	}
}

func TestForksOfForksAreBounded(t *testing.T) {
	f := start(t)
	f.create("0", "")
	r := (*response)(nil)
	for i := range 200 {
		r = f.do("PUT", fmt.Sprintf("%s%d", root, i+1), "", fmt.Sprintf("Stream-Forked-From: %s%d", root, i))
		if r.StatusCode != 201 {
			break
		}
	}
	r.wantError(t, 400, "fork_too_deep")
}
