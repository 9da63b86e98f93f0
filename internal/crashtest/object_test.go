package crashtest

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
)

// object is a stream that one worker has for itself: it alone changes it, one
// step after the other, so what has to be there is known exactly.
type object struct {
	id   int // producer in its messages
	name string
	kind kind

	// What it was created with.
	from       string // stream it is a fork of
	fromOffset string // empty: the source's tail
	inherited  []place

	children []*object
	source   *object // nil if it is no fork, or one of a track

	// What was acknowledged.
	own      []place
	created  bool
	closed   bool
	deleted  bool
	replaced bool // its path belongs to a later object
}

// exists reports whether the server keeps it, for itself or for its forks.
func (o *object) exists() bool {
	return o.created && (!o.deleted || slices.ContainsFunc(o.children, (*object).exists))
}

// status is what a read has to answer.
func (o *object) status() int {
	switch {
	case !o.exists():
		return http.StatusNotFound
	case o.deleted:
		return http.StatusGone
	default:
		return http.StatusOK
	}
}

type verb int

const (
	createIt verb = iota
	appendTo
	closeIt
	deleteIt
)

// step is one request that changes an object. It is repeated until answered.
type step struct {
	verb     verb
	o        *object
	at       place // appendTo, and createIt with a body
	seq      int   // appendTo
	body     []byte
	closing  bool // appendTo: also closes
	attempts int
}

func (s *step) String() string {
	name := [...]string{"create", "append to", "close", "delete"}[s.verb]
	return fmt.Sprintf("%s %s, attempt %d", name, s.o.name, s.attempts)
}

// apply does the step to what has to be there.
func (s *step) apply() {
	o := s.o
	switch s.verb {
	case createIt:
		o.created = true
		if s.body != nil {
			o.own = append(o.own, s.at)
		}
	case appendTo:
		o.own = append(o.own, s.at)
		o.closed = s.closing
	case closeIt:
		o.closed = true
	case deleteIt:
		o.deleted = true
	}
}

// revert takes apply back.
func (s *step) revert() {
	o := s.o
	switch s.verb {
	case createIt:
		o.created, o.own = false, nil
	case appendTo:
		o.own = o.own[:len(o.own)-1]
		o.closed = false
	case closeIt:
		o.closed = false
	case deleteIt:
		o.deleted = false
	}
}

func (s *step) request() request {
	o := s.o
	q := request{name: o.name, body: s.body}
	switch s.verb {
	case createIt:
		q.method = "PUT"
		q.header = []string{"Content-Type", o.kind.contentType()}
		if o.from != "" {
			q.header = append(q.header, "Stream-Forked-From", streams+o.from)
		}
		if o.fromOffset != "" {
			q.header = append(q.header, "Stream-Fork-Offset", o.fromOffset)
		}
	case appendTo:
		q.method = "POST"
		q.header = []string{
			"Content-Type", o.kind.contentType(),
			"Producer-Id", "worker", "Producer-Epoch", "0", "Producer-Seq", strconv.Itoa(s.seq),
		}
		if s.closing {
			q.header = append(q.header, "Stream-Closed", "true")
		}
	case closeIt:
		q.method, q.header = "POST", []string{"Stream-Closed", "true"}
	case deleteIt:
		q.method = "DELETE"
	}
	return q
}

// expects reports whether an answer is right. One that was not heard before
// may have changed the object, and the repetition may say so.
func (s *step) expects(a answer) bool {
	again := s.attempts > 1
	switch s.verb {
	case createIt:
		return a.status == http.StatusCreated || again && a.status == http.StatusOK
	case appendTo:
		return (a.status == http.StatusOK || again && a.status == http.StatusNoContent) && a.closed() == s.closing
	case closeIt:
		return a.status == http.StatusNoContent && a.closed()
	default:
		return a.status == http.StatusNoContent || again && (a.status == http.StatusNotFound || a.status == http.StatusGone)
	}
}

// script draws the steps of an object's life.
func (o *object) script(r *rand.Rand) []*step {
	create := &step{verb: createIt, o: o}
	steps := []*step{create}
	n := 0
	if r.IntN(2) == 0 {
		create.body, create.at = o.kind.encode(place{o.id, n}, r), place{o.id, n}
		n++
	}
	seq := 0
	for range r.IntN(4) {
		at := place{o.id, n}
		steps = append(steps, &step{verb: appendTo, o: o, at: at, seq: seq, body: o.kind.encode(at, r)})
		n, seq = n+1, seq+1
	}
	switch last := steps[len(steps)-1]; r.IntN(4) {
	case 0:
		steps = append(steps, &step{verb: closeIt, o: o})
	case 1:
		last.closing = last.verb == appendTo
	}
	return steps
}
