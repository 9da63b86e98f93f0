package bench

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// child is a server in a process of its own.
type child struct {
	addr    string
	opened  time.Duration // what opening the store took
	cmd     *exec.Cmd
	orders  *json.Encoder
	in      io.Closer
	answers *json.Decoder
}

// startChild starts a process in a role and waits until it serves. It is ended
// with the test.
func startChild(tb testing.TB, r role) *child {
	tb.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		tb.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(environ(), roleEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	c := &child{cmd: cmd, orders: json.NewEncoder(in), in: in, answers: json.NewDecoder(out)}
	tb.Cleanup(func() { c.end(tb) })
	first := c.hear(tb)
	c.addr, c.opened = first.Addr, first.Opened
	return c
}

// end lets the child finish, unless it was killed.
func (c *child) end(tb testing.TB) {
	if c.cmd.ProcessState != nil {
		return
	}
	c.in.Close()
	if err := c.cmd.Wait(); err != nil {
		tb.Errorf("bench: server ended: %v", err)
	}
}

// kill ends the child as a crash would.
func (c *child) kill(tb testing.TB) {
	tb.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		tb.Fatal(err)
	}
	c.cmd.Wait() // the error says that it was killed
}

// do gives an order and returns the state after it.
func (c *child) do(tb testing.TB, o order) state {
	tb.Helper()
	if err := c.orders.Encode(o); err != nil {
		tb.Fatalf("bench: order %+v: %v", o, err)
	}
	return c.hear(tb)
}

func (c *child) hear(tb testing.TB) state {
	tb.Helper()
	var s state
	if err := c.answers.Decode(&s); err != nil {
		tb.Fatalf("bench: hear of the server: %v", err)
	}
	if s.Failure != "" {
		tb.Fatalf("bench: server: %s", s.Failure)
	}
	return s
}

// startServer starts our server with a number of streams. They hold one append
// of size bytes each, if size > 0.
func startServer(tb testing.TB, streams, size int) *child {
	tb.Helper()
	c := startChild(tb, role{Dir: tb.TempDir()})
	c.do(tb, order{Populate: streams, Size: size})
	return c
}

// startFloor starts the floor of a request: a server that answers what ours
// does, without doing anything for it.
func startFloor(tb testing.TB, ours *child, t template) *child {
	tb.Helper()
	want := t.ask(tb, ours.addr)
	floor := startChild(tb, role{Floor: &want})
	if got := t.ask(tb, floor.addr); !got.equal(&want) {
		tb.Fatalf("bench: the floor answers\n%+v\nour server\n%+v", got, want)
	}
	return floor
}

// begin starts a profile of the server, if one was asked for.
func begin(tb testing.TB, server *child, what string) {
	tb.Helper()
	if *profile != "" {
		server.do(tb, order{Profile: *profile + "-" + what})
	}
}

func end(tb testing.TB, server *child) {
	tb.Helper()
	server.do(tb, order{ProfileEnd: true})
}
