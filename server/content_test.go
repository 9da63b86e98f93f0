package server

import (
	"bytes"
	stdgzip "compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/valyala/fasthttp"
)

const (
	asksGzip     = "Accept-Encoding: gzip, deflate"
	asksZstd     = "Accept-Encoding: gzip, deflate, br, zstd"
	asksIdentity = "Accept-Encoding: identity"
)

// gunzip decodes a body with both readers that there are, and demands that it
// is one member.
func gunzip(t testing.TB, body string) string {
	t.Helper()
	src := bytes.NewReader([]byte(body))
	std, err := stdgzip.NewReader(src)
	if err != nil {
		t.Fatalf("not gzip: %v", err)
	}
	std.Multistream(false)
	one, err := io.ReadAll(std)
	if err != nil || src.Len() != 0 {
		t.Fatalf("compress/gzip: %v, %d bytes after the member", err, src.Len())
	}
	other, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatalf("not gzip: %v", err)
	}
	two, err := io.ReadAll(other)
	if err != nil || !bytes.Equal(one, two) {
		t.Fatalf("klauspost: %v, %d bytes beside %d", err, len(two), len(one))
	}
	return string(one)
}

// decode is the content of a response, and demands the coding.
func (r *response) decode(t testing.TB, want coding) string {
	t.Helper()
	switch want {
	case codingGzip:
		r.wantHeaders(t, "Content-Encoding: gzip")
		return gunzip(t, r.body)
	case codingZstd:
		r.wantHeaders(t, "Content-Encoding: zstd")
		return unframe(t, r.body)
	}
	r.wantHeaders(t, "Content-Encoding:")
	return r.body
}

// jsonOf is a JSON string of that many bytes, of which its quotes are two.
func jsonOf(rng *rand.Rand, n int) string {
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, "message %d of %x ", b.Len(), rng.Uint32()>>16)
	}
	return `"` + b.String()[:n-2] + `"`
}

// Compressed answers have the bytes of plain ones, whatever their size and
// wherever their data is: on one connection, so that its buffers are used again.
func TestGzipHasTheSameBytes(t *testing.T) {
	for _, disk := range []bool{false, true} {
		t.Run(fmt.Sprintf("disk=%t", disk), func(t *testing.T) {
			rng := newRand(t)
			f := start(t, func(u *setup) {
				if disk {
					onDisk(&diskReader{noFrames: true})(u)
				}
			})
			c := f.dial()
			for i, size := range []int{1, 100, gzipBytesMin - 3, gzipBytesMin - 2, gzipBytesMin - 1, gzipBytesMin, gzipBytesMin + 1,
				5000, keepBufferBytes - 1, keepBufferBytes, keepBufferBytes + 1, 300_000, testBodyMax} {
				noise := make([]byte, size)
				for i := range noise {
					noise[i] = byte(rng.Uint32())
				}
				for _, s := range []struct{ ct, body string }{
					{text, strings.Repeat("tail ", size/5+1)[:size]},
					{binary, string(noise)},
					{jsonCT, jsonOf(rng, max(size, 3))},
				} {
					name := fmt.Sprintf("%d/%s", i, strings.TrimPrefix(s.ct, "Content-Type: "))
					f.create(name, s.body, s.ct)
					for more := range 2 {
						if more > 0 { // of several parts, and after the first one
							f.append(name, s.body, s.ct)
						}
						plain := c.send(f.request("GET", root+name, "", asksIdentity)).read("GET").want(t, 200)
						want := codingIdentity
						if len(plain.body) >= gzipBytesMin {
							want = codingGzip
						}
						r := c.send(f.request("GET", root+name, "", asksGzip)).read("GET").want(t, 200)
						if got := r.decode(t, want); got != plain.body {
							t.Fatalf("%s of %d bytes: %d bytes beside %d", name, size, len(got), len(plain.body))
						}
						for _, h := range []string{"Content-Type", "Stream-Next-Offset", "Stream-Up-To-Date", "Cache-Control"} {
							r.wantHeaders(t, h+": "+plain.Header.Get(h))
						}
						r.wantHeaders(t, fmt.Sprintf("Content-Length: %d", len(r.body)))
						if want == codingGzip && s.ct == text && len(r.body) > len(plain.body)/4 {
							t.Errorf("%s: %d bytes are compressed to %d", name, len(plain.body), len(r.body))
						}
					}
				}
			}
		})
	}
}

