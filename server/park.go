package server

import (
	"time"

	"github.com/valyala/fasthttp"
)

// park holds a long-poll until there is news, or its time is up. Nothing is
// sent meanwhile, so it has to ask whether the client is still there.
func (s *Server) park(ctx *fasthttp.RequestCtx, x *exchange, c *conn) outcome {
	news := make(chan struct{}, 1)
	notify := func() {
		select {
		case news <- struct{}{}:
		default:
		}
	}
	stop, watched := s.engine.Watch(view(x.head.name), x.live.id, notify)
	if watched {
		defer stop()
	}
	until := x.allowedUntil()
	timeout := time.NewTimer(min(s.opts.LongPollTimeout, time.Until(until)))
	defer timeout.Stop()
	ask := time.NewTicker(goneInterval)
	defer ask.Stop()
	for {
		o := s.advance(x, s.poll(x))
		switch o.kind {
		case kindAgain:
			continue
		case kindLive:
		default:
			return o
		}
		s.hooks.parked(methodGet, view(x.head.name))
		why := parkedNews
		s.meters.inFlight.Add(-1)
		for waiting := true; waiting; {
			waiting = false
			select {
			case <-news:
			case <-ask.C:
				if waiting = !c.gone(); !waiting {
					why = parkedGone
				}
			case <-timeout.C:
				why = parkedTimeout
			case <-s.stop:
				why = parkedStop
			case <-s.engine.Failed():
				why = parkedGone
			}
		}
		s.meters.inFlight.Add(1)
		if why == parkedGone {
			return drop
		}
		if f := s.unpark(x, until); f != faultNone {
			return s.fail(x, f)
		}
		switch why {
		case parkedStop:
			ctx.Response.SetConnectionClose()
			return s.answerNothing(x)
		case parkedTimeout:
			return s.answerNothing(x)
		}
	}
}

// parkedEnd is why a long-poll stopped waiting.
type parkedEnd uint8

const (
	parkedNews parkedEnd = iota
	parkedTimeout
	parkedStop
	parkedGone // the client, or the log: there is nobody to answer or nothing to say
)

// unpark takes up an exchange that has waited, as a loop does by parsing it again: its
// time begins now, as waiting for news is no work, and its credentials are looked at
// again if the keys have changed since.
func (s *Server) unpark(x *exchange, until time.Time) fault {
	x.began = time.Now()
	if x.timing != nil {
		x.timing.last = x.began
	}
	switch {
	case !x.began.Before(until):
		return faultTokenExpired
	case x.grant == nil || s.opts.Auth.Current(x.grant):
		return faultNone
	}
	tenant := x.tenant // it has the place
	f := s.authorize(x)
	x.tenant = tenant
	return f
}
