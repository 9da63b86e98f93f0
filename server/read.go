package server

import (
	"strconv"
	"time"

	"tailrace/engine"
	"tailrace/internal/jsonmode"
	"tailrace/internal/stream"
)

// How long caches may keep what was read (section 10.1).
const (
	freshFor = 60 * time.Second
	staleFor = 300 * time.Second
)

var valueShared = []byte("public, max-age=60, stale-while-revalidate=300")

// get reads a stream. A live reader who is not behind gets its answer later.
func (s *Server) get(x *exchange) outcome {
	q := &x.live.query
	r := engine.ReadRequest{Path: view(x.head.name), From: q.from, Touch: true}
	if q.mode == modeSSE {
		// Only whether the stream can be read, and where its tail is: the
		// events are read when somebody can take them.
		r.From = stream.OffsetMax
	}
	result, t := s.engine.Read(r)
	x.result = result
	return s.settle(x, t, stepRead)
}

// read answers a read, or makes the reader wait.
func (s *Server) read(x *exchange) outcome {
	if x.ticket.Code != stream.OK {
		return s.refuse(x)
	}
	q, r := &x.live.query, &x.result
	switch {
	case q.mode == modeCatchUp:
		return s.answerRead(x)
	case q.mode == modeLongPoll && len(r.Parts) > 0:
		return s.answerRead(x)
	case q.mode == modeLongPoll && r.AtEnd:
		return s.answerNothing(x)
	}
	x.live.id = r.ID
	x.live.from = r.Next
	if q.mode == modeSSE {
		x.live.from = min(q.from, r.Tail)
	}
	return live
}

// answerRead answers with what was read, or that the client has it already.
func (s *Server) answerRead(x *exchange) outcome {
	q, r := &x.live.query, &x.result
	status := 200
	var tag []byte
	if !q.now {
		x.scratch = appendETag(x.scratch[:0], s.opts.Instance, r)
		tag = x.scratch
		if x.head.has(fieldIfNoneMatch) && matchesETag(x.req.Header.PeekAll("If-None-Match"), tag) {
			status = 304
		}
	}
	if status == 200 && !s.reserveCopy(x) {
		return s.fail(x, faultOverloaded)
	}
	s.begin(x, status)
	if tag != nil {
		x.set(nameETag, tag)
	}
	x.setCaching(q.now, r.ExpiresIn)
	x.setTail(r.Next, r.AtEnd)
	if r.UpToDate {
		x.set(nameUpToDate, valueTrue)
	}
	if q.mode == modeLongPoll && !r.AtEnd {
		x.setCursor(s, q)
	}
	if status == 200 {
		x.resp.Header.SetContentType(r.ContentType)
		x.setBody(r)
	}
	return done
}

// answerNothing answers a long-poll that got nothing in its time, or will not
// get anything ever.
func (s *Server) answerNothing(x *exchange) outcome {
	q, r := &x.live.query, &x.result
	s.begin(x, 204)
	x.set(nameCacheControl, valueNoStore)
	x.setTail(r.Next, r.AtEnd)
	x.set(nameUpToDate, valueTrue)
	if !r.AtEnd {
		x.setCursor(s, q)
	}
	return done
}

// copySize is the size of a body that has to be put together, 0 if it is one
// part that is sent as it is stored, or nothing.
func copySize(r *engine.ReadResult) int {
	if !r.JSON && len(r.Parts) <= 1 {
		return 0
	}
	size := len("[]")
	for _, part := range r.Parts {
		size += len(part)
	}
	return size
}

// reserveCopy takes the memory for a large body that is put together out of the
// budget. A small one is in the connection's own memory.
func (s *Server) reserveCopy(x *exchange) bool {
	size := copySize(&x.result)
	if size <= keepBufferBytes {
		return true
	}
	if !s.responses.reserveAlone(int64(size)) {
		return false
	}
	x.held += int64(size)
	return true
}

// setBody sets what was read as the body. A single append that is not JSON goes
// out from the engine's own memory; everything else is put together first.
func (x *exchange) setBody(r *engine.ReadResult) {
	size := copySize(r)
	if size == 0 {
		if len(r.Parts) > 0 {
			x.resp.SetBodyRaw(r.Parts[0])
		}
		return
	}
	// The response keeps its buffer for the next one on the connection. A
	// large buffer would stay with every connection that ever read much.
	var dst []byte
	pooled := size <= keepBufferBytes
	if pooled {
		dst = x.resp.SwapBody(nil)[:0]
	} else {
		dst = make([]byte, 0, size)
	}
	if r.JSON {
		dst = jsonmode.AppendArray(dst, r.Parts...)
	} else {
		for _, part := range r.Parts {
			dst = append(dst, part...)
		}
	}
	if pooled {
		x.resp.SwapBody(dst)
	} else {
		x.resp.SetBodyRaw(dst)
	}
}

// setCaching says how long the read may be kept: never longer than the stream
// lives, and not at all if it was relative to the tail.
func (x *exchange) setCaching(now bool, life time.Duration) {
	switch {
	case now, life >= 0 && life < time.Second:
		x.set(nameCacheControl, valueNoStore)
		return
	case life < 0, life >= freshFor+staleFor:
		x.set(nameCacheControl, valueShared)
		return
	}
	fresh := min(life, freshFor)
	b := append(x.scratch[:0], "public, max-age="...)
	b = strconv.AppendInt(b, int64(fresh/time.Second), 10)
	if stale := (life - fresh) / time.Second; stale > 0 {
		b = append(b, ", stale-while-revalidate="...)
		b = strconv.AppendInt(b, int64(stale), 10)
	}
	x.scratch = b
	x.set(nameCacheControl, b)
}

func (x *exchange) setCursor(s *Server, q *query) {
	cursor := nextCursor(s.engine.Now(), q.cursor, q.hasCursor, s.opts.Rand)
	x.scratch = strconv.AppendUint(x.scratch[:0], cursor, 10)
	x.set(nameCursor, x.scratch)
}
