package server

import (
	"tailrace/engine"
	"tailrace/internal/stream"
)

// poll looks whether there is news for a long-poll that waits. If there is
// none the outcome is live again. A driver first watches the stream, then
// polls, then waits for the watch, so that it misses nothing.
func (s *Server) poll(x *exchange) outcome {
	defer s.hooks.looked(view(x.head.name))
	return s.ask(x, engine.ReadRequest{Path: view(x.head.name), ID: x.live.id, From: x.live.from}, stepPoll)
}

// pollLook is poll by what somebody has read already.
func (s *Server) pollLook(x *exchange, r *engine.ReadResult, t *engine.Ticket) outcome {
	x.asked = engine.ReadRequest{Path: view(x.head.name), ID: x.live.id, From: x.live.from}
	x.loaded, x.result = false, *r
	return s.settle(x, *t, stepPoll)
}

// polled answers a long-poll if there is something to tell.
func (s *Server) polled(x *exchange) outcome {
	switch {
	case x.ticket.Code != stream.OK:
		return s.refuse(x)
	case x.result.Cold:
		return outcome{kind: kindLoad, step: stepPoll}
	case len(x.result.Parts) > 0:
		return s.answerRead(x)
	case x.result.AtEnd:
		return s.answerNothing(x)
	}
	return live
}