// While a compressed answer waits to be taken, only what it has become counts.
func TestGzipTakesWhatItHolds(t *testing.T) {
	f := start(t, silent, func(u *setup) { u.server.ResponseBytesInFlight = 1 })
	f.create("a", strings.Repeat("x", 300_000), text)
	f.server.responses.reserve(1)
	f.do("GET", root+"a", "", asksGzip).wantError(t, 503, "overloaded").wantHeaders(t, "Vary: Accept-Encoding", "Content-Encoding:")
	f.server.responses.release(1)
	x, _ := bareExchange(f.server)
	noise := make([]byte, 300_000)
	for i := range noise[:150_000] {
		noise[i] = byte(rand.Uint32())
	}
	x.result.Parts = [][]byte{noise}
	if !f.server.reserveBody(x, codingGzip) || x.held != int64(len(noise)) {
		t.Fatalf("%d bytes are held for %d before they are compressed", x.held, len(noise))
	}
	f.server.setBody(x, codingGzip)
	if n := len(x.resp.Body()); x.held != int64(n) || f.server.responses.used.Load() != int64(n) || n > 160_000 {
		t.Errorf("%d bytes are held for %d, %d in all", x.held, n, f.server.responses.used.Load())
	}
	f.server.free(x)
	x, _ = bareExchange(f.server)
	x.result.Parts = [][]byte{make([]byte, 300_000)}
	if !f.server.reserveBody(x, codingGzip) {
		t.Fatal("no memory")
	}
	f.server.setBody(x, codingGzip)
	if x.held != 0 {
		t.Errorf("%d bytes are held for %d in the connection's own memory", x.held, len(x.resp.Body()))
	}
	f.server.free(x)
}

// A compressor is used again before its last answer has been taken.
func TestGzipAnswersShareNothing(t *testing.T) {
	s, err := New(nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	rng := newRand(t)
	var want []string
	var sent []*fasthttp.Response
	for i := range 20 {
		x, resp := bareExchange(s)
		noise := make([]byte, []int{2000, 200_000}[i%2])
		for i := range noise {
			noise[i] = byte(rng.Uint32())
		}
		x.result.Parts = [][]byte{noise, noise}
		s.setBody(x, codingGzip)
		s.free(x)
		want, sent = append(want, string(noise)+string(noise)), append(sent, resp)
	}
	for i, resp := range sent {
		if gunzip(t, string(resp.Body())) != want[i] {
			t.Errorf("answer %d has changed", i)
		}
	}
}

// What was read from the disk is in nobody else's memory, so a large answer
// counts also if it goes out as it is. What is in memory anyway does not.
func TestDataFromTheDiskTakesMemory(t *testing.T) {
	d := &diskReader{}
	f := start(t, onDisk(d), func(u *setup) { u.server.ResponseBytesInFlight = 1 })
	f.create("a", strings.Repeat("x", 300_000), text)
	noise := make([]byte, 300_000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	f.create("b", string(noise), binary)
	f.server.responses.reserve(1)
	f.do("GET", root+"a", "").wantError(t, 503, "overloaded")
	f.do("GET", root+"b", "", asksZstd).wantError(t, 503, "overloaded")
	f.do("GET", root+"a", "", asksZstd).want(t, 200).decode(t, codingZstd) // a small frame
	f.server.responses.release(1)
	f.do("GET", root+"a", "").want(t, 200)
	waitFor(t, "the budget to be free", func() bool { return f.server.responses.used.Load() == 0 })
	f.do("GET", root+"b", "", asksZstd).want(t, 200).decode(t, codingZstd)
}

// BenchmarkContent is what the body of one answer costs.
func BenchmarkContent(b *testing.B) {
	s, err := New(nil, Options{})
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{2 << 10, 64 << 10, 1 << 20} {
		part := []byte(jsonOf(rng, size-1) + ",")
		for _, c := range []coding{codingIdentity, codingGzip, codingZstd} {
			b.Run(fmt.Sprintf("size=%d/%v", size, c), func(b *testing.B) {
				x, resp := bareExchange(s)
				x.result.JSON, x.result.Parts = true, [][]byte{part}
				if c == codingZstd {
					x.result.Stored, x.result.StoredSize = frameOf(part), size
				}
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					resp.ResetBody()
					s.setBody(x, c)
				}
				b.ReportMetric(float64(size)/float64(len(resp.Body())), "ratio")
			})
		}
	}
}
