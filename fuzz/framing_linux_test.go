package fuzz

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"tailrace/engine"
)

// framingCodes are refusals of what is no request for us. The others are answers
// to a request, whose end we know.
var framingCodes = []string{
	"bad_request", "incomplete_body", "headers_too_large", "body_too_large", "unsupported_version",
	"expectation_failed", "request_timeout",
}

// refusesFraming reports whether the answer says that this is no request.
func (a *answer) refusesFraming() bool {
	return a.Close && (slices.Contains(framingCodes, a.code) || a.code == "" && a.StatusCode >= 400)
}

// compare compares what was answered with what net/http made of the input. Where
// one of us refuses and closes nothing can be smuggled, but why has to be known.
// Where both go on they have to agree about every request and every body.
func (p *opinion) compare(in, said []byte, e *engine.Engine) error {
	theirs := p.requests
	at := func(i int) []byte { return restAfter(in, min(i, len(theirs))) }
	// Of what only we accept the first request is known, by its method, and others
	// are not.
	ours, rest, err := readAnswers(said, len(theirs)+1, func(i int) string {
		if i < len(theirs) {
			return theirs[i].method
		}
		method, _, _ := strings.Cut(string(bytes.TrimLeft(at(i), "\r\n")), " ")
		return method
	})
	if err != nil {
		return err
	}
	closed := len(ours) > 0 && ours[len(ours)-1].Close
	refused := closed && ours[len(ours)-1].refusesFraming()
	for i := range ours {
		more := i+1 < len(ours) || len(rest) > 0
		switch {
		case !more:
		case ours[i].Close:
			return fmt.Errorf("answer %d closes, and there is another", i)
		case slices.Contains([]string{"bad_request", "incomplete_body", "unsupported_version"}, ours[i].code):
			return fmt.Errorf("answer %d is %s, and there is another", i, ours[i].code)
		}
	}
	n := min(len(ours), len(theirs))
	switch {
	case len(ours) < len(theirs) && !closed:
		// A body that nobody wanted is read after the answer, and then it is too
		// late to say that the connection ends with it.
		if n > 0 && ours[n-1].StatusCode >= 400 && known(oursBreakOff, at(n-1), "") {
			break
		}
		return fmt.Errorf("a request is lost: of %d requests %d are answered, and the last answer does not close", len(theirs), len(ours))
	case len(ours) <= len(theirs) && refused:
		n--
		if !known(oursRefuse, at(n), ours[n].code) {
			return fmt.Errorf("only we refuse, with %s: %s", ours[n].code, clip(at(n)))
		}
	case len(ours) < len(theirs):
		if !known(oursClose, at(n-1), "") {
			return fmt.Errorf("only we close, after answer %d: %s", n-1, clip(at(n-1)))
		}
	case len(ours) == len(theirs), len(ours) == len(theirs)+1 && p.agrees(&ours[n], rest):
	case p.last:
		if !known(theirsClose, at(n-1), "") {
			return fmt.Errorf("only net/http closes, after request %d: %s", n-1, clip(at(n-1)))
		}
		return nil // we have gone on, and what it did shows
	case p.refused != 0:
		if !known(theirsRefuse, at(n), "") {
			return fmt.Errorf("only net/http refuses, with %d: %s", p.refused, clip(at(n)))
		}
		return nil
	default:
		return fmt.Errorf("net/http reads %d requests to the end of the input, and there are %d answers", len(theirs), len(ours))
	}
	return stored(theirs[:n], ours, e)
}

// agrees reports whether our answer is that to what net/http refuses as well, or
// took for nothing because it is cut off in its first line. rest is what else we
// say.
func (p *opinion) agrees(a *answer, rest []byte) bool {
	switch {
	case p.last:
		return false
	case p.broken == "":
		return a.refusesFraming()
	case a.StatusCode < 400 && (p.broken == "POST" || p.broken == "PUT"):
		return false // they have use for the body
	case len(rest) == 0:
		return true
	}
	// Of a body that nobody wanted and that is cut off in its trailers fasthttp
	// leaves these, for a request that is cut off.
	more, _, err := readAnswers(rest, 2, func(int) string { return "GET" })
	return err == nil && len(more) == 1 && more[0].code == "bad_request" && more[0].Close
}

// stored checks that the streams hold the bodies that net/http read.
func stored(requests []heard, answers []answer, e *engine.Engine) error {
	known := shelf{
		"a": {bytes: []byte("1")}, "j": {bytes: []byte("1,"), unknown: true}, "c": {bytes: []byte("1")},
	}
	for i, q := range requests {
		if err := known.note(q, answers[i]); err != nil {
			return fmt.Errorf("answer %d: %w", i, err)
		}
	}
	return known.check(e)
}

