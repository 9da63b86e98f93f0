package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// write appends bodies through a writer.
func write(t *testing.T, w *Writer, bodies [][]byte) (Progress, error) {
	t.Helper()
	for _, body := range bodies {
		b, err := w.Buffer(t.Context())
		if err != nil {
			break
		}
		w.Append(append(b, body...), 1)
	}
	return w.Wait()
}

// bodiesOf makes bodies of random sizes that tell where they belong.
func bodiesOf(n, sizeMax int, intN func(int) int) (bodies [][]byte, all []byte) {
	for i := range n {
		body := fmt.Appendf(nil, "%d:%s\n", i, strings.Repeat("x", intN(sizeMax)))
		bodies = append(bodies, body)
		all = append(all, body...)
	}
	return bodies, all
}

// TestWriterAppendsEachBodyOnce sends many bodies through everything that can go
// wrong: all of them are there, once, in order.
func TestWriterAppendsEachBodyOnce(t *testing.T) {
	url := serveStore(t, "tcp")
	direct := newClient(t, Options{Server: url})
	mustCreate(t, direct, "a", "text/plain")
	r := random(t)
	p, faulty := newProxy(t, url, r)
	bodies, all := bodiesOf(300, 20_000, r.IntN)
	var told []Progress
	w := newClient(t, Options{Server: faulty}).NewWriter(t.Context(), "a", WriterOptions{
		ContentType: "text/plain", Producer: Producer{ID: "p"}, Acknowledged: func(p Progress) { told = append(told, p) },
	})
	done, err := write(t, w, bodies)
	if err != nil {
		t.Fatal(err)
	}
	if got := content(t, direct, "a"); !bytes.Equal(got, all) {
		t.Errorf("the stream has %d bytes, appended were %d", len(got), len(all))
	}
	if done.Appends != 300 || done.Records != 300 || done.Bytes != int64(len(all)) || done.Seq != 300 {
		t.Errorf("%+v", done)
	}
	if info, err := direct.Head(t.Context(), "a"); err != nil || info.Next != done.Next {
		t.Errorf("the tail is %s, told was %s, %v", info.Next, done.Next, err)
	}
	var bytesTold int64
	for i, p := range told {
		bytesTold += int64(len(bodies[i]))
		if p.Appends != int64(i+1) || p.Bytes != bytesTold || p.Seq != uint64(i+1) {
			t.Fatalf("acknowledgement %d is %+v", i, p)
		}
	}
	p.demandMishaps(t, 100)
}

// TestWriterWaitsForTheAppendBefore holds the first append back until the second
// one was refused, because it came first.
func TestWriterWaitsForTheAppendBefore(t *testing.T) {
	url := serveStore(t, "tcp")
	mustCreate(t, newClient(t, Options{Server: url}), "a", "text/plain")
	p := &proxy{upstream: url}
	refused := make(chan struct{})
	var once sync.Once
	var gaps atomic.Int32
	front := handle(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Producer-Seq") == "0" {
			<-refused
		}
		p.ServeHTTP(&spy{ResponseWriter: w, on: func(status int) {
			if status == http.StatusConflict {
				gaps.Add(1)
				once.Do(func() { close(refused) })
			}
		}}, r)
	})
	p.plan = func(*http.Request) (mishap, int) { return none, 0 }
	var pauses pauses
	c := newClient(t, Options{Server: front, Sleep: pauses.sleep})
	w := c.NewWriter(t.Context(), "a", WriterOptions{ContentType: "text/plain", Producer: Producer{ID: "p"}, InFlight: 2})
	if _, err := write(t, w, [][]byte{[]byte("one,"), []byte("two,"), []byte("three")}); err != nil {
		t.Fatal(err)
	}
	if got := content(t, c, "a"); string(got) != "one,two,three" || gaps.Load() == 0 || len(pauses.list()) != 0 {
		t.Errorf("%d gaps, waits %v, the stream is %q", gaps.Load(), pauses.list(), got)
	}
}

