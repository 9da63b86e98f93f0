package livetest

import (
	"sync/atomic"
	"time"
)

// pulse notices when the machine is so busy that a reader which wants to read
// may look like a slow one to the server. It is no measure of the server: only
// what excuses a broken connection.
type pulse struct {
	late  atomic.Int64 // when it was too late last
	stop  chan struct{}
	ended chan struct{}
}

const (
	beat     = 20 * time.Millisecond
	beatLate = slowTimeout / 4
	lateFor  = 6 * slowTimeout // a response may have waited that long when it breaks
)

func startPulse() *pulse {
	p := &pulse{stop: make(chan struct{}), ended: make(chan struct{})}
	go p.run()
	return p
}

func (p *pulse) run() {
	defer close(p.ended)
	tick := time.NewTicker(beat)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-p.stop:
			return
		case <-tick.C:
		}
		now := time.Now()
		if now.Sub(last) > beat+beatLate {
			p.late.Store(now.UnixNano())
		}
		last = now
	}
}

// busy reports whether the machine was busy of late.
func (p *pulse) busy() bool { return time.Since(time.Unix(0, p.late.Load())) < lateFor }

func (p *pulse) end() {
	close(p.stop)
	<-p.ended
}
