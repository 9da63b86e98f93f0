package manifest

import "encoding/binary"

// part is a segment that begins within a stream.
type part struct{ id, start uint64 }

func partsOf(layers []Layer) []part {
	var all []part
	for _, l := range layers {
		for _, seg := range l.Segments {
			if seg.Start != 0 {
				all = append(all, part{seg.ID, seg.Start})
			}
		}
	}
	return all
}

func appendPart(dst []byte, p part) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(dst, p.id), p.start)
}

func (d *decoder) part() part { return part{d.uvarint(), d.uvarint()} }

// setParts gives segments their starts. Parts have the order of the segments.
func (d *decoder) setParts(layers []Layer, parts []part) {
	for i := range layers {
		for j := range layers[i].Segments {
			if seg := &layers[i].Segments[j]; len(parts) > 0 && parts[0].id == seg.ID {
				if seg.Start = parts[0].start; seg.Start == 0 {
					d.fail()
				}
				parts = parts[1:]
			}
		}
	}
	if len(parts) > 0 {
		d.fail()
	}
}

// parted reads a commit and the parts after it.
func (d *decoder) parted() Commit {
	e := d.commit()
	parts := decodeList(d, (*decoder).part)
	if len(parts) == 0 {
		d.fail() // it would have another kind
	}
	d.setParts(e.Add, parts)
	return e
}

// appendExtension adds what a state has beyond version 1, if anything.
func appendExtension(dst []byte, s *State) []byte {
	parts := partsOf(s.Layers)
	var placed []Segment
	for _, l := range s.Layers {
		for _, seg := range l.Segments {
			if seg.Place != PlaceLocal {
				placed = append(placed, seg)
			}
		}
	}
	if len(parts) == 0 && len(placed) == 0 && s.Tier.zero() {
		return dst
	}
	dst = appendList(dst, parts, appendPart)
	dst = appendList(dst, placed, func(dst []byte, s Segment) []byte {
		dst = append(binary.AppendUvarint(dst, s.ID), byte(s.Place))
		dst = binary.LittleEndian.AppendUint32(dst, s.CRC)
		return binary.AppendUvarint(dst, s.Index)
	})
	dst = append(dst, s.Tier.Owner[:]...)
	dst = appendList(dst, s.Tier.Objects, appendObject)
	dst = binary.AppendUvarint(dst, s.Tier.Published)
	return appendList(dst, s.Tier.Doomed, func(dst []byte, v Doomed) []byte {
		return binary.AppendUvarint(appendObject(dst, v.Object), uint64(v.NotBefore))
	})
}

// extension reads what appendExtension added.
func (d *decoder) extension(s *State) {
	parts := decodeList(d, (*decoder).part)
	d.setParts(s.Layers, parts)
	placed := decodeList(d, func(d *decoder) Segment {
		return Segment{ID: d.uvarint(), Place: Place(d.byte()), CRC: d.crc(), Index: d.uvarint()}
	})
	some := len(parts)+len(placed) > 0
	for i := range s.Layers {
		for j := range s.Layers[i].Segments {
			if seg := &s.Layers[i].Segments[j]; len(placed) > 0 && placed[0].ID == seg.ID {
				seg.Place, seg.CRC, seg.Index = placed[0].Place, placed[0].CRC, placed[0].Index
				if placed = placed[1:]; seg.Place == PlaceLocal {
					d.fail()
				}
			}
		}
	}
	s.Tier = Tier{Owner: d.owner(), Objects: decodeList(d, (*decoder).object), Published: d.uvarint()}
	s.Tier.Doomed = decodeList(d, func(d *decoder) Doomed { return Doomed{d.object(), d.count()} })
	if len(placed) > 0 || !some && s.Tier.zero() {
		d.fail()
	}
}

func appendObject(dst []byte, o Object) []byte {
	dst = binary.AppendUvarint(appendFile(dst, o.File), uint64(o.Bytes))
	dst = binary.LittleEndian.AppendUint32(dst, o.CRC)
	if o.Sent {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func (d *decoder) object() Object {
	o := Object{File: File{Kind: FileKind(d.byte())}}
	o.ID, o.Bytes, o.CRC = d.uvarint(), d.count(), d.crc()
	sent := d.byte()
	if sent > 1 || !o.Kind.valid() && o.Kind != FileState || o.Kind == FileIndex {
		d.fail()
	}
	o.Sent = sent == 1
	return o
}

func (d *decoder) crc() uint32 {
	if len(d.b) < 4 {
		d.fail()
		return 0
	}
	v := binary.LittleEndian.Uint32(d.b)
	d.b = d.b[4:]
	return v
}

func (d *decoder) owner() (owner [16]byte) {
	if len(d.b) < len(owner) {
		d.fail()
		return owner
	}
	d.b = d.b[copy(owner[:], d.b):]
	return owner
}

// tierEdit reads the fields of an edit about a bucket.
func (d *decoder) tierEdit(kind editKind) Edit {
	ids := func() []uint64 { return decodeList(d, (*decoder).uvarint) }
	switch kind {
	case editClaim:
		return Claim{d.owner()}
	case editSend:
		return Send{d.object()}
	case editSent:
		return Sent{d.uvarint()}
	case editPublish:
		return Publish{ID: d.uvarint(), Keep: ids(), Doomed: ids(), NotBefore: d.count()}
	case editEvict:
		return Evict{Act: d.uvarint(), Segments: decodeList(d, func(d *decoder) Evicted { return Evicted{d.uvarint(), d.uvarint()} })}
	}
	return Collected{ids()}
}
