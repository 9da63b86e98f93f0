package server

import "time"

// retryAfterMax bounds what a client is told to wait, in seconds. Later it may be
// another world.
const retryAfterMax = 60

// pace takes a request from what its project and all of them may ask for in a
// second. What is refused takes nothing.
func (s *Server) pace(x *exchange, now time.Time) fault {
	a := s.arranged.Load()
	mine := a.all.requests
	if x.tenant != nil {
		mine = x.tenant.rules.Load().requests
	}
	return x.takeBoth(mine, a.all.requests, 1, now)
}

// paceBytes is pace for the bytes of an append.
func (s *Server) paceBytes(x *exchange, n int, now time.Time) fault {
	if n <= 0 || x.paced {
		return faultNone
	}
	a := s.arranged.Load()
	mine := a.all.bytes
	if x.tenant != nil {
		mine = x.tenant.rules.Load().bytes
	}
	f := x.takeBoth(mine, a.all.bytes, n, now)
	x.paced = f == faultNone
	return f
}

// takeBoth takes n tokens from each of two buckets, or from none.
func (x *exchange) takeBoth(mine, all *bucket, n int, now time.Time) fault {
	if mine == all {
		mine = nil
	}
	if wait := takeBoth(mine, all, n, now); wait > 0 {
		return x.tooFast(wait)
	}
	return faultNone
}

// tooFast refuses, and says when to come again.
func (x *exchange) tooFast(wait time.Duration) fault {
	x.retryIn(wait)
	return faultRateLimited
}

// retryIn is when a refusal asks the client to come again.
func (x *exchange) retryIn(wait time.Duration) {
	x.retryAfter = int64(min(retryAfterMax, max(1, (wait+time.Second-1)/time.Second)))
}
