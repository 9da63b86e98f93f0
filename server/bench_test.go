package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"tailrace/engine"
	"tailrace/internal/stream"
	"tailrace/internal/vfs/memfs"
)

// rawRequest parses the text of a request as a driver would.
func rawRequest(t testing.TB, text string) *fasthttp.Request {
	t.Helper()
	var r fasthttp.Request
	if err := r.Header.Read(bufio.NewReader(strings.NewReader(text))); err != nil {
		t.Fatal(err)
	}
	return &r
}

const headOfAppend = "POST /v1/stream/some/stream HTTP/1.1\r\nHost: localhost:4437\r\nUser-Agent: bench\r\n" +
	"Content-Type: application/octet-stream\r\nContent-Length: 256\r\n\r\n"

// Parsing and answering the common append allocates nothing of its own.
func TestAppendPathDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Log("the race detector allocates")
		return
	}
	s, err := New(nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	req := rawRequest(t, headOfAppend)
	var resp fasthttp.Response
	ticket := engine.Ticket{Outcome: stream.Outcome{Code: stream.Appended, Tail: 261}}
	n := testing.AllocsPerRun(1000, func() {
		resp.Reset()
		x := s.newExchange(req, &resp, connInfo{}, time.Now())
		if f := s.parse(x, true); f != faultNone {
			t.Fatalf("fault %d", f)
		}
		if _, f := x.head.contentType(); f != faultNone {
			t.Fatalf("fault %d", f)
		}
		if o := s.settle(x, ticket, stepAppend); o.kind != kindDone {
			t.Fatalf("outcome %+v", o)
		}
		s.free(x)
	})
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkParse(b *testing.B) {
	s, err := New(nil, Options{})
	if err != nil {
		b.Fatal(err)
	}
	for name, text := range map[string]string{
		"append":   headOfAppend,
		"producer": strings.Replace(headOfAppend, "\r\n\r\n", "\r\nProducer-Id: abc\r\nProducer-Epoch: 1\r\nProducer-Seq: 12345\r\n\r\n", 1),
		"read":     "GET /v1/stream/some/stream?offset=0000000000000000_0000000000012345 HTTP/1.1\r\nHost: localhost:4437\r\nUser-Agent: bench\r\n\r\n",
	} {
		req := rawRequest(b, text)
		var resp fasthttp.Response
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				x := s.newExchange(req, &resp, connInfo{}, time.Now())
				if f := s.parse(x, true); f != faultNone {
					b.Fatal(f)
				}
				s.free(x)
			}
		})
	}
}

// BenchmarkAppend is the whole way over loopback, beside the floor: fasthttp
// answering 204 with the same headers. The store is in memory, so the
// difference is the work of server and engine without that of the disk.
func BenchmarkAppend(b *testing.B) {
	const conns = 64
	body := strings.Repeat("x", 256)
	request := func(i int) string {
		return fmt.Sprintf("POST /v1/stream/s%d HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n%s",
			i, len(body), body)
	}
	b.Run("floor", func(b *testing.B) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		floor := &fasthttp.Server{NoDefaultServerHeader: true, Handler: func(ctx *fasthttp.RequestCtx) {
			h := &ctx.Response.Header
			ctx.SetStatusCode(204)
			h.SetCanonical(nameNosniff, valueNosniff)
			h.SetCanonical(nameResource, valueCrossOrigin)
			h.SetCanonical(nameAllowOrigin, valueAnyOrigin)
			h.SetCanonical(nameExposeHeaders, exposeHeaders)
			h.SetCanonical(nameNextOffset, []byte("0000000000000000_0000000000000261"))
		}}
		go floor.Serve(ln)
		defer floor.Shutdown()
		drive(b, ln.Addr().String(), conns, request)
	})
	b.Run("server", func(b *testing.B) {
		e, err := engine.Open(engine.Options{FS: memfs.New(), Dir: "store", MemoryBytes: 8 << 30})
		if err != nil {
			b.Fatal(err)
		}
		defer e.Close()
		s, err := New(e, Options{})
		if err != nil {
			b.Fatal(err)
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		go s.Serve(ln)
		defer s.Shutdown(b.Context())
		for i := range conns {
			if t := e.Create(&stream.Create{Path: fmt.Sprint("s", i), TTL: stream.NoTTL}); t.Wait() != nil || t.Code != stream.Created {
				b.Fatal(t.Code)
			}
		}
		drive(b, ln.Addr().String(), conns, request)
	})
}

// drive sends b.N requests over that many connections.
func drive(b *testing.B, addr string, conns int, request func(conn int) string) {
	work := make(chan struct{}, conns)
	done := make(chan error, conns)
	for i := range conns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		go func() {
			defer c.Close()
			in, text := bufio.NewReader(c), request(i)
			for range work {
				if _, err := io.WriteString(c, text); err != nil {
					done <- err
					return
				}
				for first := true; ; first = false {
					line, err := in.ReadSlice('\n')
					if err != nil || first && !strings.HasPrefix(string(line), "HTTP/1.1 204") {
						done <- fmt.Errorf("answer %q: %v", line, err)
						return
					}
					if len(line) == 2 {
						break
					}
				}
			}
			done <- nil
		}()
	}
	b.ResetTimer()
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	for range conns {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}
