package stream

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Row is everything that records ever said about one stream. A checkpoint holds
// one for each stream, so that opening a store need not replay how it came to
// be. What follows from other rows is not in it (which forks a stream has, how
// deep it is among them), nor what no record tells (the use since Logged). The
// identity is the key of the row and is kept beside it.
//
// The encoded form begins with a version, so that a row can grow:
//
//	version    1 byte: the least of 1, 2 and 3 that has all there is
//	flags      1 byte, below
//	more       from version 2 on: 1 byte of flags, not 0
//	path       string
//	type       string, the content type as given
//	tail       uvarint, an offset that has a token
//	ttl        rowTTL: uvarint, seconds
//	logged     rowTTL: uvarint, Unix milliseconds
//	expires    rowExpires: zigzag varint, Unix milliseconds, not 0
//	text       rowExpires: string, the time as the client wrote it
//	source     rowFork: uvarint, identity, not 0
//	base       rowFork: uvarint, at most tail
//	from       rowFork: string, path of the source as asked for
//	sub        rowFork: uvarint, the sub-offset as asked for
//	producers  rowProducers: uvarint, how many, not 0; of each, in ascending
//	           order of the ids:
//	             id     string, not empty
//	             epoch  uvarint
//	             seq    uvarint
//	seq        rowSeq: string
//	start      rowStart: uvarint, the earliest retained offset, not 0
//	bytes      rowKeepBytes: uvarint, to keep, not 0
//	age        rowKeepAge: uvarint, seconds, not 0, followed by
//	             begin  uvarint, Unix milliseconds
//	             last   uvarint, likewise
//	             count  uvarint, of marks; of each:
//	                      at      uvarint, Unix milliseconds
//	                      offset  uvarint, growing, above start
//
// Varints and strings are those of records. A field that its flag does not
// announce is not there, nothing follows the last, and so a row has one
// encoding.
type Row struct {
	Path        string
	ContentType string
	Closed      bool
	Gone        bool
	Public      bool
	Tail        Offset

	TTL         int64 // seconds, or NoTTL
	Logged      int64 // Unix milliseconds; only where there is a TTL
	ExpiresAt   int64 // Unix milliseconds, or 0
	ExpiresText string

	Source          ID // 0 = not a fork, and the next four mean nothing
	Base            Offset
	From            string
	SubOffset       uint64
	InheritedExpiry bool

	Producers []Producer // in ascending order of ID
	Seq       string     // the last Stream-Seq, if HasSeq
	HasSeq    bool

	Start     Offset
	KeepBytes int64 // 0 = however many
	KeepAge   int64 // seconds, 0 = whatever the age, and the next three mean nothing
	AgeBegin  int64 // Unix milliseconds
	AgeLast   int64 // Unix milliseconds
	Marks     []Mark
}

const (
	rowVersion       = 1
	rowVersionMore   = 2
	rowVersionPublic = 3
)

const (
	rowClosed    = 1 << 0
	rowGone      = 1 << 1
	rowTTL       = 1 << 2
	rowExpires   = 1 << 3
	rowFork      = 1 << 4
	rowInherited = 1 << 5 // the expiry of the fork is its source's
	rowProducers = 1 << 6
	rowSeq       = 1 << 7
)

// The flags that came with version 2.
const (
	rowStart     = 1 << 0
	rowKeepBytes = 1 << 1
	rowKeepAge   = 1 << 2
)

// The flag that came with version 3, beside them.
const rowPublic = 1 << 3

// producerRowMin is the least that a producer takes in a row.
const producerRowMin = 4

var errRow = errors.New("stream: malformed row")

// AppendRow appends the encoded row of the stream to dst.
func (s *Stream) AppendRow(dst []byte) []byte {
	r := s.Row()
	return r.Append(dst)
}

// Row is what the records said about the stream. It shares the strings.
func (s *Stream) Row() Row {
	row := Row{
		Path: s.Path, ContentType: s.ContentType, Closed: s.Closed, Gone: s.Gone, Public: s.Public(), Tail: s.Tail,
		TTL: s.TTL(), Logged: s.Logged(),
	}
	row.ExpiresAt, row.ExpiresText = s.ExpiresAt()
	if f := s.fork(); f != nil {
		row.Source, row.Base, row.From, row.SubOffset, row.InheritedExpiry = f.sourceID, f.base, f.from, f.sub, f.inheritedExpiry
	}
	if s.Producers() > 0 {
		row.Producers = make([]Producer, 0, s.Producers())
		for id, p := range s.rare.producers {
			row.Producers = append(row.Producers, Producer{ID: id, Epoch: p.epoch, Seq: p.seq})
		}
		slices.SortFunc(row.Producers, func(a, b Producer) int { return cmp.Compare(a.ID, b.ID) })
	}
	row.Seq, row.HasSeq = s.lastSeq()
	row.Start = s.Start()
	if r := s.retained(); r != nil {
		row.KeepBytes, row.KeepAge, row.AgeBegin, row.AgeLast, row.Marks = r.bytes, r.age, r.begin, r.last, r.marks
	}
	return row
}

