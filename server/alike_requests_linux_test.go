package server

import (
	"fmt"
	"slices"
	"strings"
)

// sample is a part of a conversation: a request, less than one, or several.
type sample struct{ name, text string }

// ownName stands for the name of the conversation's stream. It is as long as the
// names are, so that a sample keeps the size it is made for.
const (
	ownName = "{name}"
	own     = root + ownName
)

// Headers of requests, as lines with their ends.
const (
	plainType   = "Content-Type: text/plain\r\n"
	inChunks    = "Transfer-Encoding: chunked\r\n"
	emptyLength = "Content-Length: 0\r\n"
)

// readsOfAll read all streams that a conversation may have.
var readsOfAll = say("GET", own, "", "") + say("GET", own+"-put", "", "") + say("GET", own+"-json", "", "") +
	say("GET", own+"-fork", "", "") + say("GET", own+"-host", "", "") + say("GET", own+"-absolute", "", "")

// say is a request.
func say(method, target, headers, body string) string {
	return method + " " + target + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n" + body
}

// sayRead reads the conversation's stream.
func sayRead(headers string) string { return say("GET", own, headers, "") }

// sayAppend appends to it.
func sayAppend(headers, body string) string {
	return sayFramed(fmt.Sprintf("%sContent-Length: %d\r\n", headers, len(body)), body)
}

// sayFramed appends to it with headers that say where the body ends.
func sayFramed(headers, body string) string { return say("POST", own, plainType+headers, body) }

// each makes a sample of every value.
func each(name string, values []string, request func(string) string) (all []sample) {
	for _, v := range values {
		all = append(all, sample{fmt.Sprintf("%s %q", name, v), request(v)})
	}
	return all
}

func alikeSamples() []sample {
	return slices.Concat(framingSamples(), lengthSamples(), chunkSamples(), headerSamples(), targetSamples(),
		hostSamples(), versionSamples(), persistenceSamples(), methodSamples(), sizeSamples(), streamSamples(),
		changeSamples(), liveSamples())
}

