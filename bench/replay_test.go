package bench

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

var replayBytes = flag.Int64("bench.replay-bytes", 64<<20, "raw bytes of the stream of BenchmarkReplay")

// replayBound is how many times less server CPU a replay as stored takes than a
// decoded one.
const replayBound = 5

// replayOptions have a cache that is much smaller than the stream: what is
// replayed is cold, whatever its size.
var replayOptions = storeOptions{BlockCacheBytes: 4 << 20}

// replayWay is a way to get the stream, and what it took.
type replayWay struct {
	name   string
	server *child
	get    func() error
	coding string // of the answers
	coded  int    // answers in that coding
	all    int
	wire   int64           // bytes of bodies
	cpu    []time.Duration // of the server, each time
	took   []time.Duration
}

// BenchmarkReplay reads one big stream of JSON from its files: decoded, as gzip,
// and as it is stored, beside a server that sends a file of the same decoded
// bytes by sendfile. Bytes are those of the decoded stream for all four. The
// client decodes nothing while it is measured.
func BenchmarkReplay(b *testing.B) {
	b.Run(fmt.Sprintf("MiB=%d", *replayBytes>>20), func(b *testing.B) {
		r := newReplay(b, *replayBytes)
		for b.Loop() {
			r.takeTurns(b)
		}
		b.ReportMetric(0, "ns/op")
		for _, w := range r.ways {
			b.ReportMetric(w.rate(r.raw), w.name+"-MB/cpu-s")
		}
		for _, w := range r.ways {
			b.ReportMetric(float64(r.raw)/1e6/median(w.took).Seconds(), w.name+"-MB/s")
		}
		stored := r.way("stored")
		ratio := stored.over(r.way("decoded"))
		b.ReportMetric(ratio, "stored/decoded")
		b.ReportMetric(r.way("decoded").over(r.way("sendfile")), "decoded/sendfile")
		b.ReportMetric(float64(stored.wire)/float64(stored.all)/1024, "stored-KiB/answer")
		b.ReportMetric(float64(stored.coded)/float64(stored.all), "as-stored-share")
		b.ReportMetric(float64(stored.wire)/float64(len(stored.cpu))/float64(r.raw), "stored-wire/raw")
		b.ReportMetric(mebi(residentOf(r.server.cmd.Process.Pid).peak), "peak-MiB")
		checkAtLeast(b, "bytes as stored per server CPU, per decoded ones", ratio, replayBound)
	})
}

// rate is megabytes of the decoded stream for each CPU-second of the server.
func (w *replayWay) rate(raw int64) float64 { return float64(raw) / 1e6 / median(w.cpu).Seconds() }

// over is how much more a CPU-second gets done than it does on another way: the
// median over the turns.
func (w *replayWay) over(other *replayWay) float64 {
	var all []float64
	for i := range w.cpu {
		all = append(all, other.cpu[i].Seconds()/w.cpu[i].Seconds())
	}
	return median(all)
}

// replay is a stream and the ways to get it.
type replay struct {
	raw    int64
	server *child
	ways   []*replayWay
}

func (r *replay) way(name string) *replayWay {
	for _, w := range r.ways {
		if w.name == name {
			return w
		}
	}
	return nil
}

// newReplay writes the stream, merges its segments, and verifies that all ways
// give the same.
func newReplay(tb testing.TB, bytes int64) *replay {
	tb.Helper()
	dir := tb.TempDir()
	store, file := filepath.Join(dir, "store"), filepath.Join(dir, "decoded")
	raw, want := writeStream(tb, store, bytes)
	compact(tb, store, replayOptions)

	r := &replay{raw: raw, server: startChild(tb, role{Dir: store, Options: replayOptions})}
	if got := r.decode(tb, "identity", file); got != want {
		tb.Fatal("bench: the decoded stream is not what was written")
	}
	if got := r.decode(tb, "zstd", ""); got != want {
		tb.Fatal("bench: the stream as stored is not what was written")
	}
	for _, w := range []replayWay{
		{name: "decoded", coding: ""}, {name: "gzip", coding: "gzip"}, {name: "stored", coding: "zstd"},
	} {
		w.server = r.server
		r.add(tb, w, func(c *wire, end func(reply)) error {
			accept := w.coding
			if accept == "" {
				accept = "identity"
			}
			return c.readThrough(0, "Accept-Encoding: "+accept+"\r\n", nil, end)
		})
	}
	r.add(tb, replayWay{name: "sendfile", server: startChild(tb, role{File: file})}, func(c *wire, end func(reply)) error {
		got, err := c.do("GET", "/", "", nil, nil)
		if err == nil && got.status != 200 {
			err = fmt.Errorf("bench: the file is answered %d", got.status)
		}
		end(got)
		return err
	})
	return r
}