// stream makes the stream that the row describes, which keeps the strings. Its
// source is not linked.
func (r *Row) stream(id ID) *Stream {
	s := &Stream{
		ID: id, Path: r.Path, ContentType: r.ContentType, JSON: IsJSON(r.ContentType),
		Closed: r.Closed, Gone: r.Gone, Tail: r.Tail,
		text: int32(len(r.Path) + len(r.ContentType)),
	}
	if r.Public {
		s.marked = markPublic
	}
	if r.TTL != NoTTL {
		rare := s.needRare()
		rare.ttl, rare.touched, rare.logged = r.TTL, r.Logged, r.Logged
	}
	if r.ExpiresAt != 0 {
		s.needRare().expires = &expiry{at: r.ExpiresAt, text: r.ExpiresText}
		s.text += int32(len(r.ExpiresText))
	}
	if r.Source != 0 {
		s.needRare().fork = &fork{
			sourceID: r.Source, base: r.Base, from: r.From, sub: r.SubOffset, inheritedExpiry: r.InheritedExpiry,
		}
		s.text += int32(len(r.From))
	}
	for _, p := range r.Producers {
		s.addProducer(p)
	}
	if r.HasSeq {
		s.setSeq(r.Seq)
	}
	if r.Start != 0 {
		s.needRare().start = r.Start
	}
	if r.KeepBytes != 0 || r.KeepAge != 0 {
		s.needRare().retention = &retention{age: r.KeepAge, bytes: r.KeepBytes, marks: r.Marks, begin: r.AgeBegin, last: r.AgeLast}
	}
	return s
}

// Append appends the encoded row to dst. A row of a table's stream always has
// a form that DecodeRow accepts.
func (r *Row) Append(dst []byte) []byte {
	more := r.moreFlags()
	if dst = append(dst, rowVersionOf(more), r.flags()); more != 0 {
		dst = append(dst, more)
	}
	dst = appendString(dst, r.Path)
	dst = appendString(dst, r.ContentType)
	dst = binary.AppendUvarint(dst, uint64(r.Tail))
	if r.TTL != NoTTL {
		dst = binary.AppendUvarint(dst, uint64(r.TTL))
		dst = binary.AppendUvarint(dst, uint64(r.Logged))
	}
	if r.ExpiresAt != 0 {
		dst = binary.AppendVarint(dst, r.ExpiresAt)
		dst = appendString(dst, r.ExpiresText)
	}
	if r.Source != 0 {
		dst = binary.AppendUvarint(dst, uint64(r.Source))
		dst = binary.AppendUvarint(dst, uint64(r.Base))
		dst = appendString(dst, r.From)
		dst = binary.AppendUvarint(dst, r.SubOffset)
	}
	if len(r.Producers) > 0 {
		dst = binary.AppendUvarint(dst, uint64(len(r.Producers)))
		for _, p := range r.Producers {
			dst = appendString(dst, p.ID)
			dst = binary.AppendUvarint(dst, uint64(p.Epoch))
			dst = binary.AppendUvarint(dst, uint64(p.Seq))
		}
	}
	if r.HasSeq {
		dst = appendString(dst, r.Seq)
	}
	if r.Start != 0 {
		dst = binary.AppendUvarint(dst, uint64(r.Start))
	}
	if r.KeepBytes != 0 {
		dst = binary.AppendUvarint(dst, uint64(r.KeepBytes))
	}
	if r.KeepAge != 0 {
		dst = binary.AppendUvarint(dst, uint64(r.KeepAge))
		dst = binary.AppendUvarint(dst, uint64(r.AgeBegin))
		dst = binary.AppendUvarint(dst, uint64(r.AgeLast))
		dst = binary.AppendUvarint(dst, uint64(len(r.Marks)))
		for _, m := range r.Marks {
			dst = binary.AppendUvarint(dst, uint64(m.At))
			dst = binary.AppendUvarint(dst, uint64(m.Offset))
		}
	}
	return dst
}

func (r *Row) flags() byte {
	return bits([]rowFlag{
		{rowClosed, r.Closed}, {rowGone, r.Gone}, {rowTTL, r.TTL != NoTTL}, {rowExpires, r.ExpiresAt != 0},
		{rowFork, r.Source != 0}, {rowInherited, r.Source != 0 && r.InheritedExpiry},
		{rowProducers, len(r.Producers) > 0}, {rowSeq, r.HasSeq},
	})
}

