package crashtest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/url"

	"tailrace/internal/sse/ssetest"
)

// follower is a live reader of a track. It goes on after a crash from the last
// offset it was told.
type follower struct {
	track  *track
	client *client
	sse    bool // by event stream; otherwise by long-poll

	offset string // where to go on
	cursor string

	fromStart bool
	base      int // index in the track's order of what it was shown first; -1: unknown yet
	count     int // how many appends it was shown, judged ones
	shown     []place
	marks     []mark
	glimpses  []glimpse
}

// mark is an offset that a follower was told, and how many appends it had been
// shown by then.
type mark struct {
	count  int
	offset string
}

// glimpse is data without the offset that comes with it: the connection broke
// in between, so the follower will be shown it again. It was shown all the same.
type glimpse struct {
	count int
	all   []place
}

func newFollower(tr *track, c *client, sse bool, offset string) *follower {
	f := &follower{track: tr, client: c, sse: sse, offset: offset, fromStart: offset == beginning}
	if !f.fromStart {
		f.base = -1
	}
	return f
}

func (f *follower) run(r *round) {
	f.client.forget()
	for !f.done(r) {
		ok := false
		if f.sse {
			ok = f.stream(r)
		} else {
			ok = f.poll(r)
		}
		if !ok {
			return
		}
	}
}

// done reports whether a follower in a final round has read it all.
func (f *follower) done(r *round) bool {
	return r.final && (f.offset == r.targets[f.track] || r.overdue.Load())
}

func (f *follower) request(live string) request {
	q := url.Values{"offset": {f.offset}, "live": {live}}
	if f.cursor != "" {
		q.Set("cursor", f.cursor)
	}
	return request{method: "GET", name: f.track.name, query: q}
}

// poll makes one long-poll.
func (f *follower) poll(r *round) bool {
	a, ok := r.call(f.client, f.request("long-poll"))
	if !ok {
		return false
	}
	if a.status != http.StatusOK && a.status != http.StatusNoContent {
		r.v.add(refused, "long-poll %s from %s: %v", f.track.name, f.offset, a)
		return false
	}
	if f.cursor = a.header.Get("Stream-Cursor"); f.cursor == "" {
		r.v.add(refused, "long-poll %s: no cursor: %v", f.track.name, a)
	}
	f.data(r, a.body)
	f.told(a.next())
	return true
}

// stream follows one event stream to its end.
func (f *follower) stream(r *round) bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	q := f.request("sse")
	body, ok := r.open(ctx, f.client, q)
	if !ok {
		return false
	}
	defer body.Close()
	events := ssetest.NewReader(body)
	var glimpsed []place
	for !f.done(r) {
		e, err := events.Next()
		if err != nil {
			if glimpsed != nil {
				f.glimpses = append(f.glimpses, glimpse{f.total() - len(glimpsed), glimpsed})
				f.shown = f.shown[:len(f.shown)-len(glimpsed)]
			}
			if r.outages && !r.killed.Load() {
				return true // what it wants is not there for the moment
			}
			r.silence(q, err) // a stream lasts longer than a round
			return false
		}
		switch e.Type {
		case "data":
			glimpsed = f.data(r, f.payload(r, e.Data))
		case "control":
			f.control(r, e.Data)
			glimpsed = nil
		}
	}
	return true
}

// payload is the data of an event as it was before the event's encoding.
func (f *follower) payload(r *round, data string) []byte {
	if f.track.kind != binaryKind {
		return []byte(data)
	}
	b, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		r.v.add(corrupt, "%s: event: %v", f.track.name, err)
	}
	return b
}

func (f *follower) control(r *round, data string) {
	var c struct{ StreamNextOffset, StreamCursor string }
	if err := json.Unmarshal([]byte(data), &c); err != nil || c.StreamNextOffset == "" || c.StreamCursor == "" {
		r.v.add(refused, "%s: control event %q: %v", f.track.name, data, err)
		return
	}
	f.cursor = c.StreamCursor
	f.told(c.StreamNextOffset)
}

// data notes what was shown.
func (f *follower) data(r *round, b []byte) []place {
	all, err := f.track.kind.decode(b)
	if err != nil {
		r.v.add(corrupt, "%s: shown after %s: %v", f.track.name, f.offset, err)
	}
	f.shown = append(f.shown, all...)
	return all
}

// told notes where to go on.
func (f *follower) told(offset string) {
	f.offset = offset
	f.marks = append(f.marks, mark{f.total(), offset})
}

// total is how many appends it was shown.
func (f *follower) total() int { return f.count + len(f.shown) }

// check compares what was shown with what is there, after the track was read.
// What it saw is a run of the stream: nothing left out, nothing twice, nothing
// that is gone.
func (f *follower) check(v *verdict) {
	if f.base < 0 && len(f.shown) > 0 {
		f.base = f.track.position(f.shown[0])
	}
	if f.base >= 0 {
		f.compare(v, f.count, f.shown)
		f.count, f.shown = f.total(), nil
	}
	for _, g := range f.glimpses {
		if f.base < 0 { // nothing else was shown: it began with the glimpse
			f.base = f.track.position(g.all[0])
		}
		f.compare(v, g.count, g.all)
	}
	for _, m := range f.marks {
		if i := f.base + m.count - 1; f.base >= 0 && i >= 0 && i < len(f.track.order) {
			if end := f.track.acks[f.track.order[i]]; end != "" && end != m.offset {
				v.add(misplaced, "%s: after %v a reader was told %s, its producer %s", f.track.name, f.track.order[i], m.offset, end)
			}
		}
		if m.offset > f.track.tail {
			v.add(takenBack, "%s: a reader was told %s, and the tail is %s", f.track.name, m.offset, f.track.tail)
		}
	}
	f.glimpses, f.marks = nil, nil
}

// position is where a message stands in what was read, or far outside.
func (tr *track) position(at place) int {
	if i, ok := tr.index[at]; ok {
		return i
	}
	return len(tr.order)
}

// compare judges appends that were shown as number count and following.
func (f *follower) compare(v *verdict, count int, shown []place) {
	for i, at := range shown {
		want := f.base + count + i
		if want >= len(f.track.order) || f.track.order[want] != at {
			v.add(takenBack, "%s: %v was shown as append %d, it is append %d of %d", f.track.name, at, want, f.track.position(at), len(f.track.order))
			return
		}
	}
}

// newcomers are followers of one round that begin at the tail, whatever it is.
func newcomers(tracks []*track, base string, r *rand.Rand) []*follower {
	pick := func() *track { return tracks[r.IntN(len(tracks))] }
	return []*follower{
		newFollower(pick(), newClient(base), true, "now"),
		newFollower(pick(), newClient(base), false, "now"),
	}
}
