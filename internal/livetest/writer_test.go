package livetest

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// writer appends to one stream.
type writer struct {
	w      *world
	tr     *track
	number int
	quota  int
	r      *rand.Rand
	client *client
	n      int // messages drawn
	seq    int // of a producer
}

// burstMax is how many appends a writer sends before it waits for an answer.
const burstMax = 6

func (x *writer) run() {
	defer x.client.drop()
	producer := x.r.IntN(3) == 0
	for x.n < x.quota && !over(x.w.stop) {
		burst := 1
		if !producer && x.r.IntN(2) == 0 {
			burst = 1 + x.r.IntN(burstMax)
		}
		var all []message
		for range burst {
			all = append(all, x.tr.kind.message(label(x.tr.id, x.number, x.n), x.r, x.tr.heavy))
			x.n++
		}
		for len(all) > 0 {
			var more bool
			if all, more = x.send(all, producer); !more {
				return
			}
		}
		x.rest()
	}
}

// rest is the time between two bursts.
func (x *writer) rest() {
	timer := time.NewTimer(time.Duration(x.r.ExpFloat64() * float64(15*time.Millisecond)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-x.w.stop:
	}
}

// send sends appends one behind the other and returns those that have to be
// sent again. It is false if no more will be accepted.
func (x *writer) send(all []message, producer bool) (again []message, more bool) {
	headers := []string{"Content-Type: " + x.tr.kind.contentType()}
	if producer {
		headers = append(headers, fmt.Sprintf("Producer-Id: writer-%d", x.number), "Producer-Epoch: 0", fmt.Sprintf("Producer-Seq: %d", x.seq))
	}
	for _, m := range all {
		if err := x.client.send("POST", x.tr.name, m.sent, headers...); err != nil {
			x.w.verdict.add(broken, "append to %s: %v", x.tr.id, err)
			return nil, false
		}
	}
	more = true
	for i, m := range all {
		r, err := x.client.receive("POST")
		var got *answer
		if err == nil {
			got, err = whole(r)
		}
		if err != nil {
			x.w.verdict.add(broken, "append to %s, answer %d of %d: %v", x.tr.id, i, len(all), err)
			return nil, false
		}
		switch s := x.tr.state(); {
		case got.later():
			x.w.tally.add(toldToWait)
			again = append(again, m)
		case got.status == http.StatusNoContent && !producer, got.status == http.StatusOK && producer:
			x.acked(m, got)
			x.seq++
		case s.closing && got.status == http.StatusConflict && contains(string(got.body), "stream_closed"),
			x.tr.mayMiss(s) && got.missing():
			more = false
		default:
			x.w.verdict.add(refused, "append to %s: %v", x.tr.id, got)
			more = false
		}
	}
	if len(again) > 0 && more {
		pause(x.r)
	}
	return again, more
}

func (x *writer) acked(m message, got *answer) {
	next, err := got.next()
	if err == nil {
		err = x.tr.ack(m.stored, m.cuts, next)
	}
	if err != nil {
		x.w.verdict.add(misplaced, "append: %v: %v", err, got)
	}
	x.w.tally.add(appendAcked)
	x.w.tally.addN(appendBytes, len(m.stored))
}

func contains(body, code string) bool { return strings.Contains(body, `"`+code+`"`) }
