package bench

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"tailrace/internal/objstore"
)

// firstBytes is what it took until reads at random had their first byte.
type firstBytes struct {
	far, near []time.Duration // those that asked the bucket, and those that the disk served
	gets      int64           // of the far ones
	most      int64           // of one of them
	bytes     int64           // that the bucket sent for them
}

// coldTriesMax is how many reads are made at most to have one from the bucket.
const coldTriesMax = 20

// readCold reads appends at random, each by a request of its own, until so many
// needed the bucket.
func (m *tierHistory) readCold(tb testing.TB, reads int) (f firstBytes) {
	tb.Helper()
	w, err := dialWire(m.addr)
	if err != nil {
		tb.Fatal(err)
	}
	defer w.conn.Close()
	chance := rand.New(rand.NewPCG(firstSeed(), 3))
	before := m.do(tb, order{}).Bucket
	for range reads * coldTriesMax {
		if len(f.far) == reads {
			return f
		}
		i := chance.IntN(len(m.streams))
		if chance.IntN(2) == 0 { // few are long, and have most of the bytes
			i = chance.IntN(len(m.streams) / 16)
		}
		n := chance.IntN(m.streams[i].appends)
		took, err := m.readAt(w, i, n)
		if err != nil {
			tb.Fatal(err)
		}
		after := m.do(tb, order{}).Bucket
		d := after.since(before)
		before = after
		gets := d.of(objstore.OpReadAt, aboutSegment)
		if gets == 0 {
			f.near = append(f.near, took)
			continue
		}
		f.far = append(f.far, took)
		f.gets, f.most, f.bytes = f.gets+gets, max(f.most, gets), f.bytes+d.Down
	}
	if len(f.far) == 0 {
		tb.Fatal("bench: no read needed the bucket")
	}
	return f
}

// readAt reads a stream from its n-th append on, by one request, and returns when
// the first byte was there.
func (m *tierHistory) readAt(w *wire, i, n int) (first time.Duration, err error) {
	c := m.expect(i, n)
	at := time.Now()
	r, err := w.do("GET", target(i)+"?offset="+m.offset(i, n).String(), "Accept-Encoding: identity\r\n", nil, func(part []byte) {
		if first == 0 {
			first = time.Since(at)
		}
		c.take(part)
	})
	if err == nil && (r.status != 200 || r.size == 0) {
		err = fmt.Errorf("bench: read of stream %d at append %d: status %d, %d bytes", i, n, r.status, r.size)
	}
	if err == nil {
		err = c.err
	}
	return first, err
}

func (f *firstBytes) report(b *testing.B) {
	slices.Sort(f.far)
	slices.Sort(f.near)
	n := float64(len(f.far))
	b.ReportMetric(micros(f.far[len(f.far)/2]), "cold-p50-us")
	b.ReportMetric(micros(f.far[len(f.far)*99/100]), "cold-p99-us")
	if len(f.near) > 0 {
		b.ReportMetric(micros(f.near[len(f.near)/2]), "near-p50-us")
	}
	b.ReportMetric(float64(f.gets)/n, "GET/cold-read")
	b.ReportMetric(float64(f.bytes)/n/1024, "KiB/cold-read")
	if f.gets != int64(len(f.far)) {
		b.Errorf("bench: %d reads took %d requests for their first bytes, one of them %d", len(f.far), f.gets, f.most)
	}
}

// tierReplay is one long stream, from the bucket and from the disk.
type tierReplay struct {
	raw    int64
	ways   []*tierWay
	far    int                 // segments that may have a part of it in the bucket
	asked  map[string]requests // by way, of all turns
	ratios map[string]float64  // of resident memory: second half of a turn over the first
}

// tierWay is a way to get the stream.
type tierWay struct {
	replayWay
	store  *tierStore
	accept string
}

// replay reads the first stream again and again, in turns: as it is stored and
// decoded, from the bucket, of which nothing is cached, and from a store that has
// nothing else and no bucket.
func (m *tierHistory) replay(tb testing.TB) *tierReplay {
	tb.Helper()
	s := m.streams[0]
	r := &tierReplay{
		raw: int64(s.appends) * int64(s.size), far: m.standing(tb).far,
		asked: map[string]requests{}, ratios: map[string]float64{},
	}
	alone := newHistory(m.seed, r.raw, historyKind{streams: 1, share: 1, size: s.size})
	near := startTierStore(tb, historyOptions(), nil)
	near.do(tb, order{Populate: 1})
	if err := alone.write(near.addr, 1); err != nil {
		tb.Fatal(err)
	}
	near.do(tb, order{Flush: true})
	near.await(tb, "nothing is to be merged", historyDrain, func(st standing) bool { return st.acts == 0 })
	for _, w := range []*tierWay{
		{replayWay{name: "bucket-stored"}, m.tierStore, "zstd"}, {replayWay{name: "bucket-decoded"}, m.tierStore, "identity"},
		{replayWay{name: "disk-stored"}, near, "zstd"}, {replayWay{name: "disk-decoded"}, near, "identity"},
	} {
		if err := w.verify(alone); err != nil {
			tb.Fatal(err)
		}
		r.ways = append(r.ways, w)
	}
	for i := range *pairs {
		for j := range r.ways {
			r.turn(tb, r.ways[(i+j)%len(r.ways)])
		}
	}
	return r
}

