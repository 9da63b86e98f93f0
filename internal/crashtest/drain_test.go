package crashtest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tailrace/internal/sse/ssetest"
)

// drained is a server with live readers, writers, and an append of which half
// has arrived.
type drained struct {
	t      *testing.T
	server *process
	half   net.Conn
	answer *bufio.Reader
	event  *ssetest.Reader
	poll   chan answer
}

const writers = 8

// TestSIGTERMDrains asks a busy server to end. Everybody gets an end that they
// can tell from a crash, nothing acknowledged is lost, and the next start has
// nothing to recover. A server that needs more than its --drain-timeout of five
// seconds would not exit with 0.
func TestSIGTERMDrains(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	var busy sync.WaitGroup
	t.Cleanup(busy.Wait) // after the server was killed, whatever went wrong
	d := &drained{t: t, server: serve(t, dir, "127.0.0.1:0", fileSize(1<<20)...)}
	admin := newClient(d.server.url())
	for _, name := range []string{"half", "quiet", "busy"} {
		put(t, admin, name, textKind)
	}
	d.openEvents(newClient(d.server.url()))
	d.openHalf()
	d.openPoll(&busy, newClient(d.server.url()))
	acked := d.openWriters(&busy)

	d.server.terminate(t)
	if e, err := d.event.Next(); err != io.EOF {
		t.Errorf("event stream: %v, %v, want its regular end", e, err)
	}
	d.finishHalf()
	if a := <-d.poll; a.status != http.StatusNoContent || a.next() == "" || a.header.Get("Stream-Up-To-Date") != "true" {
		t.Errorf("long-poll: %v, want 204", a)
	}
	if code := d.server.awaitEnd(t); code != 0 {
		t.Errorf("exit code %d:\n%s", code, d.server.log)
	}
	busy.Wait()
	if trouble := d.server.log.trouble(); len(trouble) > 0 {
		t.Errorf("the server said: %q", trouble)
	}

	next := serve(t, dir, "127.0.0.1:0", fileSize(1<<20)...)
	if clean := next.log.value("store opened", "clean"); clean != "true" {
		t.Errorf("the next start found clean = %q:\n%s", clean, next.log)
	}
	c := newClient(next.url())
	if got := get(t, c, "half"); got != "first half, second half" {
		t.Errorf("the append under way is %q", got)
	}
	content := get(t, c, "busy")
	for i, n := range acked {
		for m := range n {
			if strings.Count(content, line(i, m)) != 1 {
				t.Errorf("%q was acknowledged and is there %d times", line(i, m), strings.Count(content, line(i, m)))
			}
		}
	}
}

func line(writer, n int) string { return fmt.Sprintf("<%d.%d>", writer, n) }

// openEvents opens an event stream and waits for its first event: from then on
// the reader is a live one.
func (d *drained) openEvents(c *client) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	d.t.Cleanup(cancel)
	resp, err := c.open(ctx, request{method: "GET", name: "quiet", query: url.Values{"offset": {"-1"}, "live": {"sse"}}})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { resp.Body.Close() })
	d.event = ssetest.NewReader(resp.Body)
	if e, err := d.event.Next(); err != nil || e.Type != "control" {
		d.t.Fatalf("first event: %v, %v", e, err)
	}
}

// openHalf sends the head and half of the body of an append. That the server
// asks for the body proves that it is busy with the request.
func (d *drained) openHalf() {
	d.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(d.server.url(), "http://"))
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { conn.Close() })
	d.half, d.answer = conn, bufio.NewReader(conn)
	fmt.Fprintf(conn, "POST %shalf HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		streams, textKind.contentType(), len("first half, second half"))
	status, err := d.answer.ReadString('\n')
	if err != nil || !strings.HasPrefix(status, "HTTP/1.1 100") {
		d.t.Fatalf("before the body: %q, %v", status, err)
	}
	if empty, err := d.answer.ReadString('\n'); err != nil || empty != "\r\n" {
		d.t.Fatalf("after the interim answer: %q, %v", empty, err)
	}
	io.WriteString(conn, "first half, ")
}

// finishHalf sends the other half and reads the answer.
func (d *drained) finishHalf() {
	d.t.Helper()
	io.WriteString(d.half, "second half")
	resp, err := http.ReadResponse(d.answer, nil)
	if err != nil || resp.StatusCode != http.StatusNoContent {
		d.t.Fatalf("the append under way: %v, %v", resp, err)
	}
	if !resp.Close {
		d.t.Errorf("the answer does not say that the connection ends: %v", resp.Header)
	}
}

// openPoll sends a long-poll. Nothing tells when the server has parked it;
// openWriters waits for many later requests to be answered.
func (d *drained) openPoll(busy *sync.WaitGroup, c *client) {
	d.poll = make(chan answer, 1)
	busy.Go(func() {
		a, err := c.do(request{method: "GET", name: "quiet", query: url.Values{"offset": {"now"}, "live": {"long-poll"}}})
		if err != nil {
			d.t.Errorf("long-poll: %v", err)
		}
		d.poll <- a
	})
}

// openWriters starts writers that append until the server is gone, and returns
// when each of them had some answers. How many each had is for after the end.
func (d *drained) openWriters(busy *sync.WaitGroup) []int {
	acked := make([]int, writers)
	warm := make(chan struct{}, writers)
	for i := range writers {
		c := newClient(d.server.url())
		busy.Go(func() {
			for n := 0; ; n++ {
				a, err := c.do(request{method: "POST", name: "busy", body: []byte(line(i, n)), header: []string{"Content-Type", textKind.contentType()}})
				if err != nil {
					return // it can't be known whether this one was stored
				}
				if a.status != http.StatusNoContent {
					d.t.Errorf("append: %v", a)
					return
				}
				if acked[i]++; acked[i] == 10 {
					warm <- struct{}{}
				}
			}
		})
	}
	limit := time.After(patience)
	for range writers {
		select {
		case <-warm:
		case <-limit:
			d.t.Fatal("the server does not answer all writers")
		}
	}
	return acked
}
