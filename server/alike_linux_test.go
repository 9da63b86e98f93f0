package server

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var alikeConversations = flag.Int("server.conversations", conversationsDefault(), "conversations had with both drivers")

// conversationsDefault is about five seconds on two cores.
func conversationsDefault() int {
	if raceEnabled {
		return 600
	}
	return 3000
}

const (
	// alikeClients talk at the same time, so that a pass of the loop has several.
	alikeClients = 12

	// alikeReports bounds what is said about a driver that is broken.
	alikeReports = 5
)

// Which driver serves a connection cannot be seen from outside: for the same
// bytes both give the same answers and store the same, in whatever pieces the
// bytes arrive. In every conversation the client ends its side after the last
// byte and reads to the end, so that what is not answered by then never will be,
// and nothing has to be judged by silence.
func TestDriversAnswerAlike(t *testing.T) {
	rng := newRand(t)
	same := func(u *setup) {
		u.server.LongPollTimeout = time.Millisecond
		u.server.Rand = func() uint64 { return 1 }
		// A flush divides streams, and a read ends where its stream is divided.
		u.engine.LogFileBytes, u.engine.FlushBytes = 64<<20, 256<<20
	}
	drivers := [2]*fixture{start(t, same, byLoops), start(t, same, func(u *setup) { u.server.Portable = true })}
	samples := alikeSamples()
	var reports atomic.Int64
	queue := make(chan *conversation)
	var clients sync.WaitGroup
	for range alikeClients {
		clients.Go(func() {
			for c := range queue {
				if report := c.compare(drivers); report != "" {
					t.Error(report)
					reports.Add(1)
				}
			}
		})
	}
	for i := 0; i < *alikeConversations && reports.Load() < alikeReports; i++ {
		queue <- newConversation(rng, samples, i)
	}
	close(queue)
	clients.Wait()
}

// conversation is what a client says on one connection to each of the drivers. It
// has streams of its own, so that nobody else has a say in the answers.
type conversation struct {
	label  string
	stream string
	ways   [2]way // the same bytes
}

var driverNames = [2]string{"loop", "portable driver"}

// way is how bytes come to a server. Between two pieces the client lets others
// run, or has an answer on another connection. Neither is sure to have the server
// see a piece on its own, and both do at times.
type way struct {
	pieces []string
	asks   bool
}

// newConversation puts a conversation together. The first ones have each sample
// alone, the next have each between an append and a read, which show what it left
// behind, and the others have each among some that come by chance.
func newConversation(rng *rand.Rand, samples []sample, i int) *conversation {
	parts := []sample{samples[i%len(samples)]}
	switch round := i / len(samples); {
	case round == 1:
		parts = []sample{{"append", sayAppend("", "first")}, parts[0], {"read", sayRead("")}}
	case round > 1:
		for range rng.IntN(4) {
			parts = append(parts, samples[rng.IntN(len(samples))])
		}
		rng.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	}
	var names []string
	var said strings.Builder
	for _, p := range parts {
		names = append(names, p.name)
		said.WriteString(p.text)
	}
	c := &conversation{label: strings.Join(names, " | "), stream: fmt.Sprintf("s%0*d", len(ownName)-1, i)}
	all := strings.ReplaceAll(said.String(), ownName, c.stream)
	if i >= len(samples) && rng.IntN(5) == 0 {
		all = all[:rng.IntN(len(all))]
		c.label += fmt.Sprintf(" | the end after %d bytes", len(all))
	}
	for side := range c.ways {
		c.ways[side] = way{cut(rng, all), rng.IntN(3) == 0}
	}
	return c
}

// cut cuts bytes into pieces: none, all there can be, or a few that often end
// where a line does.
func cut(rng *rand.Rand, all string) (pieces []string) {
	switch how := rng.IntN(6); {
	case how == 0:
		return []string{all}
	case how == 1 && len(all) <= 600:
		return strings.Split(all, "")
	}
	for n := 1 + rng.IntN(6); n > 0 && len(all) > 1; n-- {
		at := 1 + rng.IntN(len(all)-1)
		if line := strings.IndexByte(all[at:], '\n'); line >= 0 && rng.IntN(3) > 0 {
			at += line + rng.IntN(2) // before the LF or after it
		}
		pieces, all = append(pieces, all[:at]), all[at:]
	}
	return append(pieces, all)
}

