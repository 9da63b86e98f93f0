package bench

import (
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	slowClients = flag.Int("bench.slow-clients", 2000, "connections of BenchmarkPostBesideSlow whose requests never come to their end")
	syncDelay   = flag.Duration("bench.sync-delay", 2*time.Second, "how much longer each sync takes in BenchmarkSlowSync")
)

const (
	slowP99Times  = 2.0                   // p99 beside slow clients, compared with none
	slowSyncBound = 50 * time.Millisecond // for all that does not wait for the sync
)

// drip sends its bytes one by one, and begins anew when the server has had enough
// of it.
func drip(addr, begin string, every time.Duration, stop <-chan struct{}) {
	var conn net.Conn
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		if conn == nil {
			if c, err := net.Dial("tcp4", addr); err == nil {
				conn = c
				io.WriteString(conn, begin)
			}
		} else if _, err := conn.Write([]byte("x")); err != nil {
			conn.Close()
			conn = nil
		}
		select {
		case <-ticks.C:
		case <-stop:
			return
		}
	}
}

// BenchmarkPostBesideSlow appends to a server with thousands of clients whose
// headers or bodies come byte by byte, and to one with none, in turns. The bound
// is for -bench.pairs=5 -bench.pairtime=10s.
func BenchmarkPostBesideSlow(b *testing.B) {
	b.Run(fmt.Sprintf("conns=%d/slow=%d", *conns, *slowClients), func(b *testing.B) {
		with, without := besideLoads(b, besideStreams, *slowClients)
		stop := make(chan struct{})
		var dripping sync.WaitGroup
		for i := range *slowClients {
			begin := "GET /v1/stream/x HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
			if i%2 == 0 {
				begin = "POST /v1/stream/x HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 4000\r\n\r\n"
			}
			dripping.Go(func() { drip(with.server.addr, begin, time.Second, stop) })
		}
		defer dripping.Wait()
		defer close(stop)
		for with.server.do(b, order{}).Connections < *slowClients+*conns {
			time.Sleep(10 * time.Millisecond)
		}
		for b.Loop() {
			takeTurns(b, nil, with, without)
		}
		if n := with.server.do(b, order{}).Connections; n < *slowClients*9/10 {
			b.Fatalf("bench: %d of %d slow clients are left", n-*conns, *slowClients)
		}
		report(b, with, nil)
		p99 := with.over(without, (*run).p99)
		b.ReportMetric(without.median((*run).p99), "alone-p99-us")
		b.ReportMetric(p99, "p99-of-alone")
		checkBound(b, "p99 beside slow clients, per that without", p99, slowP99Times)
	})
}

// BenchmarkSlowSync asks a server whose syncs take seconds, on the same loops as
// appends that wait for them, for what is durable already: reads, and the comments
// of idle event streams, which are late by what is reported.
func BenchmarkSlowSync(b *testing.B) {
	const every = 100 * time.Millisecond
	server := startChild(b, role{Dir: b.TempDir(), Live: 100, SyncDelay: *syncDelay, CommentInterval: every})
	server.do(b, order{Populate: besideStreams, Size: readBytes})
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for i := range 16 {
		writers.Go(func() {
			w, err := dialWire(server.addr)
			if err != nil {
				b.Error(err)
				return
			}
			defer w.conn.Close()
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := w.insist(204, "POST", target(i), "Content-Type: "+binary+"\r\n", []byte("x")); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	defer writers.Wait()
	defer close(stop)
	var took, late []time.Duration
	for b.Loop() {
		end := time.Now().Add(time.Duration(*pairs) * *pairTime)
		done := make(chan error, 1)
		go func() {
			var err error
			late, err = commentsUntil(server.addr, end, every)
			done <- err
		}()
		w, err := dialWire(server.addr)
		if err != nil {
			b.Fatal(err)
		}
		defer w.conn.Close()
		for n := 0; time.Now().Before(end); n++ {
			begin := time.Now()
			r, err := w.do("GET", target(besideStreams-1-n%50)+"?offset=-1", "", nil, nil)
			if err != nil || r.status != 200 || r.size != readBytes {
				b.Fatalf("bench: a read gets %+v, %v", r, err)
			}
			took = append(took, time.Since(begin))
		}
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	slices.Sort(took)
	slices.Sort(late)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(micros(took[len(took)*99/100]), "read-p99-us")
	b.ReportMetric(micros(took[len(took)-1]), "read-max-us")
	b.ReportMetric(micros(late[len(late)-1]), "comment-late-max-us")
	checkBound(b, "microseconds for a read beside a slow sync", micros(took[len(took)-1]), micros(slowSyncBound))
	checkBound(b, "microseconds that a comment is late", micros(late[len(late)-1]), micros(slowSyncBound))
}

// commentsUntil follows a stream that gets nothing, and tells how late comments
// are.
func commentsUntil(addr string, end time.Time, every time.Duration) (late []time.Duration, err error) {
	conn, err := net.Dial("tcp4", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	req, err := http.NewRequest("GET", "http://"+addr+target(besideStreams-1)+"?offset=now&live=sse", nil)
	if err != nil {
		return nil, err
	}
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	var last time.Time
	for buf := make([]byte, 4096); time.Now().Before(end); {
		conn.SetReadDeadline(end.Add(10 * every))
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if now := time.Now(); strings.Contains(string(buf[:n]), ":\n\n") {
			if !last.IsZero() {
				late = append(late, max(0, now.Sub(last)-every)) // it may be earlier
			}
			last = now
		}
	}
	return late, nil
}
