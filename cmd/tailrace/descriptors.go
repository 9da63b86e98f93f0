package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"syscall"

	"tailrace/internal/admin"
	"tailrace/internal/config"
)

// descriptorsKept is how many descriptors the store, the listener and clients
// that are told to come back need beside the connections. A log that cannot
// open its next file has failed, so connections must never take the last ones.
const descriptorsKept = 160

// descriptorsOfSegments is how many of those are for segments. There may be any
// number, each with a file open: with many the limit has to be higher.
const descriptorsOfSegments = 96

// descriptorsOfBucket is what a bucket needs besides: its connections, and the
// file of the cache.
const descriptorsOfBucket = 80

// fitDescriptors lowers the limit of connections to what the system lets this
// process open, and notes how many segments there is room for beside them.
func (p *process) fitDescriptors(log *slog.Logger) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("limit of open files: %w", err)
	}
	kept := uint64(descriptorsKept)
	if p.bucket != nil {
		kept += descriptorsOfBucket
	}
	if p.AdminListen != "" {
		kept += admin.ConnectionsMax + 1
	}
	if uint64(limit.Cur) <= kept {
		return fmt.Errorf("the limit of open files is %d, and the store alone needs %d", limit.Cur, kept)
	}
	if room := uint64(limit.Cur) - kept; uint64(p.connections) > room {
		level := slog.LevelWarn
		if p.connections == config.ConnectionsDefault {
			level = slog.LevelInfo // nobody asked for so many
		}
		log.Log(context.Background(), level, "the limit of open files allows fewer connections",
			"connections", room, "wanted", p.connections, "limit", limit.Cur)
		p.connections = int(room)
	}
	p.segmentsWarn = int(min(uint64(limit.Cur)-kept-uint64(p.connections), math.MaxInt32)) + descriptorsOfSegments
	return nil
}