// compare has the conversation with both drivers, and tells how they differ.
func (c *conversation) compare(drivers [2]*fixture) (report string) {
	before := way{pieces: []string{drivers[0].request("PUT", root+c.stream, "start", text)}}
	after := way{pieces: []string{strings.ReplaceAll(readsOfAll, ownName, c.stream)}}
	var said, stored [2]string
	var errs [2]error
	var both sync.WaitGroup
	for side, f := range drivers {
		both.Go(func() {
			err := &errs[side]
			if _, *err = f.talk(before); *err != nil {
				return
			}
			if said[side], *err = f.talk(c.ways[side]); *err == nil {
				stored[side], *err = f.talk(after)
			}
		})
	}
	both.Wait()
	switch {
	case errs[0] != nil || errs[1] != nil:
		return c.report(fmt.Sprintf("with the loop: %v; with the portable driver: %v", errs[0], errs[1]), said)
	case said[0] != said[1]:
		return c.report("the answers differ", said)
	case stored[0] != stored[1]:
		return c.report("the answers are the same, and what is stored differs", stored)
	}
	return ""
}

// report names the conversation, and shows both texts where they begin to differ.
func (c *conversation) report(what string, texts [2]string) string {
	at := 0
	for at < min(len(texts[0]), len(texts[1])) && texts[0][at] == texts[1][at] {
		at++
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n%s", c.stream, c.label, what)
	for side, w := range c.ways {
		fmt.Fprintf(&b, "\nto the %s, %d pieces, asks %t:", driverNames[side], len(w.pieces), w.asks)
		for i, p := range w.pieces {
			if i == 10 {
				fmt.Fprintf(&b, " … %s", clip(strings.Join(w.pieces[i:], "")))
				break
			}
			b.WriteString(" " + clip(p))
		}
	}
	for side, s := range texts {
		fmt.Fprintf(&b, "\nof the %s, around byte %d of %d: %s", driverNames[side], at, len(s), clip(s[max(0, at-100):]))
	}
	return b.String()
}

// clip shows what is long by its begin and its end.
func clip(s string) string {
	if len(s) <= 600 {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q…%d bytes…%q", s[:400], len(s)-500, s[len(s)-100:])
}

// talk says something, ends the client's side, and returns what the server says
// until it ends its own. If there is something that it has not read, a reset may
// come in place of the end.
func (f *fixture) talk(w way) (string, error) {
	conn, err := net.Dial("tcp", f.addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	sent := make(chan error, 1)
	go func() { sent <- f.sendPieces(conn.(*net.TCPConn), w) }()
	said, err := io.ReadAll(conn)
	if failed := <-sent; failed != nil || isTimeout(err) {
		return settled(string(said)), fmt.Errorf("no end: %v, %v", failed, err)
	}
	return settled(string(said)), nil
}

// sendPieces fails only if the server does not serve others.
func (f *fixture) sendPieces(conn *net.TCPConn, w way) error {
	var other client
	if w.asks && len(w.pieces) > 1 {
		c, err := net.Dial("tcp", f.addr)
		if err != nil {
			return err
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		other.conn, other.in = c, bufio.NewReader(c)
	}
	for i, p := range w.pieces {
		if i > 0 && w.asks {
			io.WriteString(other.conn, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
			if _, err := other.tryRead("HEAD"); err != nil {
				return fmt.Errorf("another connection: %w", err)
			}
		}
		runtime.Gosched()
		if _, err := io.WriteString(conn, p); err != nil {
			return nil // the server has ended its side, and has said why
		}
	}
	conn.CloseWrite() // fails only if the server has closed
	return nil
}

// settled leaves out what differs between servers and from time to time.
func settled(said string) string {
	var b strings.Builder
	for line := range strings.Lines(said) {
		switch name, _, _ := strings.Cut(line, ": "); name {
		case "Date", "ETag", "Stream-Cursor", "X-Request-Id":
			line = name + ": …\r\n"
		}
		b.WriteString(line)
	}
	return madeIDs.ReplaceAllString(b.String(), `"request_id":"…"`)
}

var madeIDs = regexp.MustCompile(`"request_id":"[0-9a-f]{16}"`)
