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

// feed turns what is read of a stream into the bytes of an SSE response. It
// knows nothing of the connection they go to.
type feed struct {
	server *Server
	path   string
	live   liveRequest
	enc    sse.Encoding
	chunks bool // HTTP/1.1: the body is chunked, so that its end is told from a break
	told   bool // the last control event said that the reader is up to date

	ahead    uint64 // cursor given to a client whose own was not behind
	hasAhead bool

	held  int64 // of the budget for responses, for the event under way
	needs int64 // what the next event takes, if it is large
}

// newFeed copies what outlives the exchange.
func (s *Server) newFeed(x *exchange) feed {
	f := feed{
		server: s, path: string(x.head.name), live: x.live, enc: sse.Base64,
		chunks: !x.head.http10,
	}
	switch {
	case x.result.JSON:
		f.enc = sse.JSON
	case stream.IsText(x.result.ContentType):
		f.enc = sse.Text
	}
	return f
}

// appendHead appends the head of the response.
func (f *feed) appendHead(dst []byte, now time.Time) []byte {
	dst = append(dst, "HTTP/1.1 200 OK\r\nDate: "...)
	dst = now.UTC().AppendFormat(dst, "Mon, 02 Jan 2006 15:04:05 GMT")
	dst = append(dst, "\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nX-Accel-Buffering: no\r\n"...)
	if f.enc == sse.Base64 {
		dst = append(dst, "Stream-SSE-Data-Encoding: base64\r\n"...)
	}
	dst = appendLine(dst, nameNosniff, valueNosniff)
	dst = appendLine(dst, nameResource, valueCrossOrigin)
	if !f.server.opts.DisableCORS {
		dst = appendLine(dst, nameAllowOrigin, valueAnyOrigin)
		dst = appendLine(dst, nameExposeHeaders, exposeHeaders)
	}
	if f.chunks {
		// No "Connection: close", although the connection ends with the
		// response: with it, Node's fetch takes a body that breaks off for one
		// that is complete, and its reader would see half an event as a whole.
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	} else {
		dst = append(dst, "Connection: close\r\n"...)
	}
	return append(dst, "\r\n"...)
}

func appendLine(dst, name, value []byte) []byte {
	dst = append(append(dst, name...), ": "...)
	return append(append(dst, value...), "\r\n"...)
}

// next reads on and appends at most one data event, with the control event that
// belongs to it. It waits only for the disk and what is on its way to the log.
func (f *feed) next(dst []byte) ([]byte, feedState) {
	r, t := f.read()
	switch {
	case t.Wait() != nil:
		return dst, feedBroken
	case t.Retry:
		return dst, feedMore
	}
	switch {
	case t.Code == stream.Failed:
		return dst, feedBroken
	case t.Code == stream.DataCorrupt:
		f.server.corruptReads.Add(1)
		return dst, feedCorrupt
	case t.Code != stream.OK:
		return dst, feedEnd // deleted or expired: the next request will be told
	case len(r.Parts) == 0 && f.told && !r.AtEnd:
		return dst, feedWait
	case !f.reserve(r.Parts):
		return dst, feedFull
	}
	dst = slices.Grow(dst, int(f.needs)) // growing bit by bit would take more
	dst = f.appendChunk(dst, func(dst []byte) []byte {
		if len(r.Parts) > 0 {
			dst = sse.AppendData(dst, f.enc, r.Parts...)
		}
		return sse.AppendControl(dst, f.control(&r))
	})
	f.live.from, f.told = r.Next, r.UpToDate
	switch {
	case r.AtEnd:
		return dst, feedEnd
	case r.UpToDate:
		return dst, feedWait
	}
	return dst, feedMore
}

// read reads on, from the disk if it has to.
func (f *feed) read() (engine.ReadResult, engine.Ticket) {
	s := f.server
	r := engine.ReadRequest{Path: f.path, ID: f.live.id, From: f.live.from, BytesMax: eventBytesMax}
	result, t := s.reads.Read(r)
	s.hooks.looked(f.path)
	if !t.Ready() {
		s.hooks.waiting(methodGet, f.path)
	}
	if t.Wait() != nil || t.Retry || t.Code != stream.OK || !result.Cold {
		return result, t
	}
	return s.readCold(r)
}

// feedState is what to do with what next appended.
type feedState uint8

const (
	feedMore    feedState = iota // write it and ask again
	feedWait                     // write it, then wait for the stream
	feedFull                     // write it, then wait for the memory that needs says
	feedEnd                      // write it and end the response
	feedCorrupt                  // write it and break off: what follows cannot be read
	feedBroken                   // close the connection
)

func (f *feed) control(r *engine.ReadResult) sse.Control {
	c := sse.Control{NextOffset: r.Next.String(), UpToDate: r.UpToDate, Closed: r.AtEnd}
	if !r.AtEnd {
		c.Cursor = strconv.FormatUint(f.cursor(), 10)
	}
	return c
}

// cursor is like that of any answer, and does not go back during the response.
func (f *feed) cursor() uint64 {
	now := f.server.engine.Now()
	current := cursorAt(now)
	if !f.live.hasCursor || f.live.cursor < current {
		return max(current, f.ahead)
	}
	if !f.hasAhead {
		f.ahead, f.hasAhead = nextCursor(now, f.live.cursor, true, f.server.opts.Rand), true
	}
	return f.ahead
}

func (f *feed) appendComment(dst []byte) []byte {
	return f.appendChunk(dst, sse.AppendComment)
}

// appendEnd ends the body the way that says it is complete.
func (f *feed) appendEnd(dst []byte) []byte {
	if !f.chunks {
		return dst
	}
	return append(dst, "0\r\n\r\n"...)
}

// appendChunk appends what content appends as one chunk. Its size comes first
// and is known last, so there is room for the longest and the content moves up
// to what is needed.
func (f *feed) appendChunk(dst []byte, content func([]byte) []byte) []byte {
	if !f.chunks {
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
