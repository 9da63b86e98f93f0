package livetest

import (
	"fmt"
	"strings"
	"sync/atomic"
)

// event is something that happens in a test, and is counted.
type event int

const (
	streamCreated event = iota
	streamForked
	forkWithin // at an offset inside an append
	forkPart   // with a part of an append
	appendAcked
	appendBytes
	streamClosed
	streamClosedLast // by the last append
	streamDeleted
	streamGone // deleted while forks keep it
	streamExpired
	streamReplaced
	flushed
	merged

	lifeBegun
	lifeBored // left before the end
	readCatchUp
	readCoded // of these with a Content-Encoding
	readLongPoll
	readSSE
	sseEvents
	sseComments
	bytesJudged
	cleanEnd     // the stream goes on, its reader connects again
	closedEnd    // told that nothing will follow
	missingEnd   // 404
	goneEnd      // 410
	replacedEnd  // found a successor at the path, by a new request
	tailEnd      // at the tail when the test ended
	stalledDrop  // given up by the server after a stall
	throttleDrop // given up by the server for being slow
	busyDrop     // given up while the machine was busy
	died
	leftAfterEvent
	toldToWait // 503 or 429
	events
)

var eventNames = [events]string{
	"created", "forked", "forked inside an append", "forked with a part", "appends", "bytes appended", "closed", "closed by the last append",
	"deleted", "gone", "expired", "replaced", "flushes", "merges",
	"lives", "left early", "catch-up", "coded", "long-poll", "sse", "events", "comments", "bytes judged",
	"clean ends", "ends by closure", "ends by 404", "ends by 410", "ends by a successor", "ends at the tail",
	"drops of stalled", "drops of throttled", "drops while busy", "deaths", "left after an event", "told to wait",
}

type tally [events]atomic.Int64

func (l *tally) add(e event)         { l[e].Add(1) }
func (l *tally) addN(e event, n int) { l[e].Add(int64(n)) }
func (l *tally) count(e event) int64 { return l[e].Load() }

// enough is how many appends a test makes on a machine that is not busy, in
// which all that is demanded happens many times.
const enough = 2000

// missing is what did not happen, so that it was not tested.
func (l *tally) missing() (m []event) {
	if l.count(appendAcked) < enough {
		return nil
	}
	for _, e := range []event{
		streamCreated, streamForked, appendAcked, streamClosed, streamDeleted, flushed, merged,
		readCatchUp, readCoded, readLongPoll, readSSE, sseEvents, cleanEnd, closedEnd, missingEnd, died, leftAfterEvent,
	} {
		if l.count(e) == 0 {
			m = append(m, e)
		}
	}
	return m
}

func (e event) String() string { return eventNames[e] }

func (l *tally) String() string {
	var b strings.Builder
	for e := range events {
		fmt.Fprintf(&b, "\n%9d %v", l.count(e), e)
	}
	return b.String()
}
