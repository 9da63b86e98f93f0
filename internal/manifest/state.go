package manifest

import (
	"fmt"
	"slices"
)

// State is what the edits so far amount to. It is a value: whoever got one may
// keep it, and must not write into its slices.
//
// Ids come from one counter and are never used twice, whatever they name: an
// act, a segment, a file of a metadata checkpoint.
type State struct {
	NextID     uint64     // the next id to be given; the first is 1
	Layers     []Layer    // oldest first, each beginning where the one before ends
	Checkpoint Checkpoint // up to where the log is no longer needed
	Acts       []Act      // begun and not ended, by id
	Garbage    []File     // not live, and not known to be gone from the medium; by id
	Tier       Tier
}

// Layer is what one range of batches left: the appends of batches From+1 to To,
// each stream in one segment, or in several that follow each other. A layer may
// have no segments: its data is of no use any more, or there was none.
type Layer struct {
	From, To uint64
	Segments []Segment // by stream and Start; their ranges have at most an end in common
}

// Segment is a live segment. All but id and range is for decisions and display.
type Segment struct {
	ID                      uint64
	Level                   uint8
	FirstStream, LastStream uint64 // the streams in it lie in this range, ends included
	Bytes                   int64  // on the medium
	RawBytes                int64  // of the appends in it, before compression
	Runs, Appends           uint64
	Created                 int64 // unix milliseconds

	// Start is the offset where its first run starts, if an earlier segment of the
	// layer has the beginning of that stream; 0 otherwise.
	Start uint64

	Place Place
	CRC   uint32 // of the whole file, where Place has an object; 0 otherwise
	Index uint64 // FileIndex that has the end of it, if Place is PlaceRemote; 0 otherwise
}

// File is the file of the segment.
func (s Segment) File() File { return File{s.ID, FileSegment} }

// Checkpoint says what is in segments and in metadata files, and where the log
// goes on. The zero value is a store whose log holds everything.
type Checkpoint struct {
	Batch      uint64   // the last batch that is covered
	Seq        uint64   // sequence of the log frame of that batch
	WALFile    uint64   // position in the log after that frame: number of the log file
	WALOffset  int64    // and byte in it
	At         int64    // engine time of that batch, unix milliseconds
	Snapshot   uint64   // file of the stream table; 0: an empty table
	Deltas     []uint64 // files of changes to it, in the order to apply them
	LastStream uint64   // highest stream id given so far
}

// files are the files of the checkpoint, in the order to read them.
func (c Checkpoint) files() []File {
	var all []File
	if c.Snapshot != 0 {
		all = append(all, File{c.Snapshot, FileSnapshot})
	}
	for _, id := range c.Deltas {
		all = append(all, File{id, FileDelta})
	}
	return all
}

// CheckpointFiles are the files of the checkpoint, in the order to read them.
func (s *State) CheckpointFiles() []File { return s.Checkpoint.files() }

// ActKind is what an act does.
type ActKind uint8

const (
	ActFlush  ActKind = 1 // the log's data becomes a layer and a checkpoint
	ActMerge  ActKind = 2 // segments become other segments
	ActBackup ActKind = 3 // files are copied, so those there are must stay; it has no outputs
	ActEvict  ActKind = 4 // segments leave the disk, but for the ends of their files
)

func (k ActKind) String() string {
	switch k {
	case ActFlush:
		return "flush"
	case ActMerge:
		return "merge"
	case ActBackup:
		return "backup"
	case ActEvict:
		return "eviction"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

func (k ActKind) valid() bool { return k >= ActFlush && k <= ActEvict }

// Act is an act that has begun. Its outputs may be on the medium, whole, in
// part or not at all; nothing refers to them until it commits.
type Act struct {
	ID      uint64
	Kind    ActKind
	Outputs []File // by id
}

func newState() State { return State{NextID: 1} }

// clone copies the slices that edits write into. The slices inside layers,
// acts and the checkpoint are shared: edits replace them.
func (s *State) clone() State {
	c := *s
	c.Layers = slices.Clone(s.Layers)
	c.Acts = slices.Clone(s.Acts)
	c.Garbage = slices.Clone(s.Garbage)
	c.Tier.Objects = slices.Clone(s.Tier.Objects)
	c.Tier.Doomed = slices.Clone(s.Tier.Doomed)
	return c
}

// End is the batch where the next layer has to begin: the end of the newest.
func (s *State) End() uint64 {
	if len(s.Layers) == 0 {
		return 0
	}
	return s.Layers[len(s.Layers)-1].To
}

// Live are the files that the store consists of: every one of them has to be
// there. Order: checkpoint, then segments, oldest layer first.
func (s *State) Live() []File {
	all := s.Checkpoint.files()
	for _, l := range s.Layers {
		for _, seg := range l.Segments {
			all = append(all, seg.OnDisk())
		}
	}
	return all
}

// Pinned tells that a file, garbage or not, was there before a backup that is
// still open began. It must stay on the medium until that ends.
func (s *State) Pinned(f File) bool {
	return slices.ContainsFunc(s.Acts, func(a Act) bool { return a.Kind == ActBackup && a.ID > f.ID })
}

// Act is the open act of that id.
func (s *State) Act(id uint64) (Act, bool) {
	i, ok := s.findAct(id)
	if !ok {
		return Act{}, false
	}
	return s.Acts[i], true
}

func (s *State) findAct(id uint64) (int, bool) {
	return slices.BinarySearchFunc(s.Acts, id, func(a Act, id uint64) int { return compare(a.ID, id) })
}

func compare(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
