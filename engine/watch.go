package engine

import (
	"sync"
	"sync/atomic"

	"tailrace/internal/stream"
)

// watchers are those who want to know of a stream's durable changes.
type watchers struct{ list []*watcher }

type watcher struct {
	owner  *local
	at     int // place in the list
	notify func()
	inline bool        // notified by whoever commits
	queued atomic.Bool // waiting to be notified
}

// Watch calls notify after every durable change of the stream: append, close,
// delete, expiry. Changes close together may share a call. It is called from a
// goroutine of the engine and must not block. It is false if the stream is not
// at path.
//
// No wake-up is lost to a caller that first watches, then reads, then waits.
// While a stream is watched its sliding TTL does not run out.
//
// The identity is what a read told, and a stream is public for ever or never: who
// was allowed to read it then may watch it.
func (e *Engine) Watch(path string, id stream.ID, notify func()) (stop func(), ok bool) {
	return e.watch(path, id, &watcher{notify: notify})
}

// WatchInline is Watch for a notify that is over in well under a microsecond and
// calls nothing of the engine: whoever commits calls it, so that the news is
// known before the commit returns, and no goroutine has to be woken for it.
func (e *Engine) WatchInline(path string, id stream.ID, notify func()) (stop func(), ok bool) {
	return e.watch(path, id, &watcher{notify: notify, inline: true})
}

func (e *Engine) watch(path string, id stream.ID, w *watcher) (stop func(), ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.table.Lookup(path)
	if s == nil || s.ID != id || s.Gone {
		return nil, false
	}
	l := e.local(s)
	if l.watch == nil {
		l.watch = &watchers{}
	}
	w.owner, w.at = l, len(l.watch.list)
	l.watch.list = append(l.watch.list, w)
	e.watching++
	if len(l.watch.list) == 1 {
		e.reschedule(l)
	}
	return func() { e.unwatch(w) }, true
}

func (e *Engine) unwatch(w *watcher) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := w.owner
	if w.at < 0 {
		return
	}
	last := len(l.watch.list) - 1
	l.watch.list[w.at] = l.watch.list[last]
	l.watch.list[w.at].at = w.at
	l.watch.list[last] = nil
	l.watch.list = l.watch.list[:last]
	w.at = -1
	e.watching--
	if last == 0 {
		l.watch = nil
		defer e.idle(l)
		if !l.stream.Removed() && !l.stream.Gone {
			e.touch(l.stream, e.now()) // the time it was watched counts as use
		}
	}
}

// watched reports whether somebody follows the stream live.
func (l *local) watched() bool { return l != nil && l.watch != nil }

// tell notifies the inline watchers of streams that changed, and returns the
// others that are not yet in line. Engine.mu is held.
func (e *Engine) tell(touched []*local) []*watcher {
	var wake []*watcher
	for _, l := range touched {
		if l.watch == nil {
			continue
		}
		for _, w := range l.watch.list {
			switch {
			case w.inline:
				w.notify()
			case w.queued.CompareAndSwap(false, true):
				wake = append(wake, w)
			}
		}
	}
	return wake
}

// wake tells watchers, in a goroutine of its own unless the engine is Manual,
// so that a commit never waits for those who read.
func (e *Engine) wake(list []*watcher) {
	switch {
	case len(list) == 0:
	case e.opts.Manual:
		notifyAll(list)
	default:
		e.notifier.put(list)
	}
}

func notifyAll(list []*watcher) {
	for _, w := range list {
		// First out of line: a change during the call queues it again.
		w.queued.Store(false)
		w.notify()
	}
}

// notifier calls watchers one after the other. Each is in line at most once,
// so the line is never longer than there are watchers.
type notifier struct {
	mu    sync.Mutex
	line  []*watcher
	wake  chan struct{}
	stop  chan struct{}
	ended chan struct{}
}

func startNotifier() *notifier {
	n := &notifier{wake: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{})}
	go n.run()
	return n
}

func (n *notifier) put(list []*watcher) {
	n.mu.Lock()
	n.line = append(n.line, list...)
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func (n *notifier) run() {
	defer close(n.ended)
	for {
		select {
		case <-n.wake:
		case <-n.stop:
			return
		}
		n.mu.Lock()
		line := n.line
		n.line = nil
		n.mu.Unlock()
		notifyAll(line)
	}
}

func (n *notifier) close() {
	close(n.stop)
	<-n.ended
}
