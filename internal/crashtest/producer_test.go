package crashtest

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
)

// producer appends to one track over its own connection. Its epoch is the same
// for ever: the server has to remember it across crashes.
type producer struct {
	id     int
	track  *track
	client *client
	rand   *rand.Rand

	next     int    // number of the message in hand
	body     []byte // of the message in hand; nil when there is none
	attempts int

	acked     int
	retried   int // sent again because a crash left the answer open
	landed    int // of those: had been stored before the crash
	repeated  int // sent again for the sake of it
	bodyBytes int
}

// run appends until the server is gone. In a final round it only finishes the
// message in hand.
func (p *producer) run(r *round) {
	p.client.forget()
	for {
		if p.body == nil {
			if r.final {
				return
			}
			at := place{p.id, p.next}
			p.track.begin(at)
			p.body, p.attempts = p.track.kind.encode(at, p.rand), 0
		}
		if !p.send(r) {
			return
		}
		if p.rand.IntN(20) == 0 && !r.final && !p.repeat(r) {
			return
		}
		p.next++
		p.body = nil
	}
}

func (p *producer) request() request {
	return request{
		method: "POST", name: p.track.name, body: p.body,
		header: []string{
			"Content-Type", p.track.kind.contentType(),
			"Producer-Id", "producer " + strconv.Itoa(p.id), "Producer-Epoch", "3", "Producer-Seq", strconv.Itoa(p.next),
		},
	}
}

// send sends the message in hand and reports whether it was acknowledged.
func (p *producer) send(r *round) bool {
	p.attempts++
	a, ok := r.call(p.client, p.request())
	if !ok {
		return false
	}
	at := place{p.id, p.next}
	if p.attempts > 1 {
		p.retried++
	}
	switch {
	case a.status == http.StatusOK:
		p.track.ack(at, a.next())
	case a.status == http.StatusNoContent && p.attempts > 1:
		p.landed++
		p.track.ackDuplicate(at, a.next())
	default:
		r.v.add(refused, "%s: %v, attempt %d: %v", p.track.name, at, p.attempts, a)
		return false
	}
	if got := a.header.Get("Producer-Seq"); got != strconv.Itoa(p.next) {
		r.v.add(refused, "%s: %v: Producer-Seq %q", p.track.name, at, got)
	}
	p.acked++
	r.acked.Add(1)
	p.bodyBytes += len(p.body)
	return true
}

// repeat sends an acknowledged message again and reports whether the server
// answered.
func (p *producer) repeat(r *round) bool {
	a, ok := r.call(p.client, p.request())
	if !ok {
		// It was acknowledged before: nothing is open.
		p.next++
		p.body = nil
		return false
	}
	p.repeated++
	if a.status != http.StatusNoContent {
		r.v.add(doubled, "%s: %v repeated: %v", p.track.name, place{p.id, p.next}, a)
	}
	return true
}

func (p *producer) String() string { return fmt.Sprintf("producer %d of %s", p.id, p.track.name) }
