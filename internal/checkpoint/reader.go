package checkpoint

import (
	"encoding/binary"
	"fmt"
	"io"

	"tailrace/internal/frame"
)

// Read reads a whole file of size bytes, front to back. It calls header once,
// and then row for each row in the order of ids; the bytes are valid only during
// the call. An error of either ends reading and is returned.
//
// Each block is verified before its rows are handed out, but only the footer
// tells that the file is complete: when Read fails, the caller throws away what
// the rows built. Bytes that do not verify are a *frame.CorruptError without a
// path, another format is a *VersionError, anything else is an error of reading.
func Read(r io.ReaderAt, size int64, header func(Header) error, row func(id uint64, removed bool, b []byte) error) (Totals, error) {
	f := file{r: r, size: size}
	h, err := f.header()
	if err != nil {
		return Totals{}, err
	}
	if err := header(h); err != nil {
		return Totals{}, err
	}
	for {
		at := f.pos
		payload, rows, err := f.block()
		if err != nil {
			return Totals{}, err
		}
		if payload == nil {
			return f.totals, nil
		}
		if err := f.rows(payload, rows, at+blockHeaderBytes, h.Kind, row); err != nil {
			return Totals{}, err
		}
	}
}

// file is a file while it is read.
type file struct {
	r    io.ReaderAt
	size int64

	pos  int64  // how far blocks were handed out
	buf  []byte // read ahead: the bytes at bufAt
	from int64

	last   uint64 // id of the last row
	chain  uint32
	totals Totals
}

// readBytes is how much is read at a time, unless a block is longer.
const readBytes = 256 << 10

// bytes returns the n bytes at pos, valid until the next call.
func (f *file) bytes(pos int64, n int) ([]byte, error) {
	if pos+int64(n) > f.size {
		return nil, corrupt(f.size, "file is cut short")
	}
	if pos < f.from || pos+int64(n) > f.from+int64(len(f.buf)) {
		want := max(n, int(min(readBytes, f.size-pos)))
		if cap(f.buf) < want || cap(f.buf) > 4*readBytes && want <= readBytes {
			f.buf = make([]byte, want)
		}
		f.buf, f.from = f.buf[:want], pos
		if got, err := f.r.ReadAt(f.buf, pos); got < want {
			f.buf = f.buf[:0]
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, fmt.Errorf("checkpoint: read at byte %d: %w", pos+int64(got), err)
		}
	}
	begin := int(pos - f.from)
	return f.buf[begin : begin+n : begin+n], nil
}

func (f *file) header() (Header, error) {
	p, err := f.bytes(0, headerBytes)
	if err != nil {
		return Header{}, err
	}
	f.pos = headerBytes
	f.chain = binary.LittleEndian.Uint32(p[60:])
	return parseHeader(p)
}

// block returns the rows of the next block, verified, and their number; nil at
// the end of the file.
func (f *file) block() ([]byte, uint32, error) {
	p, err := f.bytes(f.pos, blockHeaderBytes)
	if err != nil {
		return nil, 0, err
	}
	le := binary.LittleEndian
	switch le.Uint32(p) {
	case blockMagic:
	case footerMagic:
		return nil, 0, f.footer()
	default:
		return nil, 0, corrupt(f.pos, "neither block nor footer: bad magic")
	}
	length := le.Uint32(p[4:])
	if length == 0 || length > blockPayloadMax {
		return nil, 0, corrupt(f.pos+4, "block length is beyond the limits")
	}
	n := blockHeaderBytes + int(length)
	if p, err = f.bytes(f.pos, n); err != nil {
		return nil, 0, err
	}
	crc := frame.Update(frame.Checksum(p[:16]), p[blockHeaderBytes:])
	switch {
	case crc != le.Uint32(p[16:]):
		return nil, 0, corrupt(f.pos, "block does not match its checksum")
	case le.Uint32(p[12:]) != f.chain:
		return nil, 0, corrupt(f.pos+12, "block does not follow the one before it")
	}
	f.pos += int64(n)
	f.chain = crc
	f.totals.Blocks++
	return p[blockHeaderBytes:], le.Uint32(p[8:]), nil
}

func (f *file) footer() error {
	p, err := f.bytes(f.pos, footerBytes)
	if err != nil {
		return err
	}
	if err := f.totals.checkFooter(p, f.pos, f.chain); err != nil {
		return err
	}
	if end := f.pos + footerBytes; end != f.size {
		return corrupt(end, "something follows the footer")
	}
	return nil
}

// rows hands out the rows of a block whose first is at that place of the file.
func (f *file) rows(p []byte, claimed uint32, at int64, kind Kind, row func(uint64, bool, []byte) error) error {
	whole := len(p)
	here := func() int64 { return at + int64(whole-len(p)) }
	rows := uint32(0)
	for ; len(p) > 0; rows++ {
		step, n := uvarint(p)
		if n <= 0 || step == 0 || f.last+step < f.last {
			return corrupt(here(), fmt.Sprintf("malformed row after stream %d", f.last))
		}
		id := f.last + step
		p = p[n:]
		length, n := uvarint(p)
		if n <= 0 || length > uint64(len(p)-n)+1 || length > RowBytesMax+1 || length == 0 && kind == Snapshot {
			return corrupt(here(), fmt.Sprintf("malformed row of stream %d", id))
		}
		p = p[n:]
		f.last = id
		var b []byte
		if length == 0 {
			f.totals.Removed++
		} else {
			b = p[: length-1 : length-1]
			p = p[length-1:]
			f.totals.Rows++
			f.totals.Bytes += length - 1
		}
		if err := row(id, length == 0, b); err != nil {
			return err
		}
	}
	if rows != claimed {
		return corrupt(at-blockHeaderBytes+8, fmt.Sprintf("block has %d rows and claims %d", rows, claimed))
	}
	return nil
}

// uvarint is binary.Uvarint that refuses a number which ends in a zero byte: it
// has a shorter form.
func uvarint(p []byte) (uint64, int) {
	if len(p) > 0 && p[0] < 0x80 {
		return uint64(p[0]), 1
	}
	v, n := binary.Uvarint(p)
	if n > 1 && p[n-1] == 0 {
		return 0, 0
	}
	return v, n
}
