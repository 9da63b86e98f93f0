package bench

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Appends of a tierLoad: half of each is chance, which does not compress, and half
// is always the same.
const (
	tierStreams     = 1000
	tierAppendBytes = 1 << 10
)

// tierLoad appends to a store at a pace. Each stream is of one connection, so it
// is known what it has to hold.
type tierLoad struct {
	load
	store   *tierStore
	pace    time.Duration // between the appends of one connection; 0 = none
	senders []*tierSender
}

// tierSender is a connection and the streams that it alone appends to.
type tierSender struct {
	wire    *wire
	rng     *rand.ChaCha8
	streams []int
	digests []hash.Hash
	body    [tierAppendBytes]byte
}

func newTierLoad(tb testing.TB, name string, store *tierStore, perSecond int) *tierLoad {
	tb.Helper()
	l := &tierLoad{load: load{name: name, server: store.child}, store: store}
	if perSecond > 0 {
		l.pace = time.Second * time.Duration(*conns) / time.Duration(perSecond)
	}
	store.do(tb, order{Populate: tierStreams})
	for i := range *conns {
		w, err := dialWire(store.addr)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { w.conn.Close() })
		s := &tierSender{wire: w, rng: rand.NewChaCha8([32]byte{byte(i), byte(i >> 8), byte(firstSeed())})}
		for n := i; n < tierStreams; n += *conns {
			s.streams, s.digests = append(s.streams, n), append(s.digests, sha256.New())
		}
		l.senders = append(l.senders, s)
	}
	return l
}

// turn lets the process of the load run, alone, and appends; the first tenth of
// the time is not noted. after is called before the CPU time of the server is
// taken: for what the appends cost in the background.
func (l *tierLoad) turn(tb testing.TB, d time.Duration, after func()) {
	tb.Helper()
	l.store.thaw()
	defer l.store.freeze()
	l.append(tb, d/10)
	if after != nil {
		after()
	}
	before := l.server.do(tb, order{})
	r := l.append(tb, d)
	if after != nil {
		after()
	}
	r.cpu = l.server.do(tb, order{}).CPU - before.CPU
	if r.ops == 0 {
		tb.Fatalf("bench: %s answered nothing in %v", l.name, d)
	}
	l.runs = append(l.runs, r)
}

func (l *tierLoad) append(tb testing.TB, d time.Duration) run {
	tb.Helper()
	var over atomic.Bool
	timer := time.AfterFunc(d, func() { over.Store(true) })
	defer timer.Stop()
	var wg sync.WaitGroup
	parts, failures := make([]run, len(l.senders)), make([]error, len(l.senders))
	begin := time.Now()
	for i, s := range l.senders {
		wg.Go(func() {
			due := begin.Add(l.pace * time.Duration(i) / time.Duration(len(l.senders)))
			parts[i], failures[i] = s.append(due, l.pace, &over)
		})
	}
	wg.Wait()
	total := run{took: time.Since(begin)}
	if err := errors.Join(failures...); err != nil {
		tb.Fatalf("bench: %s: %v", l.name, err)
	}
	for _, p := range parts {
		total.ops, total.refused = total.ops+p.ops, total.refused+p.refused
		total.lat = append(total.lat, p.lat...)
	}
	slices.Sort(total.lat)
	return total
}

// append sends appends that are due one after the other. One that is late
// because the answer before it was counts from when it was due.
func (s *tierSender) append(due time.Time, pace time.Duration, over *atomic.Bool) (r run, err error) {
	for {
		at := time.Now()
		if pace > 0 {
			if wait := due.Sub(at); wait > 0 {
				time.Sleep(wait)
				at = time.Now()
			} else {
				at = due
			}
			due = due.Add(pace)
		}
		if over.Load() {
			return r, nil
		}
		s.rng.Read(s.body[:tierAppendBytes/2])
		n := int(s.rng.Uint64() % uint64(len(s.streams)))
		refused, err := s.wire.insist(204, "POST", target(s.streams[n]), "Content-Type: "+binary+"\r\n", s.body[:])
		r.refused += refused
		if err != nil {
			return r, err
		}
		s.digests[n].Write(s.body[:])
		r.ops++
		r.lat = append(r.lat, time.Since(at))
	}
}

// compare reads all streams and demands what was appended.
func (l *tierLoad) compare(tb testing.TB) {
	tb.Helper()
	err := eachConn(l.server.addr, len(l.senders), func(w *wire, k int) error {
		s := l.senders[k]
		for i, n := range s.streams {
			got := sha256.New()
			take := func(part []byte) { got.Write(part) }
			if err := w.readThrough(n, "Accept-Encoding: identity\r\n", take, nil); err != nil {
				return err
			}
			if !bytes.Equal(got.Sum(nil), s.digests[i].Sum(nil)) {
				return fmt.Errorf("bench: stream %d of %s does not read back as it was written", n, l.name)
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// takeTierTurns lets the loads run one after the other, each time beginning with
// another one, until each has run for so long. Whose turn it is not stands still.
func takeTierTurns(b *testing.B, floor *syncFloor, total time.Duration, after func(*tierLoad), loads ...*tierLoad) {
	b.Helper()
	for _, l := range loads {
		l.store.freeze()
	}
	turns := max(1, int((total+*pairTime-1) / *pairTime))
	for i := range turns {
		for j := range loads {
			l := loads[(i+j)%len(loads)]
			floor.run(b, *pairTime/20)
			var then func()
			if after != nil {
				then = func() { after(l) }
			}
			l.turn(b, *pairTime, then)
		}
	}
	for _, l := range loads {
		l.store.thaw()
	}
}
