package manifest

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The payload of a frame is a state or a run of edits. Integers are uvarints
// that take as few bytes as they can; a list is its length and its items. Each
// state and each edit has one encoding.
//
//	state       next id, layers, checkpoint, acts, garbage, clean
//	layer       from, to, segments
//	segment     id, level, first stream, last stream, bytes, raw bytes, runs, appends, created
//	checkpoint  batch, seq, log file, log offset, at, snapshot, deltas, last stream
//	act         id, kind, outputs
//	file        kind (1 byte), id
//
//	edit        kind (1 byte), then
//	1 begin     act, kind, kinds of outputs: their ids are those after the act's
//	2 extend    act, id of the first output, kinds of outputs
//	3 commit    act, removed ids, added layers, 1 and the checkpoint or 0
//	4 abort     act
//	5 removed   files
//	6 shut      seq
//
// Levels and kinds are single bytes.

var errPayload = errors.New("manifest: malformed payload")

// AppendState adds the encoded state to dst.
func AppendState(dst []byte, s *State) []byte {
	dst = binary.AppendUvarint(dst, s.NextID)
	dst = appendList(dst, s.Layers, appendLayer)
	dst = appendCheckpoint(dst, s.Checkpoint)
	dst = appendList(dst, s.Acts, func(dst []byte, a Act) []byte {
		dst = binary.AppendUvarint(dst, a.ID)
		dst = append(dst, byte(a.Kind))
		return appendList(dst, a.Outputs, appendFile)
	})
	dst = appendList(dst, s.Garbage, appendFile)
	return binary.AppendUvarint(dst, s.Clean)
}

// DecodeState reads an encoded state and checks that edits can have led to it.
func DecodeState(b []byte) (State, error) {
	d := decoder{b: b}
	s := State{NextID: d.uvarint()}
	s.Layers = decodeList(&d, (*decoder).layer)
	s.Checkpoint = d.checkpoint()
	s.Acts = decodeList(&d, func(d *decoder) Act {
		return Act{ID: d.uvarint(), Kind: ActKind(d.byte()), Outputs: decodeList(d, (*decoder).file)}
	})
	s.Garbage = decodeList(&d, (*decoder).file)
	s.Clean = d.uvarint()
	if !d.end() {
		return State{}, errPayload
	}
	if err := s.validate(); err != nil {
		return State{}, fmt.Errorf("%w: %w", errPayload, err)
	}
	return s, nil
}

// AppendEdits adds encoded edits to dst.
func AppendEdits(dst []byte, edits ...Edit) []byte {
	for _, e := range edits {
		dst = e.encode(append(dst, byte(e.kind())))
	}
	return dst
}

// DecodeEdits reads encoded edits. Whether they follow from a state is another
// question, which State.Apply answers.
func DecodeEdits(b []byte) ([]Edit, error) {
	d := decoder{b: b}
	var all []Edit
	for len(d.b) > 0 {
		kind := editKind(d.byte())
		switch kind {
		case editBegin:
			e := Begin{Act: d.uvarint(), Kind: ActKind(d.byte())}
			e.Outputs = d.outputs(e.Act + 1)
			all = append(all, e)
		case editExtend:
			e := Extend{Act: d.uvarint()}
			e.Outputs = d.outputs(d.uvarint())
			if len(e.Outputs) == 0 { // the id of none would be a second encoding
				d.fail()
			}
			all = append(all, e)
		case editCommit:
			all = append(all, d.commit())
		case editAbort:
			all = append(all, Abort{d.uvarint()})
		case editRemoved:
			all = append(all, Removed{decodeList(&d, (*decoder).file)})
		case editShut:
			all = append(all, Shut{d.uvarint()})
		default:
			return nil, fmt.Errorf("%w: edit of %v", errPayload, kind)
		}
		if d.bad {
			return nil, fmt.Errorf("%w: %v", errPayload, kind)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: no edits", errPayload)
	}
	return all, nil
}

func (e Begin) encode(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, e.Act)
	return appendList(append(dst, byte(e.Kind)), e.Outputs, appendKind)
}

func (e Extend) encode(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, e.Act)
	first := uint64(0)
	if len(e.Outputs) > 0 {
		first = e.Outputs[0].ID
	}
	dst = binary.AppendUvarint(dst, first)
	return appendList(dst, e.Outputs, appendKind)
}

func (e Commit) encode(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, e.Act)
	dst = appendList(dst, e.Remove, binary.AppendUvarint)
	dst = appendList(dst, e.Add, appendLayer)
	if e.Checkpoint == nil {
		return append(dst, 0)
	}
	return appendCheckpoint(append(dst, 1), *e.Checkpoint)
}

func (e Abort) encode(dst []byte) []byte   { return binary.AppendUvarint(dst, e.Act) }
func (e Removed) encode(dst []byte) []byte { return appendList(dst, e.Files, appendFile) }
func (e Shut) encode(dst []byte) []byte    { return binary.AppendUvarint(dst, e.Seq) }

func appendList[T any](dst []byte, list []T, item func([]byte, T) []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, v := range list {
		dst = item(dst, v)
	}
	return dst
}

func appendLayer(dst []byte, l Layer) []byte {
	dst = binary.AppendUvarint(dst, l.From)
	dst = binary.AppendUvarint(dst, l.To)
	return appendList(dst, l.Segments, appendSegment)
}

func appendSegment(dst []byte, s Segment) []byte {
	dst = append(binary.AppendUvarint(dst, s.ID), s.Level)
	for _, v := range [...]uint64{s.FirstStream, s.LastStream, uint64(s.Bytes), uint64(s.RawBytes), s.Runs, s.Appends, uint64(s.Created)} {
		dst = binary.AppendUvarint(dst, v)
	}
	return dst
}

func appendCheckpoint(dst []byte, c Checkpoint) []byte {
	for _, v := range [...]uint64{c.Batch, c.Seq, c.WALFile, uint64(c.WALOffset), uint64(c.At), c.Snapshot} {
		dst = binary.AppendUvarint(dst, v)
	}
	dst = appendList(dst, c.Deltas, binary.AppendUvarint)
	return binary.AppendUvarint(dst, c.LastStream)
}

func appendFile(dst []byte, f File) []byte {
	return binary.AppendUvarint(appendKind(dst, f), f.ID)
}

func appendKind(dst []byte, f File) []byte { return append(dst, byte(f.Kind)) }
