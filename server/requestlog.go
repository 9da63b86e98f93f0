package server

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// requestLog tells an operator of single requests: of those that take long, and of
// one of so many others. It never has a query, a credential or a byte of a body.
type requestLog struct {
	pace *rate.Limiter // of lines, so that a slow log does not become the cause of slow requests
	seen atomic.Uint64
	kept atomic.Uint64 // lines that were not written since the last one that was
}

// requestLinesMax is how many lines about requests are written in a second.
const requestLinesMax = 100

// note logs a request that was answered, if there is reason to.
func (s *Server) note(x *exchange, status int, now time.Time) {
	a := s.arranged.Load()
	if a.SlowRequest == 0 && a.LogRequests == 0 {
		return
	}
	took := now.Sub(x.began)
	slow := a.SlowRequest > 0 && took >= a.SlowRequest
	sampled := a.LogRequests > 0 && s.log.seen.Add(1)%uint64(a.LogRequests) == 0
	if !slow && !sampled {
		return
	}
	if !s.log.pace.AllowN(now, 1) {
		s.log.kept.Add(1)
		return
	}
	level, message := slog.LevelInfo, "request"
	if slow {
		level, message = slog.LevelWarn, "slow request"
	}
	line := []slog.Attr{
		slog.String("request_id", string(s.identify(x))),
		slog.String("route", kindOf(x).String()),
		slog.String("method", methodNames[x.head.method]),
		slog.Int("status", status),
		slog.Duration("took", took),
		slog.Int("request_bytes", len(x.body)),
		slog.Int("response_bytes", len(x.resp.Body())),
	}
	if x.head.route == routeStream && x.known {
		line = append(line, slog.String("stream", string(x.head.name)))
	}
	if x.fault != faultNone {
		line = append(line, slog.String("code", catalogue[x.fault].Code))
	}
	if x.tenant != nil {
		line = append(line, slog.String("project", x.tenant.name))
	}
	if x.grant != nil && x.grant.Subject != "" {
		line = append(line, slog.String("subject", x.grant.Subject))
	}
	if n := s.log.kept.Swap(0); n > 0 {
		line = append(line, slog.Uint64("suppressed", n))
	}
	s.opts.Logger.LogAttrs(context.Background(), level, message, line...)
}
