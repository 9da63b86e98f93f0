package server

import "log/slog"

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
		st.Dropped[why.String()] = s.drops[why].Load()
	}
	return st
}

// dropReason is why a client was given up.
type dropReason uint8

const (
	dropSlow   dropReason = iota // it took nothing for too long
	dropMemory                   // too much is kept for clients that are slow
	dropReasons
)

func (r dropReason) String() string {
	return [dropReasons]string{dropSlow: "slow", dropMemory: "memory"}[r]
}

// dropped notes that a client was given up.
func (s *Server) dropped(why dropReason, name string) {
	s.drops[why].Add(1)
	s.opts.Logger.Debug("a reader was given up", slog.String("reason", why.String()), slog.String("stream", name))
}
