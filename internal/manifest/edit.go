package manifest

import "fmt"

// Edit is one change of a state: Begin, Extend, Commit, Abort, Removed, and those
// about a bucket: Claim, Send, Sent, Publish, Evict, Collected.
type Edit interface {
	kind() editKind
	apply(s *State) error     // after an error s is of no use
	encode(dst []byte) []byte // the fields, without the kind
}

type editKind uint8

const (
	editBegin   editKind = 1
	editExtend  editKind = 2
	editCommit  editKind = 3
	editAbort   editKind = 4
	editRemoved editKind = 5
	editShut    editKind = 6

	editParted    editKind = 7 // a Commit of segments that divide a stream
	editClaim     editKind = 8
	editSend      editKind = 9
	editSent      editKind = 10
	editPublish   editKind = 11
	editEvict     editKind = 12
	editCollected editKind = 13
)

func (k editKind) String() string {
	switch k {
	case editBegin:
		return "begin"
	case editExtend:
		return "extend"
	case editCommit:
		return "commit"
	case editAbort:
		return "abort"
	case editRemoved:
		return "removed"
	case editShut:
		return "shut"
	case editParted:
		return "parted commit"
	case editClaim:
		return "claim"
	case editSend:
		return "send"
	case editSent:
		return "sent"
	case editPublish:
		return "publish"
	case editEvict:
		return "evict"
	case editCollected:
		return "collected"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Begin starts an act and announces its first outputs. Their files may be made
// when it is durable. Act is the NextID of the state and the outputs have the
// ids after it, in order: Manifest.Begin takes care of that.
type Begin struct {
	Act     uint64
	Kind    ActKind
	Outputs []File
}

// Extend announces more outputs of an act, with ids from NextID on, in order:
// Manifest.Extend takes care of that.
type Extend struct {
	Act     uint64
	Outputs []File // at least one
}

// Commit ends an act and makes live what it made. The caller has synced the
// files and the names of all outputs that become live.
//
// Segments that leave, files of the checkpoint before that are not in the new
// one, and outputs that nothing refers to become garbage by themselves. The
// commit of a backup changes nothing but that it ends.
type Commit struct {
	Act uint64

	// Remove are segments that leave their layers, ids growing.
	Remove []uint64

	// Add are new segments, by layer. A layer with the range of one that is there
	// joins it. A layer that begins where the newest one ends becomes the newest.
	// Any other takes the place of adjacent layers that have its range together
	// and no segments left.
	Add []Layer

	// Checkpoint is the new one; nil keeps the old. No layer may end beyond it.
	Checkpoint *Checkpoint
}

// Abort ends an act whose outputs are of no use. They become garbage.
type Abort struct{ Act uint64 }

// Removed says that garbage is gone: the files were removed and their
// directories synced, or they were never made.
type Removed struct {
	Files []File // at least one, ids growing, none of them pinned
}

// shut said that the store was closed, and where the log ended. The first builds
// wrote it, so it is read; the log knows its end by itself.
type shut struct{ seq uint64 }

func (Begin) kind() editKind   { return editBegin }
func (Extend) kind() editKind  { return editExtend }
func (Abort) kind() editKind   { return editAbort }
func (Removed) kind() editKind { return editRemoved }
func (shut) kind() editKind    { return editShut }

func (e Commit) kind() editKind {
	for _, l := range e.Add {
		for _, seg := range l.Segments {
			if seg.Start != 0 {
				return editParted
			}
		}
	}
	return editCommit
}

// Apply changes the state by one edit. An edit that does not follow from the
// state is an error that matches ErrRefused, and changes nothing.
func (s *State) Apply(e Edit) error {
	next := s.clone()
	if err := next.apply(e); err != nil {
		return err
	}
	*s = next
	return nil
}

// apply is Apply on a state that may be thrown away.
func (s *State) apply(e Edit) error {
	if err := e.apply(s); err != nil {
		return fmt.Errorf("%v: %w", e.kind(), err)
	}
	return nil
}
