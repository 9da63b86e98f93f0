package server

import (
	"bytes"
	"sync"
	"time"

	"tailrace/internal/sse"
)

// finish writes what is left and ends the response cleanly. The end of the
// connection, which follows, goes out with it: a client that sees the response
// end first may take the connection for its next request.
func (f *follower) finish(out []byte) {
	f.conn.cork()
	f.write(appendEnd(out, f.shape))
}

// write writes one event, normally in one piece. A reader that takes nothing
// for too long, or takes too long altogether, is given up: it can come back to
// its offset. The end of its life is no reason to cut off an event: the next
// response would begin with the same one, and might come no further.
func (f *follower) write(out []byte) bool {
	now := time.Now()
	allowance := time.Duration(len(out)) * time.Second / bodyRateMin
	last := now.Add(f.server.opts.SlowTimeout + allowance)
	stopping := false
	for len(out) > 0 {
		now = time.Now()
		until := earlier(last, now.Add(f.server.opts.SlowTimeout))
		f.conn.SetWriteDeadline(until)
		if !stopping && f.server.stopped() {
			// What hurry set has been overwritten, or will be set again.
			stopping, last = true, earlier(last, now.Add(stopDelivery))
			f.conn.SetWriteDeadline(earlier(last, until))
		}
		piece := out[:min(len(out), writeStep)]
		if _, err := f.conn.Write(piece); err != nil {
			if isTimeout(err) {
				f.server.drops.of(dropSlow, f.path)
			}
			f.conn.giveUp()
			return false
		}
		out = out[len(piece):]
	}
	return true
}

// hurry leaves a write under way little time, since the server is stopping.
func (f *follower) hurry() { f.conn.SetWriteDeadline(time.Now().Add(stopDelivery)) }

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Large events. Most fit a buffer that is used again and again. One that does
// not is as large as the append it holds, several times that if it is text of
// many lines, and stays until a slow reader has taken it. So these take their
// memory out of a budget. A reader for whom there is none waits for its turn
// before the event is built, so it neither loses nor repeats a byte. If its
// turn does not come in its time, the response ends cleanly before the event.

// reserve takes the memory for an event of these parts. If there is none it is
// false, and needs says how much it takes.
func (g *reading) reserve(parts [][]byte) bool {
	if g.needs = g.large(parts); g.needs <= max(keepEventBytes, g.held) {
		return true
	}
	g.release()
	if g.server.responses.reserveAlone(g.needs) {
		g.held = g.needs
		return true
	}
	return false
}

// large is at least the size of the event that holds these parts, or 0 if that
// surely fits a buffer.
func (f *feed) large(parts [][]byte) int64 {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	if size <= keepEventBytes/eventGrowthMax {
		return 0
	}
	return f.eventBytes(size, parts)
}

// await waits for the memory for the event that did not get any.
func (g *reading) await(end time.Time) bool {
	if !g.server.responses.await(g.needs, end, g.server.stop) {
		return false
	}
	g.held = g.needs
	return true
}

func (g *reading) release() {
	g.server.responses.release(g.held)
	g.held = 0
}

// eventGrowthMax is how much longer an event can be than what it holds: an LF
// begins another data line.
const eventGrowthMax = 8

// eventBytes is at least the size of an event that holds these parts, with its
// control event and framing, and close to it for a large one.
func (f *feed) eventBytes(size int, parts [][]byte) int64 {
	n := size + 1024
	if f.enc == sse.Base64 {
		return int64(n + size/2)
	}
	for _, part := range parts {
		lines := bytes.Count(part, []byte{'\n'}) + bytes.Count(part, []byte{'\r'})
		n += (eventGrowthMax - 1) * lines
	}
	return int64(n)
}

// Buffers for events are shared by all readers: most have nothing to write
// most of the time.
var eventBuffers sync.Pool

func takeBuffer() []byte {
	if b, ok := eventBuffers.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, 4096)
}

func giveBuffer(b []byte) {
	if cap(b) <= keepEventBytes {
		eventBuffers.Put(&b)
	}
}