func (r *replay) add(tb testing.TB, w replayWay, get func(c *wire, end func(reply)) error) {
	tb.Helper()
	c, err := dialWire(w.server.addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.conn.Close() })
	w.get = func() error {
		return get(c, func(got reply) {
			w.wire += int64(got.size)
			if w.all++; got.coding == w.coding {
				w.coded++
			}
		})
	}
	r.ways = append(r.ways, &w)
}

// takeTurns gets the stream in each way, again and again.
func (r *replay) takeTurns(tb testing.TB) {
	tb.Helper()
	for i := range *pairs {
		for j := range r.ways {
			w := r.ways[(i+j)%len(r.ways)]
			begin(tb, w.server, "replay-"+w.name)
			before, at := w.server.do(tb, order{}), time.Now()
			if err := w.get(); err != nil {
				tb.Fatal(err)
			}
			w.took = append(w.took, time.Since(at))
			w.cpu = append(w.cpu, w.server.do(tb, order{}).CPU-before.CPU)
			end(tb, w.server)
		}
	}
}

// writeStream makes a store of one stream, over HTTP, and returns how many bytes
// it has and their digest.
func writeStream(tb testing.TB, dir string, size int64) (raw int64, digest [sha256.Size]byte) {
	tb.Helper()
	c := startChild(tb, role{Dir: dir})
	c.do(tb, order{JSON: 1})
	w, err := dialWire(c.addr)
	if err != nil {
		tb.Fatal(err)
	}
	defer w.conn.Close()
	var scripts [kindsOfScript]*script // the stream has messages of all kinds
	for i := range scripts {
		scripts[i] = newScript(firstSeed(), uint64(i))
	}
	sum := sha256.New()
	var body []byte
	for i := 0; raw < size; i++ {
		body = scripts[i%len(scripts)].array(body[:0], largeMessages)
		if _, err := w.insist(204, "POST", target(0), "Content-Type: "+jsonType+"\r\n", body); err != nil {
			tb.Fatal(err)
		}
		body[len(body)-1] = ','
		sum.Write(body[1:])
		raw += int64(len(body) - 1)
	}
	c.end(tb)
	return raw, [sha256.Size]byte(sum.Sum(nil))
}

// decode reads the stream in a coding and returns the digest of what it holds.
// If a name is given, it writes the decoded bodies to that file.
func (r *replay) decode(tb testing.TB, coding, name string) [sha256.Size]byte {
	tb.Helper()
	w, err := dialWire(r.server.addr)
	if err != nil {
		tb.Fatal(err)
	}
	defer w.conn.Close()
	decoder, err := zstd.NewReader(nil)
	if err != nil {
		tb.Fatal(err)
	}
	defer decoder.Close()
	var out *os.File
	if name != "" {
		if out, err = os.Create(name); err != nil {
			tb.Fatal(err)
		}
		defer out.Close()
	}
	got := &arrayDigest{Hash: sha256.New()}
	var body, plain []byte
	take := func(part []byte) { body = append(body, part...) }
	end := func(a reply) {
		content := body
		if a.coding == "zstd" {
			if plain, err = decoder.DecodeAll(body, plain[:0]); err != nil {
				tb.Fatal(err)
			}
			content = plain
		}
		if !bytes.HasPrefix(content, []byte{'['}) {
			tb.Fatalf("bench: a body begins with %.20q", content)
		}
		got.take(content)
		a.size = len(content)
		got.end(a)
		if name != "" {
			if _, err := out.Write(content); err != nil {
				tb.Fatal(err)
			}
		}
		body = body[:0]
	}
	if err := w.readThrough(0, "Accept-Encoding: "+coding+"\r\n", take, end); err != nil {
		tb.Fatal(err)
	}
	return [sha256.Size]byte(got.Sum(nil))
}
