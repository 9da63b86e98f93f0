package engine

import (
	"strings"

	"tailrace/internal/project"
	"tailrace/internal/stream"
)

// account is what a project has. It follows from the table of streams, which
// alone is durable, and is kept in step with every record that is applied.
type account struct {
	streams int   // those that are kept for their forks included
	stored  int64 // see stream.Table.Kept
	limits  ProjectLimits
}

// accounts are those of all projects that have something, or a limit: names that
// somebody made up do not stay. All of it is under Engine.mu.
type accounts struct {
	bySegment bool // the first segment of a path is its project
	byName    map[string]*account
	named     map[string]bool // the operator has written them down
	stored    int64           // of all

	held []holding // scratch of apply
}

// holding is what is kept of a stream.
type holding struct {
	stream *stream.Stream
	bytes  int64
}

// nameOf is the project that the stream at a path belongs to.
func (a *accounts) nameOf(path string) string {
	if a.bySegment {
		return project.Of(path)
	}
	return project.Default
}

// of is the account for a path, or nil if it has nothing and no limits.
func (a *accounts) of(path string) *account { return a.byName[a.nameOf(path)] }

// add books streams and bytes that came to a path, or went.
func (a *accounts) add(path string, streams int, bytes int64) {
	name := a.nameOf(path)
	own := a.byName[name]
	if own == nil {
		own = a.open(name)
	}
	own.streams += streams
	own.stored += bytes
	a.stored += bytes
	a.tidy(name, own)
}

// open makes an account. It keeps no path for the name's sake.
func (a *accounts) open(name string) *account {
	own := new(account)
	a.byName[strings.Clone(name)] = own
	return own
}

// tidy closes an account that says nothing.
func (a *accounts) tidy(name string, own *account) {
	if *own == (account{}) {
		delete(a.byName, name)
	}
}

// holdings takes down what is kept of a stream and of those it shows, before a
// record that may raise floors. Behind a stream that stays and shows all it ever
// did, no floor depends on the record. Engine.mu is held.
func (e *Engine) holdings(s *stream.Stream) {
	held := e.accounts.held[:0]
	for above := s; above != nil; above = above.Source() {
		if above != s && !above.Gone && above.Start() == 0 {
			break
		}
		held = append(held, holding{above, e.table.Kept(above)})
	}
	e.accounts.held = held
}

// rebook books what a record changed about the holdings. Engine.mu is held.
func (e *Engine) rebook() {
	for _, h := range e.accounts.held {
		gone := 0
		if h.stream.Removed() {
			gone = 1
		}
		if bytes := e.table.Kept(h.stream) - h.bytes; bytes != 0 || gone != 0 {
			e.accounts.add(h.stream.Path, -gone, bytes)
		}
	}
	clear(e.accounts.held)
}

// book keeps the accounts in step with a record that was applied to a stream
// with a tail. Engine.mu is held.
func (e *Engine) book(rec *stream.Record, s *stream.Stream, tail stream.Offset) {
	switch {
	case rec.Kind == stream.KindCreate:
		e.accounts.add(s.Path, 1, e.table.Kept(s))
	case raises(rec):
		e.rebook()
	case s.Tail != tail:
		e.accounts.add(s.Path, 0, int64(s.Tail-tail))
	}
}
