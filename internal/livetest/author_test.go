package livetest

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// author gives a slot one stream after the other.
type author struct {
	w      *world
	slot   *slot
	number int
	r      *rand.Rand
	client *client
	made   int
	reuse  *track // has ended, and its path is to be used again
}

func newAuthor(w *world, number int, r *rand.Rand) *author {
	return &author{w: w, slot: &w.slots[number], number: number, r: r, client: w.newClient()}
}

func (a *author) run() {
	defer a.client.drop()
	for !over(a.w.stop) && !a.w.verdict.guilty() {
		how := ending(a.r.IntN(int(endings)))
		if tr := a.create(how); tr != nil {
			a.live(tr, how)
		}
	}
}

// create makes a stream or a fork. It is nil if that was refused for a reason.
func (a *author) create(how ending) *track {
	a.made++
	id := fmt.Sprintf("s%d-%d", a.number, a.made)
	if before := a.reuse; before != nil {
		a.reuse = nil
		return a.succeed(before, id, how)
	}
	if a.r.IntN(2) == 0 {
		if source, at := a.w.pick(a.r, func(tr *track) bool { return !tr.state().ended }); source != nil {
			return a.fork(source, at, id, how)
		}
	}
	return a.put(a.fresh(id, id), how)
}

func (a *author) fresh(name, id string) *track {
	tr := newTrack(name, id, kind(a.number+a.made)%kinds)
	tr.heavy = a.number%4 == 0
	return tr
}

// succeed makes a stream at the path of one that has ended.
func (a *author) succeed(before *track, id string, how ending) *track {
	a.slot.path.Lock()
	defer a.slot.path.Unlock()
	before.note(func(l *life) { l.replacing = true })
	return a.put(a.fresh(before.name, id), how)
}

// fork makes a fork at any offset of a stream in another slot, or in this one.
func (a *author) fork(source *track, of *slot, id string, how ending) *track {
	of.path.RLock()
	defer of.path.RUnlock()
	s := source.state()
	if s.replacing {
		return nil
	}
	source.note(func(l *life) { l.forked = true })
	at := offset(a.r.Uint64N(uint64(s.tail) + 1))
	switch a.r.IntN(4) {
	case 0:
		at = s.tail
	case 1:
		at = source.edge(a.r)
	}
	tr := forkTrack(source, id, id, at)
	tr.heavy = source.heavy
	headers := []string{"Stream-Forked-From: " + root + source.name, "Stream-Fork-Offset: " + at.String()}
	var part appended
	if next := source.follows(at); next != nil && a.r.IntN(2) == 0 {
		n := 1 + a.r.IntN(len(next.stored))
		if source.kind == jsonKind {
			n = 1 + a.r.IntN(len(next.cuts))
		}
		part.stored, part.cuts = source.kind.part(next.stored, next.cuts, n)
		headers = append(headers, fmt.Sprintf("Stream-Fork-Sub-Offset: %d", n))
	}
	if len(part.stored) > 0 {
		part.end = at + offset(len(part.stored)) + appendFixed
		if err := tr.ack(part.stored, part.cuts, part.end); err != nil {
			panic(err) // nothing else is known of it
		}
	}
	if source.mortal && how <= endDelete {
		headers = append(headers, "Stream-TTL: 3600") // a life of its own
	}
	if tr = a.put(tr, how, headers...); tr == nil {
		return nil
	}
	source.addFork(tr)
	a.w.tally.add(streamForked)
	if at != s.tail && !source.isEdge(at) {
		a.w.tally.add(forkWithin)
	}
	if len(part.stored) > 0 {
		a.w.tally.add(forkPart)
	}
	return tr
}

