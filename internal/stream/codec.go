package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// The encoded form of a record is a head and the body, back to back:
//
//	kind    1 byte
//	flags   1 byte, below; unknown ones are refused
//	id      uvarint
//	...     the fields of the kind, in the order of AppendHead; integers are
//	        uvarints (ExpiresAt a zigzag varint), strings a uvarint length and
//	        the bytes
//	body    the rest
//
// A field that its flag does not announce is not there. A uvarint takes as few
// bytes as it can, so that a record has one encoding.
const (
	flagClosed    = 1 << 0 // create: closed; append: closes
	flagTTL       = 1 << 1 // create: TTL; append: At
	flagExpires   = 1 << 2 // create: ExpiresAt, ExpiresText
	flagFork      = 1 << 3 // create: Source, Base, From, SubOffset, Prefix
	flagInherited = 1 << 4 // create: the expiry is the source's
	flagProducer  = 1 << 5 // append: Producer
	flagSeq       = 1 << 6 // append: Seq
	flagKeep      = 1 << 7 // create: KeepAge, KeepBytes

	// Of a create. What knows no public streams refuses the record.
	flagPublic = 1 << 5 // Public

	// Of a change, which has TTL and ExpiresAt by the flags above.
	flagTrim   = 1 << 0 // Start
	flagLife   = 1 << 3 // the lifetime is what TTL and ExpiresAt say
	flagPolicy = 1 << 4 // KeepAge, KeepBytes
)

var errRecord = errors.New("stream: malformed record")

// AppendHead appends the encoded record to dst, all but its body.
func (r *Record) AppendHead(dst []byte) []byte {
	dst = append(dst, byte(r.Kind), r.flags())
	dst = binary.AppendUvarint(dst, uint64(r.ID))
	switch r.Kind {
	case KindCreate:
		dst = r.appendCreate(dst)
	case KindAppend:
		dst = binary.AppendUvarint(dst, uint64(r.Start))
		if r.At != 0 {
			dst = binary.AppendUvarint(dst, uint64(r.At))
		}
		if r.Producer.ID != "" {
			dst = appendString(dst, r.Producer.ID)
			dst = binary.AppendUvarint(dst, uint64(r.Producer.Epoch))
			dst = binary.AppendUvarint(dst, uint64(r.Producer.Seq))
		}
		if r.HasSeq {
			dst = appendString(dst, r.Seq)
		}
	case KindTouch:
		dst = binary.AppendUvarint(dst, uint64(r.At))
	case KindChange:
		dst = r.appendChange(dst)
	case KindTrim:
		dst = binary.AppendUvarint(dst, uint64(r.Start))
	}
	return dst
}

func (r *Record) appendChange(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(r.At))
	if r.Start != 0 {
		dst = binary.AppendUvarint(dst, uint64(r.Start))
	}
	dst = r.appendLife(dst)
	if r.HasPolicy {
		dst = binary.AppendUvarint(dst, uint64(r.KeepAge))
		dst = binary.AppendUvarint(dst, uint64(r.KeepBytes))
	}
	return dst
}

func (r *Record) appendLife(dst []byte) []byte {
	if r.TTL != NoTTL && (r.Kind == KindCreate || r.HasLife) {
		dst = binary.AppendUvarint(dst, uint64(r.TTL))
	}
	if r.ExpiresAt != 0 {
		dst = binary.AppendVarint(dst, r.ExpiresAt)
		dst = appendString(dst, r.ExpiresText)
	}
	return dst
}

func (r *Record) appendCreate(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(r.At))
	dst = appendString(dst, r.Path)
	dst = appendString(dst, r.ContentType)
	dst = r.appendLife(dst)
	if r.Source != 0 {
		dst = binary.AppendUvarint(dst, uint64(r.Source))
		dst = binary.AppendUvarint(dst, uint64(r.Base))
		dst = appendString(dst, r.From)
		dst = binary.AppendUvarint(dst, r.SubOffset)
		dst = binary.AppendUvarint(dst, uint64(r.Prefix))
	}
	if r.KeepAge != 0 || r.KeepBytes != 0 {
		dst = binary.AppendUvarint(dst, uint64(r.KeepAge))
		dst = binary.AppendUvarint(dst, uint64(r.KeepBytes))
	}
	return dst
}

