//go:build linux

package evloop

import (
	"bytes"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// echo writes back all input, as soon as what was written before is sent.
func echo() *funcs {
	reply := func(c *Conn) {
		if in := c.In(); len(in) > 0 && !c.Unsent() {
			if c.Write(in, nil) != nil {
				c.Close()
				return
			}
			c.Consume(len(in))
		}
		switch {
		case c.Unsent():
			c.Pause()
		case c.Ended() && len(c.In()) == 0:
			c.Close()
		}
	}
	return &funcs{input: reply, sent: func(c *Conn) { c.Resume() }}
}

// Everything comes back in order, from many connections at a time, whatever the
// sizes of the pieces and however slowly a client reads.
func TestEchoIsExact(t *testing.T) {
	r := start(t, echo())
	var all sync.WaitGroup
	for i := range 20 {
		client, _ := r.connect("")
		rnd := rand.New(rand.NewPCG(uint64(i), 1))
		sent := make([]byte, rnd.IntN(3<<20))
		for j := range sent {
			sent[j] = byte(rnd.Uint32())
		}
		all.Go(func() {
			for rest := sent; len(rest) > 0; {
				n := min(len(rest), 1+rnd.IntN(1<<uint(rnd.IntN(20))))
				if _, err := client.Write(rest[:n]); err != nil {
					t.Error(err)
					return
				}
				rest = rest[n:]
			}
			client.(interface{ CloseWrite() error }).CloseWrite()
		})
		all.Go(func() {
			got, err := io.ReadAll(client)
			if err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%d bytes came back of %d, equal %v, %v", len(got), len(sent), bytes.Equal(got, sent), err)
			}
		})
	}
	all.Wait()
}

// What was read before the loop had the connection comes first.
func TestAdoptedInputComesFirst(t *testing.T) {
	r := start(t, echo())
	client, _ := r.connect("hello, ")
	client.Write([]byte("world"))
	got := make([]byte, 12)
	if _, err := io.ReadFull(client, got); err != nil || string(got) != "hello, world" {
		t.Fatalf("%q, %v", got, err)
	}
}

// What the handler leaves, it sees again with what follows, although the loop's
// own buffer was used for others meanwhile.
func TestInputIsKeptUntilConsumed(t *testing.T) {
	seen := make(chan string, 10)
	r := start(t, &funcs{input: func(c *Conn) {
		seen <- string(c.In())
		switch in := c.In(); {
		case len(in) == 0:
		case in[0] == 'x':
			c.Consume(len(in))
		case len(in) >= 4:
			c.Consume(3)
		}
	}})
	client, _ := r.connect("")
	other, _ := r.connect("")
	for _, step := range []struct{ send, want string }{{"ab", "ab"}, {"cd", "abcd"}, {"ef", "def"}} {
		client.Write([]byte(step.send))
		if got := await(t, "input", seen); got != step.want {
			t.Fatalf("saw %q, want %q", got, step.want)
		}
		other.Write([]byte("xxxxxxxx"))
		await(t, "input of the other", seen)
	}
}

// While a connection is paused nothing of it is read, and nothing is lost.
func TestPausedInputWaits(t *testing.T) {
	seen := make(chan string, 10)
	r := start(t, &funcs{input: func(c *Conn) {
		seen <- string(c.In())
		c.Consume(len(c.In()))
		c.Pause()
	}})
	client, c := r.connect("")
	client.Write([]byte("a"))
	if got := await(t, "input", seen); got != "a" {
		t.Fatalf("saw %q", got)
	}
	client.Write([]byte("b"))
	for range 3 { // passes in which nothing may be read
		r.do(func() {})
	}
	if len(seen) != 0 {
		t.Fatalf("saw %q while paused", <-seen)
	}
	r.do(c.Resume)
	if got := await(t, "input", seen); got != "b" {
		t.Fatalf("saw %q", got)
	}
}

// A peer that leaves is noticed while its connection is paused.
func TestLeavingIsNoticedWhilePaused(t *testing.T) {
	left := make(chan *Conn, 1)
	r := start(t, &funcs{leaving: func(c *Conn) { left <- c; c.Close() }})
	client, c := r.connect("")
	r.do(c.Pause)
	client.Close()
	if got := await(t, "the leaving", left); got != c {
		t.Fatal("of another connection")
	}
}