// restAfter is the input after n requests that net/http accepts.
func restAfter(in []byte, n int) []byte {
	src := bytes.NewReader(in)
	r := bufio.NewReader(src)
	for range n {
		q, err := http.ReadRequest(r)
		if err != nil {
			break
		}
		io.Copy(io.Discard, q.Body)
	}
	return in[len(in)-src.Len()-r.Buffered():]
}

// difference is a way in which net/http and we are known to differ, by the head of
// the request, and if we refuse it, the code.
type difference struct {
	why string
	is  func(head []byte, code string) bool
}

// known reports whether what differs about the first request of rest is on the
// list.
func known(list []difference, rest []byte, code string) bool {
	head := rest
	if end := headsEnd.FindIndex(bytes.TrimLeft(rest, "\r\n")); end != nil {
		head = rest[:len(rest)-len(bytes.TrimLeft(rest, "\r\n"))+end[1]]
	}
	return slices.ContainsFunc(list, func(d difference) bool { return d.is(head, code) })
}

var headsEnd = regexp.MustCompile(`\n\r?\n`)

// has is a difference by what is in the head, whatever the case of letters.
func has(pattern string) func([]byte, string) bool {
	re := regexp.MustCompile("(?is)" + pattern)
	return func(head []byte, _ string) bool { return re.Match(head) }
}

// What we refuse and net/http accepts.
var oursRefuse = []difference{
	{"our limit of a head is lower", func(head []byte, code string) bool { return code == "headers_too_large" }},
	{"net/http has no limit of a body", func(_ []byte, code string) bool { return code == "body_too_large" }},
	{"net/http takes every HTTP/1.x for 1.1", func(_ []byte, code string) bool { return code == "unsupported_version" }},
	{"the target has a scheme and no authority", has(`^[^ ]+ [^ /]`)},
	{"* stands for no resource but in OPTIONS", has(`^[^ ]+ \*`)},
	{"an empty Host is none, and not all bytes can be part of one", has(`\nhost:([ \t]*\r?\n|[^\n]*([^-.:\w\s]|:\D))`)},
	{"lines end with CR LF, but for some", has(`[^\r]\n`)},
	{"lengths that are the same are still two", has(`\ncontent-length:.*\ncontent-length:`)},
	{"HTTP/1.0 knows no chunks", has(`^[^\n]* HTTP/1\.0\r?\n.*\ntransfer-encoding:`)},
	{"chunks have CR LF, and trailers say nothing about framing", func(head []byte, code string) bool {
		return code == "incomplete_body" && chunked(head, code)
	}},
}

// large reports whether the body is beyond the limit, or that of what is read to
// keep a connection.
func large(head []byte, _ string) bool {
	m := lengthIn.FindSubmatch(head)
	if m == nil {
		return false
	}
	n, err := strconv.Atoi(string(m[1]))
	return err != nil || n > drivenBodyMax
}

var lengthIn = regexp.MustCompile(`(?i)\ncontent-length:[ \t]*([0-9]+)`)

var chunked = has(`\ntransfer-encoding:`)

// Where we close after an answer and net/http goes on.
var oursClose = []difference{
	{"a large body that nobody wants is not read", large},
	{"a client that asks is told no, and then may send the body or not", has(`\nexpect:`)},
	{"who gives a length and chunks may mean either", has(`\n(content-length:.*\ntransfer-encoding|transfer-encoding:.*\ncontent-length):`)},
}

// Where we close without having said so, as the body of what we refused is broken.
var oursBreakOff = []difference{
	{"chunks have CR LF, and trailers say nothing about framing", has(`\ntransfer-encoding:`)},
}

// What net/http refuses and we accept.
var theirsRefuse = []difference{
	{"what is wrong with the target or the method is told before what is wrong with Expect", has(`\nexpect:`)},
	{"net/http looks into the target before a handler does", has(`^[^ ]+ [^ ]*%`)},
	{"empty lines may come before a request", has(`^\r?\n`)},
	{"fasthttp lets spaces be in the name of a header", has(`\n[^:\n]*[ \t][^:\n]*:`)},
	{"not the same bytes can be part of a Host", has(`\nhost:[^\n]*[^-.:\w\s]`)},
}

// Where net/http closes after an answer and we go on.
var theirsClose = []difference{}
