package bench

import (
	"flag"
	"fmt"
	"strconv"
	"testing"
	"time"
)

var baseProgram = flag.String("bench.base", "", "binary of another build that BenchmarkAuthAppend compares with too, such as one without authentication and metrics")

const (
	authStreams = 100

	// authCPUBound is what an append with a token that was seen before may take of
	// the server's CPU, compared with one to a server that asks nobody.
	authCPUBound = 1.05

	// authFrames is room for all that is appended in a long run, so that no turn pays
	// for the segments that another turn made due, authMemory what goes with it.
	authFrames = 6 << 30
	authMemory = 16 << 30
)

// BenchmarkAuthAppend appends with a token to a server that asks for one, and
// without to one that does not, in turns. Both count and time everything. With
// -bench.base a server of that build, without a token, takes turns too and is what
// the bound is about: then cpu-of-base is all that has been added since. The bound is
// for -bench.pairs=10 -bench.pairtime=10s.
func BenchmarkAuthAppend(b *testing.B) {
	b.Run(fmt.Sprintf("conns=%d/streams=%d", *conns, authStreams), func(b *testing.B) {
		binary, a := buildProgram(b), newAccess(b)
		roomy := []string{
			"--memory-bytes", strconv.Itoa(authMemory), "--frame-bytes", strconv.Itoa(authFrames),
			"--flush-bytes", strconv.Itoa(authFrames), "--flush-age", "24h",
		}
		current := append([]string{"--admin-listen", "127.0.0.1:0", "--pprof"}, roomy...)
		asks := programLoad(b, "token", startProgram(b, binary, append(current, "--config", a.config)...), bearer(a.token()))
		open := programLoad(b, "open", startProgram(b, binary, current...), "")
		loads := []*load{asks, open}
		if *baseProgram != "" {
			loads = append(loads, programLoad(b, "base", startProgram(b, *baseProgram, roomy...), ""))
		}
		syncs := newSyncFloor(b, b.TempDir())
		before := asks.program.series(b)
		for b.Loop() {
			all := time.Duration(*pairs*len(loads)) * *pairTime
			for _, l := range loads[:2] {
				defer l.program.profiled(b, "append-"+l.name, all)()
			}
			takeTurns(b, syncs, loads...)
		}
		after := asks.program.series(b)
		report(b, asks, nil)
		cpu := open.over(asks, (*run).perCPU)
		b.ReportMetric(open.median((*run).perCPU), "open-ops/cpu-s")
		b.ReportMetric(cpu, "cpu-of-open")
		if *baseProgram != "" {
			base := loads[2]
			cpu = base.over(asks, (*run).perCPU)
			b.ReportMetric(base.median((*run).perCPU), "base-ops/cpu-s")
			b.ReportMetric(cpu, "cpu-of-base")
			b.ReportMetric(base.over(open, (*run).perCPU), "open-cpu-of-base")
		}
		syncs.report(b)
		const misses = "tailrace_auth_cache_misses_total"
		if n := after[misses] - before[misses]; n > 0 {
			b.Fatalf("bench: %v tokens were verified, the cache was not warm", n)
		}
		checkBound(b, "server CPU of an append with a token, per that without", cpu, authCPUBound)
	})
}

// programLoad makes the streams and returns appends to them. The headers are those
// of each request, as lines that end with CRLF.
func programLoad(b *testing.B, name string, p *program, headers string) *load {
	b.Helper()
	w, err := dialWire(p.addr)
	if err != nil {
		b.Fatal(err)
	}
	defer w.conn.Close()
	for i := range authStreams {
		if _, err := w.insist(201, "PUT", target(i), "Content-Type: "+binary+"\r\n"+headers, nil); err != nil {
			b.Fatal(err)
		}
	}
	t := appendWith(authStreams, appendBytes, headers)
	l := connectLoad(b, name, p.addr, t, *conns)
	l.program = p
	return l
}
