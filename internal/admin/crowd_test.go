package admin

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
)

// TestSilentConnectionsMakeRoom: those who say nothing do not keep others out, and no
// more of them are open than there may be.
func TestSilentConnectionsMakeRoom(t *testing.T) {
	addr, _ := served(t, start(t, newFakeStore()), "tcp", "127.0.0.1:0")
	var silent []net.Conn
	for range 3 * ConnectionsMax {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		silent = append(silent, c)
	}
	if got := raw(t, "tcp", addr, get("localhost", "/health/live")); got == "" {
		t.Error("no answer beside them")
	}
	// They are accepted in their order, so the first ones had to go.
	for i, c := range silent[:2*ConnectionsMax] {
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("connection %d was told something", i)
		}
	}
	last := silent[len(silent)-1]
	if _, err := io.WriteString(last, get("localhost", "/health/live")); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(last).ReadString('\n'); err != nil {
		t.Errorf("the last one was closed too: %v", err)
	}
}

// TestConnectionsInUseStay: the one that is closed has no request.
func TestConnectionsInUseStay(t *testing.T) {
	c := newCrowd(2)
	var conns [4]net.Conn
	for i := range conns {
		conns[i], _ = net.Pipe()
	}
	c.note(conns[0], http.StateNew)
	c.note(conns[0], http.StateActive)
	c.note(conns[1], http.StateNew)
	c.note(conns[2], http.StateNew)
	c.note(conns[2], http.StateActive)
	c.note(conns[3], http.StateNew) // alone without a request, and one too many
	for i, want := range []bool{true, false, true, false} {
		if c.open[conns[i]] != want {
			t.Errorf("connection %d is open: %t", i, !want)
		}
	}
	for _, conn := range conns {
		c.note(conn, http.StateClosed)
	}
	if len(c.open) != 0 || len(c.waiting) != 0 {
		t.Errorf("%d open and %d waiting are left", len(c.open), len(c.waiting))
	}
}
