package server

import (
	"time"

	"tailrace/internal/stream"
)

// handle works on an exchange until it is done or something has to happen
// first. It may be called again for the same exchange: with the body read, or
// because the outcome said so. It never blocks.
func (s *Server) handle(x *exchange) outcome {
	if !x.parsed {
		if f := s.parse(x, true); f != faultNone {
			return s.fail(x, f)
		}
		x.parsed = true
		x.spent(phaseParse)
	}
	if x.head.route != routeStream && x.head.method != methodOptions {
		return s.beside(x)
	}
	switch x.head.method {
	case methodGet:
		return s.get(x)
	case methodHead:
		return s.stat(x)
	case methodPatch:
		return s.alter(x)
	case methodDelete:
		return s.remove(x)
	case methodOptions:
		return s.options(x)
	}
	blocks, f := s.needsBody(x)
	switch {
	case f != faultNone:
		return s.fail(x, f)
	case blocks:
		return big
	}
	x.spent(phaseBody)
	if !x.paced && len(x.body) > 0 {
		// Its size was not announced, and it may have taken long to come.
		if f := s.paceBytes(x, len(x.body), time.Now()); f != faultNone {
			return s.fail(x, f)
		}
	}
	switch {
	case x.head.method == methodPut:
		return s.put(x)
	default:
		return s.postAppend(x)
	}
}

// beside works on what is no stream.
func (s *Server) beside(x *exchange) outcome {
	if x.head.route == routeToken {
		return s.mint(x)
	}
	return outcome{kind: kindLoad, step: stepAdmin}
}

// parse parses everything but the body and finds out who asks, so that what is wrong
// with the rest is told before the body is read. charge takes the request from what
// may be asked for in a second, which is welcome's to do if nobody is known to ask.
func (s *Server) parse(x *exchange, charge bool) fault {
	if f := s.parseHead(x); f != faultNone {
		return f
	}
	x.timed()
	x.spent(phaseParse)
	if f := s.authorize(x); f != faultNone {
		return f
	}
	x.known = true
	x.spent(phaseAuth)
	if charge && !x.anonymous {
		if f := s.pace(x, x.began); f != faultNone {
			return f
		}
	}
	if f := s.parseRest(x); f != faultNone {
		return f
	}
	return s.checkBody(x, charge)
}

// parseRest parses what a method needs.
func (s *Server) parseRest(x *exchange) (f fault) {
	if x.head.route != routeStream {
		if x.announcesBody() || x.chunked() {
			return faultUnexpectedBody
		}
		return faultNone
	}
	switch x.head.method {
	case methodGet:
		if x.live.query, f = parseQuery(x.head.query); f == faultNone {
			f = x.live.goOn(x.head.values[fieldLastEventID])
		}
		if x.live.mode == modeCatchUp {
			x.codings = x.parseCodings()
		}
	case methodPut:
		f = s.parseCreate(x)
	case methodPost:
		f = s.parseAppend(x)
	case methodPatch:
		f = x.parseChange()
	}
	return f
}

// checkBody decides, as far as the announced size tells, whether there is room for
// what a request brings. charge takes it from what may come in a second.
func (s *Server) checkBody(x *exchange, charge bool) fault {
	h := &x.head
	if h.route != routeStream || h.method != methodPost && h.method != methodPut || !h.has(fieldContentLength) {
		return faultNone
	}
	n := h.announced
	if n > s.bodyMax(x) {
		return faultBodyTooLarge
	}
	if n > prefetchBytes && !x.bodyRead && !h.has(fieldProducerID) {
		// It is not there yet, and need not come if the engine would refuse it. The
		// engine knows whether a producer repeats itself, which is not refused, and
		// how long JSON is without its spaces.
		if stream.IsJSON(view(h.values[fieldContentType])) {
			n = 1
		}
		if code := s.engine.Admits(view(h.name), int64(n)); code != stream.None {
			return fault(code)
		}
	}
	if charge {
		return s.paceBytes(x, h.announced, x.began)
	}
	return faultNone
}
