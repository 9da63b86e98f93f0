package engine

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"time"

	"tailrace/internal/jsonmode"
	"tailrace/internal/stream"
)

// workload makes random requests over a few paths, so that they meet.
type workload struct {
	rng       *rand.Rand
	clock     *fakeClock
	producers map[string]*stream.Producer // the next request of each
	sent      []stream.Append             // with producers, to be retried
	last      stream.Append               // the producer's request that was made last, or nothing
	ends      []stream.Offset             // that some append had
	coldForks int                         // forks that copied from a segment
	largeBody int                         // of now and then an append; 0 = none
}

func newWorkload(rng *rand.Rand, clock *fakeClock) *workload {
	return &workload{rng: rng, clock: clock, producers: map[string]*stream.Producer{}}
}

var contentTypes = []string{"application/octet-stream", "text/plain", "application/json"}

func (w *workload) path() string { return fmt.Sprintf("p%d", w.rng.IntN(6)) }

// contentType of a path stays the same over its lives, so that most appends
// are accepted.
func contentTypeOf(path string) string { return contentTypes[int(path[1]-'0')%len(contentTypes)] }

func (w *workload) body(contentType string) []byte {
	if contentType == "application/json" {
		raw := []byte(fmt.Sprintf(`[{"n":%d}, "%x"`, w.rng.IntN(1000), w.rng.Uint64()))
		if w.rng.IntN(8) == 0 {
			raw = append(raw, bytes.Repeat([]byte(`, {"more": "of the same"}`), 1+w.rng.IntN(150))...)
		}
		raw = append(raw, ']')
		body, _, err := jsonmode.Flatten(nil, raw)
		if err != nil {
			panic(err)
		}
		return body
	}
	if w.largeBody > 0 && w.rng.IntN(40) == 0 {
		large := make([]byte, w.largeBody)
		for i := range large {
			large[i] = byte(w.rng.Uint32())
		}
		return large
	}
	n := 1 + w.rng.IntN(40)
	if w.rng.IntN(8) == 0 {
		n = 1 + w.rng.IntN(6000)
	}
	return bytes.Repeat([]byte{byte('a' + w.rng.IntN(26))}, n)
}

// op makes a request that can be asked again until it is decided.
func (w *workload) op() func(*Engine) Ticket {
	w.last = stream.Append{}
	switch n := w.rng.IntN(100); {
	case n < 14:
		return w.create()
	case n < 20:
		return w.fork()
	case n < 72:
		return w.append()
	case n < 78 && len(w.sent) > 0:
		again := w.sent[w.rng.IntN(len(w.sent))]
		w.last = again
		return func(e *Engine) Ticket { return e.Append(&again) }
	case n < 84:
		path := w.path()
		return func(e *Engine) Ticket { return e.Delete(path) }
	case n < 88:
		path := w.path()
		return func(e *Engine) Ticket { return e.Append(&stream.Append{Path: path, Close: true}) }
	case n < 95:
		return w.change()
	default:
		path := w.path()
		return func(e *Engine) Ticket {
			_, t := e.Read(ReadRequest{Path: path, Touch: true})
			return t
		}
	}
}

func (w *workload) create() func(*Engine) Ticket {
	path := w.path()
	r := stream.Create{Path: path, ContentType: contentTypeOf(path), TTL: stream.NoTTL, Closed: w.rng.IntN(12) == 0}
	switch w.rng.IntN(5) {
	case 0:
		r.TTL = int64(w.rng.IntN(20))
	case 1:
		r.ExpiresAt = w.clock.wall.Add(time.Duration(w.rng.IntN(30)) * time.Second).UnixMilli()
		r.ExpiresText = "later"
	}
	if w.rng.IntN(2) == 0 {
		r.Body = w.body(r.ContentType)
	}
	if w.rng.IntN(4) == 0 {
		r.KeepAge, r.KeepBytes = w.policy()
	}
	r.Public = len(r.Body)%2 == 1
	return func(e *Engine) Ticket { return e.Create(&r) }
}

