package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
)

// progress shows how far a long command has come: on a terminal on one line that
// changes, elsewhere on a line every few seconds.
type progress struct {
	out      io.Writer
	terminal bool
	text     func(elapsed time.Duration) string
	begun    time.Time
	stop     chan struct{}
	ended    sync.WaitGroup
}

// Intervals between two looks.
const (
	progressTerminal = 200 * time.Millisecond
	progressLog      = 5 * time.Second
)

// showProgress begins to show. It shows nothing if out is nil.
func showProgress(out io.Writer, text func(elapsed time.Duration) string) *progress {
	p := &progress{out: out, terminal: isTerminal(out), text: text, begun: time.Now(), stop: make(chan struct{})}
	if out == nil {
		return p
	}
	every := progressLog
	if p.terminal {
		every = progressTerminal
	}
	p.ended.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.show()
			case <-p.stop:
				return
			}
		}
	})
	return p
}

func (p *progress) show() {
	text := p.text(time.Since(p.begun))
	if p.terminal {
		fmt.Fprintf(p.out, "\r\x1b[K%s", text)
		return
	}
	fmt.Fprintln(p.out, text)
}

// end shows the last state, on a line that stays.
func (p *progress) end() {
	close(p.stop)
	p.ended.Wait()
	if p.out == nil {
		return
	}
	p.show()
	if p.terminal {
		fmt.Fprintln(p.out)
	}
}

// rate is bytes and how many a second.
func rate(bytes int64, elapsed time.Duration) string {
	perSecond := float64(bytes) / max(elapsed, time.Millisecond).Seconds()
	return fmt.Sprintf("%s, %s/s", humanize.IBytes(uint64(bytes)), humanize.IBytes(uint64(perSecond)))
}
