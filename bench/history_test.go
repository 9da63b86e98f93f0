package bench

import (
	"bytes"
	bin "encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	"tailrace/internal/stream"
	"tailrace/segment"
)

// history is a store's worth of appends, of which each can be told from its
// stream and number: nobody has to remember what was written.
type history struct {
	seed    uint64
	kinds   []historyKind
	streams []historyStream
	bytes   atomic.Int64 // appended so far
	refused atomic.Int64
}

// historyKind is streams that are alike.
type historyKind struct {
	streams int
	share   float64 // of all bytes
	size    int     // of an append
	noise   bool    // that does not compress; otherwise words, which take a third or less
}

// historyStream is a stream and how many appends it gets.
type historyStream struct {
	size    int
	noise   bool
	appends int
}

// historyKinds are a few long streams, which come first, some of medium length
// and many short ones.
var historyKinds = []historyKind{
	{streams: 3, share: .35, size: 64 << 10},
	{streams: 1, share: .10, size: 64 << 10, noise: true},
	{streams: 40, share: .35, size: 4 << 10},
	{streams: 20, share: .15, size: 4 << 10, noise: true},
	{streams: 1000, share: .05, size: 500},
}

// historyRounds is in how many turns all streams grow together.
const historyRounds = 200

func newHistory(seed uint64, bytes int64, kinds ...historyKind) *history {
	h := &history{seed: seed, kinds: kinds}
	for _, k := range kinds {
		n := max(1, int(k.share*float64(bytes)/float64(k.streams)/float64(k.size)))
		for range k.streams {
			h.streams = append(h.streams, historyStream{k.size, k.noise, n})
		}
	}
	return h
}

// append adds the n-th append of a stream to b.
func (h *history) append(b []byte, i, n int) []byte {
	s := &h.streams[i]
	from := script{rng: rand.NewPCG(h.seed, uint64(i)<<32|uint64(n))}
	end := len(b) + s.size
	if s.noise {
		for len(b)+8 <= end {
			b = bin.LittleEndian.AppendUint64(b, from.rng.Uint64())
		}
	}
	for len(b) < end {
		b = append(append(b, from.word()...), ' ')
	}
	return b[:end]
}

// offset is where the n-th append of a stream begins.
func (h *history) offset(i, n int) stream.Offset {
	return stream.Offset(n * (h.streams[i].size + segment.AppendOverhead))
}

// write appends everything. Streams grow together, each by the hand of one
// connection.
func (h *history) write(addr string, conns int) error {
	return eachConn(addr, conns, func(w *wire, k int) error {
		var body []byte
		for round := range historyRounds {
			for i := k; i < len(h.streams); i += conns {
				s := &h.streams[i]
				for n := s.appends * round / historyRounds; n < s.appends*(round+1)/historyRounds; n++ {
					body = h.append(body[:0], i, n)
					refused, err := w.insist(204, "POST", target(i), "Content-Type: "+binary+"\r\n", body)
					h.refused.Add(int64(refused))
					if err != nil {
						return err
					}
					h.bytes.Add(int64(len(body)))
				}
			}
		}
		return nil
	})
}

// compare reads everything and demands that it is what was written.
func (h *history) compare(addr string, conns int) error {
	return eachConn(addr, conns, func(w *wire, k int) error {
		for i := k; i < len(h.streams); i += conns {
			c := h.expect(i, 0)
			if err := w.readThrough(i, "Accept-Encoding: identity\r\n", c.take, nil); err != nil {
				return err
			}
			if c.next < h.streams[i].appends || len(c.rest) > 0 {
				c.fail("ends early")
			}
			if c.err != nil {
				return c.err
			}
		}
		return nil
	})
}

// expected compares what is read of a stream with what was written.
type expected struct {
	history *history
	stream  int
	next    int    // append
	rest    []byte // of the one before
	buf     []byte
	err     error
}

// expect expects the appends of a stream from the n-th on.
func (h *history) expect(i, n int) *expected { return &expected{history: h, stream: i, next: n} }

func (e *expected) take(part []byte) {
	for len(part) > 0 && e.err == nil {
		if len(e.rest) == 0 {
			if e.next == e.history.streams[e.stream].appends {
				e.fail("goes on behind its end")
				return
			}
			e.buf = e.history.append(e.buf[:0], e.stream, e.next)
			e.rest = e.buf
			e.next++
		}
		n := min(len(part), len(e.rest))
		if !bytes.Equal(part[:n], e.rest[:n]) {
			e.fail("does not read back as it was written")
			return
		}
		part, e.rest = part[n:], e.rest[n:]
	}
}

func (e *expected) fail(why string) {
	if e.err == nil {
		e.err = fmt.Errorf("bench: stream %d %s, in append %d", e.stream, why, e.next-1)
	}
}
