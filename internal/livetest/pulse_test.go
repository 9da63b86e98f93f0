package livetest

import (
	"sync"
	"time"
)

// pulse notices when the machine is so busy that a reader which wants to read
// may look like a slow one to the server. It is no measure of the server: only
// what excuses a broken connection.
type pulse struct {
	mu   sync.Mutex
	late time.Time     // when it was too late last
	next chan struct{} // closed with the next beat

	stop  chan struct{}
	ended chan struct{}
}

const (
	beat     = 20 * time.Millisecond
	beatLate = slowTimeout / 4
	lateFor  = 6 * slowTimeout // a response may have waited that long when it breaks
)

func startPulse() *pulse {
	p := &pulse{next: make(chan struct{}), stop: make(chan struct{}), ended: make(chan struct{})}
	go p.run()
	return p
}

func (p *pulse) run() {
	defer close(p.ended)
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case <-p.stop:
			return
		case <-tick.C:
		}
		now := time.Now()
		p.mu.Lock()
		if now.Sub(last) > beat+beatLate {
			p.late = now
		}
		close(p.next)
		p.next = make(chan struct{})
		p.mu.Unlock()
		last = now
	}
}

// busy reports whether the machine was busy of late. It waits for the next
// beat: when a whole machine has paused, it is chance who comes first, the
// pulse or the reader that was given up meanwhile.
func (p *pulse) busy() bool {
	p.mu.Lock()
	next := p.next
	p.mu.Unlock()
	<-next
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Since(p.late) < lateFor
}

func (p *pulse) end() {
	close(p.stop)
	<-p.ended
}