func framingSamples() []sample {
	return append(each("before a read:", []string{"\r\n", "\r\n\r\n", "\n", "\r", "  "}, func(before string) string {
		return before + sayRead("")
	}), []sample{
		{"LF only", "GET " + own + " HTTP/1.1\nHost: x\n\n"},
		{"LF after a header", sayRead("A: b\nB: c\r\n")},
		{"LF at the end", "GET " + own + " HTTP/1.1\r\nHost: x\r\n\n"},
		{"LF, then CR LF, at the end", "GET " + own + " HTTP/1.1\r\nHost: x\n\r\n"},
		{"CR in a header", sayRead("A: b\rB: c\r\n")},
		{"CR CR LF", "GET " + own + " HTTP/1.1\r\r\nHost: x\r\n\r\n"},
		{"CR LF", "\r\n"},
		{"CR LF three times", "\r\n\r\n\r\n"},
		{"TLS", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n"},
		// What is cut off when the client ends its side, or goes on with what follows.
		// No header begins with that: of one that has no colon and is too long as well,
		// fasthttp says what it sees first, which is a matter of the pieces.
		{"begin of TLS", "\x16\x03\x01"},
		{"nothing known", "nonsense"},
		{"part of a line", "GET /v1/st"},
		{"part of the headers", "GET " + own + " HTTP/1.1\r\nX: y"},
		{"part of a body", sayFramed("Content-Length: 5\r\n", "hel")},
		{"part of a large body", sayFramed("Content-Length: 20000\r\n", "hel")},
		{"part of the body of a read", sayRead("Content-Length: 5\r\n") + "hel"},
		{"part of a chunk", sayFramed(inChunks, "5\r\nhel")},
		{"part of the chunks", sayFramed(inChunks, "1\r\nx\r\n")},
	}...)
}

func lengthSamples() []sample {
	values := []string{
		"1, 1", "+1", "-1", "  1  ", "\t1", "00001", "0x1", "1.0", "99999999999999999999999", "9223372036854775807",
		fmt.Sprint(testBodyMax + 1),
	}
	return append(each("length", values, func(length string) string {
		return sayFramed("Content-Length: "+length+"\r\n", "x")
	}), []sample{
		{"no length", sayFramed("", "")},
		{"empty length", sayFramed("Content-Length:\r\n", "")},
		{"length in lower case", sayFramed("content-length: 1\r\n", "x")},
		{"length twice", sayFramed("Content-Length: 1\r\nContent-Length: 1\r\n", "x")},
		{"two lengths", sayFramed("Content-Length: 1\r\nContent-Length: 4\r\n", "xGET")},
		{"length, then chunks", sayFramed("Content-Length: 3\r\n"+inChunks, "1\r\nx\r\n0\r\n\r\n")},
		{"chunks, then length", sayFramed(inChunks+"Content-Length: 3\r\n", "1\r\nx\r\n0\r\n\r\n")},
	}...)
}

func chunkSamples() []sample {
	return slices.Concat(each("chunks", []string{
		"1\r\nx\r\n2;q=1\r\nyz\r\n0\r\nT: v\r\n\r\n", "0\r\n\r\n", "zz\r\n", "1\r\nxy\r\n0\r\n\r\n", "1\nx\n0\n\n",
	}, func(body string) string {
		return sayFramed(inChunks, body)
	}), each("chunks with", []string{
		"TRANSFER-ENCODING: Chunked", "Transfer-Encoding : chunked", "Transfer-Encoding: chunked, chunked",
		"Transfer-Encoding: gzip", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: identity",
	}, func(header string) string {
		return sayFramed(header+"\r\n", "1\r\nx\r\n0\r\n\r\n")
	}), []sample{
		{"large chunk", sayFramed(inChunks, "4e20\r\n"+strings.Repeat("c", 0x4e20)+"\r\n0\r\n\r\n")},
		{"chunks of a read", sayRead(inChunks) + "3\r\nabc\r\n0\r\n\r\n"},
		{"identity and a length", sayFramed("Transfer-Encoding: identity\r\nContent-Length: 1\r\n", "x")},
		{"identity and a length of a read", sayRead("Transfer-Encoding: identity\r\nContent-Length: 1\r\n") + "x"},
	})
}

func headerSamples() []sample {
	return slices.Concat(each("header", []string{
		"A: a\r\n b", "A: a\r\n\tb", "nonsense", ": v", "a b: v", "X: a\x00b", "X: a\x01b", "X: \xff", "Host: x",
		"Expect: 100-continue", "Accept-Encoding: gzip", "If-None-Match: \"x\"", "If-None-Match: *",
	}, func(header string) string {
		return sayRead(header + "\r\n")
	}), each("append with", []string{
		"Expect: 100-continue", "Expect: tea", "Expect: ", "Expect: 100-continue\r\nStream-Seq:", "Stream-Seq: 1",
		"Stream-Seq: 1\r\nstream-seq: 2", "Stream-Expected-Offset: " + token(10), "Stream-Expected-Offset: " + token(11),
		"Producer-Id: p\r\nProducer-Epoch: 0\r\nProducer-Seq: 0", "Producer-Id: p", "Stream-Closed: true",
	}, func(header string) string {
		return sayAppend(header+"\r\n", "body")
	}))
}

func targetSamples() []sample {
	return append(each("target", []string{
		"http://y" + own, "http://u@y" + own, "ht!tp://y" + own, "*", "v1", "/", root, own + " b", " " + own, own + "#x",
		root + "ü", root + "\x00", root + "a\tb", root + "%zz", root + "a/../" + ownName, "/v1/%73tream/" + ownName,
		own + "?offset=-1", own + "?offset=-1&offset=-1", own + "?offset=" + token(10), own + "?offset=x",
	}, func(target string) string {
		return say("GET", target, "", "")
	}), []sample{
		{"absolute creation", say("PUT", "http://y:8"+own+"-absolute", emptyLength, "")},
		{"no target", "GET\r\nHost: x\r\n\r\n"},
	}...)
}

func hostSamples() []sample {
	return append(each("hosts", []string{
		"", "Host:\r\n", "Host: a b\r\n", "Host: [::1\r\n", "Host: a%zz\r\n", "Host: ü\r\n", "Host: u@h\r\n",
		"Host: h:80\r\n", "Host: h:x\r\n", "Host: h/v1\r\n", " Host: x\r\n", "Host: x\r\n y\r\n", "Host : x\r\n",
	}, func(header string) string {
		return "PUT " + own + "-host HTTP/1.1\r\n" + header + emptyLength + "\r\n"
	}), sample{"bad host of a HEAD", "HEAD " + own + " HTTP/1.1\r\nHost: a b\r\n\r\n"})
}

func versionSamples() []sample {
	return append(each("version", []string{
		" HTTP/1.0", " HTTP/1.2", " http/1.1", " HTTP/1.10", " HTTP/1.1 ", "",
	}, func(version string) string {
		return "GET " + own + version + "\r\nHost: x\r\n\r\n"
	}), []sample{
		{"HTTP/0.9", "GET " + own + "\r\n"},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
		{"HTTP/1.0 kept alive", "GET " + own + " HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"},
		{"append of HTTP/1.0", "POST " + own + " HTTP/1.0\r\n" + plainType + "Content-Length: 1\r\n\r\nx"},
		{"append of HTTP/1.0 kept alive", "POST " + own + " HTTP/1.0\r\nConnection: keep-alive\r\n" + plainType +
			"Content-Length: 1\r\n\r\nx"},
	}...)
}

func persistenceSamples() []sample {
	return append(each("read with", []string{
		"Connection: close", "CONNECTION: CLOSE", "Connection: keep-alive, close", "Connection: keep-alive",
		"Connection: keep-alive\r\nConnection: close", "Connection: close\r\nConnection: keep-alive",
		"Connection: upgrade\r\nUpgrade: h2c",
	}, func(header string) string {
		return sayRead(header + "\r\n")
	}), sample{"append with a close", sayAppend("Connection: close\r\n", "bye")})
}

func methodSamples() []sample {
	return slices.Concat(each("bare", []string{
		"HEAD", "DELETE", "OPTIONS", "TRACE", "BREW", "get", "G(T",
	}, func(m string) string {
		return say(m, own, "", "")
	}), each("with a body:", []string{"GET", "HEAD", "DELETE", "OPTIONS", "BREW"}, func(m string) string {
		return say(m, own+"-none", "Content-Length: 5\r\n", "hello")
	}), each("with a large body:", []string{"GET", "DELETE", "BREW"}, func(m string) string {
		return say(m, own, "Content-Length: 20000\r\n", strings.Repeat("g", 20000))
	}), []sample{
		{"OPTIONS of all", say("OPTIONS", "*", "", "")},
		{"CONNECT", "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"append without a type", say("POST", own, "Content-Length: 1\r\n", "x")},
		{"form", say("POST", own, "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 1\r\n", "x")},
	})
}

// What the limits are about: headers, what is read ahead, and what is kept.
func sizeSamples() (all []sample) {
	add := func(name string, size int, text string) { all = append(all, sample{fmt.Sprintf(name, size), text}) }
	for _, n := range []int{prefetchBytes, headerBytesMax, keepBufferBytes} {
		for size := n - 1; size <= n+1; size++ {
			add("append with a body of %d", size, sayAppend("", strings.Repeat("b", size)))
			without := len(sayAppend("", strings.Repeat("t", size))) - size
			add("append of %d", size, sayAppend("", strings.Repeat("t", size-without)))
		}
	}
	for size := headerBytesMax - 3; size <= headerBytesMax+2; size++ {
		add("headers of %d", size, sayRead("X: "+strings.Repeat("h", size-len(sayRead("X: \r\n")))+"\r\n"))
		add("line of %d", size, say("GET", own+"?"+strings.Repeat("q", size-len("GET "+own+"? HTTP/1.1\r\n")), "", ""))
	}
	for n := headerFieldsMax - 4; n <= headerFieldsMax+1; n++ {
		many := strings.Repeat("X:\r\n", n)
		add("read with %d fields more", n, sayRead(many))
		add("append with %d fields more", n, sayAppend(many, "b"))
		add("chunked append with %d fields more", n, say("POST", own, plainType+"Transfer-Encoding: chunked\r\n"+many, "1\r\nb\r\n0\r\n\r\n"))
	}
	add("headers of %d", 3*headerBytesMax, sayRead("X: "+strings.Repeat("h", 3*headerBytesMax)+"\r\n"))
	add("append with a body of %d", 100_000, sayAppend("", strings.Repeat("b", 100_000)))
	add("%d appends", 2*turnsMax, strings.Repeat(sayAppend("", "n"), 2*turnsMax))
	add("%d reads", 20, strings.Repeat(sayRead(""), 20))
	return all
}

func streamSamples() []sample {
	return slices.Concat(each("JSON", []string{"[1,2]", "[3,[4]]", "[3,", ""}, func(body string) string {
		headers := fmt.Sprintf("Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
		return say("PUT", own+"-json", headers, body) + say("POST", own+"-json", headers, body)
	}), each("creation with", []string{
		"", plainType, "Stream-TTL: 1000\r\n", "Stream-Closed: true\r\n", "Stream-Forked-From: " + own + "\r\n",
	}, func(headers string) string {
		return say("PUT", own+"-put", headers+emptyLength, "")
	}), each("for another stream:", []string{"GET", "HEAD", "DELETE", "POST", "PATCH"}, func(m string) string {
		return say(m, own+"-put", plainType+emptyLength, "")
	}), []sample{
		{"read", sayRead("")},
		{"append", sayAppend("", "hello")},
		{"empty append", sayAppend("", "")},
		{"append of another type", say("POST", own, "Content-Type: text/html\r\nContent-Length: 1\r\n", "x")},
		{"closure", say("POST", own, "Stream-Closed: true\r\n"+emptyLength, "")},
		{"creation without a length", say("PUT", own+"-put", "", "")},
		{"creation with a body", say("PUT", own+"-put", plainType+"Content-Length: 3\r\n", "abc")},
		{"creation of what is there", say("PUT", own, plainType+emptyLength, "")},
		{"creation of a fork", say("PUT", own+"-fork", "Stream-Forked-From: "+own+"\r\n"+emptyLength, "")},
		{"append to what was created", say("POST", own+"-put", plainType+"Content-Length: 1\r\n", "q")},
	})
}

// Changes, and what is seen of them.
func changeSamples() []sample {
	head := say("HEAD", own, "", "")
	return slices.Concat(each("change with", []string{
		"", "Stream-Retention-Age: 1000", "Stream-Retention-Age: 0", "Stream-Retention-Bytes: 1", "Stream-Retention-Bytes: none",
		"Stream-Trim: now", "Stream-Trim: NOW", "Stream-Trim: " + token(1), "Stream-Trim: " + token(100_000_000),
		"Stream-TTL: 1000", "Stream-TTL: none", "Stream-TTL: x", "Stream-Expires-At: 2099-01-01T00:00:00Z",
		"Stream-TTL: 5\r\nStream-Expires-At: none", "Stream-Trim: now\r\nStream-Trim: now", "Expect: 100-continue\r\nStream-Trim: now",
	}, func(headers string) string {
		if headers != "" {
			headers += "\r\n"
		}
		return say("PATCH", own, headers, "") + head + say("GET", own+"?offset="+token(0), "", "") + sayRead("") +
			say("GET", own+"?live=long-poll&cursor=9999999999&offset="+token(0), "", "")
	}), each("change with a body:", []string{
		"Content-Length: 5\r\n\r\nhello", emptyLength + "\r\n", inChunks + "\r\n0\r\n\r\n", inChunks + "\r\n1\r\nx\r\n0\r\n\r\n",
		"Content-Length: 20000\r\n\r\n" + strings.Repeat("c", 20000), "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
	}, func(rest string) string {
		return "PATCH " + own + " HTTP/1.1\r\nHost: x\r\nStream-Trim: now\r\n" + rest
	}), each("creation with a retention:", []string{
		"Stream-Retention-Age: 1000", "Stream-Retention-Age: none", "Stream-Retention-Bytes: 8", "Stream-Retention-Bytes: 0",
	}, func(header string) string {
		return say("PUT", own+"-put", plainType+header+"\r\nContent-Length: 9\r\n", "retention") + say("HEAD", own+"-put", "", "")
	}), []sample{
		{"fork of what is trimmed", say("PATCH", own, "Stream-Trim: now\r\n", "") +
			say("PUT", own+"-fork", "Stream-Forked-From: "+own+"\r\nStream-Fork-Offset: "+token(0)+"\r\n"+emptyLength, "")},
		{"event stream of what is trimmed", say("PATCH", own, "Stream-Trim: now\r\n", "") +
			say("GET", own+"?live=sse&offset="+token(0), "", "")},
		{"change of what is not there", say("PATCH", own+"-none", "Stream-Trim: now\r\n", "")},
	})
}

// Live reads, with a cursor of the future: the answer to it does not depend on
// the time.
func liveSamples() []sample {
	return append(each("live", []string{
		"?offset=now&live=long-poll", "?offset=-1&live=long-poll", "-none?offset=now&live=long-poll",
		"?offset=now&live=sse", "?offset=-1&live=sse", "-none?offset=now&live=sse", "?live=sse", "?offset=-1&live=tea",
	}, func(query string) string {
		return say("GET", own+query+"&cursor=9999999999", "", "")
	}), []sample{
		{"long-poll with a body", say("GET", own+"?offset=now&live=long-poll", "Content-Length: 5\r\n", "hello")},
		{"long-poll and a close", say("GET", own+"?offset=now&live=long-poll", "Connection: close\r\n", "")},
		{"HEAD of a long-poll", say("HEAD", own+"?offset=now&live=long-poll", "", "")},
	}...)
}
