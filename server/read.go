package server

import (
	"fmt"
	"strconv"
	"time"

	"tailrace/engine"
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
	r := engine.ReadRequest{Path: view(x.head.name), From: q.from, Earliest: q.earliest, PublicOnly: x.anonymous, Touch: true, Stored: x.codings.stored()}
	if q.mode == modeSSE {
		// Only whether the stream can be read from there: the events are read when
		// somebody can take them.
		r.BytesMax = 1
	}
	return s.ask(x, r, stepRead)
}

// ask reads what is in memory.
func (s *Server) ask(x *exchange, r engine.ReadRequest, next step) outcome {
	result, t := s.reads.Read(r)
	x.asked, x.loaded, x.result = r, false, result
	return s.settle(x, t, next)
}

// load asks again for what is not in memory. It may wait for the disk, so only
// a driver that may wait calls it.
func (s *Server) load(x *exchange, next step) outcome {
	switch next {
	case stepAdmin:
		return s.administer(x)
	case stepCreate:
		return s.settle(x, s.engine.CreateCold(&x.create), next)
	}
	result, t := s.readCold(x.asked)
	x.loaded, x.result = true, result
	x.spent(phaseRead)
	return s.settle(x, t, next)
}

// readCold reads from the disk.
func (s *Server) readCold(r engine.ReadRequest) (engine.ReadResult, engine.Ticket) {
	result, t := s.reads.ReadCold(r)
	if result.Cold {
		panic(fmt.Sprintf("server: a cold read of %q at %d is cold", r.Path, r.From))
	}
	return result, t
}

// read answers a read, or makes the reader wait.
func (s *Server) read(x *exchange) outcome {
	if x.ticket.Code != stream.OK {
		return s.refuse(x)
	}
	if f := s.welcome(x); f != faultNone {
		return s.fail(x, f)
	}
	q, r := &x.live.query, &x.result
	switch {
	case q.back && r.AtEnd && q.from >= r.Tail:
		return s.answerNothing(x) // by which a browser knows not to come again
	case q.mode == modeSSE:
		x.live.id, x.live.from = r.ID, r.From
		return live
	case r.Cold:
		return outcome{kind: kindLoad, step: stepRead}
	case q.mode == modeCatchUp, len(r.Parts) > 0:
		return s.answerRead(x)
	case r.AtEnd:
		return s.answerNothing(x)
	}
	x.live.id, x.live.from = r.ID, r.Next
	return live
}

// answerRead answers with what was read, or that the client has it already.
func (s *Server) answerRead(x *exchange) outcome {
	q, r := &x.live.query, &x.result
	status, c := 200, x.coding()
	var tag []byte
	if !q.now {
		x.scratch = appendETag(x.scratch[:0], s.opts.Instance, r, c)
		tag = x.scratch
		if x.head.has(fieldIfNoneMatch) && matchesETag(x.req.Header.PeekAll("If-None-Match"), tag) {
			status = 304
		}
	}
	if status == 200 && !s.reserveBody(x, c) {
		return s.fail(x, faultOverloaded)
	}
	s.begin(x, status)
	if tag != nil {
		x.set(nameETag, tag)
	}
	s.setReadCaching(x)
	x.setTail(r.Next, r.AtEnd)
	x.setStart(r.Start)
	if r.UpToDate {
		x.set(nameUpToDate, valueTrue)
	}
	if q.mode == modeLongPoll && !r.AtEnd {
		x.setCursor(s, q)
	}
	if status == 200 {
		x.resp.Header.SetContentType(r.ContentType)
		s.setBody(x, c)
	}
	return done
}

// answerNothing answers a long-poll that got nothing in its time, or will not
// get anything ever.
func (s *Server) answerNothing(x *exchange) outcome {
	q, r := &x.live.query, &x.result
	s.begin(x, 204)
	s.setCaching(x, valueNoStore)
	x.setTail(r.Next, r.AtEnd)
	x.setStart(r.Start)
	x.set(nameUpToDate, valueTrue)
	if !r.AtEnd {
		x.setCursor(s, q)
	}
	return done
}

// setReadCaching says how long the read may be kept: never longer than the stream
// lives or keeps what was read, and not at all if it was relative to the tail.
//
// Where a stream begins that drops its front is asked for anew each time. Who got
// an old beginning from a cache would go on from its end, be told that this is
// trimmed, begin anew, and get the same again.
func (s *Server) setReadCaching(x *exchange) {
	q, r := &x.live.query, &x.result
	life := r.ExpiresIn
	if keep := r.KeepAge; keep > 0 && keep < int64((freshFor+staleFor)/time.Second) {
		if age := time.Duration(keep) * time.Second; life < 0 || age < life {
			life = age
		}
	}
	switch {
	case q.now, life >= 0 && life < time.Second:
		s.setCaching(x, valueNoStore)
		return
	case q.earliest && (r.Start > 0 || r.KeepAge > 0 || r.KeepBytes > 0):
		s.setCaching(x, valueNoCache)
		return
	case life < 0, life >= freshFor+staleFor:
		s.setCaching(x, valueShared)
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
	s.setCaching(x, b)
}

func (x *exchange) setCursor(s *Server, q *query) {
	cursor := nextCursor(s.engine.Now(), q.cursor, q.hasCursor, s.opts.Rand)
	x.scratch = strconv.AppendUint(x.scratch[:0], cursor, 10)
	x.set(nameCursor, x.scratch)
}