func (r *Row) moreFlags() byte {
	return bits([]rowFlag{
		{rowStart, r.Start != 0}, {rowKeepBytes, r.KeepBytes != 0}, {rowKeepAge, r.KeepAge != 0}, {rowPublic, r.Public},
	})
}

// rowVersionOf is the version of a row with these flags beyond the first.
func rowVersionOf(more byte) byte {
	switch {
	case more == 0:
		return rowVersion
	case more&rowPublic == 0:
		return rowVersionMore
	}
	return rowVersionPublic
}

type rowFlag struct {
	bit byte
	on  bool
}

func bits(flags []rowFlag) (all byte) {
	for _, f := range flags {
		if f.on {
			all |= f.bit
		}
	}
	return all
}

// DecodeRow reads an encoded row. It keeps nothing of b.
func DecodeRow(b []byte) (Row, error) {
	return decodeRow(b, func(contentType []byte) string { return string(contentType) })
}

// decodeRow lets the caller make the string of the content type: millions of
// rows have the same few.
func decodeRow(b []byte, contentType func([]byte) string) (Row, error) {
	if len(b) < 2 {
		return Row{}, fmt.Errorf("%w: it is cut short", errRow)
	}
	flags, more, rest := b[1], byte(0), b[2:]
	switch {
	case b[0] == rowVersion:
	case b[0] != rowVersionMore && b[0] != rowVersionPublic:
		return Row{}, fmt.Errorf("%w: version %d", errRow, b[0])
	case len(rest) == 0 || rowVersionOf(rest[0]) != b[0]:
		return Row{}, fmt.Errorf("%w: version %d of a row that has nothing of it", errRow, b[0])
	default:
		more, rest = rest[0], rest[1:]
	}
	has := func(bit byte) bool { return flags&bit != 0 }
	d := decoder{b: rest}
	r := Row{TTL: NoTTL, Closed: has(rowClosed), Gone: has(rowGone), Public: more&rowPublic != 0}
	r.Path = d.string()
	r.ContentType = contentType(d.bytes())
	r.Tail = Offset(d.uvarint())
	if has(rowTTL) {
		r.TTL, r.Logged = d.count(), d.count()
	}
	if has(rowExpires) {
		r.ExpiresAt, r.ExpiresText = d.varint(), d.string()
	}
	if has(rowFork) {
		r.Source, r.Base, r.From, r.SubOffset = ID(d.uvarint()), Offset(d.uvarint()), d.string(), d.uvarint()
		r.InheritedExpiry = has(rowInherited)
	}
	if has(rowProducers) {
		r.Producers = d.producers()
	}
	if has(rowSeq) {
		r.Seq, r.HasSeq = d.string(), true
	}
	d.retention(&r, more)
	switch {
	case d.bad:
		return Row{}, fmt.Errorf("%w: a field is cut short or out of range", errRow)
	case len(d.b) > 0:
		return Row{}, fmt.Errorf("%w: %d bytes follow it", errRow, len(d.b))
	case r.flags() != flags || r.moreFlags() != more:
		return Row{}, fmt.Errorf("%w: flags %#x, %#x of fields that give %#x, %#x", errRow, flags, more, r.flags(), r.moreFlags())
	case r.Tail >= offsetEnd || r.Base > r.Tail || r.Start > r.Tail:
		return Row{}, fmt.Errorf("%w: tail %d, base %d, start %d", errRow, uint64(r.Tail), uint64(r.Base), uint64(r.Start))
	}
	for i, m := range r.Marks {
		if m.Offset <= r.Start || m.Offset > r.Tail || i > 0 && m.Offset <= r.Marks[i-1].Offset {
			return Row{}, fmt.Errorf("%w: a mark at %d", errRow, uint64(m.Offset))
		}
	}
	return r, nil
}

// producers reads the producers of a row.
func (d *decoder) producers() []Producer {
	n := d.uvarint()
	if n > uint64(len(d.b))/producerRowMin {
		d.bad = true
		return nil
	}
	list := make([]Producer, 0, n)
	last := "" // no id is empty
	for range n {
		p := Producer{ID: d.string(), Epoch: d.count(), Seq: d.count()}
		if p.ID <= last {
			d.bad = true
			return nil
		}
		list, last = append(list, p), p.ID
	}
	return list
}

// retention reads what version 2 has more.
func (d *decoder) retention(r *Row, more byte) {
	if more&rowStart != 0 {
		r.Start = Offset(d.uvarint())
	}
	if more&rowKeepBytes != 0 {
		r.KeepBytes = d.count()
	}
	if more&rowKeepAge == 0 {
		return
	}
	r.KeepAge, r.AgeBegin, r.AgeLast = d.count(), d.count(), d.count()
	n := d.uvarint()
	if n > marksMax {
		d.bad = true
		return
	}
	for range n {
		r.Marks = append(r.Marks, Mark{At: d.count(), Offset: Offset(d.uvarint())})
	}
}
