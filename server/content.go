package server

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/gzip"

	"tailrace/engine"
	"tailrace/internal/jsonmode"
)

// The content of a read: what was read, as the body of a response in one
// coding.

// bodySize is the size of the body before any coding.
func bodySize(r *engine.ReadResult) int {
	size := 0
	for _, part := range r.Parts {
		size += len(part)
	}
	if r.JSON {
		// The closing bracket takes the place of the last comma.
		return max(len("[]"), len("[")+size)
	}
	return size
}

// asIs reports whether the body is one append that is sent from where it is.
func asIs(r *engine.ReadResult) bool { return !r.JSON && len(r.Parts) <= 1 }

// coding is the coding of what was read.
func (x *exchange) coding() coding {
	if x.result.Stored != nil {
		return codingZstd
	}
	return x.codings.choose(bodySize(&x.result))
}

// heldBytes is what the response keeps in memory until the client has taken
// it, beyond what the engine keeps anyway.
func (x *exchange) heldBytes(c coding) int {
	r := &x.result
	switch {
	case c == codingZstd:
		return len(r.Stored)
	case c == codingIdentity && asIs(r) && !x.loaded:
		return 0
	}
	return bodySize(r)
}

// reserveBody takes the memory for a large body out of the budget. A small one
// is in the connection's own memory, or not worth counting.
func (s *Server) reserveBody(x *exchange, c coding) bool {
	size := x.heldBytes(c)
	if size <= keepBufferBytes {
		return true
	}
	if !s.responses.reserveAlone(int64(size)) {
		return false
	}
	x.held += int64(size)
	return true
}

// setBody sets what was read as the body. A stored frame, and a single append
// that is not JSON, go out from where they are; everything else is put together
// first.
func (s *Server) setBody(x *exchange, c coding) {
	r := &x.result
	switch {
	case c == codingZstd:
		x.set(nameContentEncoding, valueZstd)
		x.resp.SetBodyRaw(r.Stored)
	case c == codingGzip:
		x.set(nameContentEncoding, valueGzip)
		s.setGzip(x)
	case !asIs(r) && x.shared:
		if x.content == nil {
			x.content = appendContent(make([]byte, 0, bodySize(r)), r)
		}
		x.resp.SetBodyRaw(x.content)
	case !asIs(r):
		x.setJoined(r)
	case len(r.Parts) > 0:
		x.resp.SetBodyRaw(r.Parts[0])
	}
}

// setJoined puts the body together.
func (x *exchange) setJoined(r *engine.ReadResult) {
	// The response keeps its buffer for the next one on the connection. A
	// large buffer would stay with every connection that ever read much.
	if size := bodySize(r); size > keepBufferBytes {
		x.resp.SetBodyRaw(appendContent(make([]byte, 0, size), r))
		return
	}
	x.resp.SwapBody(appendContent(x.resp.SwapBody(nil)[:0], r))
}

func appendContent(dst []byte, r *engine.ReadResult) []byte {
	if r.JSON {
		return jsonmode.AppendArray(dst, r.Parts...)
	}
	for _, part := range r.Parts {
		dst = append(dst, part...)
	}
	return dst
}

// setGzip compresses the body. What was reserved for it before it was known how
// small it gets goes back.
func (s *Server) setGzip(x *exchange) {
	g := takeGzipper()
	out, kept := g.compress(&x.result), int64(0)
	if len(out) <= keepBufferBytes {
		x.resp.SwapBody(append(x.resp.SwapBody(nil)[:0], out...))
	} else {
		x.resp.SetBodyRaw(bytes.Clone(out))
		kept = int64(len(out))
	}
	g.give()
	if kept < x.held {
		s.responses.release(x.held - kept)
		x.held = kept
	}
}

// gzipper compresses, and keeps the memory for that: most of what it takes is
// the same for every body.
type gzipper struct {
	w       *gzip.Writer
	in, out []byte
}

var gzippers sync.Pool

func takeGzipper() *gzipper {
	if g, ok := gzippers.Get().(*gzipper); ok {
		return g
	}
	// The fastest level: the default one takes twice the time to make JSON 8 %
	// smaller, and a reader that cares for bytes asks for zstd.
	w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic("server: gzip: " + err.Error()) // there is no such level
	}
	return &gzipper{w: w}
}

// give gives the gzipper back. What compress returned is no longer valid.
func (g *gzipper) give() {
	if cap(g.in)+cap(g.out) > keepGzipperBytes {
		g.in, g.out = nil, nil
	}
	gzippers.Put(g)
}

// compress returns the body as one gzip member. It is valid until the gzipper
// is given back.
func (g *gzipper) compress(r *engine.ReadResult) []byte {
	var in []byte
	if asIs(r) {
		in = r.Parts[0]
	} else {
		g.in = appendContent(g.in[:0], r)
		in = g.in
	}
	g.out = g.out[:0]
	g.w.Reset(g)
	if _, err := g.w.Write(in); err != nil {
		panic("server: gzip: " + err.Error()) // Write below has no errors
	}
	if err := g.w.Close(); err != nil {
		panic("server: gzip: " + err.Error())
	}
	return g.out
}

// Write implements io.Writer for the compressed bytes.
func (g *gzipper) Write(p []byte) (int, error) {
	g.out = append(g.out, p...)
	return len(p), nil
}
