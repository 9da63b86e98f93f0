package main

import (
	"context"
	"log/slog"
	"time"

	"tailrace/engine"
)

// watchEvery is how often it is looked how the bucket is.
const watchEvery = time.Second

// watchTier logs what changes between the store and its bucket until ctx ends.
func watchTier(ctx context.Context, e *engine.Engine, log *slog.Logger) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for w := (tierWatch{log: log}); ; {
		w.look(e.TierStats())
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// tierWatch says each change once.
type tierWatch struct {
	log  *slog.Logger
	last engine.TierPhase
	over bool // the disk has more than it should, because the bucket does not take it
}

func (w *tierWatch) look(s engine.TierStats) {
	if s.Phase != w.last {
		w.last = s.Phase
		level := slog.LevelWarn
		if s.Phase == engine.TierReady {
			level = slog.LevelInfo
		}
		w.log.Log(context.Background(), level, "bucket is "+s.Phase.String(), "phase", s.Phase.String(), "missing_seconds", s.MissingSeconds,
			"missing_bytes", s.MissingBytes, "last_error", s.LastError)
	}
	// What comes and goes at the limit is said once: it ends an eighth below.
	switch most := s.LocalBytesMax; {
	case !w.over && s.LocalBytes > most && s.Phase != engine.TierReady:
		w.over = true
		w.log.Warn("segments take more of the disk than they should until the bucket takes them", "phase", s.Phase.String(),
			"local_bytes", s.LocalBytes, "local_bytes_max", most, "waiting_bytes", s.WaitingBytes)
	case w.over && s.LocalBytes <= most-most/8:
		w.over = false
		w.log.Info("segments take no more of the disk than they should again", "local_bytes", s.LocalBytes, "local_bytes_max", most)
	}
}
