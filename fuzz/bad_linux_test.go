package fuzz

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// badRow is a connection's input, with what the answers to it have to be: the
// status of each, the code of an error, and whether it is said to be the last.
type badRow struct {
	name, said, answers string
	stored              string // of stream a, if it is not what it was
}

func get(target, headers string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n"
}

// post is an append with headers that say where the body ends.
func post(headers, body string) string {
	return "POST /v1/stream/a HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n" + headers + "\r\n" + body
}

const (
	getA     = "GET /v1/stream/a HTTP/1.1\r\nHost: x\r\n\r\n"
	length2  = "Content-Length: 2\r\n"
	inChunks = "Transfer-Encoding: chunked\r\n"
	chunksXY = "2\r\nxy\r\n0\r\n\r\n"
)

var lengthOfGetA = fmt.Sprintf("Content-Length: %d\r\n", len(getA))

// badHTTP is what a client can do wrong, and the unusual that is right.
var badHTTP = []badRow{
	// Targets. Nothing is found under a path that only looks like one of ours
	// after somebody has tidied it up.
	{"dot segments", get("/v1/stream/x/../a", "") + getA, "400 invalid_path, 200", ""},
	{"two slashes", get("/v1/stream//a", "") + getA, "400 invalid_path, 200", ""},
	{"encoded slash", get("/v1/stream/x%2Fa", "") + getA, "400 invalid_path, 200", ""},
	{"encoded dots", get("/v1/stream/%2e%2e/a", "") + getA, "400 invalid_path, 200", ""},
	{"encoded NUL", get("/v1/stream/a%00", "") + getA, "400 invalid_path, 200", ""},
	{"broken escape", get("/v1/stream/a%zz", "") + getA, "400 invalid_path, 200", ""},
	{"decoded once", get("/v1/stream/a%252e", "") + getA, "404 not_found, 200", ""},
	{"fragment", get("/v1/stream/a#frag?x=1", "") + getA, "400 invalid_path, 200", ""},
	{"absolute form", get("http://y/v1/stream/a", "") + getA, "200, 200", ""},
	{"asterisk", get("*", "") + getA, "400 bad_request close", ""},
	{"asterisk of OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n" + getA, "400 invalid_path, 200", ""},
	{"NUL in the target", get("/v1/stream/a\x00", "") + getA, "400 bad_request close", ""},

	// Host and version.
	{"no Host", "GET /v1/stream/a HTTP/1.1\r\n\r\n" + getA, "400 bad_request close", ""},
	{"two Hosts", get("/v1/stream/a", "Host: x\r\n") + getA, "400 bad_request close", ""},
	{"HTTP/3.0", "GET /v1/stream/a HTTP/3.0\r\nHost: x\r\n\r\n" + getA, "505 unsupported_version close", ""},
	{"HTTP/2.0 kept alive", "GET /v1/stream/a HTTP/2.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n" + getA, "505 unsupported_version close", ""},
	{"HTTP/1.0", "GET /v1/stream/a HTTP/1.0\r\n\r\n" + getA, "200 close", ""},
	{"HTTP/1.0 kept alive", "GET /v1/stream/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + getA, "200, 200", ""},

	// Lengths.
	{"length and chunks", post("Content-Length: 3\r\n"+inChunks, chunksXY) + getA, "204 close", "1xy"},
	{"equal lengths", post(length2+length2, "xy") + getA, "400 bad_request close", ""},
	{"different lengths", post("Content-Length: 0\r\n"+length2, "xy") + getA, "400 bad_request close", ""},
	{"list of lengths", post("Content-Length: 2, 2\r\n", "xy") + getA, "400 bad_request close", ""},
	{"signed length", post("Content-Length: +2\r\n", "xy") + getA, "400 bad_request close", ""},
	{"negative length", post("Content-Length: -2\r\n", "xy") + getA, "400 bad_request close", ""},
	{"no length", post("", "") + getA, "400 empty_body, 200", ""},
	{"no length, and bytes", post("", "xy") + getA, "400 empty_body, 405 method_not_allowed", ""},

	// Transfer codings.
	{"gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n", chunksXY) + getA, "400 bad_request close", ""},
	{"chunked twice", post(inChunks+inChunks, chunksXY) + getA, "400 bad_request close", ""},
	{"chunks of HTTP/1.0", strings.Replace(post(inChunks, chunksXY), "/1.1", "/1.0", 1) + getA, "400 bad_request close", ""},
	{"LF in chunks", post(inChunks, "2\nxy\n0\n\n") + getA, "400 incomplete_body close", ""},
	{"chunk extension", post(inChunks, "2;q=1\r\nxy\r\n0\r\n\r\n") + getA, "204, 200", "1xy"},
	{"trailer", post(inChunks, "2\r\nxy\r\n0\r\nStream-Closed: true\r\n\r\n") + getA, "204, 200", "1xy"},
	{"forbidden trailer", post(inChunks, "2\r\nxy\r\n0\r\nContent-Length: 2\r\n\r\n") + getA, "400 incomplete_body close", ""},
	{"chunk longer than said", post(inChunks, "1\r\nxy\r\n0\r\n\r\n") + getA, "400 incomplete_body close", ""},
	{"chunk of a huge size", post(inChunks, "ffffffffffffffffff\r\nxy\r\n0\r\n\r\n") + getA, "400 incomplete_body close", ""},
	{"trailers cut off", post(inChunks, "2\r\nxy\r\n0\r\nT: v"), "400 incomplete_body close", ""},
	{"chunks cut off", post(inChunks, "2\r\nxy\r\n"), "400 incomplete_body close", ""},

	// Headers.
	{"space before the colon", post("Content-Length : 2\r\n", "xy") + getA, "400 bad_request close", ""},
	{"NUL in a header", get("/v1/stream/a", "X: a\x00b\r\n") + getA, "400 bad_request close", ""},
	{"CR LF before", "\r\n\r\n" + getA + "\r\n" + getA, "200, 200", ""},
	{"folded header", get("/v1/stream/a", "X: y\r\n z\r\n") + getA, "400 folded_header, 200", ""},
	{"folded length", post("Content-Length:\r\n 2\r\n", "xy") + getA, "400 folded_header, 200", ""},
	{"LF only", "GET /v1/stream/a HTTP/1.1\nHost: x\n\n" + getA, "200, 200", ""},
	{"two content types", post("Content-Type: text/html\r\n"+length2, "xy") + getA, "400 duplicate_header, 200", ""},
	{"two Stream-Seq", post("Stream-Seq: 1\r\nstream-seq: 2\r\n"+length2, "xy") + getA, "400 duplicate_header, 200", ""},
	{"large headers", get("/v1/stream/a", "X: {17000}\r\n") + getA, "431 headers_too_large close", ""},
	{"large target", get("/v1/stream/{17000}", "") + getA, "431 headers_too_large close", ""},
	{"head cut off", "GET /v1/stream/a HTTP/1.1\r\nHost: x\r\n", "400 bad_request close", ""},
	{"line cut off", getA + "GET /v1/str", "200, 400 bad_request close", ""},

	// Bodies.
	{"unmet expectation", post("Expect: foo\r\n"+length2, "xy") + getA, "417 expectation_failed close", ""},
	{"expectation", post("Expect: 100-continue\r\n"+length2, "xy") + getA, "100, 204, 200", "1xy"},
	{"expectation, large body", post("Expect: 100-continue\r\nContent-Length: 32769\r\n", "{32769}") + getA, "413 body_too_large close", ""},
	{"large body", post("Content-Length: 32769\r\n", "{32769}") + getA, "413 body_too_large close", ""},
	{"large chunks", post(inChunks, "8001\r\n{32769}\r\n0\r\n\r\n") + getA, "413 body_too_large, 200", ""},
	{"largest body", post("Content-Length: 32768\r\n", "{32768}") + getA, "204, 200", "1{32768}"},
	{"largest chunk", post(inChunks, "8000\r\n{32768}\r\n0\r\n\r\n") + getA, "204, 200", "1{32768}"},
	{"body cut off", post("Content-Length: 9\r\n", "xy"), "400 bad_request close", ""},
	{"large body cut off", post("Content-Length: 20000\r\n", "{10000}"), "400 incomplete_body close", ""},
	{"unread body", "POST /x HTTP/1.1\r\nHost: x\r\n" + lengthOfGetA + "\r\n" + getA + getA, "404 no_such_route, 200", ""},
	{"unread large body", "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n{20000}" + getA, "404 no_such_route, 200", ""},
	{"unread chunks", "POST /x HTTP/1.1\r\nHost: x\r\n" + inChunks + "\r\n" + chunksXY + getA, "404 no_such_route, 200", ""},
	{"body of a GET", get("/v1/stream/a", lengthOfGetA) + getA + getA, "200, 200", ""},
	{"multipart", strings.Replace(post(length2, "xy"), "text/plain", "multipart/form-data; boundary=b", 1) + getA, "409 content_type_mismatch, 200", ""},
	{"HEAD", "HEAD /v1/stream/a HTTP/1.1\r\nHost: x\r\n\r\n" + getA, "200, 200", ""},

	// Several at a time.
	{"appends", post(length2, "xy") + post(inChunks, "1\r\nz\r\n0\r\n\r\n") + post("Content-Length: 1\r\n", "!") + getA, "204, 204, 204, 200", "1xyz!"},
	{"appends, small and large", post(length2, "xy") + post("Content-Length: 9000\r\n", "{9000}") + post(length2, "ab") + getA, "204, 204, 204, 200", "1xy{9000}ab"},
	{"appends around a refusal", post(length2, "xy") + post("Stream-Seq:\r\n"+length2, "no") + post(length2, "ab") + getA, "204, 400 invalid_stream_seq, 204, 200", "1xyab"},
	{"nothing after what is malformed", post(length2, "xy") + post("Content-Length: x\r\n", "no") + post(length2, "ab"), "204, 400 bad_request close", "1xy"},
	{"nothing after a close", post("Connection: close\r\n"+length2, "xy") + post(length2, "ab"), "204 close", "1xy"},
	{"delete and create", "DELETE /v1/stream/a HTTP/1.1\r\nHost: x\r\n\r\n" + getA + "PUT /v1/stream/a HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nn" + post(length2, "xy") + getA, "204, 404 not_found, 201, 204, 200", "nxy"},
}

