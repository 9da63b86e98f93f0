package server

import (
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// The driver that serves each connection by a goroutine of fasthttp. It is the
// one place that knows what serves the connection.

// newHTTP configures fasthttp for the driver.
func (s *Server) newHTTP() *fasthttp.Server {
	return &fasthttp.Server{
		Handler:        s.serve,
		ErrorHandler:   s.serveError,
		ExpectHandler:  s.serveExpect,
		HeaderReceived: s.hideRefusedBody,
		ConnState:      connState,

		NoDefaultServerHeader: true,
		NoDefaultContentType:  true,
		SecureErrorLogMessage: true,
		Logger:                fastLogger{s.opts.Logger},
		LazyRequestTime:       true,

		// Bodies are opaque, whatever their type says.
		DisablePreParseMultipartForm: true,
		// The handler comes before the body, and reads it within the budget.
		StreamRequestBody:  true,
		MaxRequestBodySize: prefetchBytes,

		ReadBufferSize: headerBytesMax,
		ReadTimeout:    s.opts.ReadTimeout,
		WriteTimeout:   s.opts.WriteTimeout,
		IdleTimeout:    s.opts.IdleTimeout,

		// Live readers outlive the callback that takes their connection.
		KeepHijackedConns: true,
		CloseOnShutdown:   true,
		// The listener counts connections, those of live readers as well.
		Concurrency: s.opts.ConnsMax + 1,
	}
}

// serve drives one exchange.
func (s *Server) serve(ctx *fasthttp.RequestCtx) {
	c := ctx.Conn().(*conn)
	if !c.serve() {
		ctx.SetConnectionClose()
		return
	}
	x := s.newExchange(&ctx.Request, &ctx.Response, connInfo{tls: c.tls, peer: c}, time.Now())
	defer func() {
		if v := recover(); v != nil {
			s.panicked(v, x)
			ctx.Response.Reset()
			s.fail(x, faultInternal)
			ctx.Response.SetConnectionClose()
		}
		s.finish(ctx, x, c)
	}()
	defer s.offerBack(ctx, x, c)
	for o := s.handle(x); o.kind != kindDone; {
		switch o.kind {
		case kindWait, kindLoad:
			o = s.advance(x, o)
		case kindAgain:
			o = s.handle(x)
		case kindBig:
			if f := s.readBody(x, c); f != faultNone {
				o = s.fail(x, f)
			} else {
				o = s.handle(x)
			}
		case kindLive:
			o = s.wait(ctx, x, c)
		case kindDrop:
			x.counted = true // as nothing is answered
			ctx.HijackSetNoResponse(true)
			ctx.Hijack(func(c net.Conn) { c.Close() })
			return
		}
	}
}

// offerBack has the connection return to a loop after the answer, if it can go on
// there.
func (s *Server) offerBack(ctx *fasthttp.RequestCtx, x *exchange, c *conn) {
	if s.handed == nil || !c.plain || ctx.Hijacked() || s.stopped() ||
		!ctx.Request.Header.IsHTTP11() || ctx.Request.Header.ConnectionClose() || ctx.Response.ConnectionClose() {
		return
	}
	if _, unread := x.unreadBody(); unread {
		return
	}
	ctx.Hijack(func(buffered net.Conn) { s.giveBack(c, buffered) })
}

// connState follows what fasthttp does with a connection. One that is idle has
// sent its answer, and read or dropped all of the request.
func connState(c net.Conn, state fasthttp.ConnState) {
	if state == fasthttp.StateIdle {
		c.(*conn).rest()
	}
}

// advance does what an outcome waits for, until one waits for something else
// than the log and the disk.
func (s *Server) advance(x *exchange, o outcome) outcome {
	for {
		switch o.kind {
		case kindWait:
			o = s.await(x, o.step)
		case kindLoad:
			o = s.load(x, o.step)
		default:
			return o
		}
	}
}

// await waits for the ticket and goes on.
func (s *Server) await(x *exchange, next step) outcome {
	s.hooks.waiting(x.head.method, view(x.head.name))
	x.ticket.Wait() // resume looks at how it ended
	return s.resume(x, next)
}

// wait lets a live reader wait at the tail.
func (s *Server) wait(ctx *fasthttp.RequestCtx, x *exchange, c *conn) outcome {
	if f := s.readers.admit(c.peer, x.tenant); f != faultNone {
		return s.fail(x, f)
	}
	if x.live.mode == modeLongPoll {
		defer s.readers.leave(c.peer, x.tenant)
		return s.park(ctx, x, c)
	}
	// From here on the place is given back by closing the connection, since
	// fasthttp may fail before it comes to the callback.
	c.tenant = x.tenant
	c.reading.Store(true)
	f := &follower{conn: c, until: x.allowedUntil(), grant: x.grant, reading: reading{feed: s.newFeed(x), place: s.newPlace(x)}}
	f.head = s.beginStream(x, f.feed, takeBuffer(), f.shape, time.Now())
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(net.Conn) { go f.run() })
	return done
}

// finish ends an exchange.
func (s *Server) finish(ctx *fasthttp.RequestCtx, x *exchange, c *conn) {
	if !x.bodyRead && ctx.Request.IsBodyStream() {
		// The answer comes before the body does. fasthttp reads a little of
		// what is left to keep the connection; if that is not enough it closes.
		if _, unread := x.unreadBody(); unread {
			c.linger.Store(true)
		}
	}
	if s.stopped() {
		ctx.Response.SetConnectionClose() // fasthttp learns of it later
	}
	if ctx.Request.Header.ConnectionClose() || ctx.Response.ConnectionClose() {
		c.linger.Store(true) // something may follow all the same, and is not read
	}
	// A deadline set here makes fasthttp send the answer at once. It would
	// keep it until it has answered everything that came with the request, and
	// a long-poll behind an append can wait long.
	allowance := time.Duration(0)
	if n := len(ctx.Response.Body()); n > prefetchBytes {
		allowance = time.Duration(n) * time.Second / bodyRateMin
	}
	now := time.Now()
	s.conclude(x, now)
	ctx.SetWriteDeadline(now.Add(s.opts.WriteTimeout + allowance))
	// The response is sent after this. The connection knows when it was.
	c.hold(x.held)
	x.held = 0
	s.free(x)
}

// serveError answers what fasthttp could not make a request of.
func (s *Server) serveError(ctx *fasthttp.RequestCtx, err error) {
	c := ctx.Conn().(*conn)
	c.linger.Store(true)
	c.serve()
	ctx.Response.Reset()
	ctx.Response.SkipBody = ctx.IsHead()
	x := s.newExchange(&ctx.Request, &ctx.Response, connInfo{peer: c}, time.Now())
	s.fail(x, httpFault(err))
	s.conclude(x, time.Now())
	s.free(x)
}

// serveExpect decides whether a client that asks first may send its body. What
// is refused by its headers is refused here, before the client sends any.
func (s *Server) serveExpect(ctx *fasthttp.RequestCtx) int {
	c := ctx.Conn().(*conn)
	x := s.newExchange(&ctx.Request, &ctx.Response, connInfo{tls: c.tls, peer: c}, time.Now())
	defer s.free(x)
	if f := s.parse(x, false); f != faultNone {
		c.linger.Store(true)
		c.serve()
		s.fail(x, f)
		s.conclude(x, time.Now())
		return ctx.Response.StatusCode()
	}
	return fasthttp.StatusContinue
}
