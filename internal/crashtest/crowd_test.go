package crashtest

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// crowd is many readers of event streams who are at the tail.
type crowd struct {
	t     *testing.T
	conns []net.Conn
}

// readersFromOneAddress keeps the ports of one address from running out.
const readersFromOneAddress = 5000

// openCrowd opens so many event streams of one stream, and waits for the first
// event of each.
func openCrowd(t *testing.T, server *process, name string, n int) *crowd {
	t.Helper()
	c := &crowd{t: t, conns: make([]net.Conn, n)}
	ask := "GET " + streams + name + "?offset=-1&live=sse HTTP/1.1\r\nHost: x\r\n\r\n"
	var opening sync.WaitGroup
	for worker := range 16 {
		opening.Go(func() {
			for i := worker; i < n; i += 16 {
				d := net.Dialer{}
				if i >= readersFromOneAddress {
					d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i/readersFromOneAddress))}
				}
				conn, err := d.Dial("tcp", strings.TrimPrefix(server.url(), "http://"))
				if err != nil {
					t.Error(err)
					return
				}
				c.conns[i] = conn
				io.WriteString(conn, ask)
				if got := readUntil(conn, []byte("}\n\n\r\n")); !bytes.HasPrefix(got, []byte("HTTP/1.1 200")) {
					t.Errorf("reader %d: %q", i, got)
					return
				}
			}
		})
	}
	opening.Wait()
	t.Cleanup(func() {
		for _, conn := range c.conns {
			if conn != nil {
				conn.Close()
			}
		}
	})
	return c
}

// readUntil reads until the bytes end like that, or no more come.
func readUntil(conn net.Conn, end []byte) (got []byte) {
	conn.SetReadDeadline(time.Now().Add(patience))
	for buf := make([]byte, 2048); !bytes.HasSuffix(got, end); {
		n, err := conn.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil {
			break
		}
	}
	return got
}

// wantEnd demands that every response ends the regular way, and its connection
// after it.
func (c *crowd) wantEnd() {
	c.t.Helper()
	broken := 0
	for _, conn := range c.conns {
		conn.SetReadDeadline(time.Now().Add(patience))
		if rest, err := io.ReadAll(conn); err != nil || !bytes.HasSuffix(rest, []byte("\r\n0\r\n\r\n")) && string(rest) != "0\r\n\r\n" {
			if broken++; broken == 1 {
				c.t.Errorf("an event stream ends with %q, %v", rest, err)
			}
		}
	}
	if broken > 0 {
		c.t.Errorf("%d of %d event streams have no regular end", broken, len(c.conns))
	}
}

// TestSIGTERMEndsThousandsOfReaders asks a server to end that many follow, while
// others append. All readers see a regular end, and the process is gone within
// its five seconds, or its exit code would not be 0.
func TestSIGTERMEndsThousandsOfReaders(t *testing.T) {
	var busy sync.WaitGroup
	t.Cleanup(busy.Wait)
	d := &drained{t: t, server: serve(t, t.TempDir()+"/store", "127.0.0.1:0")}
	admin := newClient(d.server.url())
	for _, name := range []string{"quiet", "busy"} {
		put(t, admin, name, textKind)
	}
	readers := openCrowd(t, d.server, "quiet", *drainReaders)
	d.openPoll(&busy, newClient(d.server.url()))
	acked := d.openWriters(&busy)
	d.server.terminate(t)
	readers.wantEnd()
	if a := <-d.poll; a.status != http.StatusNoContent {
		t.Errorf("long-poll: %v, want 204", a)
	}
	if code := d.server.awaitEnd(t); code != 0 {
		t.Errorf("exit code %d:\n%s", code, d.server.log)
	}
	busy.Wait()
	sum := 0
	for _, n := range acked {
		sum += n
	}
	t.Logf("%d readers had a regular end, after %d appends", len(readers.conns), sum)
}
