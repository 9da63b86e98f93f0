package s3_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tailrace/internal/objstore"
	"tailrace/internal/objstore/objtest"
	"tailrace/internal/objstore/s3"
	"tailrace/internal/objstore/s3test"
)

var seedFlag = flag.Uint64("s3.seed", 0, "seed of the random tests; 0 takes a new one")

// soon is a policy that pauses no longer than a local server needs.
func soon() objstore.Options {
	return objstore.Options{BackoffBase: time.Millisecond, BackoffMax: 20 * time.Millisecond, Attempts: 10, RetryBudget: 1 << 20}
}

func TestKeepsLaws(t *testing.T) {
	server := s3test.Start(t)
	n := 0
	objtest.Run(t, func(t *testing.T) objstore.Bucket {
		n++
		c := server.Config()
		c.Prefix = fmt.Sprintf("laws/%d/", n)
		return s3test.Open(t, c)
	})
}

func TestRealServerPassesTheProbe(t *testing.T) {
	server := s3test.Start(t)
	b := s3test.Open(t, server.Config())
	if err := objstore.Probe(t.Context(), objstore.New(b, soon()), "a/"); err != nil {
		t.Fatal(err)
	}
	if left, err := b.List(t.Context(), "", "", 10); err != nil || len(left) != 0 {
		t.Errorf("the probe left %v, %v", left, err)
	}

	for want, change := range map[string]func(*s3.Config){
		"there is no such bucket":  func(c *s3.Config) { c.Bucket = "another-bucket" },
		"the store denies access":  func(c *s3.Config) { c.Keys.Secret = "another" },
		"the store denies access:": func(c *s3.Config) { c.Keys.ID = "another" },
	} {
		c := server.Config()
		change(&c)
		err := objstore.Probe(t.Context(), objstore.New(s3test.Open(t, c), soon()), "")
		var unfit *objstore.UnfitError
		if err == nil || errors.As(err, &unfit) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), s3test.Secret) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	server.Kill()
	err := objstore.Probe(t.Context(), objstore.New(b, soon()), "")
	if err == nil || !strings.Contains(err.Error(), "cannot reach the store") {
		t.Errorf("a dead server: %v", err)
	}
}

