package segment

import "encoding/binary"

// decoder reads numbers from bytes whose checksum holds. After the first fault
// it returns zeros; reason and at tell what and where.
type decoder struct {
	b      []byte
	at     int
	reason string
}

func (d *decoder) fail(reason string) {
	if d.reason == "" {
		d.reason = reason
	}
}

// left is the number of bytes that are not read yet.
func (d *decoder) left() int { return len(d.b) - d.at }

func (d *decoder) uvarint() uint64 {
	if d.reason != "" {
		return 0
	}
	v, n := binary.Uvarint(d.b[d.at:])
	switch {
	case n <= 0:
		d.fail("number is cut short")
		return 0
	case n > 1 && d.b[d.at+n-1] == 0:
		d.fail("number is longer than it has to be")
		return 0
	}
	d.at += n
	return v
}

// offset reads a number that is an offset or a length in bytes.
func (d *decoder) offset() uint64 {
	at := d.at
	v := d.uvarint()
	if v > offsetMax {
		d.fail("number is beyond the limit")
		d.at = at
		return 0
	}
	return v
}

func (d *decoder) uint32() uint32 {
	if d.reason != "" {
		return 0
	}
	if d.left() < 4 {
		d.fail("checksum is cut short")
		return 0
	}
	v := le.Uint32(d.b[d.at:])
	d.at += 4
	return v
}

// id reads a stream id that is greater than the one before.
func (d *decoder) id(before uint64) uint64 {
	at := d.at
	delta := d.uvarint()
	if id := before + delta; d.reason == "" && id > before {
		return id
	}
	d.fail("stream ids do not grow")
	d.at = at
	return 0
}
