package server

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"tailrace/engine"
	"tailrace/internal/sse"
	"tailrace/internal/stream"
)

// feed turns what is read of a stream into the bytes of an SSE response. It is
// the same for all readers of the stream, and knows nothing of the connections
// they go to.
type feed struct {
	server *Server
	tenant *tenant // whose stream it is
	public bool
	path   string
	id     stream.ID
	enc    sse.Encoding
}

// newFeed copies what outlives the exchange.
func (s *Server) newFeed(x *exchange) *feed {
	f := &feed{server: s, tenant: x.tenant, public: x.result.Public, path: string(x.head.name), id: x.live.id, enc: sse.Base64}
	switch {
	case x.result.JSON:
		f.enc = sse.JSON
	case stream.IsText(x.result.ContentType):
		f.enc = sse.Text
	}
	return f
}

// place is how far a reader of a feed has come, and what of its events is its
// own. Readers at equal places get the same bytes.
type place struct {
	from  stream.Offset
	floor uint64 // the least cursor to tell
	shape shape
	told  bool // the last control event said that the reader is up to date
}

// shape is the form of a response.
type shape uint8

const (
	// shapeChunks is for HTTP/1.1: the body is chunked, so that its end is told
	// from a break.
	shapeChunks shape = 1 << iota

	// shapeIDs is for those who asked for ids.
	shapeIDs

	shapes = 1 << iota // how many there are
)

// newPlace is where the reader of a request begins.
func (s *Server) newPlace(x *exchange) place {
	p := place{from: x.live.from}
	if !x.head.http10 {
		p.shape |= shapeChunks
	}
	if x.live.ids {
		p.shape |= shapeIDs
	}
	// A client that is not behind the cursor of the time gets one further on, for
	// all of the response.
	if now := s.engine.Now(); x.live.hasCursor && x.live.cursor >= cursorAt(now) {
		p.floor = nextCursor(now, x.live.cursor, true, s.opts.Rand)
	}
	return p
}

// cursor is like that of any answer, and does not go back during the response.
func (p *place) cursor(now time.Time) uint64 { return max(cursorAt(now), p.floor) }

// beginStream appends the head of a response, and counts the request as answered.
func (s *Server) beginStream(x *exchange, f *feed, dst []byte, sh shape, now time.Time) []byte {
	s.begin(x, 200)
	if s.opts.Auth == nil || f.public {
		x.set(nameCacheControl, valueNoTransform)
	} else {
		x.set(nameCacheControl, valuePrivateStream)
	}
	s.conclude(x, now)
	dst = append(dst, "HTTP/1.1 200 OK\r\nDate: "...)
	dst = now.UTC().AppendFormat(dst, "Mon, 02 Jan 2006 15:04:05 GMT")
	dst = append(dst, "\r\nContent-Type: text/event-stream\r\nX-Accel-Buffering: no\r\n"...)
	if f.enc == sse.Base64 {
		dst = append(dst, "Stream-SSE-Data-Encoding: base64\r\n"...)
	}
	for _, name := range streamHeaders {
		if v := x.resp.Header.PeekBytes(name); len(v) > 0 {
			dst = appendLine(dst, name, v)
		}
	}
	if sh&shapeChunks != 0 {
		// No "Connection: close", although the connection ends with the
		// response: with it, Node's fetch takes a body that breaks off for one
		// that is complete, and its reader would see half an event as a whole.
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	} else {
		dst = append(dst, "Connection: close\r\n"...)
	}
	return append(dst, "\r\n"...)
}

// streamHeaders are those of an event stream that are made as those of any answer.
var streamHeaders = [][]byte{
	nameNosniff, nameResource, nameRequestID, nameCacheControl, nameReferrer, nameAllowOrigin, nameAllowCredentials,
	nameExposeHeaders, nameVary, nameServerTiming,
}

func appendLine(dst, name, value []byte) []byte {
	dst = append(append(dst, name...), ": "...)
	return append(append(dst, value...), "\r\n"...)
}

// judge tells what a read means for a reader. It is feedMore if the reader is to
// be told what was read.
func (f *feed) judge(p *place, r *engine.ReadResult, t *engine.Ticket) feedState {
	switch {
	case t.Err() != nil, !t.Retry && t.Code == stream.Failed:
		return feedBroken
	case t.Code == stream.DataCorrupt:
		f.server.corruptReads.Add(1)
		return feedCorrupt
	case t.Code == stream.Unavailable:
		return feedUnavailable
	case t.Code == stream.OffsetTrimmed:
		return feedTrimmed
	case t.Code != stream.OK:
		return feedEnd // deleted or expired: the next request will be told
	case len(r.Parts) == 0 && p.told && !r.AtEnd:
		return feedWait
	}
	return feedMore
}

