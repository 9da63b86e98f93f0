package bench

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	abuseConns  = flag.Int("bench.abuse-conns", 440, "connections of BenchmarkAbuse that misuse the server")
	abuseMemory = flag.Int64("bench.abuse-memory", 256<<20, "memory that this server is given")
	abuseOnly   = flag.String("bench.abuse-only", "", "the only kind of misuse; all without")
)

// abused is what misuse did to a server and to its other clients.
type abused struct {
	calm, beside *ordinary      // without and beside it
	answers      map[string]int // to those who misuse it, by kind and status
	internal     int            // answers that were 500, or would have been
	peak         int64          // resident
	left         []string       // what is still held some time after it is over
}

// measureAbuse serves ordinary clients without and beside so many connections that
// misuse the server, in turns.
func measureAbuse(tb testing.TB, conns, turns int, d time.Duration) *abused {
	tb.Helper()
	a := newAccess(tb)
	p := startProgram(tb, buildProgram(tb), "--config", a.config, "--admin-listen", "127.0.0.1:0", "--pprof",
		"--memory-bytes", strconv.FormatInt(*abuseMemory, 10),
		"--sse-lifetime", "24h") // no ordinary client has to connect anew within a turn
	cells := abuseStreams(tb, p, bearer(a.token()))
	abuser := startChild(tb, role{Abuser: true})
	orders := abuseOrder{
		Addr: p.addr, Conns: conns, Token: a.token(), Only: *abuseOnly,
		Expired: signed(a.secret, time.Now().Add(-time.Hour)),
	}
	got := &abused{calm: newOrdinary(), beside: newOrdinary(), answers: make(map[string]int)}
	before := p.holds(tb)
	defer p.profiled(tb, "abuse", time.Duration(2*turns)*d)()
	for i := range turns {
		for j := range 2 {
			if (i+j)%2 == 0 {
				got.calm.add(ordinaryTurn(cells, d))
				continue
			}
			abuser.misuse(tb, orders)
			got.beside.add(ordinaryTurn(cells, d))
			for what, n := range abuser.misuse(tb, abuseOrder{}).Seen {
				got.answers[what] += n
			}
			got.left = append(got.left, p.awaitRelease(tb, before)...)
		}
	}
	for name, n := range p.series(tb) {
		if name == "tailrace_internal_errors_total" || strings.HasPrefix(name, "tailrace_http_requests_total{") && strings.Contains(name, `code="500"`) {
			got.internal += int(n)
		}
	}
	got.peak = residentOf(p.cmd.Process.Pid).peak
	return got
}

// abuseStreams makes the streams of all and returns the ordinary clients.
func abuseStreams(tb testing.TB, p *program, headers string) (cells []*cell) {
	tb.Helper()
	w, err := dialWire(p.addr)
	if err != nil {
		tb.Fatal(err)
	}
	defer w.conn.Close()
	ask := func(want int, method string, stream int, body []byte) {
		tb.Helper()
		if _, err := w.insist(want, method, target(stream), "Content-Type: "+binary+"\r\n"+headers, body); err != nil {
			tb.Fatal(err)
		}
	}
	for i := range victimStream + 1 {
		ask(201, "PUT", i, nil)
	}
	for i := range ordinaryCells {
		cells = append(cells, &cell{addr: p.addr, headers: headers, stream: i})
	}
	ask(204, "POST", readStream, make([]byte, readBytes))
	for range longBytes / misuseBlock {
		ask(204, "POST", longStream, bytes.Repeat([]byte("0123456789abcdef"), misuseBlock/16))
	}
	return cells
}

// misuse gives an order to an abuser. One that is to start has connected with all
// its connections when this returns.
func (c *child) misuse(tb testing.TB, o abuseOrder) abuseState {
	tb.Helper()
	for deadline := time.Now().Add(programPatience); ; time.Sleep(10 * time.Millisecond) {
		s := c.do(tb, order{Abuse: &o}).Abuse
		if s.Begun >= o.Conns {
			return *s
		}
		if time.Now().After(deadline) {
			tb.Fatalf("bench: of %d connections %d were made", o.Conns, s.Begun)
		}
	}
}

// held are what connections and requests hold of a server.
var held = []string{"tailrace_connections", "tailrace_live_readers", "tailrace_http_body_bytes", "tailrace_http_answer_bytes", "tailrace_http_in_flight"}