// A closed connection gets no further call, whatever is queued for it.
func TestClosedIsTheEnd(t *testing.T) {
	var closed []*Conn
	r := start(t, &funcs{
		input: func(c *Conn) {
			if c.Closed() {
				t.Error("input of a closed connection")
			}
			c.Again()
		},
		closed: func(c *Conn) { closed = append(closed, c) },
	})
	for range 50 {
		client, c := r.connect("x")
		client.Write([]byte("y"))
		r.do(func() { c.Again(); c.Close(); c.Close(); c.Again() })
		if _, err := client.Read(make([]byte, 1)); err == nil {
			t.Fatal("the connection goes on")
		}
	}
	r.do(func() {
		if len(closed) != 50 {
			t.Errorf("%d were told to be closed", len(closed))
		}
	})
}

// A detached socket goes on elsewhere, with what was read of it.
func TestDetachedSocketsLiveOn(t *testing.T) {
	r := start(t, echo())
	client, c := r.connect("")
	r.do(c.Pause)
	client.Write([]byte("later"))
	var fd int
	var rest []byte
	r.do(func() { fd, rest = c.Detach() })
	r.do(func() {
		if _, err := r.Adopt(fd, rest, nil); err != nil {
			t.Error(err)
		}
	})
	got := make([]byte, 5)
	if _, err := io.ReadFull(client, got); err != nil || string(got) != "later" {
		t.Fatalf("%q, %v", got, err)
	}
}

// Deadlines come after their time and not before, the last one that was set.
func TestDeadlines(t *testing.T) {
	var r *running
	expired := make(chan time.Duration, 100)
	var want time.Time
	r = start(t, &funcs{expired: func(*Conn) { expired <- time.Since(want) }})
	_, c := r.connect("")
	for _, ms := range []int{0, 1, 7, 8, 9, 50, 3} {
		r.do(func() {
			want = time.Now().Add(time.Duration(ms) * time.Millisecond)
			c.SetDeadline(time.Now().Add(time.Hour))
			c.SetDeadline(want.Add(-time.Millisecond))
			c.SetDeadline(want)
		})
		// The clock of deadlines has whole milliseconds.
		if late := await(t, "the deadline", expired); late < -time.Millisecond {
			t.Errorf("%d ms: %v early", ms, -late)
		}
	}
	r.do(func() { c.SetDeadline(time.Now().Add(time.Millisecond)); c.SetDeadline(time.Time{}) })
	r.do(func() { want = time.Now(); c.SetDeadline(want.Add(30 * time.Millisecond)) })
	await(t, "the deadline", expired)
	if len(expired) != 0 {
		t.Error("a deadline that was taken back came")
	}
}

// No post is lost, however it falls between the loop's looking and waiting.
func TestNoPostIsLost(t *testing.T) {
	r := start(t, &funcs{})
	const rounds = 100_000
	done := make(chan struct{}, 1)
	for range rounds {
		if !r.Post(func() { done <- struct{}{} }) {
			t.Fatal("refused")
		}
		await(t, "a post", done)
	}
	r.do(r.Stop)
	if err := await(t, "the end", r.ended); err != nil {
		t.Fatal(err)
	}
	r.ended <- nil
	if r.Post(func() {}) {
		t.Error("a loop that has ended takes posts")
	}
}

// A loop that was lent for too long goes on without who has it, beginning with a
// pass although nothing happened.
func TestALentLoopGoesOn(t *testing.T) {
	var r *running
	var lend func() // in the next PassEnd
	kept := make(chan bool, 1)
	passes := make(chan struct{}, 1)
	h := echo()
	h.passEnd = func() bool {
		f := lend
		if lend = nil; f == nil {
			select {
			case passes <- struct{}{}:
			default:
			}
			return true
		}
		select { // passes from before
		case <-passes:
		default:
		}
		k := r.Lend(time.Millisecond, f)
		kept <- k
		return k
	}
	r = start(t, h)
	client, _ := r.connect("")
	check := func() {
		t.Helper()
		got := make([]byte, 4)
		client.Write([]byte("ping"))
		if _, err := io.ReadFull(client, got); err != nil || string(got) != "ping" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	for range 50 {
		lent, release := make(chan struct{}), make(chan struct{})
		r.Post(func() { lend = func() { close(lent); <-release } })
		await(t, "the loan", lent)
		await(t, "the pass of the new owner", passes)
		check()
		close(release)
		if await(t, "the end of the loan", kept) {
			t.Fatal("the loop was given back although it was taken")
		}
		check()
		r.do(func() { lend = func() {} })
		await(t, "the end of the loan", kept)
		check()
	}
}
