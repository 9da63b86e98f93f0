package livetest

import (
	"net/http"
	"strconv"
)

// step is what one answer, or one event of one, says.
type step struct {
	next             offset
	data             []byte // nil: none
	sse              bool
	upToDate, closed bool
	cursor           string
}

// response is what all steps of an answer have in common.
type response struct {
	before state // of the stream, before the request
	bound  bool  // it is of this stream for certain, not of a successor
}

// take judges a step and goes on from it.
func (x *reader) take(r *response, s step) {
	now := x.tr.state()
	x.did("got %d bytes up to %d, up to date %v, closed %v, replaced %v", len(s.data), s.next, s.upToDate, s.closed, now.replacing)
	if !r.bound {
		if r.bound = !now.replacing; !r.bound && !x.fits(s, now) {
			x.w.tally.add(replacedEnd)
			x.over = true
			return
		}
		r.bound = r.bound || len(s.data) > 0
	}
	switch {
	case x.begun && s.next < x.at:
		x.fault(misplaced, "told to go back to %d", s.next)
		return
	case s.upToDate && s.next < r.before.tail:
		x.fault(stale, "up to date at %d, and %d was acknowledged before", s.next, r.before.tail)
		return
	case s.upToDate && r.before.closed && !s.closed:
		x.fault(undone, "up to date at %d and not told that it is closed", s.next)
		return
	case s.closed && !now.closing:
		x.fault(undone, "told that it is closed at %d", s.next)
		return
	case !s.closed && s.data == nil && x.begun && s.next == x.at && !s.upToDate:
		x.fault(refused, "told nothing at %d", s.next)
		return
	}
	if x.begun {
		x.got = append(x.got, piece{from: x.at, next: s.next, data: s.data, sse: s.sse})
	}
	x.at, x.begun, x.closed, x.start = s.next, true, s.closed, s.next.String()
	if s.cursor != "" {
		x.cursor = s.cursor
	}
	if s.closed {
		x.w.tally.add(closedEnd)
		x.over = true
	}
}

// fits reports whether a step may be of this stream, of which all is known.
func (x *reader) fits(s step, now state) bool {
	if !x.begun || s.next < x.at || s.next > now.tail || s.upToDate != (s.next == now.tail) || s.closed != (s.upToDate && now.closed) {
		return false
	}
	_, err := x.tr.judge(piece{from: x.at, next: s.next, data: s.data, sse: s.sse})
	return err == nil
}

// codings are what a reader says that it understands.
var codings = [...]string{"", "gzip", "zstd", "zstd, gzip;q=0.5", "identity"}

func (x *reader) catchUp() {
	var headers []string
	if c := codings[x.r.IntN(len(codings))]; c != "" {
		headers = append(headers, "Accept-Encoding: "+c)
	}
	before, at := x.tr.state(), x.at
	a := x.ask("", before, headers...)
	if a == nil {
		return
	}
	x.w.tally.add(readCatchUp)
	if a.header.Get("Content-Encoding") != "" {
		x.w.tally.add(readCoded)
	}
	if !x.over && x.at == at && !over(x.w.hurry) {
		// A poll that found nothing: the next comes after the next append.
		select {
		case <-x.tr.change():
		case <-x.w.hurry:
		}
	}
}

func (x *reader) longPoll() {
	a := x.ask("long-poll", x.tr.state())
	if a == nil {
		return
	}
	x.w.tally.add(readLongPoll)
	if (a.header.Get("Stream-Cursor") == "") != a.closed() {
		x.fault(refused, "long-poll: %v", a)
	}
}

// ask makes a request with one answer and takes it. It is nil if there is none
// with what was asked for.
func (x *reader) ask(live string, before state, headers ...string) *answer {
	what := "catch-up"
	if live != "" {
		what = live
	}
	a, err := x.client.do("GET", x.target(live), nil, headers...)
	if err != nil {
		x.broke(what, err)
		return nil
	}
	next, err := a.next()
	switch {
	case a.status == http.StatusOK && err == nil:
	case a.status == http.StatusNoContent && err == nil && live != "":
	default:
		x.refused(what, before, a)
		return nil
	}
	if before.ended && !x.tr.state().replacing {
		x.fault(undone, "%s: %v of a stream that has ended", what, a)
		return nil
	}
	if x.tr.kind == jsonKind && string(a.body) == "[]" {
		a.body = []byte{}
	}
	r := response{before: before}
	x.take(&r, step{next: next, data: a.body, upToDate: a.upToDate(), closed: a.closed(), cursor: a.header.Get("Stream-Cursor")})
	if ct := a.header.Get("Content-Type"); r.bound && a.status == http.StatusOK && ct != x.tr.kind.contentType() {
		x.fault(refused, "%s: content type %q", what, ct)
	}
	if n := a.header.Get("Stream-Cursor"); n != "" {
		if _, err := strconv.ParseUint(n, 10, 64); err != nil {
			x.fault(refused, "%s: cursor %q", what, n)
		}
	}
	return a
}
