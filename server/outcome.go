package server

import (
	"tailrace/engine"
	"tailrace/internal/stream"
)

// kind is what is left to do for an exchange.
type kind uint8

const (
	kindDone  kind = iota // nothing: the response is complete
	kindWait              // wait for exchange.ticket, then resume with step
	kindLoad              // read from the disk, with load, and resume with step
	kindAgain             // handle it anew
	kindBig               // read the body into the exchange, then handle it
	kindLive              // wait at the tail as exchange.live says
	kindDrop              // close the connection without an answer
)

// outcome is what a handler returns. It is a small value: what the next half
// needs is in the exchange.
type outcome struct {
	kind kind
	step step
}

var (
	done  = outcome{kind: kindDone}
	again = outcome{kind: kindAgain}
	big   = outcome{kind: kindBig}
	live  = outcome{kind: kindLive}
	drop  = outcome{kind: kindDrop}
)

// step is the second half of a handler.
type step uint8

const (
	stepCreate     step = iota // answer a create
	stepForkTarget             // the type of what is at the path of a fork is known
	stepForkSource             // the type of the source of a fork is known
	stepAppend                 // answer an append or close
	stepChange                 // answer a change
	stepDelete                 // answer a delete
	stepHead                   // answer a HEAD
	stepRead                   // answer a read, or wait at the tail
	stepPoll                   // answer a long-poll that waited, if there is news
	stepAdmin                  // answer what is administered
)

// settle goes on with a step as soon as the ticket allows it: now, or as what
// the driver does with an outcome.
func (s *Server) settle(x *exchange, t engine.Ticket, next step) outcome {
	x.ticket = t
	x.spent(phaseLock)
	if !t.Ready() {
		return outcome{kind: kindWait, step: next}
	}
	return s.resume(x, next)
}

// resume is the second half of handle: the exchange's ticket is ready.
func (s *Server) resume(x *exchange, next step) outcome {
	t := &x.ticket
	x.spent(phaseLog)
	switch {
	case t.Err() != nil, !t.Retry && t.Code == stream.Failed:
		return drop
	case t.Retry:
		return again
	}
	switch next {
	case stepCreate:
		return s.created(x)
	case stepForkTarget:
		return s.forkTarget(x)
	case stepForkSource:
		return s.forkSource(x)
	case stepAppend:
		return s.appended(x)
	case stepChange:
		return s.changed(x)
	case stepDelete:
		return s.deleted(x)
	case stepHead:
		return s.headed(x)
	case stepRead:
		return s.read(x)
	default:
		return s.polled(x)
	}
}
