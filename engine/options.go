package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"tailrace/internal/vfs"
	"tailrace/segment"
	"tailrace/wal"
)

// Limits, each with what gets worse when it grows.
const (
	// readBytesMax is how much a read returns unless a single append is
	// larger: memory per reader, and the time until a slow one lets go of it.
	readBytesMax = 1 << 20

	// readAppendsMax bounds the appends of one read: the time it holds the
	// engine's mutex.
	readAppendsMax = 8192

	// farReadsMax is how many reads from the bucket go on or wait at a time: each
	// holds the bytes of one result. Others are refused, and none of them keeps a
	// read from the disk waiting.
	farReadsMax = 256

	// coldReadsMax is how many reads from the disk go on at a time: each holds the
	// bytes of one result and a block. Others wait.
	coldReadsMax = 64

	// sweepMax bounds the expiries of one sweep, for the same reason.
	sweepMax = 256
)

// What a stream and an append cost in memory beside their bytes, for the
// account that Options.MemoryBytes limits. Estimates on the safe side of what
// the benchmarks of package bench measure.
const (
	streamCost   = 220
	appendCost   = 32
	producerCost = 256
)

// Options configures an engine. The zero value of every field but Dir works.
type Options struct {
	FS  vfs.FS // default: the operating system's files
	Dir string // the store; made if it does not exist

	LogFileBytes int64 // size of a log file, a multiple of 4096; default 64 MiB

	// MemoryBytes is what the store may occupy, default 1 GiB. Half of it is for
	// the streams themselves; beyond that new ones are refused as MemoryFull. The
	// defaults of the sizes below are shares of it.
	MemoryBytes int64

	// FrameBytesMax is for appends that no segment has yet; default a quarter of
	// MemoryBytes. Beyond it commits wait for the flush that is under way. When
	// none can be made, writes are refused as DiskFull.
	FrameBytesMax   int64
	FlushBytes      int64 // as many of them are flushed; default a third of FrameBytesMax, at most 64 MiB
	BlockCacheBytes int64 // decoded blocks of segments; default an eighth of MemoryBytes

	FlushAge   time.Duration // after this, less is flushed; default 5 minutes
	MergeFanIn int           // layers of one level that are merged into one of the next; default 8

	// ReclaimWithin is how long what nobody can read any more may stay in a segment
	// that is not worth being written anew for it; default 7 days. What is a quarter
	// of a segment is worth it at once. Objects of a bucket stay for
	// TierOptions.PublishEvery and Grace beyond that. Time while the store is closed
	// does not count.
	ReclaimWithin time.Duration

	// ScrubEvery is how often every byte of the segments is read and verified;
	// default 7 days, negative = never. ScrubRate bounds that in bytes a second;
	// default 16 MiB.
	ScrubEvery time.Duration
	ScrubRate  int64

	// DiskFreeLow is how much of the file system of Dir has to be free: when less is,
	// what grows is refused as DiskFull until DiskFreeResume is free again. Closes,
	// deletes, trims and expiry go on, and so do flushes and merges, which need the
	// room. The defaults are two log files, and half as much again. A negative
	// DiskFreeLow is never to look.
	DiskFreeLow    int64
	DiskFreeResume int64

	// SegmentBytes is where a segment that a merge writes ends and the next one
	// begins, at the next stream; default 192 MiB.
	SegmentBytes int64

	// SegmentsWarn is how many segments are too many for the descriptors of the
	// process, each of which has a file open: beyond it that is logged. 0 = any
	// number will do.
	SegmentsWarn int

	// SoloMinBytes is how much a segment has to have of a stream for blocks of
	// its own, which are sent as they are stored; default 256 KiB.
	SoloMinBytes int

	// StagedBytesMax bounds what waits for a sync; default 64 MiB. Beyond it
	// writes are refused as Overloaded.
	StagedBytesMax int64
	InFlightMax    int // writes waiting for a sync; default 65,536
	BodyBytesMax   int // body of one append as stored; default 16 MiB

	// Projects makes the first segment of a stream's name its project, which may have
	// limits of its own; see SetLimits. Otherwise all belong to project.Default.
	Projects bool

	// StoredBytesMax bounds the appends that are kept, of all projects together, as
	// ProjectLimits counts. Beyond it growth is refused as QuotaBytes. 0 = no limit.
	StoredBytesMax int64

	StreamsMax            int // default 10,000,000
	ProducersPerStreamMax int // default 10,000

	Clock  Clock
	Rand   func() uint64 // salts of log files, identity of a new store
	Logger *slog.Logger

	// Tier puts segments into a bucket; nil = all of the store is on the disk.
	Tier *TierOptions

	// Manual makes an engine without goroutines: Commit, Sweep, Allocate, Witness
	// and LookAtDisk are steps of the caller. With a given Clock, FS and Rand two
	// runs of the same steps do the same I/O.
	Manual bool

	// offline opens a store without its bucket: blocks that are only there cannot be
	// read, and nobody asks for them.
	offline bool
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.OS
	}
	setDefault(&o.LogFileBytes, 64<<20)
	setDefault(&o.MemoryBytes, 1<<30)
	setDefault(&o.FrameBytesMax, o.MemoryBytes/4)
	if o.Tier != nil {
		t := o.Tier.withDefaults()
		o.Tier = &t
		// Several flushes and a merge of them have to fit into what segments may take.
		setDefault(&o.FlushBytes, min(64<<20, o.FrameBytesMax/3, max(1<<20, t.LocalBytes/32)))
		setDefault(&o.SegmentBytes, min(192<<20, max(1<<20, t.LocalBytes/16)))
	}
	setDefault(&o.FlushBytes, min(64<<20, o.FrameBytesMax/3))
	setDefault(&o.BlockCacheBytes, o.MemoryBytes/8)
	setDefault(&o.FlushAge, 5*time.Minute)
	setDefault(&o.MergeFanIn, 8)
	setDefault(&o.SegmentBytes, 192<<20)
	setDefault(&o.SoloMinBytes, segment.SoloMinBytesDefault)
	setDefault(&o.ReclaimWithin, 7*24*time.Hour)
	setDefault(&o.ScrubEvery, 7*24*time.Hour)
	setDefault(&o.ScrubRate, 16<<20)
	setDefault(&o.DiskFreeLow, 2*o.LogFileBytes)
	setDefault(&o.DiskFreeResume, o.DiskFreeLow+o.DiskFreeLow/2)
	setDefault(&o.StagedBytesMax, min(64<<20, o.FrameBytesMax/2))
	setDefault(&o.InFlightMax, 1<<16)
	setDefault(&o.BodyBytesMax, 16<<20)
	setDefault(&o.StreamsMax, 10_000_000)
	setDefault(&o.ProducersPerStreamMax, 10_000)
	if o.Clock == nil {
		o.Clock = NewSystemClock()
	}
	if o.Rand == nil {
		o.Rand = rand.Uint64
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func setDefault[T int | int64 | time.Duration](v *T, value T) {
	if *v == 0 {
		*v = value
	}
}

// log is the log's part of the options. A record may hold two bodies: the fork
// that copies the beginning of an append, and brings its own.
func (o *Options) log() wal.Options {
	return wal.Options{
		FS: o.FS, Dir: o.Dir, FileBytes: o.LogFileBytes, FrameBytesMax: 2*o.BodyBytesMax + recordOverheadMax,
		Rand: o.Rand, Logger: o.Logger,
	}
}

// tableBytesMax is what the streams may occupy.
func (o *Options) tableBytesMax() int64 { return o.MemoryBytes / 2 }

// Validate names everything that is wrong with the options, not the first
// thing only. Open does the same first.
func (o Options) Validate() error {
	o = o.withDefaults()
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("engine: "+format, args...)) }
	if o.Dir == "" {
		bad("no directory given")
	}
	for _, limit := range []struct {
		name  string
		value int64
	}{
		{"memory bytes", o.MemoryBytes}, {"staged bytes", o.StagedBytesMax},
		{"frame bytes", o.FrameBytesMax}, {"flush bytes", o.FlushBytes}, {"block cache bytes", o.BlockCacheBytes},
		{"flush age", int64(o.FlushAge)}, {"scrub rate", o.ScrubRate}, {"time to reclaim", int64(o.ReclaimWithin)}, {"segment bytes", o.SegmentBytes}, {"segments to warn of", int64(o.SegmentsWarn)},
		{"writes in flight", int64(o.InFlightMax)}, {"body bytes", int64(o.BodyBytesMax)},
		{"streams", int64(o.StreamsMax)}, {"stored bytes", o.StoredBytesMax}, {"producers per stream", int64(o.ProducersPerStreamMax)},
	} {
		if limit.value < 0 {
			bad("%s: %d is negative", limit.name, limit.value)
		}
	}
	if o.FlushBytes > o.FrameBytesMax {
		bad("flushing at %d bytes, beyond the %d that frames may occupy", o.FlushBytes, o.FrameBytesMax)
	}
	if t := o.Tier; t != nil {
		switch {
		case t.Bucket == nil:
			bad("a tier without a bucket")
		case t.LocalBytes < 0, t.CacheBytes < 0, t.SendBytes < 0, t.PublishEvery < 0, t.ReadTimeout < 0:
			bad("a negative number for the bucket")
		}
	}
	if o.DiskFreeLow > 0 && o.DiskFreeResume < o.DiskFreeLow {
		bad("growth resumes with %d bytes of the disk free, and is refused below %d", o.DiskFreeResume, o.DiskFreeLow)
	}
	if o.MergeFanIn < 2 {
		bad("merge fan-in of %d: at least 2", o.MergeFanIn)
	}
	if most := (wal.FrameBytesLimit - recordOverheadMax) / 2; o.BodyBytesMax > most {
		bad("body limit of %d bytes: at most %d", o.BodyBytesMax, most)
	} else if err := o.log().Validate(); err != nil && o.Dir != "" {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// recordOverheadMax is more than a record ever holds beside its body and a
// copied prefix: path, content type, source, texts and numbers.
const recordOverheadMax = 16 << 10
