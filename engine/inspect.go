package engine

import (
	"tailrace/internal/manifest"
	"tailrace/internal/stream"
)

// inspectProducers is how many producers an inspection shows.
const inspectProducers = 100

// Inspection is what there is to know about a stream.
type Inspection struct {
	Path    string
	Project string
	Info
	Gone        bool  // deleted or expired, and kept for its forks
	StoredBytes int64 // as ProjectLimits counts

	Forks    int           // that read it
	Source   string        // path of the stream that it is a fork of, or ""
	SourceID stream.ID     // 0 = not a fork
	Base     stream.Offset // where its own appends begin

	Producers      []stream.Producer // the first 100 by id, each with its epoch and the last sequence
	ProducersTotal int

	Watchers int // who follows it live

	// Of its own appends: what no segment has yet, and where the rest is, oldest
	// first. What was dropped from the front stays in a run until that is merged.
	MemoryAppends int
	MemoryBytes   int64
	Runs          []RunInfo
}

// RunInfo is what a segment has of a stream.
type RunInfo struct {
	Segment uint64 // its identity
	Level   int    // how often it was merged
	From    stream.Offset
	To      stream.Offset
	Appends uint64
	Raw     int64 // bytes of the appends
	Stored  int64 // bytes of the blocks that they are in; small streams share blocks, which count as a whole
	Disk    bool  // the blocks are in a file
	Bucket  bool  // they are in an object, or that too
}

// Inspect tells about the stream at path, also of one that is Gone. It is no use
// of the stream. It shows what is staged, so the result may be told when its
// ticket is ready and needs no Retry. It may wait for the disk.
func (e *Engine) Inspect(path string) (Inspection, Ticket) {
	e.mu.Lock()
	s, t, wait := e.gate(path, e.now())
	if wait || s == nil {
		e.mu.Unlock()
		if s == nil && !wait {
			t = settled(stream.Outcome{Code: stream.NotFound})
		}
		return Inspection{}, t
	}
	i := e.inspect(s)
	t = Ticket{Outcome: stream.Outcome{Code: stream.OK}, batch: e.batch(e.newest())}
	floor, v := e.table.Floor(s), e.pin()
	e.mu.Unlock()
	e.coldGate <- struct{}{}
	err := i.addRuns(v, floor)
	<-e.coldGate
	e.mu.Lock()
	e.unpin(v)
	e.mu.Unlock()
	if err != nil {
		return Inspection{}, settled(stream.Outcome{Code: e.readFault(err)})
	}
	return i, t
}

// inspect takes down what is in memory. Engine.mu is held.
func (e *Engine) inspect(s *stream.Stream) Inspection {
	i := Inspection{
		Path: s.Path, Project: e.accounts.nameOf(s.Path), Info: e.stagedInfo(s), Gone: s.Gone, StoredBytes: e.table.Kept(s),
		Forks: s.Forks(), Base: s.Base(),
		Producers: s.FirstProducers(inspectProducers), ProducersTotal: s.Producers(),
	}
	if source := s.Source(); source != nil {
		i.Source, i.SourceID = source.Path, source.ID
	}
	l := localOf(s)
	if l == nil {
		return i
	}
	if l.watch != nil {
		i.Watchers = len(l.watch.list)
	}
	i.MemoryAppends = l.index.Len()
	for _, entry := range l.index.All() {
		i.MemoryBytes += int64(entry.Len)
	}
	return i
}

// addRuns adds what segments have from the floor on, as their indexes tell.
func (i *Inspection) addRuns(v *version, floor stream.Offset) error {
	for _, s := range v.from(uint64(i.ID), uint64(floor)) {
		run, ok, err := s.reader.Run(uint64(i.ID))
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		info := RunInfo{
			Segment: s.info.ID, Level: int(s.info.Level), From: stream.Offset(run.Start), To: stream.Offset(run.End),
			Appends: run.Appends, Raw: run.RawBytes(),
			Disk: s.info.Place != manifest.PlaceRemote, Bucket: s.info.Place == manifest.PlaceBoth || s.info.Place == manifest.PlaceRemote,
		}
		for n := range run.Blocks.Len() {
			info.Stored += int64(run.Blocks.At(n).Len)
		}
		i.Runs = append(i.Runs, info)
	}
	return nil
}
