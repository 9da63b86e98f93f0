package bench

import (
	"slices"
	"testing"
	"time"
)

// The audience is a process that holds the connections of many readers, so that
// neither the server nor what appends pays for them.

// audienceOrder is what an audience is asked to do; the first that is set.
type audienceOrder struct {
	Connect *readersOrder
	Await   []uint64 // wait until each reader has so many messages, by stream
	Ends    bool     // wait until the server has ended every connection
	Forget  bool     // figures count from now on
}

// readersOrder connects more readers, who read so many streams in turns.
type readersOrder struct {
	Addr    string
	Kind    readerKind
	Readers int
	First   int // the first stream
	Streams int
	Now     bool   // from now on, not from the beginning of a stream
	Before  uint64 // messages that are there already, of sender 0
	Stalled bool   // they never read, and take little into the kernel
}

// audienceState is how the audience is.
type audienceState struct {
	Begun    int // readers that have their first event, or their answer
	Finished int // ended as it should be
	Broken   int // ended without an end
	Missing  int // are connected and don't have what was waited for

	Events   int // with data, and the messages in them, since Forget
	Messages int
	P50, P99 time.Duration // from sent to received
	Max      time.Duration
}

func startAudience(tb testing.TB) *child {
	tb.Helper()
	return startChild(tb, role{Audience: true})
}

// watch gives an order to an audience.
func (c *child) watch(tb testing.TB, o audienceOrder) audienceState {
	tb.Helper()
	s := c.do(tb, order{Audience: &o})
	return *s.Audience
}

// connect connects readers of a server and returns when all have begun.
// Long-polls have when the server counts them.
func (c *child) connect(tb testing.TB, server *child, o readersOrder) {
	tb.Helper()
	o.Addr = server.addr
	before := server.do(tb, order{}).LiveReaders
	c.watch(tb, audienceOrder{Connect: &o})
	if o.Kind == readOnce {
		return
	}
	for deadline := time.Now().Add(audiencePatience); ; {
		waiting := int(server.do(tb, order{}).LiveReaders - before)
		if waiting == o.Readers {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("bench: %d of %d readers wait at the server", waiting, o.Readers)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// await waits until all readers that are connected have all messages.
func (c *child) await(tb testing.TB, sent []uint64) audienceState {
	tb.Helper()
	s := c.watch(tb, audienceOrder{Await: sent})
	if s.Missing > 0 {
		tb.Fatalf("bench: %d readers do not have all messages", s.Missing)
	}
	return s
}

// audiencePatience is how long an audience waits for what has to come.
const audiencePatience = 20 * time.Second

// state returns figures since the tally was cleared.
func (t *tally) state() audienceState {
	s := audienceState{Events: t.events, Messages: t.messages}
	if n := len(t.lat); n > 0 {
		slices.Sort(t.lat)
		s.P50, s.P99, s.Max = t.lat[n/2], t.lat[n*99/100], t.lat[n-1]
	}
	return s
}

func (t *tally) clear() { t.events, t.messages, t.lat = 0, 0, t.lat[:0] }

// startLive starts our server with empty streams and with places for so many
// readers.
func startLive(tb testing.TB, streams, readers int) *child {
	tb.Helper()
	c := startChild(tb, role{Dir: tb.TempDir(), Live: readers})
	c.do(tb, order{Populate: streams})
	return c
}

// publish connects a publisher to a server.
func publish(tb testing.TB, server *child, streams int) *publisher {
	tb.Helper()
	p, err := newPublisher(server.addr, streams)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { p.wire.conn.Close() })
	return p
}