func (w *workload) policy() (age, bytes int64) {
	return int64(w.rng.IntN(2) * w.rng.IntN(40)), []int64{0, 0, 1, 60, 500, 5000, 20000}[w.rng.IntN(7)]
}

// change changes a policy or a lifetime, or drops something, or all of that.
func (w *workload) change() func(*Engine) Ticket {
	r := stream.Change{Path: w.path()}
	if w.rng.IntN(3) == 0 {
		r.HasKeepAge, r.HasKeepBytes = w.rng.IntN(2) == 0, true
		r.KeepAge, r.KeepBytes = w.policy()
	}
	switch w.rng.IntN(8) {
	case 0:
		r.HasTTL, r.TTL = true, int64(w.rng.IntN(20))-1
	case 1:
		r.HasExpiresAt = true
		if w.rng.IntN(2) == 0 {
			r.ExpiresAt, r.ExpiresText = w.clock.wall.Add(time.Duration(w.rng.IntN(30))*time.Second).UnixMilli(), "another time"
		}
	}
	if w.rng.IntN(3) > 0 {
		r.HasTrim, r.Trim = true, stream.Offset(w.rng.IntN(300))
		if len(w.ends) > 0 && w.rng.IntN(3) > 0 {
			r.Trim = w.ends[w.rng.IntN(len(w.ends))] + stream.Offset(w.rng.IntN(2)*w.rng.IntN(8))
		}
		if w.rng.IntN(20) == 0 {
			r.Trim = stream.OffsetMax
		}
	}
	return func(e *Engine) Ticket { return e.Change(&r) }
}

func (w *workload) fork() func(*Engine) Ticket {
	from := w.path()
	// A fork's path has the content type of its source by construction.
	r := stream.Create{Path: fmt.Sprintf("p%d", int(from[1]-'0')%3+3*w.rng.IntN(3)), TTL: stream.NoTTL, From: from}
	if w.rng.IntN(2) == 0 {
		r.HasFromOffset, r.FromOffset = true, stream.Offset(w.rng.IntN(120))
		if len(w.ends) > 0 && w.rng.IntN(3) > 0 {
			r.FromOffset = w.ends[w.rng.IntN(len(w.ends))]
		}
		r.SubOffset = uint64(w.rng.IntN(3))
	}
	if w.rng.IntN(4) == 0 {
		r.Body = w.body(contentTypeOf(from))
	}
	return func(e *Engine) Ticket {
		t := e.Create(&r)
		if t.Cold {
			w.coldForks++
			t = e.CreateCold(&r)
		}
		return t
	}
}

// saw remembers where appends end, so that forks begin there.
func (w *workload) saw(out stream.Outcome) {
	if out.Code != stream.Appended {
		return
	}
	if len(w.ends) < 64 {
		w.ends = append(w.ends, out.Tail)
	} else {
		w.ends[w.rng.IntN(len(w.ends))] = out.Tail
	}
}

func (w *workload) append() func(*Engine) Ticket {
	path := w.path()
	r := stream.Append{Path: path, ContentType: contentTypeOf(path), Close: w.rng.IntN(25) == 0}
	r.Body = w.body(r.ContentType)
	if w.rng.IntN(2) == 0 {
		p := w.producers[path]
		if p == nil || w.rng.IntN(8) == 0 {
			p = &stream.Producer{ID: fmt.Sprintf("producer-%d", w.rng.IntN(2)), Epoch: int64(w.rng.IntN(4))}
			w.producers[path] = p
		}
		r.Producer = *p
		p.Seq++
		w.sent = append(w.sent, r)
		w.last = r
	}
	if w.rng.IntN(6) == 0 {
		r.HasSeq, r.Seq = true, fmt.Sprintf("%04d", w.rng.IntN(10000))
	}
	return func(e *Engine) Ticket { return e.Append(&r) }
}
