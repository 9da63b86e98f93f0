package bench

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// load is one program under test and the requests it gets.
type load struct {
	name     string
	server   *child
	program  *program // instead of it, if it is the command
	template template
	clients  []*client
	chance   []*rand.Rand
	audience *child // who reads all that is appended, if somebody does
	runs     []run
}

// run is what was seen of a load in one turn.
type run struct {
	ops     int
	refused int           // answers 503: try again later
	took    time.Duration // wall clock
	cpu     time.Duration // of the server
	syncs   int64
	lat     []time.Duration // of each answer, sorted
	seen    audienceState
}

// rate is operations per second, perCPU per CPU-second of the server.
func (r *run) rate() float64   { return float64(r.ops) / r.took.Seconds() }
func (r *run) perCPU() float64 { return float64(r.ops) / r.cpu.Seconds() }

// newLoad connects to a server.
func newLoad(tb testing.TB, name string, server *child, t template, conns int) *load {
	tb.Helper()
	l := connectLoad(tb, name, server.addr, t, conns)
	l.server = server
	return l
}

func connectLoad(tb testing.TB, name, addr string, t template, conns int) *load {
	tb.Helper()
	l := &load{name: name, template: t}
	for i := range conns {
		c, err := dial(addr, &l.template)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { c.conn.Close() })
		c.sender = uint32(i)
		l.clients = append(l.clients, c)
		l.chance = append(l.chance, rand.New(rand.NewPCG(firstSeed(), uint64(i))))
	}
	return l
}

// turn runs the load in a closed loop, without noting anything for a tenth of
// the time first. What was appended has reached its readers before the time of
// the server is taken: they belong to what it costs.
func (l *load) turn(tb testing.TB, d time.Duration) {
	tb.Helper()
	l.drive(tb, d/10)
	if l.audience != nil {
		l.audience.await(tb, l.sent())
		l.audience.watch(tb, audienceOrder{Forget: true})
	}
	before := l.state(tb)
	r := l.drive(tb, d)
	if l.audience != nil {
		r.seen = l.audience.await(tb, l.sent())
	}
	after := l.state(tb)
	r.cpu, r.syncs = after.CPU-before.CPU, after.Syncs-before.Syncs
	if r.ops == 0 {
		tb.Fatalf("bench: %s answered nothing in %v", l.name, d)
	}
	l.runs = append(l.runs, r)
}

// state is that of the server.
func (l *load) state(tb testing.TB) state {
	tb.Helper()
	if l.program != nil {
		return l.program.state(tb)
	}
	return l.server.do(tb, order{})
}

// sent is how many messages each stream was sent so far.
func (l *load) sent() []uint64 {
	all := make([]uint64, l.template.streams)
	for _, c := range l.clients {
		for i, n := range c.sent {
			all[i] += n
		}
	}
	return all
}

func (l *load) drive(tb testing.TB, d time.Duration) run {
	tb.Helper()
	var over atomic.Bool
	timer := time.AfterFunc(d, func() { over.Store(true) })
	defer timer.Stop()
	var wg sync.WaitGroup
	parts := make([]run, len(l.clients))
	failures := make([]error, len(l.clients))
	begin := time.Now()
	for i, c := range l.clients {
		wg.Go(func() { parts[i], failures[i] = l.loop(c, l.chance[i], &over) })
	}
	wg.Wait()
	total := run{took: time.Since(begin)}
	if err := errors.Join(failures...); err != nil {
		tb.Fatalf("bench: %s: %v", l.name, err)
	}
	for _, p := range parts {
		total.ops += p.ops
		total.refused += p.refused
		total.lat = append(total.lat, p.lat...)
	}
	slices.Sort(total.lat)
	return total
}

func (l *load) loop(c *client, chance *rand.Rand, over *atomic.Bool) (run, error) {
	t := &l.template
	r := run{lat: make([]time.Duration, 0, 1<<14)}
	for !over.Load() {
		var n int
		if t.fresh != nil {
			n = int(t.fresh.Add(1))
		} else {
			n = chance.IntN(t.streams)
		}
		at := time.Now()
		status, err := c.exchange(n)
		if err != nil {
			return r, err
		}
		switch status {
		case t.want:
			r.ops++
			r.lat = append(r.lat, time.Since(at))
			if c.sent != nil {
				c.sent[n]++
			}
		case 503:
			r.refused++
		default:
			return r, fmt.Errorf("bench: status %d, want %d", status, t.want)
		}
	}
	return r, nil
}

// takeTurns lets the loads run one after the other, again and again, each time
// beginning with another one, so that what the machine does meanwhile hits all
// of them. The floor of syncs is measured in between.
func takeTurns(b *testing.B, floor *syncFloor, loads ...*load) {
	b.Helper()
	for i := range *pairs {
		for j := range loads {
			if floor != nil {
				floor.run(b, *pairTime/20)
			}
			loads[(i+j)%len(loads)].turn(b, *pairTime)
		}
	}
}
