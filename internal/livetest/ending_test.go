package livetest

import "net/http"

// ending is how a stream ends.
type ending int

const (
	endClose     ending = iota // without an append
	endCloseLast               // with the last append
	endDelete
	endExpireAt
	endTTL
	endings
)

// close closes a stream and keeps it until the next one is closed.
func (a *author) close(tr *track, last bool, written <-chan struct{}) {
	var body message
	headers := []string{"Stream-Closed: true"}
	if last {
		body = tr.kind.message(label(tr.id, 0, 1), a.r, tr.heavy)
		headers = append(headers, "Content-Type: "+tr.kind.contentType())
	}
	tr.note(func(l *life) { l.closing = true })
	got := a.ask("POST", tr, body.sent, headers...)
	if got == nil {
		return
	}
	next, err := got.next()
	if got.status != http.StatusNoContent || !got.closed() || err != nil {
		a.w.verdict.add(refused, "close %s: %v", tr.id, got)
		return
	}
	if last {
		if err := tr.ack(body.stored, body.cuts, next); err != nil {
			a.w.verdict.add(misplaced, "close %s: %v", tr.id, err)
		}
		a.w.tally.add(streamClosedLast)
	}
	<-written
	if s := tr.state(); s.tail != next {
		a.w.verdict.add(misplaced, "%s was closed at %d, the tail is %d", tr.id, next, s.tail)
	}
	tr.note(func(l *life) { l.closed = true })
	a.w.tally.add(streamClosed)
	a.slot.mu.Lock()
	old := a.slot.old
	a.slot.old, a.slot.current = tr, nil
	a.slot.mu.Unlock()
	if old != nil {
		a.delete(old)
		a.bury(old)
	}
}

func (a *author) delete(tr *track) {
	before := tr.state()
	tr.note(func(l *life) { l.ending = true })
	got := a.ask("DELETE", tr, nil)
	if got == nil {
		return
	}
	if got.status != http.StatusNoContent && !(tr.mortal && got.missing()) {
		a.w.verdict.add(refused, "delete %s: %v", tr.id, got)
		return
	}
	tr.note(func(l *life) { l.ended = true })
	a.w.tally.add(streamDeleted)
	if before.kept {
		a.w.tally.add(streamGone)
	}
}

// expire waits until a stream has expired. One that slides, and that somebody
// still reads, is deleted in the end.
func (a *author) expire(tr *track) {
	tr.note(func(l *life) { l.abandoned = tr.slides })
	for n := 0; ; n++ {
		got := a.ask("HEAD", tr, nil)
		if got == nil {
			return
		}
		if got.missing() {
			break
		}
		if tr.slides && (n > 50 || over(a.w.stop)) {
			a.delete(tr)
			return
		}
		pause(a.r)
	}
	tr.note(func(l *life) { l.ended = true })
	a.w.tally.add(streamExpired)
}

// bury forgets a stream that has ended. Its path may be used again.
func (a *author) bury(tr *track) {
	a.slot.mu.Lock()
	if a.slot.current == tr {
		a.slot.current = nil
	}
	a.slot.mu.Unlock()
	if a.r.IntN(2) == 0 {
		a.reuse = tr
	}
}
