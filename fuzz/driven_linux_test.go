package fuzz

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"tailrace/engine"
	"tailrace/internal/stream"
	"tailrace/internal/vfs/memfs"
	"tailrace/server"
)

// driven is a server on a socket, by one of the two drivers. It serves many
// runs, each of which begins with the same streams.
type driven struct {
	*house
	addr string
}

// drivenBodyMax is the body limit of both. It is far enough beyond what arrives
// before the handler runs that a body can be in between.
const drivenBodyMax = 32 << 10

var sockets atomic.Int64

func openDriven(t testing.TB, portable bool) *driven {
	options := smallStore(memfs.New(), newClock(), newRand(1).Uint64)
	// A file that is full is a refusal for a moment, and a flush divides what a
	// read gets. Both come whenever they come, so neither may.
	options.Manual, options.LogFileBytes, options.FlushBytes = false, 64<<20, 128<<20
	options.BodyBytesMax = drivenBodyMax + 1
	e, err := engine.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(e, server.Options{
		Portable: portable, BodyBytesMax: drivenBodyMax, LongPollTimeout: time.Millisecond,
		Rand: func() uint64 { return 1 },
	})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", fmt.Sprintf("@tailrace-fuzz-%d-%d", os.Getpid(), sockets.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	d := &driven{house: &house{engine: e, server: s, ended: make(chan error, 1)}, addr: ln.Addr().String()}
	go func() { d.ended <- s.Serve(ln) }()
	return d
}

func (d *driven) close(t testing.TB) {
	t.Helper()
	d.check(t)
	ctx, cancel := context.WithTimeout(context.Background(), hangTime)
	defer cancel()
	if err := d.server.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if err := <-d.ended; err != nil {
		t.Error(err)
	}
	if err := d.engine.Close(); err != nil {
		t.Error(err)
	}
	if n := d.server.Connections(); n != 0 {
		t.Errorf("%d connections stay open after the end", n)
	}
}

// drivenStreams are there when a run begins.
var drivenStreams = []stream.Create{
	{Path: "a", ContentType: "text/plain", TTL: stream.NoTTL, Body: []byte("1")},
	{Path: "j", ContentType: "application/json", TTL: stream.NoTTL, Body: []byte("1,")},
	{Path: "c", ContentType: "text/plain", TTL: stream.NoTTL, Body: []byte("1"), Closed: true},
}

// furnish makes these streams.
func (d *driven) furnish(t testing.TB) {
	t.Helper()
	var last engine.Ticket
	for i := range drivenStreams {
		if last = d.engine.Create(&drivenStreams[i]); last.Code != stream.Created || last.Retry {
			t.Fatalf("create %q: %s, retry %t", drivenStreams[i].Path, last.Code, last.Retry)
		}
	}
	if err := last.Wait(); err != nil {
		t.Fatal(err)
	}
}

// clear deletes streams, and reports whether none is left.
func (d *driven) clear(t testing.TB, names []string) bool {
	t.Helper()
	for _, name := range names {
		for {
			ticket := d.engine.Delete(name)
			if !ticket.Retry {
				break
			}
			if err := ticket.Wait(); err != nil {
				t.Fatal(err)
			}
		}
	}
	// A ticket for what is not there waits for the last deletion of it.
	for _, name := range names {
		if _, ticket := d.engine.Head(name); ticket.Wait() != nil {
			t.Fatal(d.engine.Err())
		}
	}
	return d.engine.Stats().Streams == 0
}

// view is all that the engine tells of streams, and where each append ends.
func (d *driven) view(t testing.TB, names []string) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, name := range names {
		res, ticket := d.engine.Read(engine.ReadRequest{Path: name, BytesMax: 1 << 30})
		for ticket.Retry {
			if err := ticket.Wait(); err != nil {
				t.Fatal(err)
			}
			res, ticket = d.engine.Read(engine.ReadRequest{Path: name, BytesMax: 1 << 30})
		}
		if ticket.Code == stream.OK && (res.Cold || !res.UpToDate) {
			t.Fatalf("stream %q: cold %t, up to date %t", name, res.Cold, res.UpToDate)
		}
		fmt.Fprintf(&b, "%q %s %+v\n", name, ticket.Code, res.Info)
		for _, part := range res.Parts {
			fmt.Fprintf(&b, "  %d %q\n", len(part), part)
		}
	}
	fmt.Fprintf(&b, "%d streams\n", d.engine.Stats().Streams)
	return b.Bytes()
}
