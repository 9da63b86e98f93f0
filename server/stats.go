package server

import (
	"log/slog"
	"sync/atomic"
)

// Stats counts what the server has done since it was made.
type Stats struct {
	Connections int
	LiveReaders int64

	// FramesEncoded is how many events were put together, FramesSent how many
	// readers were given one: what the two have in common is the gain of readers
	// sharing events.
	FramesEncoded uint64
	FramesSent    uint64

	// Dropped is how many clients were given up, by reason.
	Dropped map[string]uint64
}

// Stats returns the counts.
func (s *Server) Stats() Stats {
	st := Stats{
		Connections: s.conns.count(), LiveReaders: s.readers.count.Load(),
		FramesEncoded: s.framesEncoded.Load(), FramesSent: s.framesSent.Load(),
		Dropped: make(map[string]uint64, dropReasons),
	}
	for why := range dropReasons {
		st.Dropped[why.String()] = s.drops.counts[why].Load()
	}
	return st
}

// drops counts clients that were given up, by reason.
type drops struct {
	logger *slog.Logger
	counts [dropReasons]atomic.Uint64
}

// dropReason is why a client was given up.
type dropReason uint8

const (
	dropSlow    dropReason = iota // took nothing, or a request took too long to come
	dropMemory                    // too much is kept for clients that are slow
	dropCorrupt                   // what it was to get cannot be read
	dropFailed                    // the log has failed, and nothing can be said any more
	dropRefused                   // there were too many connections

	dropUnavailable // what it was to get is in a bucket, which does not answer
	dropTrimmed     // the stream has dropped what it was to get next
	dropDescriptors // the system is out of them, and another driver was to serve it

	dropReasons
)

// String is the name of the reason in counts and in the log.
func (r dropReason) String() string {
	return [dropReasons]string{
		dropSlow: "slow", dropMemory: "memory", dropCorrupt: "corrupt", dropFailed: "failed", dropRefused: "refused",
		dropDescriptors: "descriptors", dropUnavailable: "unavailable", dropTrimmed: "trimmed",
	}[r]
}

// reason is why a reader is given up in that state.
func (s feedState) reason() dropReason {
	switch s {
	case feedUnavailable:
		return dropUnavailable
	case feedTrimmed:
		return dropTrimmed
	}
	return dropCorrupt
}

// of notes that a reader of a stream was given up.
func (d *drops) of(why dropReason, name string) {
	d.counts[why].Add(1)
	d.logger.Debug("a client was given up", "reason", why.String(), "stream", name)
}

// note notes that a client was given up that reads no stream.
func (d *drops) note(why dropReason) {
	d.counts[why].Add(1)
	d.logger.Debug("a client was given up", "reason", why.String())
}
