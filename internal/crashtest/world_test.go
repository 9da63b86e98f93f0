package crashtest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

const (
	connections  = 32 // producers, one connection each
	workers      = 4
	tracksOfKind = 2
	rereadEvery  = 25 // rounds
)

// world is a store, the servers that have it one after the other, and everybody
// who uses it.
type world struct {
	t    *testing.T
	rand *rand.Rand
	dir  string
	addr string
	v    verdict

	// env and flags are what servers are started with beside the usual. outages
	// says that readers may be told to come again.
	env, flags []string
	outages    bool
	rounds     int
	// dead is called between a kill and the next start.
	dead func()

	server   *process
	restarts []time.Duration
	unready  int   // servers killed before they served
	later    int64 // answers that asked to come later

	admin     *client
	tracks    []*track
	producers []*producer
	workers   []*worker
	followers []*follower
	newcomers int
}

func newWorld(t *testing.T, dir string) *world {
	w := &world{t: t, rand: newRand(t), dir: dir, rounds: *roundsFlag, dead: func() {}}
	w.begin()
	return w
}

// begin starts the first server, and makes streams and everybody who uses them.
func (w *world) begin() {
	t := w.t
	w.addr = quietAddr(t, w.rand)
	base := "http://" + w.addr
	w.admin = newClient(base)
	w.launch()
	w.server.awaitServing(t)
	for k := range kinds {
		for i := range tracksOfKind {
			w.addTrack(newTrack(fmt.Sprintf("tracks/%v/%d", k, i), k), base)
		}
	}
	for i := range connections {
		tr := w.tracks[i%len(w.tracks)]
		w.producers = append(w.producers, &producer{id: i, track: tr, client: newClient(base), rand: fork(w.rand)})
	}
	for i := range workers {
		w.workers = append(w.workers, &worker{id: i, tracks: w.tracks, client: newClient(base), rand: fork(w.rand)})
	}
}

// addTrack creates a shared stream and its two live readers.
func (w *world) addTrack(tr *track, base string) {
	w.t.Helper()
	a, err := w.admin.do(request{method: "PUT", name: tr.name, header: []string{"Content-Type", tr.kind.contentType()}})
	if err != nil || a.status != http.StatusCreated {
		w.t.Fatalf("create %s: %v %v", tr.name, err, a)
	}
	w.tracks = append(w.tracks, tr)
	w.followers = append(w.followers,
		newFollower(tr, newClient(base), true, beginning),
		newFollower(tr, newClient(base), false, beginning))
}

// quietAddr is an address that nobody uses, and that the system gives to
// nobody while the server is down: it takes the ports of outgoing connections
// from above.
func quietAddr(t *testing.T, r *rand.Rand) string {
	t.Helper()
	for range 100 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(10_000+r.IntN(20_000)))
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}

// launch starts a server on the store. Small log files make it rotate often,
// short long-polls make some end without data.
func (w *world) launch() {
	w.t.Helper()
	w.server = launch(w.t, w.env, serveArgs(w.dir, w.addr,
		append([]string{"--log-file-bytes", "256KiB", "--body-bytes", "64KiB", "--long-poll-timeout", "50ms"}, w.flags...)...)...)
}

// round lets everybody work, and kills the server at a random moment.
func (w *world) round(n int) {
	w.roundOf(n, func(*round) { w.pause(20, 300) })
}

// pause lets the others work for a random number of milliseconds.
func (w *world) pause(from, to int) {
	<-time.After(time.Duration(from+w.rand.IntN(to-from+1)) * time.Millisecond)
}

// roundOf is a round in which something happens before the kill.
func (w *world) roundOf(n int, before func(r *round)) {
	r := &round{v: &w.v, outages: w.outages}
	newcomers := newcomers(w.tracks, "http://"+w.addr, w.rand)
	w.newcomers += len(newcomers)
	var busy sync.WaitGroup
	for _, p := range w.producers {
		busy.Go(func() { p.run(r) })
	}
	for _, k := range w.workers {
		busy.Go(func() { k.run(r) })
	}
	for _, f := range slices.Concat(w.followers, newcomers) {
		busy.Go(func() { f.run(r) })
	}
	before(r)
	r.killed.Store(true)
	w.kill()
	busy.Wait()
	w.later += r.overloaded.Load()
	for _, f := range newcomers {
		f.client.forget()
	}
	w.dead()
	w.restart()
	w.judge(newcomers, n%rereadEvery == rereadEvery-1)
}

// kill ends the server and looks for what it should not have said.
func (w *world) kill() {
	w.t.Helper()
	w.server.kill(w.t)
	for _, line := range w.server.log.trouble() {
		w.v.add(refused, "the server said: %s", line)
	}
}

// restart brings the server back. Now and then it is killed while it recovers,
// and has to recover from that too.
func (w *world) restart() {
	w.t.Helper()
	for w.rand.IntN(5) == 0 {
		w.launch()
		<-time.After(time.Duration(w.rand.IntN(30)) * time.Millisecond)
		w.kill()
		w.unready++
	}
	w.launch()
	w.restarts = append(w.restarts, w.server.awaitServing(w.t))
	w.admin.forget()
}

// judge reads back what is there, while nobody works.
func (w *world) judge(newcomers []*follower, all bool) {
	for _, tr := range w.tracks {
		tr.read(&w.v, w.admin)
		tr.probe(&w.v, w.admin, w.rand, 10)
		if all {
			tr.reread(&w.v, w.admin)
		}
	}
	for _, k := range w.workers {
		k.check(&w.v, w.admin, all)
	}
	for _, f := range slices.Concat(w.followers, newcomers) {
		f.check(&w.v)
	}
}

// finish lets everybody finish what they have in hand and read to the end, and
// judges everything there is.
func (w *world) finish() {
	r := &round{v: &w.v, outages: w.outages, final: true, targets: make(map[*track]string)}
	var busy sync.WaitGroup
	for _, p := range w.producers {
		busy.Go(func() { p.run(r) })
	}
	for _, k := range w.workers {
		busy.Go(func() { k.run(r) })
	}
	busy.Wait()
	w.judge(nil, true)
	for _, tr := range w.tracks {
		r.targets[tr] = tr.tail
	}
	timer := time.AfterFunc(patience, func() { r.overdue.Store(true) })
	defer timer.Stop()
	for _, f := range w.followers {
		busy.Go(func() { f.run(r) })
	}
	busy.Wait()
	for _, f := range w.followers {
		f.check(&w.v)
		if f.count != len(f.track.order) {
			w.v.add(lost, "%s: a live reader was shown %d of %d appends", f.track.name, f.count, len(f.track.order))
		}
	}
	for _, p := range w.producers {
		if got := p.track.newest(p.id) + 1; got != p.next || p.body != nil {
			w.v.add(lost, "%v: %d messages acknowledged, %d there", p, p.next, got)
		}
	}
}
