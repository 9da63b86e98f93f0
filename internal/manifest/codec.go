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
//	state       next id, layers, checkpoint, acts, garbage, 0; and if there is anything
//	            in them: parts, places, tier
//	layer       from, to, segments
//	segment     id, level, first stream, last stream, bytes, raw bytes, runs, appends, created
//	checkpoint  batch, seq, log file, log offset, at, snapshot, deltas, last stream
//	act         id, kind, outputs
//	file        kind (1 byte), id
//	part        id of a segment that has a start, start
//	place       id of a segment that is not local only, place (1 byte), crc, index
//	tier        owner (16 bytes), objects, published, doomed
//	object      kind (1 byte), id, bytes, crc (4 bytes), 1 if it was sent or 0
//	doomed      object, not before
//
//	edit        kind (1 byte), then
//	1 begin     act, kind, kinds of outputs: their ids are those after the act's
//	2 extend    act, id of the first output, kinds of outputs
//	3 commit    act, removed ids, added layers, 1 and the checkpoint or 0
//	4 abort     act
//	5 removed   files
//	6 shut      seq: read and without meaning, not written any more
//	7 parted    as commit, and then parts: some added segments have a start
//	8 claim     owner (16 bytes)
//	9 send      object
//	10 sent     id
//	11 publish  id, ids kept, ids doomed, not before
//	12 evict    act, segments: id, id of the index
//	13 collected  ids
//
// Levels, kinds and places are single bytes. Kinds from 7 on, and the end of the
// state from parts on, are not in files of version 1.

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
	dst = append(dst, 0)
	return appendExtension(dst, s)
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
	if d.byte() != 0 {
		d.fail()
	}
	if len(d.b) > 0 {
		d.extension(&s)
	}
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
			all = append(all, shut{d.uvarint()})
		case editParted:
			all = append(all, d.parted())
		case editClaim, editSend, editSent, editPublish, editEvict, editCollected:
			all = append(all, d.tierEdit(kind))
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
		dst = append(dst, 0)
	} else {
		dst = appendCheckpoint(append(dst, 1), *e.Checkpoint)
	}
	if e.kind() == editParted {
		dst = appendList(dst, partsOf(e.Add), appendPart)
	}
	return dst
}

func (e Abort) encode(dst []byte) []byte   { return binary.AppendUvarint(dst, e.Act) }
func (e Removed) encode(dst []byte) []byte { return appendList(dst, e.Files, appendFile) }
func (e shut) encode(dst []byte) []byte    { return binary.AppendUvarint(dst, e.seq) }

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