// TestBadHTTPIsAnsweredAlike sends each row to both drivers, whole and byte by
// byte.
func TestBadHTTPIsAnsweredAlike(t *testing.T) {
	a := openArena(t)
	defer func() { a.close(t) }()
	for _, row := range badHTTP {
		in := expand([]byte(row.said))
		for _, k := range []talk{{pieces: [][]byte{in}}, {pieces: bytes.SplitAfter(in, nil), end: isSilent}} {
			if len(k.pieces) > 2000 {
				k.pieces = append(k.pieces[:1000:1000], bytes.Join(k.pieces[1000:], nil))
			}
			for _, d := range a.both {
				d.furnish(t)
			}
			said, err := together(t, a.both, k)
			if err != nil {
				t.Fatalf("%s: %v", row.name, err)
			}
			for side, d := range a.both {
				if got := outline(row, said[side]); got != row.answers {
					t.Errorf("%s, %d pieces, the %s answers %s, want %s", row.name, len(k.pieces), driverNames[side], got, row.answers)
				}
				want := "1"
				if row.stored != "" {
					want = string(expand([]byte(row.stored)))
				}
				if err := (shelf{"a": {bytes: []byte(want)}}).check(d.engine); err != nil {
					t.Errorf("%s, %d pieces, the %s: %v", row.name, len(k.pieces), driverNames[side], err)
				}
				d.clear(t, namesIn(nil))
			}
		}
	}
}

// outline is what a row says of answers.
func outline(row badRow, said []byte) string {
	var all []string
	if bytes.HasPrefix(said, []byte("HTTP/1.1 100 ")) {
		all = append(all, "100")
	}
	answers, _, err := readAnswers(said, len(said), func(i int) string {
		if i > 0 {
			return "GET"
		}
		method, _, _ := strings.Cut(row.said, " ")
		return method
	})
	for _, a := range answers {
		words := []string{fmt.Sprint(a.StatusCode)}
		if a.code != "" {
			words = append(words, a.code)
		}
		if a.Close {
			words = append(words, "close")
		}
		all = append(all, strings.Join(words, " "))
	}
	if err != nil {
		all = append(all, err.Error())
	}
	return strings.Join(all, ", ")
}
