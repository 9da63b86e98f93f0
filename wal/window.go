package wal

import (
	"fmt"
	"io"
)

// window reads a file from front to back through one buffer.
type window struct {
	from io.ReaderAt
	path string
	size int64  // the file's length when it was opened; nothing beyond is read
	at   int64  // position of buf in the file
	buf  []byte // what was read last
}

// bytes returns n bytes at pos, valid until the next call. The caller has
// checked that they are inside the file. An error is one of reading: it says
// nothing about the bytes.
func (w *window) bytes(pos int64, n int) ([]byte, error) {
	if pos < w.at || pos+int64(n) > w.at+int64(len(w.buf)) {
		if err := w.fill(pos, max(n, int(min(readChunkBytes, w.size-pos)))); err != nil {
			return nil, err
		}
	}
	begin := int(pos - w.at)
	return w.buf[begin : begin+n : begin+n], nil
}

func (w *window) fill(pos int64, n int) error {
	// One large frame must not pin its memory for the rest of the scan.
	if cap(w.buf) < n || cap(w.buf) > bufferKeepBytes && n <= bufferKeepBytes {
		w.buf = make([]byte, n)
	}
	w.buf, w.at = w.buf[:n], pos
	got, err := w.from.ReadAt(w.buf, pos)
	if got < n {
		w.forget()
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("wal: read %s at byte %d: %w", w.path, pos+int64(got), err)
	}
	return nil
}

// release gives the buffer to another window.
func (w *window) release() []byte {
	b := w.buf
	w.buf, w.at = nil, 0
	return b
}

// forget drops what was read, so that the next read sees the file as it is.
func (w *window) forget() { w.buf, w.at = w.buf[:0], 0 }