// put asks for a stream, perhaps with its first append.
func (a *author) put(tr *track, how ending, headers ...string) *track {
	headers = append(headers, "Content-Type: "+tr.kind.contentType())
	switch how {
	case endExpireAt:
		tr.mortal = true
		at := time.Now().Add(time.Duration(300+a.r.IntN(1200)) * time.Millisecond).UTC()
		headers = append(headers, "Stream-Expires-At: "+at.Format("2006-01-02T15:04:05.000Z"))
	case endTTL:
		tr.mortal, tr.slides = true, true
		headers = append(headers, "Stream-TTL: 1")
	}
	var body message
	if a.r.IntN(2) == 0 {
		body = tr.kind.message(label(tr.id, 0, 0), a.r, tr.heavy)
	}
	got := a.ask("PUT", tr, body.sent, headers...)
	if got == nil {
		return nil
	}
	code := string(got.body)
	switch source := tr.source; {
	case got.status == http.StatusCreated:
	case got.status == http.StatusConflict && tr.name != tr.id && contains(code, "path_blocked"):
		return nil // forks keep what was here
	case source != nil && source.mayMiss(source.state()) && (got.status == http.StatusNotFound || contains(code, "fork_source_gone")):
		return nil
	default:
		a.w.verdict.add(refused, "create %s: %v", tr.id, got)
		return nil
	}
	next, err := got.next()
	if err == nil && body.sent != nil {
		err = tr.ack(body.stored, body.cuts, next)
	}
	if s := tr.state(); err != nil || next != s.tail {
		a.w.verdict.add(misplaced, "create %s: %v: the tail is %d, want %d", tr.id, err, next, s.tail)
		return nil
	}
	if tr.name != tr.id {
		a.w.tally.add(streamReplaced)
	}
	a.w.tally.add(streamCreated)
	a.slot.mu.Lock()
	defer a.slot.mu.Unlock()
	a.slot.current = tr
	return tr
}

// ask repeats a request while the server asks for that. It is nil, and a
// fault, if there is no answer.
func (a *author) ask(method string, tr *track, body []byte, headers ...string) *answer {
	for {
		got, err := a.client.do(method, tr.name, body, headers...)
		if err != nil {
			a.client.drop()
			a.w.verdict.add(broken, "%s %s: %v", method, tr.id, err)
			return nil
		}
		if !got.later() {
			return got
		}
		a.w.tally.add(toldToWait)
		pause(a.r)
	}
}

// pause waits for a moment, as somebody does who was told to come back.
func pause(r *rand.Rand) { <-time.After(time.Duration(5+r.IntN(30)) * time.Millisecond) }

// live lets writers append to a stream, and ends it beside or behind them.
func (a *author) live(tr *track, how ending) {
	var writers sync.WaitGroup
	written := make(chan struct{})
	n, quota := 1+a.r.IntN(3), 5+a.r.IntN(40)
	if raceEnabled {
		quota /= 4 // otherwise there are few streams
	}
	for i := range n {
		x := &writer{w: a.w, tr: tr, number: i + 1, quota: quota, r: fork(a.r), client: a.w.newClient()}
		writers.Go(x.run)
	}
	go func() {
		writers.Wait()
		close(written)
	}()
	if a.r.IntN(2) == 0 {
		a.awaitAppends(tr, n*quota/2, written)
	} else {
		<-written
	}
	if over(a.w.stop) && how <= endDelete && a.r.IntN(2) == 0 {
		<-written
		a.checkGap(tr)
		tr.note(func(l *life) { l.final = true })
		return
	}
	switch how {
	case endClose, endCloseLast:
		a.close(tr, how == endCloseLast, written)
	case endDelete:
		a.delete(tr)
		<-written
		a.bury(tr)
	default:
		<-written
		a.expire(tr)
		a.bury(tr)
	}
	a.checkGap(tr)
}

// awaitAppends waits until so many appends are known, or all.
func (a *author) awaitAppends(tr *track, n int, written <-chan struct{}) {
	for {
		change := tr.change()
		if tr.count() >= n {
			return
		}
		select {
		case <-change:
		case <-written:
			return
		}
	}
}

func (a *author) checkGap(tr *track) {
	if err := tr.gap(); err != nil {
		a.w.verdict.add(misplaced, "%v", err)
	}
}