// TestLostRepliesDoNoHarm counts with swaps, and creates, on a way that loses
// many replies to requests that took effect.
func TestLostRepliesDoNoHarm(t *testing.T) {
	server := s3test.Start(t)
	proxy := s3test.StartProxy(t, server.Address)
	c := server.Config()
	c.Endpoint = proxy.Endpoint
	// Luck is of a connection.
	const workers, steps = 4, 20
	stores := make([]*objstore.Store, workers)
	for w := range stores {
		stores[w] = objstore.New(oneShot{s3test.Open(t, c)}, soon())
	}
	if err := stores[0].Create(t.Context(), "count", objstore.Bytes([]byte("0 begin"))); err != nil {
		t.Fatal(err)
	}
	proxy.LoseReplies(t, 0.3)
	proxy.Latency(t, time.Millisecond, time.Millisecond)

	var won, unknown, created atomic.Int64
	var wg sync.WaitGroup
	for w, s := range stores {
		wg.Go(func() {
			for step := range steps {
				got, info, err := s.ReadAll(t.Context(), "count", 100)
				if err != nil {
					continue
				}
				number, _, _ := strings.Cut(string(got), " ")
				n, err := strconv.Atoi(number)
				if err != nil {
					t.Errorf("read %q", got)
					return
				}
				next := objstore.Bytes(fmt.Appendf(nil, "%d by %d at %d", n+1, w, step))
				switch _, err = s.Swap(t.Context(), "count", next, info.ETag); {
				case err == nil:
					won.Add(1)
				case errors.Is(err, objstore.ErrOvertaken) || !errors.Is(err, objstore.ErrExists):
					unknown.Add(1)
				}
				// All want the same object, and one gets it.
				err = s.Create(t.Context(), fmt.Sprint("made/", step), objstore.Bytes(fmt.Appendf(nil, "by %d", w)))
				if err == nil {
					created.Add(1)
				} else if !errors.Is(err, objstore.ErrForeign) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	proxy.Heal(t)
	got, _, err := stores[0].ReadAll(t.Context(), "count", 100)
	if err != nil {
		t.Fatal(err)
	}
	number, _, _ := strings.Cut(string(got), " ")
	n, _ := strconv.ParseInt(number, 10, 64)
	if n < won.Load() || n > won.Load()+unknown.Load() {
		t.Errorf("count is %d after %d swaps that won and %d unknown", n, won.Load(), unknown.Load())
	}
	if created.Load() != steps {
		t.Errorf("%d objects were created by somebody, want %d", created.Load(), steps)
	}
	var refused, failed int64
	for _, s := range stores {
		st := s.Stats()
		refused += st.Of(objstore.OpPut, objstore.KindExists)
		failed += st.Of(objstore.OpPut, objstore.KindTemporary)
	}
	if failed == 0 || refused == 0 {
		t.Errorf("%d puts lost their reply and %d were refused: the way was too good", failed, refused)
	}
}

// oneShot gives each call a connection of its own.
type oneShot struct{ objstore.Bucket }

func (o oneShot) done() { _ = o.Bucket.(io.Closer).Close() } // of idle connections, which cannot fail

func (o oneShot) Put(ctx context.Context, key string, b objstore.Body, c objstore.Condition) (string, error) {
	defer o.done()
	return o.Bucket.Put(ctx, key, b, c)
}

func (o oneShot) ReadAt(ctx context.Context, key string, p []byte, off int64) error {
	defer o.done()
	return o.Bucket.ReadAt(ctx, key, p, off)
}

func (o oneShot) Head(ctx context.Context, key string) (objstore.Info, error) {
	defer o.done()
	return o.Bucket.Head(ctx, key)
}

// TestBrokenConnections: whatever the way does, calls end with a kind that is
// tried again, and are well when it is.
func TestBrokenConnections(t *testing.T) {
	server := s3test.Start(t)
	proxy := s3test.StartProxy(t, server.Address)
	c := server.Config()
	c.Endpoint = proxy.Endpoint
	b := s3test.Open(t, c)
	for name, bad := range map[string]func(){
		"reset":        func() { proxy.Reset(t) },
		"trickle":      func() { proxy.Bandwidth(t, 0) },
		"lost replies": func() { proxy.LoseReplies(t, 1) },
		"hang":         func() { proxy.Hang(t) },
	} {
		bad()
		ctx, cancel := t.Context(), func() {}
		want := objstore.KindTemporary
		if name == "hang" || name == "trickle" {
			ctx, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
			want = objstore.KindTimeout
		}
		_, err := b.Put(ctx, "k", objstore.Bytes([]byte("content")), objstore.Condition{})
		cancel()
		if objstore.KindOf(err) != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
		proxy.Heal(t)
		// A connection of the bad time may still be among the idle ones.
		if err := objstore.New(b, soon()).Create(t.Context(), "after/"+strings.ReplaceAll(name, " ", "-"), objstore.Bytes([]byte("well"))); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
	}
}

// TestServerKilledDuringPuts: what was created before a kill -9 is whole, and
// what was not can be created after it.
func TestServerKilledDuringPuts(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-s3.seed=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	server := s3test.Start(t)
	b := s3test.Open(t, server.Config())
	o := soon()
	o.Attempts = 2
	s := objstore.New(b, o)
	content := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 100_000+i) }
	key := func(i int) string { return fmt.Sprintf("seg/%03d", i) }
	const rounds, each = 4, 12
	for round := range rounds {
		var wg sync.WaitGroup
		created := make([]atomic.Bool, each)
		half := make(chan struct{}, each)
		for i := range each {
			wg.Go(func() {
				if s.Create(t.Context(), key(round*each+i), objstore.Bytes(content(round*each+i))) == nil {
					created[i].Store(true)
				}
				half <- struct{}{}
			})
		}
		for range 1 + random.IntN(each-1) {
			<-half
		}
		server.Kill()
		wg.Wait()
		server.Restart(t)
		for i := range each {
			n := round*each + i
			if created[i].Load() {
				got, _, err := s.ReadAll(t.Context(), key(n), 1<<20)
				if err != nil || !bytes.Equal(got, content(n)) {
					t.Fatalf("%s was created before the kill; now %d bytes, %v", key(n), len(got), err)
				}
			}
			if err := s.Create(t.Context(), key(n), objstore.Bytes(content(n))); err != nil {
				t.Fatalf("%s after the kill: %v", key(n), err)
			}
		}
	}
	infos, err := b.List(t.Context(), "", "", 1000)
	if err != nil || len(infos) != rounds*each {
		t.Fatalf("%d objects at the end, %v; want %d", len(infos), err, rounds*each)
	}
}
