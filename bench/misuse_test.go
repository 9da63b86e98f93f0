package bench

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// misuse is one way to treat a server badly. A connection sends something once, then
// something at each tick, and begins anew when the server has had enough of it.
type misuse struct {
	name  string
	every time.Duration                 // between ticks, and before the next connection
	begin func(a *abuser, n int) []byte // what the n-th connection sends first; nil: nothing
	then  func(a *abuser, n int) []byte // at each tick; nil: nothing
	brief bool                          // it closes at once
	deaf  bool                          // it reads nothing
}

const (
	misuseBlock = 64 << 10

	// deafFor is longer than the server waits for a reader that takes nothing. Who
	// reads nothing does not see that it was given up.
	deafFor = 40 * time.Second
)

var misuses = []misuse{
	{name: "slow-headers", every: time.Second, begin: slowHeaders, then: oneByte},
	{name: "slow-bodies", every: time.Second, begin: slowBody, then: oneByte},
	{name: "slow-bodies-wide", every: time.Second, begin: slowWide, then: oneByte},
	{name: "silent", every: time.Second, begin: silence},
	{name: "connect-close", every: 100 * time.Millisecond, brief: true},
	{name: "oversize-announced", every: 100 * time.Millisecond, begin: announced, then: block},
	{name: "oversize-chunked", every: 100 * time.Millisecond, begin: chunked, then: chunkBlock},
	{name: "bad-tokens", every: 100 * time.Millisecond, then: badToken},
	{name: "unread-events", every: time.Second, begin: unreadEvents, deaf: true},
	{name: "unread-answers", every: time.Second, begin: unreadAnswers, deaf: true},
	{name: "garbage", every: 100 * time.Millisecond, begin: garbage},
	{name: "huge-headers", every: 100 * time.Millisecond, begin: hugeHeaders},
}

// Streams of the abuse, after those of the ordinary clients.
const (
	readStream   = ordinaryCells     // readBytes, which ordinary clients read
	longStream   = ordinaryCells + 1 // longBytes, which nobody wants to have
	victimStream = ordinaryCells + 2 // what is appended to
	longBytes    = 8 << 20
)

func oneByte(*abuser, int) []byte { return []byte("x") }

func slowHeaders(*abuser, int) []byte {
	return []byte("GET " + target(victimStream) + " HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
}

// slowBody announces nearly as much as is allowed. Every other connection sends
// enough of it to hold memory.
func slowBody(a *abuser, n int) []byte {
	b := a.post(n, "Content-Length: 15000000\r\n")
	if n%2 == 0 {
		b = append(b, zeros[:misuseBlock]...)
	}
	return b
}

// slowWide has as many headers as fit, each of which takes more memory than it has
// bytes.
func slowWide(a *abuser, n int) []byte {
	return a.post(n, "Content-Length: 15000000\r\n"+strings.Repeat("a:\r\n", 3800))
}

// silence sends nothing at all, or nothing after an answer.
func silence(a *abuser, n int) []byte {
	if n%2 == 0 {
		return nil
	}
	return a.get(readStream, "?offset=-1")
}

func announced(a *abuser, n int) []byte { return a.post(n, "Content-Length: 1073741824\r\n") }

func block(*abuser, int) []byte { return zeros }

func chunked(a *abuser, n int) []byte { return a.post(n, "Transfer-Encoding: chunked\r\n") }

func chunkBlock(*abuser, int) []byte { return oneChunk }

var (
	zeros    = make([]byte, misuseBlock)
	oneChunk = append(fmt.Appendf(nil, "%x\r\n", misuseBlock), string(zeros)+"\r\n"...)
)

// badToken tries one that nobody has tried before: of no form at all, unsigned,
// signed by somebody else, expired, or longer than is looked at.
func badToken(a *abuser, n int) []byte {
	var token string
	life := time.Now().Add(time.Duration(1+rand.IntN(1_000_000)) * time.Second)
	good := signed([]byte("the secret of somebody who is not asked"), life)
	switch rand.IntN(5) {
	case 0:
		token = fmt.Sprintf("%x", rand.Uint64())
	case 1:
		token = "eyJhbGciOiJub25lIn0" + good[strings.IndexByte(good, '.'):strings.LastIndexByte(good, '.')+1]
	case 2:
		token = good
	case 3:
		token = a.Expired
	case 4:
		token = good + strings.Repeat("x", 9000)
	}
	return []byte("GET " + target(readStream) + "?offset=-1 HTTP/1.1\r\nHost: localhost\r\n" + bearer(token) + "\r\n")
}

func unreadEvents(a *abuser, _ int) []byte { return a.get(longStream, "?offset=-1&live=sse") }

// unreadAnswers asks for much, often, in codings that are stored and that are made.
func unreadAnswers(a *abuser, n int) []byte {
	return bytes.Repeat(a.get(longStream, "?offset=-1", "Accept-Encoding: identity\r\n", "Accept-Encoding: gzip\r\n"), 8)
}

// garbage is what no server understands, in one long line or in many, or behind a
// request that is good.
func garbage(a *abuser, n int) []byte {
	b := make([]byte, misuseBlock)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	switch n % 4 {
	case 0:
		return bytes.Repeat([]byte("BREW /pot HTCPCP/1.0\r\n\r\n"), 2000)
	case 1:
		return append(a.get(readStream, "?offset=-1"), b...)
	case 2:
		return bytes.Repeat([]byte("POST "+target(victimStream)+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc"), 100)
	}
	return b
}

// hugeHeaders are one of a megabyte, very many small ones, or many requests that
// have as much of them as is allowed.
func hugeHeaders(a *abuser, n int) []byte {
	begin := "GET " + target(readStream) + "?offset=-1 HTTP/1.1\r\nHost: localhost\r\n"
	switch n % 3 {
	case 0:
		return []byte(begin + "X-Huge: " + strings.Repeat("x", 1<<20) + "\r\n\r\n")
	case 1:
		return []byte(begin + strings.Repeat("X-Many: x\r\n", 100_000) + "\r\n")
	}
	return bytes.Repeat(a.get(readStream, "?offset=-1", "X-Large: "+strings.Repeat("x", 14<<10)+"\r\n"), 32)
}

// post is the head of an append. One in three has no credential.
func (a *abuser) post(n int, headers string) []byte {
	text := "POST " + target(victimStream) + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + binary + "\r\n" + headers
	if n/2%3 > 0 {
		text += bearer(a.Token)
	}
	return []byte(text + "\r\n")
}

// get is a read with each of the headers, or one without.
func (a *abuser) get(stream int, query string, headers ...string) []byte {
	var b []byte
	if len(headers) == 0 {
		headers = []string{""}
	}
	for _, h := range headers {
		b = append(b, "GET "+target(stream)+query+" HTTP/1.1\r\nHost: localhost\r\n"+bearer(a.Token)+h+"\r\n"...)
	}
	return b
}