type spy struct {
	http.ResponseWriter
	on func(status int)
}

func (s *spy) WriteHeader(status int) {
	s.on(status)
	s.ResponseWriter.WriteHeader(status)
}

func (s *spy) Flush() { s.ResponseWriter.(http.Flusher).Flush() }

// TestWriterEndsAtTheFirstRefusal: what is acknowledged is what came before.
func TestWriterEndsAtTheFirstRefusal(t *testing.T) {
	url := serveStore(t, "tcp")
	c := newClient(t, Options{Server: url})
	mustCreate(t, c, "a", "text/plain")
	p := &proxy{upstream: url, plan: func(*http.Request) (mishap, int) { return none, 0 }}
	front := handle(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Producer-Seq") == "5" {
			refuse(w, 413, "body_too_large")
			return
		}
		p.ServeHTTP(w, r)
	})
	w := newClient(t, Options{Server: front}).NewWriter(t.Context(), "a", WriterOptions{ContentType: "text/plain", Producer: Producer{ID: "p"}})
	bodies, _ := bodiesOf(50, 10, func(int) int { return 0 })
	done, err := write(t, w, bodies)
	var refused *Error
	if !errors.As(err, &refused) || refused.Code != "body_too_large" || done.Appends != 5 || done.Seq != 5 {
		t.Errorf("%+v, %v", done, err)
	}
	if got := content(t, c, "a"); string(got) != "0:\n1:\n2:\n3:\n4:\n" {
		t.Errorf("the stream is %q", got)
	}
}

// TestForeignProducerIsNoticed: another writer with the id has come further, or
// the stream is another one by now.
func TestForeignProducerIsNoticed(t *testing.T) {
	c := newClient(t, Options{Server: serveStore(t, "tcp")})
	mustCreate(t, c, "a", "text/plain")
	w := c.NewWriter(t.Context(), "a", WriterOptions{ContentType: "text/plain", Producer: Producer{ID: "p", Seq: 3}})
	if _, err := write(t, w, [][]byte{[]byte("x"), []byte("y")}); !ProducerConflict(err) {
		t.Errorf("%v", err)
	}
	mustAppend(t, c, "a", "text/plain", []byte("z"))
	if _, err := c.Append(t.Context(), "a", AppendRequest{ContentType: "text/plain", Body: []byte("x"), Producer: &Producer{ID: "q", Epoch: 2}}); err != nil {
		t.Fatal(err)
	}
	w = c.NewWriter(t.Context(), "a", WriterOptions{ContentType: "text/plain", Producer: Producer{ID: "q", Epoch: 1}})
	if _, err := write(t, w, [][]byte{[]byte("x")}); !ProducerConflict(err) {
		t.Errorf("%v", err)
	}
}

func TestAbortedWriterEnds(t *testing.T) {
	end := make(chan struct{})
	front := handle(t, func(_ http.ResponseWriter, _ *http.Request) { <-end })
	t.Cleanup(func() { close(end) })
	w := newClient(t, Options{Server: front}).NewWriter(t.Context(), "a", WriterOptions{ContentType: "text/plain", Producer: Producer{ID: "p"}, InFlight: 1})
	b, err := w.Buffer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.Append(append(b, 'x'), 1)
	// The next one does not fit, and who asked may give up.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Buffer(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	w.Abort()
	if done, err := w.Wait(); !errors.Is(err, context.Canceled) || done.Appends != 0 {
		t.Errorf("%+v, %v", done, err)
	}
	if _, err := w.Buffer(t.Context()); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

func BenchmarkWriter(b *testing.B) {
	for _, size := range []int{100, 1 << 20} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			front := handleForBench(b)
			c, err := New(Options{Server: front})
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			w := c.NewWriter(b.Context(), "a", WriterOptions{ContentType: "text/plain", Producer: Producer{ID: "p"}})
			body := bytes.Repeat([]byte("x"), size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				buf, err := w.Buffer(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				w.Append(append(buf, body...), 1)
			}
			if _, err := w.Wait(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
