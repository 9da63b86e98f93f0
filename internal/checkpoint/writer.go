package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"tailrace/internal/frame"
)

var (
	// ErrOrder means that the id of a row is not larger than the one before it.
	ErrOrder = errors.New("checkpoint: ids do not grow")

	// ErrRowTooLarge means that a row is longer than RowBytesMax.
	ErrRowTooLarge = errors.New("checkpoint: row too large")

	// ErrFinished means that the file has its footer already.
	ErrFinished = errors.New("checkpoint: file is finished")

	errMark = errors.New("checkpoint: a snapshot has no removed streams")
)

// Writer writes one file. It is for one goroutine. After an error every call
// returns that error.
type Writer struct {
	w     io.Writer
	kind  Kind
	b     []byte // the block so far, its header not filled in
	begin int    // of the block in b: the first is written together with the file header
	rows  uint32 // in the block
	last  uint64 // id of the last row
	chain uint32
	n     int64 // bytes written
	t     Totals
	err   error
}

// NewWriter begins a file. Nothing is written before the first block is full.
func NewWriter(w io.Writer, h Header) *Writer {
	out := &Writer{w: w, kind: h.Kind}
	if _, reason := h.check(); reason != "" {
		out.err = errors.New("checkpoint: " + reason)
		return out
	}
	b := h.append(make([]byte, 0, headerBytes+blockHeaderBytes+blockBytes+8<<10))
	out.chain = binary.LittleEndian.Uint32(b[60:])
	out.b, out.begin = b, headerBytes
	out.b = append(out.b, make([]byte, blockHeaderBytes)...)
	return out
}

// Row adds the row of a stream, which may be empty. Ids grow from one call of
// Row or Removed to the next, and are at least 1.
func (w *Writer) Row(id uint64, row []byte) error {
	if len(row) > RowBytesMax && w.err == nil {
		w.err = fmt.Errorf("%w: %d bytes of stream %d", ErrRowTooLarge, len(row), id)
	}
	if err := w.place(id); err != nil {
		return err
	}
	w.b = binary.AppendUvarint(w.b, uint64(len(row))+1)
	w.b = append(w.b, row...)
	w.t.Rows++
	w.t.Bytes += uint64(len(row))
	return w.fill()
}

// Removed marks a stream as gone. Only a delta has such marks.
func (w *Writer) Removed(id uint64) error {
	if w.kind == Snapshot && w.err == nil {
		w.err = errMark
	}
	if err := w.place(id); err != nil {
		return err
	}
	w.b = append(w.b, 0)
	w.t.Removed++
	return w.fill()
}

// place begins a row.
func (w *Writer) place(id uint64) error {
	if w.err != nil {
		return w.err
	}
	if id <= w.last {
		w.err = fmt.Errorf("%w: %d after %d", ErrOrder, id, w.last)
		return w.err
	}
	w.b = binary.AppendUvarint(w.b, id-w.last)
	w.last = id
	w.rows++
	return nil
}

// fill writes the block if it is full.
func (w *Writer) fill() error {
	if len(w.b)-w.begin-blockHeaderBytes < blockBytes {
		return nil
	}
	return w.flush()
}

// flush writes the block, and whatever stands before it in the buffer.
func (w *Writer) flush() error {
	w.endBlock()
	if err := w.write(); err != nil {
		return err
	}
	w.b, w.begin = append(w.b, make([]byte, blockHeaderBytes)...), 0
	return nil
}

func (w *Writer) endBlock() {
	p := w.b[w.begin:]
	le := binary.LittleEndian
	le.PutUint32(p, blockMagic)
	le.PutUint32(p[4:], uint32(len(p)-blockHeaderBytes))
	le.PutUint32(p[8:], w.rows)
	le.PutUint32(p[12:], w.chain)
	w.chain = frame.Update(frame.Checksum(p[:16]), p[blockHeaderBytes:])
	le.PutUint32(p[16:], w.chain)
	w.t.Blocks++
	w.rows = 0
}

func (w *Writer) write() error {
	n, err := w.w.Write(w.b)
	w.n += int64(n)
	if err != nil {
		w.err = fmt.Errorf("checkpoint: write: %w", err)
		return w.err
	}
	w.b = w.b[:0]
	if cap(w.b) > 4*blockBytes { // one long row must not pin its memory
		w.b = nil
	}
	return nil
}

// Finish writes what is left and the footer. It does not close or sync what is
// written to.
func (w *Writer) Finish() (Totals, error) {
	if w.err != nil {
		return Totals{}, w.err
	}
	if w.rows > 0 {
		w.endBlock()
	} else {
		w.b = w.b[:w.begin]
	}
	w.b = w.t.append(w.b, w.chain)
	if err := w.write(); err != nil {
		return Totals{}, err
	}
	w.err = ErrFinished
	return w.t, nil
}

// Bytes is how long the file is so far, within the size of a block header; after
// Finish exactly.
func (w *Writer) Bytes() int64 { return w.n + int64(len(w.b)) }