func (r *Record) flags() byte {
	var f byte
	set := func(bit byte, on bool) {
		if on {
			f |= bit
		}
	}
	switch r.Kind {
	case KindCreate:
		set(flagClosed, r.Closed)
		set(flagTTL, r.TTL != NoTTL)
		set(flagExpires, r.ExpiresAt != 0)
		set(flagFork, r.Source != 0)
		set(flagInherited, r.InheritedExpiry)
		set(flagPublic, r.Public)
		set(flagKeep, r.KeepAge != 0 || r.KeepBytes != 0)
	case KindAppend:
		set(flagClosed, r.Close)
		set(flagTTL, r.At != 0)
		set(flagProducer, r.Producer.ID != "")
		set(flagSeq, r.HasSeq)
	case KindChange:
		set(flagTrim, r.Start != 0)
		set(flagLife, r.HasLife)
		set(flagTTL, r.HasLife && r.TTL != NoTTL)
		set(flagExpires, r.HasLife && r.ExpiresAt != 0)
		set(flagPolicy, r.HasPolicy)
	}
	return f
}

func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// DecodeRecord reads an encoded record. Its Body is a part of b.
func DecodeRecord(b []byte) (Record, error) {
	if len(b) < 3 {
		return Record{}, errRecord
	}
	d := decoder{b: b[2:]}
	r := Record{Kind: Kind(b[0]), TTL: NoTTL}
	flags := b[1]
	r.ID = ID(d.uvarint())
	switch r.Kind {
	case KindCreate:
		d.create(&r, flags)
	case KindAppend:
		r.Close = flags&flagClosed != 0
		r.Start = Offset(d.uvarint())
		if flags&flagTTL != 0 {
			r.At = d.count()
		}
		if flags&flagProducer != 0 {
			r.Producer = Producer{ID: d.string(), Epoch: d.count(), Seq: d.count()}
		}
		if flags&flagSeq != 0 {
			r.Seq, r.HasSeq = d.string(), true
		}
	case KindDelete, KindExpire:
	case KindTouch:
		r.At = d.count()
	case KindChange:
		d.change(&r, flags)
	case KindTrim:
		r.Start = Offset(d.uvarint())
	default:
		return Record{}, fmt.Errorf("%w: kind %d", errRecord, b[0])
	}
	r.Body = d.b
	if d.bad || r.Prefix > len(r.Body) {
		return Record{}, errRecord
	}
	// The flags must be just those that the fields give: one fact has one
	// encoding.
	if r.flags() != flags || len(r.Body) > 0 && r.Kind != KindCreate && r.Kind != KindAppend {
		return Record{}, errRecord
	}
	return r, nil
}

func (d *decoder) create(r *Record, flags byte) {
	r.Closed = flags&flagClosed != 0
	r.InheritedExpiry = flags&flagInherited != 0
	r.Public = flags&flagPublic != 0
	r.At = d.count()
	r.Path = d.string()
	r.ContentType = d.string()
	d.life(r, flags)
	if flags&flagFork != 0 {
		r.Source = ID(d.uvarint())
		r.Base = Offset(d.uvarint())
		r.From = d.string()
		r.SubOffset = d.uvarint()
		r.Prefix = int(min(d.count(), math.MaxInt32)) // no body is that long
	}
	if flags&flagKeep != 0 {
		r.KeepAge, r.KeepBytes = d.count(), d.count()
	}
}

func (d *decoder) life(r *Record, flags byte) {
	if flags&flagTTL != 0 {
		r.TTL = d.count()
	}
	if flags&flagExpires != 0 {
		r.ExpiresAt = d.varint()
		r.ExpiresText = d.string()
	}
}

func (d *decoder) change(r *Record, flags byte) {
	r.At = d.count()
	if flags&flagTrim != 0 {
		r.Start = Offset(d.uvarint())
	}
	r.HasLife = flags&flagLife != 0
	d.life(r, flags)
	if flags&flagPolicy != 0 {
		r.HasPolicy = true
		r.KeepAge, r.KeepBytes = d.count(), d.count()
	}
}

// decoder reads fields off the front of b. After the first fault every field
// is zero and bad is set.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	return d.took(v, n)
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if d.took(0, n); d.bad {
		return 0
	}
	return v
}

// took moves on by the n bytes of a varint. One that ends in a zero byte has a
// shorter form, the only one that is accepted.
func (d *decoder) took(v uint64, n int) uint64 {
	if n <= 0 || n > 1 && d.b[n-1] == 0 || d.bad {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count reads a number that is an int64 in memory.
func (d *decoder) count() int64 {
	v := d.uvarint()
	if v > 1<<63-1 {
		d.bad, d.b = true, nil
		return 0
	}
	return int64(v)
}

func (d *decoder) string() string { return string(d.bytes()) }

// bytes reads a string without copying it.
func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return nil
	}
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b
}
