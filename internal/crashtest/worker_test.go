package crashtest

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
)

// worker creates objects, changes and deletes them, one step after the other.
type worker struct {
	id     int
	tracks []*track // to fork
	client *client
	rand   *rand.Rand

	objects []*object
	touched []*object // changed since the last check, and what they depend on
	plan    []*step   // the first one is in hand

	steps   int
	retried int
}

// run works until the server is gone. In a final round it only finishes the
// step in hand.
func (w *worker) run(r *round) {
	w.client.forget()
	for {
		if r.final && (len(w.plan) == 0 || w.plan[0].attempts == 0) {
			return
		}
		if len(w.plan) == 0 {
			w.draw()
		}
		if !w.perform(r, w.plan[0]) {
			return
		}
		w.plan = w.plan[1:]
	}
}

// perform sends a step and reports whether it was answered.
func (w *worker) perform(r *round, s *step) bool {
	if s.attempts++; s.attempts > 1 {
		w.retried++
	}
	w.touch(s.o)
	a, ok := r.call(w.client, s.request())
	if !ok {
		return false
	}
	if !s.expects(a) {
		r.v.add(refused, "%v: %v", s, a)
		return false
	}
	s.apply()
	w.steps++
	return true
}

// touch notes that an object has to be looked at, and its sources with it.
func (w *worker) touch(o *object) {
	for ; o != nil; o = o.source {
		if !slices.Contains(w.touched, o) {
			w.touched = append(w.touched, o)
		}
	}
}

// draw plans the life of another object, or the end of one.
func (w *worker) draw() {
	if w.rand.IntN(3) == 0 {
		if o := w.pick(func(o *object) bool { return o.status() == http.StatusOK }); o != nil {
			w.plan = []*step{{verb: deleteIt, o: o}}
			return
		}
	}
	n := len(w.objects)
	o := &object{
		id:   (w.id+1)*1_000_000 + n,
		name: fmt.Sprintf("objects/%d/%d", w.id, n),
		kind: kind(w.rand.IntN(int(kinds))),
	}
	switch w.rand.IntN(6) {
	case 0:
		w.forkTrack(o)
	case 1:
		w.forkObject(o)
	}
	if old := w.pick(func(o *object) bool { return o.deleted && !o.replaced && !o.exists() }); old != nil && w.rand.IntN(3) == 0 {
		// A stream of the same name, and nothing of the old one.
		old.replaced, o.name = true, old.name
	}
	w.objects = append(w.objects, o)
	w.plan = o.script(w.rand)
}

// pick draws one of the newest objects that fit, or nil.
func (w *worker) pick(fits func(*object) bool) *object {
	var all []*object
	for _, o := range w.objects[max(0, len(w.objects)-40):] {
		if fits(o) {
			all = append(all, o)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[w.rand.IntN(len(all))]
}

// forkInherits bounds what a fork of a track inherits: tracks grow long.
const forkInherits = 30

// forkTrack makes o a fork of a track, at an offset that was acknowledged.
func (w *worker) forkTrack(o *object) {
	tr := w.tracks[w.rand.IntN(len(w.tracks))]
	if len(tr.order) == 0 { // read back between rounds only
		return
	}
	i := w.rand.IntN(min(forkInherits, len(tr.order)))
	end := tr.endOf(tr.order[i])
	if end == "" {
		return
	}
	o.kind, o.from, o.fromOffset, o.inherited = tr.kind, tr.name, end, tr.order[:i+1]
}

// forkObject makes o a fork of another object, at its tail.
func (w *worker) forkObject(o *object) {
	source := w.pick(func(o *object) bool { return o.status() == http.StatusOK })
	if source == nil {
		return
	}
	o.kind, o.from, o.source = source.kind, source.name, source
	o.inherited = slices.Concat(source.inherited, source.own)
	source.children = append(source.children, o)
}

// seen is what a server says of an object.
type seen struct {
	o      *object
	status int
	all    []place
	closed bool
}

// check looks at objects and compares them with what has to be there. A step
// that was not answered has happened or not, as a whole.
func (w *worker) check(v *verdict, c *client, all bool) {
	look := w.touched
	if all {
		look = w.objects
	}
	var views []seen
	for _, o := range look {
		if o.replaced {
			continue
		}
		views = append(views, w.look(v, c, o))
	}
	w.touched = nil
	problems := judge(views)
	if len(w.plan) > 0 && w.plan[0].attempts > 0 {
		open := w.plan[0]
		open.apply()
		happened := judge(views)
		open.revert()
		if len(happened) == 0 {
			problems = nil
		}
		w.touch(open.o)
	}
	for _, problem := range problems {
		v.add(undone, "%s", problem)
	}
}

// look reads an object.
func (w *worker) look(v *verdict, c *client, o *object) seen {
	view := seen{o: o}
	a, err := c.read(o.name, beginning, func(a answer, from string) {
		got, err := o.kind.decode(a.body)
		if err != nil {
			v.add(corrupt, "%s: after %s: %v", o.name, from, err)
		}
		view.all = append(view.all, got...)
	})
	if err != nil {
		v.add(refused, "read %s: %v", o.name, err)
	}
	view.status, view.closed = a.status, a.closed()
	return view
}

// judge says what contradicts.
func judge(views []seen) (problems []string) {
	for _, view := range views {
		o := view.o
		switch want := slices.Concat(o.inherited, o.own); {
		case view.status != o.status():
			problems = append(problems, fmt.Sprintf("%s: status %d, want %d", o.name, view.status, o.status()))
		case view.status != http.StatusOK:
		case view.closed != o.closed:
			problems = append(problems, fmt.Sprintf("%s: closed is %v, want %v", o.name, view.closed, o.closed))
		case !slices.Equal(view.all, want):
			problems = append(problems, fmt.Sprintf("%s: has %s, want %s", o.name, first(view.all), first(want)))
		}
	}
	return problems
}
