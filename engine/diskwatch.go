package engine

import (
	"errors"
	"math"
	"time"
)

// diskLookEvery is how often it is looked how much of the disk is free. It bounds
// how long growth goes on below the mark, and stays refused when there is room.
const diskLookEvery = time.Second

// disk is what was seen of the file system that the store is on. Under Engine.mu.
type disk struct {
	free  int64 // bytes, as of the last look; -1 = not known
	low   bool  // growth is refused until there is enough again
	blind bool  // the last look failed
}

// LookAtDisk finds out how much of the disk is free, and whether growth is to be
// refused. It is a step of a Manual engine; others do it by themselves.
//
// This is for everybody who needs room: flushes and merges write before they
// remove, and the disk may not be the store's alone. What a full disk means for
// the log is decided where its files are made.
func (e *Engine) LookAtDisk() {
	if e.opts.DiskFreeLow < 0 {
		return
	}
	bytes, err := e.opts.FS.Free(e.opts.Dir)
	free := int64(min(bytes, math.MaxInt64))
	e.mu.Lock()
	before := e.disk
	switch {
	case err != nil:
		e.disk.blind, e.disk.free = true, -1 // and what is refused stays so
	default:
		e.disk.blind, e.disk.free = false, free
		if e.disk.low {
			e.disk.low = free < e.opts.DiskFreeResume
		} else {
			e.disk.low = free < e.opts.DiskFreeLow
		}
	}
	after := e.disk
	e.mu.Unlock()
	log := e.opts.Logger
	switch {
	case after.blind && !before.blind && !errors.Is(err, errors.ErrUnsupported):
		log.Warn("cannot find out how much of the disk is free", "err", err)
	case after.low && !before.low:
		log.Warn("the disk has less free than it is to have: what grows is refused until there is more",
			"free", free, "low", e.opts.DiskFreeLow, "resume", e.opts.DiskFreeResume)
	case before.low && !after.low:
		log.Info("the disk has enough free again", "free", free)
	}
}

// diskWatcher looks at the disk now and then, and after each flush.
func (e *Engine) diskWatcher() {
	tick := time.NewTicker(diskLookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-e.diskNow:
		case <-e.stop:
			return
		}
		e.LookAtDisk()
	}
}