// appendEvent appends what was read as one data event, with the control event
// that belongs to it.
func (f *feed) appendEvent(dst []byte, sh shape, cursor uint64, r *engine.ReadResult) []byte {
	return appendChunk(dst, sh, func(dst []byte) []byte {
		next := r.Next.String()
		if len(r.Parts) > 0 {
			dst = sse.AppendData(appendID(dst, sh, next), f.enc, r.Parts...)
		}
		c := sse.Control{NextOffset: next, UpToDate: r.UpToDate, Closed: r.AtEnd}
		if !r.AtEnd {
			c.Cursor = strconv.FormatUint(cursor, 10)
		}
		return sse.AppendControl(appendID(dst, sh, next), c)
	})
}

// appendID gives the next event an id: where the reader goes on after it.
func appendID(dst []byte, sh shape, next string) []byte {
	if sh&shapeIDs == 0 {
		return dst
	}
	return sse.AppendID(dst, next)
}

// pass moves the place behind what was read, and tells what comes then.
func (p *place) pass(r *engine.ReadResult) feedState {
	p.from, p.told = r.Next, r.UpToDate
	switch {
	case r.AtEnd:
		return feedEnd
	case r.UpToDate:
		return feedWait
	}
	return feedMore
}

// reading is a reader that may wait: for the disk, for the log, and for memory.
type reading struct {
	*feed
	place
	held  int64 // of the budget for responses, for the event under way
	needs int64 // what the next event takes, if it is large
}

// next reads on and appends at most one data event, with the control event that
// belongs to it. It waits only for the disk and what is on its way to the log.
func (g *reading) next(dst []byte) ([]byte, feedState) {
	r, t := g.read()
	t.Wait() // judge looks at how it ended
	if t.Err() == nil && t.Retry {
		return dst, feedMore
	}
	switch state := g.judge(&g.place, &r, &t); {
	case state != feedMore:
		return dst, state
	case !g.reserve(r.Parts):
		return dst, feedFull
	}
	dst = slices.Grow(dst, int(g.needs)) // growing bit by bit would take more
	dst = g.appendEvent(dst, g.shape, g.cursor(g.server.engine.Now()), &r)
	g.server.framesEncoded.Add(1)
	return dst, g.pass(&r)
}

// settle waits until what is on its way to the log is no obstacle to reading.
func (g *reading) settle() {
	for {
		_, t := g.server.reads.Read(engine.ReadRequest{Path: g.path, ID: g.id, From: stream.OffsetMax})
		if t.Ready() || t.Wait() != nil {
			return
		}
	}
}

// read reads on, from the disk if it has to.
func (g *reading) read() (engine.ReadResult, engine.Ticket) {
	s := g.server
	r := engine.ReadRequest{Path: g.path, ID: g.id, From: g.from, BytesMax: eventBytesMax}
	result, t := s.reads.Read(r)
	s.hooks.looked(g.path)
	if !t.Ready() {
		s.hooks.waiting(methodGet, g.path)
	}
	if t.Wait() != nil || t.Retry || t.Code != stream.OK || !result.Cold {
		return result, t
	}
	return s.readCold(r)
}

// feedState is what to do with what next appended.
type feedState uint8

const (
	feedMore        feedState = iota // write it and ask again
	feedLoad                         // nothing yet: it is read by somebody who may wait
	feedWait                         // write it, then wait for the stream
	feedFull                         // write it, then wait for the memory that needs says
	feedEnd                          // write it and end the response
	feedCorrupt                      // write it and break off: what follows cannot be read
	feedUnavailable                  // the same: what follows cannot be read at the moment
	feedTrimmed                      // the same: what follows was dropped before the reader got it
	feedBroken                       // close the connection
)

// appendExpired tells a reader that the response ends because its token has expired,
// and where it goes on with another one.
func appendExpired(dst []byte, sh shape, at stream.Offset) []byte {
	return appendChunk(dst, sh, func(dst []byte) []byte {
		next := at.String()
		return sse.AppendControl(appendID(dst, sh, next), sse.Control{NextOffset: next, TokenExpired: true})
	})
}

func appendComment(dst []byte, sh shape) []byte {
	return appendChunk(dst, sh, sse.AppendComment)
}

// appendEnd ends the body the way that says it is complete.
func appendEnd(dst []byte, sh shape) []byte {
	if sh&shapeChunks == 0 {
		return dst
	}
	return append(dst, "0\r\n\r\n"...)
}

// appendChunk appends what content appends as one chunk. Its size comes first
// and is known last, so there is room for the longest and the content moves up
// to what is needed.
func appendChunk(dst []byte, sh shape, content func([]byte) []byte) []byte {
	if sh&shapeChunks == 0 {
		return content(dst)
	}
	const room = len("ffffffff\r\n")
	from := len(dst)
	dst = append(dst, "ffffffff\r\n"...)
	dst = content(dst)
	body := dst[from+room:]
	if len(body) > math.MaxUint32 {
		panic(fmt.Sprintf("server: an event of %d bytes does not fit a chunk", len(body)))
	}
	dst = append(strconv.AppendUint(dst[:from], uint64(len(body)), 16), "\r\n"...)
	dst = dst[:len(dst)+copy(dst[len(dst):len(dst)+len(body)], body)]
	return append(dst, "\r\n"...)
}