// read reads the stream once.
func (w *tierWay) read(take func(part []byte), end func(reply)) error {
	c, err := dialWire(w.store.addr)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	return c.readThrough(0, "Accept-Encoding: "+w.accept+"\r\n", take, end)
}

// verify demands that what comes this way is the stream. What is measured later is
// not decoded.
func (w *tierWay) verify(h *history) error {
	decoder, err := zstd.NewReader(nil)
	if err != nil {
		return err
	}
	defer decoder.Close()
	want := h.expect(0, 0)
	var body, plain []byte
	err = w.read(func(part []byte) { body = append(body, part...) }, func(a reply) {
		content := body
		if a.coding == "zstd" {
			var err error
			if plain, err = decoder.DecodeAll(body, plain[:0]); err != nil {
				want.fail("cannot be decoded: " + err.Error())
			}
			content = plain
		}
		want.take(content)
		body = body[:0]
	})
	if err == nil && (want.next != h.streams[0].appends || len(want.rest) > 0) {
		want.fail("ends early")
	}
	return cmp.Or(err, want.err)
}

// turn measures one replay. The process of a store with a bucket is another one
// each time, and has nothing in its caches.
func (r *tierReplay) turn(tb testing.TB, w *tierWay) {
	tb.Helper()
	if w.store.role.Tier != nil {
		w.store.end(tb)
		w.store.empty(tb)
	}
	server := w.store.child
	begin(tb, server, "tier-replay-"+w.name)
	before, at := server.do(tb, order{}), time.Now()
	mem := watchChild(server, func() int64 { return int64(time.Since(at)) })
	if err := w.read(nil, func(a reply) {
		w.wire += int64(a.size)
		if w.all++; a.coding == "zstd" {
			w.coded++
		}
	}); err != nil {
		tb.Fatal(err)
	}
	w.took = append(w.took, time.Since(at))
	ratio, _ := mem.end()
	r.ratios[w.name] = max(r.ratios[w.name], ratio)
	after := server.do(tb, order{})
	w.cpu = append(w.cpu, after.CPU-before.CPU)
	d := after.Bucket.since(before.Bucket)
	for what, n := range r.asked[w.name].N {
		d.N[what] += n
	}
	d.Down += r.asked[w.name].Down
	r.asked[w.name] = d
	end(tb, server)
}

func (r *tierReplay) way(name string) *tierWay {
	return r.ways[slices.IndexFunc(r.ways, func(w *tierWay) bool { return w.name == name })]
}

// windowBytes is the least that a reader in order is read ahead for, unless its run
// ends before.
const windowBytes = 1 << 20

func (r *tierReplay) report(b *testing.B) {
	for _, w := range r.ways {
		b.ReportMetric(float64(r.raw)/1e6/median(w.took).Seconds(), w.name+"-MB/s")
		b.ReportMetric(w.rate(r.raw), w.name+"-MB/cpu-s")
	}
	for _, coding := range []string{"stored", "decoded"} {
		far, near := r.way("bucket-"+coding), r.way("disk-"+coding)
		var rates []float64
		for i := range far.took {
			rates = append(rates, near.took[i].Seconds()/far.took[i].Seconds())
		}
		b.ReportMetric(median(rates), coding+"-rate-of-disk")
		b.ReportMetric(float64(far.coded)/float64(far.all), coding+"-as-stored-share")
		b.ReportMetric(r.ratios[far.name], coding+"-memory-second-half/first")
		turns := float64(len(far.took))
		gets, down := float64(r.asked[far.name].of(objstore.OpReadAt, aboutSegment))/turns, float64(r.asked[far.name].Down)/turns
		b.ReportMetric(gets/float64(r.raw)*(1<<30), coding+"-GET/GiB")
		b.ReportMetric(down/max(1, gets)/1024, coding+"-KiB/GET")
		// One where a part of the stream begins, one where it ends, the windows between.
		checkBound(b, "requests to replay "+coding, gets, float64(2*r.far)+down/windowBytes)
	}
}