const (
	// releasePatience is longer than the server listens to who has its last answer.
	releasePatience = time.Minute

	// descriptorsMore is for files of the store, of which there may be more than
	// before.
	descriptorsMore = 32
)

// holds reads how much of all that the server has in use.
func (p *program) holds(tb testing.TB) map[string]float64 {
	tb.Helper()
	all, now := p.series(tb), make(map[string]float64)
	for _, name := range held {
		n, ok := all[name]
		if !ok {
			tb.Fatalf("bench: there is no metric %s", name)
		}
		now[name] = n
	}
	fds, err := descriptorsOf(p.cmd.Process.Pid)
	if err != nil {
		tb.Fatal(err)
	}
	now["descriptors"] = float64(fds)
	return now
}

// awaitRelease waits until the server holds no more than before, and names what it
// does not give back.
func (p *program) awaitRelease(tb testing.TB, before map[string]float64) (left []string) {
	tb.Helper()
	for deadline := time.Now().Add(releasePatience); ; time.Sleep(100 * time.Millisecond) {
		left = nil
		for name, n := range p.holds(tb) {
			allowed := before[name]
			if name == "descriptors" {
				allowed += descriptorsMore
			}
			if n > allowed {
				left = append(left, fmt.Sprintf("%s: %v, before %v", name, n, before[name]))
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
	}
}

// TestAbuseHarmsNobodyElse is a short form of BenchmarkAbuse.
func TestAbuseHarmsNobodyElse(t *testing.T) {
	got := measureAbuse(t, 10*len(misuses), 1, 2*time.Second)
	if err := got.beside.err(); err != nil {
		t.Error(err)
	}
	if err := got.calm.err(); err != nil {
		t.Error(err)
	}
	if got.internal > 0 {
		t.Errorf("%d answers were 500", got.internal)
	}
	if got.peak > *abuseMemory {
		t.Errorf("the server took %d bytes, it was given %d", got.peak, *abuseMemory)
	}
	if len(got.left) > 0 {
		t.Errorf("a minute after it was over there is still: %s", strings.Join(got.left, "; "))
	}
	t.Logf("the answers were %v", got.answers)
}

// BenchmarkAbuse serves ordinary clients without and beside connections that misuse
// the server in all the ways of misuses, in turns. A soak is
//
//	-bench.abuse-conns=2000 -bench.pairs=5 -bench.pairtime=1m
func BenchmarkAbuse(b *testing.B) {
	b.Run(fmt.Sprintf("conns=%d/MiB=%d", *abuseConns, *abuseMemory>>20), func(b *testing.B) {
		var got *abused
		for b.Loop() {
			got = measureAbuse(b, *abuseConns, *pairs, *pairTime)
		}
		b.ReportMetric(0, "ns/op")
		for _, kind := range ordinaryKinds {
			for prefix, o := range map[string]*ordinary{"calm-": got.calm, "": got.beside} {
				lat := o.lat[kind]
				if len(lat) == 0 {
					continue
				}
				slices.Sort(lat)
				b.ReportMetric(micros(lat[len(lat)/2]), prefix+kind+"-p50-us")
				b.ReportMetric(micros(lat[len(lat)*99/100]), prefix+kind+"-p99-us")
			}
		}
		failed, internal := 0, got.internal
		for _, kind := range ordinaryKinds {
			failed += len(got.calm.failed[kind]) + len(got.beside.failed[kind])
		}
		for _, err := range []error{got.calm.err(), got.beside.err()} {
			if err != nil {
				b.Log(err)
			}
		}
		var lines []string
		for _, what := range slices.Sorted(maps.Keys(got.answers)) {
			lines = append(lines, fmt.Sprintf("%s: %d", what, got.answers[what]))
			if strings.HasSuffix(what, " 500") {
				internal += got.answers[what]
			}
		}
		b.Logf("answers to misuse: %s", strings.Join(lines, ", "))
		if len(got.left) > 0 {
			b.Logf("not given back: %s", strings.Join(got.left, "; "))
		}
		b.ReportMetric(mebi(got.peak), "peak-MiB")
		b.ReportMetric(float64(failed), "failed")
		checkBound(b, "peak memory in MiB", mebi(got.peak), mebi(*abuseMemory))
		checkBound(b, "ordinary clients that were not served", float64(failed), 0)
		checkBound(b, "answers 500", float64(internal), 0)
		checkBound(b, "things not given back", float64(len(got.left)), 0)
	})
}
