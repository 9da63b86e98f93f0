package manifest

import (
	"encoding/binary"
	"math"
)

// decoder reads fields off the front of b. After the first fault every field
// is zero and bad is set.
type decoder struct {
	b   []byte
	bad bool
}

// end tells that everything was read and nothing was wrong.
func (d *decoder) end() bool { return !d.bad && len(d.b) == 0 }

func (d *decoder) fail() { d.bad, d.b = true, nil }

// uvarint refuses a number that ends in a zero byte: it has a shorter form.
func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || n > 1 && d.b[n-1] == 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count reads a number that is an int64 in memory.
func (d *decoder) count() int64 {
	v := d.uvarint()
	if v > math.MaxInt64 {
		d.fail()
		return 0
	}
	return int64(v)
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail()
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

// decodeList reads a list. An empty one is nil.
func decodeList[T any](d *decoder, item func(*decoder) T) []T {
	n := d.uvarint()
	if n > uint64(len(d.b)) { // an item takes a byte at least
		d.fail()
	}
	var list []T
	for ; n > 0 && !d.bad; n-- {
		list = append(list, item(d))
	}
	return list
}

func (d *decoder) file() File {
	f := File{Kind: d.fileKind()}
	f.ID = d.uvarint()
	return f
}

func (d *decoder) fileKind() FileKind {
	k := FileKind(d.byte())
	if !k.valid() {
		d.fail()
	}
	return k
}

// outputs reads the kinds of files with ids from first on.
func (d *decoder) outputs(first uint64) []File {
	next := first
	return decodeList(d, func(d *decoder) File {
		f := File{next, d.fileKind()}
		if next++; next == 0 {
			d.fail()
		}
		return f
	})
}

func (d *decoder) layer() Layer {
	return Layer{From: d.uvarint(), To: d.uvarint(), Segments: decodeList(d, (*decoder).segment)}
}

func (d *decoder) segment() Segment {
	return Segment{
		ID: d.uvarint(), Level: d.byte(), FirstStream: d.uvarint(), LastStream: d.uvarint(),
		Bytes: d.count(), RawBytes: d.count(), Runs: d.uvarint(), Appends: d.uvarint(), Created: d.count(),
	}
}

func (d *decoder) checkpoint() Checkpoint {
	return Checkpoint{
		Batch: d.uvarint(), Seq: d.uvarint(), WALFile: d.uvarint(), WALOffset: d.count(), At: d.count(),
		Snapshot: d.uvarint(), Deltas: decodeList(d, (*decoder).uvarint), LastStream: d.uvarint(),
	}
}

func (d *decoder) commit() Commit {
	e := Commit{Act: d.uvarint(), Remove: decodeList(d, (*decoder).uvarint), Add: decodeList(d, (*decoder).layer)}
	switch d.byte() {
	case 0:
	case 1:
		c := d.checkpoint()
		e.Checkpoint = &c
	default:
		d.fail()
	}
	return e
}
