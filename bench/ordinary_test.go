package bench

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Ordinary clients: in each cell one appends to a stream, one follows it by
// long-polls and one by events, one reads another stream, and one does that over a
// new connection each time. Who asks does so at a pace.
const (
	ordinaryCells = 16
	ordinaryEvery = 50 * time.Millisecond
)

// ordinaryKinds are what they do.
var ordinaryKinds = []string{"append", "read", "visit", "long-poll", "events"}

// ordinary is what was seen of them: how long answers took, and from when a message
// was sent to when it was received.
type ordinary struct {
	lat    map[string][]time.Duration
	failed map[string][]error // a client ends with its first failure
}

func (o *ordinary) add(more *ordinary) {
	for _, kind := range ordinaryKinds {
		o.lat[kind] = append(o.lat[kind], more.lat[kind]...)
		o.failed[kind] = append(o.failed[kind], more.failed[kind]...)
	}
}

func newOrdinary() *ordinary {
	return &ordinary{lat: make(map[string][]time.Duration), failed: make(map[string][]error)}
}

// err is everything that went wrong.
func (o *ordinary) err() error {
	var all []error
	for _, kind := range ordinaryKinds {
		for _, err := range o.failed[kind] {
			all = append(all, fmt.Errorf("bench: ordinary client, %s: %w", kind, err))
		}
	}
	return errors.Join(all...)
}

// cell is the clients of one stream. They are as many turns as they are asked to.
type cell struct {
	addr    string
	headers string // of each request
	stream  int
	sent    uint64        // messages
	last    atomic.Uint64 // how many there will be when the turn is over; 0 = not known
	until   time.Time
}

// ordinaryPatience is how much longer than its turn a client may take: then nobody
// serves it.
const ordinaryPatience = 30 * time.Second

// ordinaryTurn has all cells take a turn.
func ordinaryTurn(cells []*cell, d time.Duration) *ordinary {
	total := newOrdinary()
	var mu sync.Mutex
	var all sync.WaitGroup
	until := time.Now().Add(d)
	for _, c := range cells {
		c.until = until
		c.last.Store(0)
		// Who appends begins when the others follow, so that they know what comes first.
		var following sync.WaitGroup
		following.Add(2)
		do := func(kind string, f func() ([]time.Duration, error)) {
			all.Go(func() {
				lat, err := f()
				mu.Lock()
				defer mu.Unlock()
				total.lat[kind] = append(total.lat[kind], lat...)
				if err != nil {
					total.failed[kind] = append(total.failed[kind], err)
				}
			})
		}
		first := c.sent
		do("events", func() ([]time.Duration, error) { return c.events(first, following.Done) })
		do("long-poll", func() ([]time.Duration, error) { return c.polls(first, following.Done) })
		do("append", func() ([]time.Duration, error) {
			following.Wait()
			return c.appends()
		})
		do("read", c.reads)
		do("visit", c.visits)
	}
	all.Wait()
	return total
}

func (c *cell) dial() (*wire, error) {
	w, err := dialWire(c.addr)
	if err == nil {
		w.conn.SetDeadline(c.until.Add(ordinaryPatience))
	}
	return w, err
}

// pace asks again and again until the turn is over. What is late because of the
// answer before has its time from when it was due.
func (c *cell) pace(ask func() error) (lat []time.Duration, err error) {
	begin := time.Now().Add(ordinaryEvery * time.Duration(c.stream) / ordinaryCells)
	for due := begin; due.Before(c.until); due = due.Add(ordinaryEvery) {
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
		if err := ask(); err != nil {
			return lat, err
		}
		lat = append(lat, time.Since(due))
	}
	return lat, nil
}

// appends ends with one message of which everybody knows that it is the last.
func (c *cell) appends() ([]time.Duration, error) {
	w, err := c.dial()
	if err != nil {
		return nil, err
	}
	defer w.conn.Close()
	body := make([]byte, messageBytes)
	send := func() error {
		message{stream: uint32(c.stream), number: c.sent}.put(body)
		r, err := w.do("POST", target(c.stream), "Content-Type: "+binary+"\r\n"+c.headers, body, nil)
		if err == nil && r.status != 204 {
			err = fmt.Errorf("status %d", r.status)
		}
		c.sent++
		return err
	}
	lat, err := c.pace(send)
	if err == nil {
		c.last.Store(c.sent + 1)
		err = send()
	}
	return lat, err
}

// done reports whether so many messages are all there will be.
func (c *cell) done(got uint64) bool { return got == c.last.Load() }

// events follows the stream from what will be its first message.
func (c *cell) events(first uint64, following func()) ([]time.Duration, error) {
	once := sync.OnceFunc(following)
	defer once()
	conn, err := net.Dial("tcp4", c.addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(c.until.Add(ordinaryPatience))
	if _, err := conn.Write([]byte("GET " + target(c.stream) + "?offset=now&live=sse HTTP/1.1\r\nHost: localhost\r\n" + c.headers + "\r\n")); err != nil {
		return nil, err
	}
	r := reader{kind: readSSE, stream: uint32(c.stream), got: first, next: []uint64{first}}
	var seen tally
	for buf := make([]byte, 16<<10); !c.done(r.got); {
		n, err := conn.Read(buf)
		if err == nil {
			err = r.take(buf[:n], time.Now().UnixNano(), &seen)
		}
		if err == nil && r.phase == phaseDone {
			err = errors.New("the event stream ended")
		}
		if err != nil {
			return seen.lat, err
		}
		if r.begun {
			once()
		}
	}
	return seen.lat, nil
}

// polls follows it too.
func (c *cell) polls(first uint64, following func()) (lat []time.Duration, err error) {
	once := sync.OnceFunc(following)
	defer once()
	w, err := c.dial()
	if err != nil {
		return nil, err
	}
	defer w.conn.Close()
	r, err := w.do("GET", target(c.stream)+"?offset=now", c.headers, nil, nil)
	if err == nil && r.status != 200 {
		err = fmt.Errorf("status %d", r.status)
	}
	once()
	for got := first; err == nil && !c.done(got); {
		var body []byte
		take := func(part []byte) { body = append(body, part...) }
		r, err = w.do("GET", target(c.stream)+"?live=long-poll&offset="+r.next, c.headers, nil, take)
		if err == nil && r.status != 200 && r.status != 204 {
			err = fmt.Errorf("status %d", r.status)
		}
		now := time.Now().UnixNano()
		for ; err == nil && len(body) > 0; body = body[messageBytes:] {
			var m message
			if m, err = parseMessage(body); err == nil && m.number != got {
				err = fmt.Errorf("message %d comes instead of %d", m.number, got)
			}
			got++
			lat = append(lat, time.Duration(now-m.sent))
		}
	}
	return lat, err
}

func (c *cell) read(w *wire) error {
	r, err := w.do("GET", target(readStream)+"?offset=-1", c.headers, nil, nil)
	if err == nil && (r.status != 200 || r.size != readBytes) {
		err = fmt.Errorf("status %d with %d bytes", r.status, r.size)
	}
	return err
}

func (c *cell) reads() ([]time.Duration, error) {
	w, err := c.dial()
	if err != nil {
		return nil, err
	}
	defer w.conn.Close()
	return c.pace(func() error { return c.read(w) })
}

func (c *cell) visits() ([]time.Duration, error) {
	return c.pace(func() error {
		w, err := c.dial()
		if err != nil {
			return err
		}
		defer w.conn.Close()
		return c.read(w)
	})
}
