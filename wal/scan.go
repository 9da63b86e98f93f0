package wal

import (
	"encoding/binary"
	"fmt"

	"tailrace/internal/frame"
	"tailrace/internal/vfs"
)

// fileScan is one log file on its way through a reader, and afterwards what
// was learnt about it: pos is then its end.
type fileScan struct {
	file   vfs.File
	path   string
	header FileHeader
	win    window

	pos     int64  // after the newest valid frame
	seq     uint64 // of the newest valid frame
	chain   uint32 // crc of the newest valid frame, or of the header
	seal    Flags  // kind of the seal when the newest frame is one
	frames  uint64 // of every kind
	records uint64
	lastAt  int64
	invalid string // why no valid frame follows; empty after a seal
}

// openScan opens a log file for reading and decodes its header. buf is memory
// it may use, or nil. The caller closes the file.
func openScan(fs vfs.FS, p paths, number uint64, buf []byte) (_ *fileScan, err error) {
	path := p.file(number)
	file, err := fs.Open(path)
	if err != nil {
		return nil, fmt.Errorf("wal: open %s: %w", path, err)
	}
	s := &fileScan{file: file, path: path}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	size, err := file.Size()
	if err != nil {
		return nil, fmt.Errorf("wal: size of %s: %w", path, err)
	}
	s.win = window{from: file, path: path, size: size, buf: buf[:0]}
	if err := s.begin(); err != nil {
		return nil, err
	}
	if s.header.File != number {
		return nil, s.corrupt(16, fmt.Sprintf("header says file %d", s.header.File))
	}
	return s, nil
}

// close gives the file up, if there is one.
func (s *fileScan) close() {
	if s != nil && s.file != nil {
		s.file.Close()
		s.file = nil
	}
}

// begin reads the header and puts the scan before the first frame.
func (s *fileScan) begin() error {
	page, err := s.win.bytes(0, int(min(headerBytes, s.win.size)))
	if err != nil {
		return err
	}
	if s.header, err = ParseFileHeader(page); err != nil {
		return inFile(s.path, 0, err)
	}
	s.pos, s.seq, s.chain = headerBytes, s.header.FirstSeq-1, headerCRC(page)
	s.seal, s.invalid = 0, ""
	s.frames, s.records, s.lastAt = 0, 0, 0
	return nil
}

func (s *fileScan) corrupt(at int64, reason string) error {
	return &frame.CorruptError{Path: s.path, Offset: at, Reason: reason}
}

// peek checks the bytes at pos for a frame. It returns the frame's bytes
// without padding, or the reason why they are none; the error is one of
// reading.
func (s *fileScan) peek(pos int64) (p []byte, reason string, err error) {
	rest := s.win.size - pos
	if rest < frameHeaderBytes {
		return nil, "the file ends", nil
	}
	if p, err = s.win.bytes(pos, frameHeaderBytes); err != nil {
		return nil, "", err
	}
	n, reason := frameExtent(p)
	if reason != "" {
		return nil, reason, nil
	}
	// The length is a number like any other until it fits into the file.
	if int64(n) > rest {
		return nil, "payload goes beyond the end of the file", nil
	}
	if p, err = s.win.bytes(pos, n); err != nil {
		return nil, "", err
	}
	if _, reason = checkFrame(p, s.header.Salt); reason != "" {
		return nil, reason, nil
	}
	// Salts are random: one may come twice, or do to a checksum what another did.
	if h := decodeFrameHeader(p); h.File < s.header.File {
		return nil, fmt.Sprintf("frame of file %d, which used the place before", h.File), nil
	}
	return p, "", nil
}

// next advances over one frame. ok is false when no valid frame follows, which
// is not an error here: seal and invalid tell why. The payload is valid until
// the next call. A frame whose checksum holds and that does not belong there
// is corruption.
func (s *fileScan) next() (h FrameHeader, payload []byte, ok bool, err error) {
	if s.seal != 0 {
		return h, nil, false, nil
	}
	p, reason, err := s.peek(s.pos)
	if err != nil || reason != "" {
		s.invalid = reason
		return h, nil, false, err
	}
	if h, payload, err = decodeFrame(p); err != nil {
		return h, nil, false, inFile(s.path, s.pos, err)
	}
	switch {
	case h.File != s.header.File:
		err = s.corrupt(s.pos+24, fmt.Sprintf("frame of file %d", h.File))
	case h.Epoch != s.header.Epoch:
		err = s.corrupt(s.pos+16, fmt.Sprintf("frame of epoch %d in a file of epoch %d", h.Epoch, s.header.Epoch))
	case h.Seq != s.seq+1:
		err = s.corrupt(s.pos+32, fmt.Sprintf("frame %d after frame %d", h.Seq, s.seq))
	case h.Chain != s.chain:
		err = s.corrupt(s.pos+56, fmt.Sprintf("frame %d is not chained to the one before it", h.Seq))
	}
	if err != nil {
		return h, nil, false, err
	}
	s.pos += FrameSize(h.Length)
	s.seq, s.chain, s.seal = h.Seq, h.CRC, h.Flags&flagsSeal
	s.frames++
	s.records += uint64(h.Records)
	s.lastAt = max(s.lastAt, h.At)
	s.invalid = ""
	return h, payload, true, nil
}

// replay advances over all frames that are left and hands the ones with
// records to f, which may be nil.
func (s *fileScan) replay(f func(Replayed) error) error {
	for {
		at := s.pos
		h, payload, ok, err := s.next()
		if err != nil || !ok {
			return err
		}
		if h.Flags != 0 || f == nil {
			continue
		}
		r := Replayed{Pos: Pos{h.File, at}, Seq: h.Seq, At: h.At, Payload: payload, Records: h.Records}
		if err := f(r); err != nil {
			return fmt.Errorf("wal: replay frame %d at %v: %w", r.Seq, r.Pos, err)
		}
	}
}

// complete tells whether the file is as Close, rotation and recovery leave it:
// sealed and cut to its end. The cut is the proof that all of it is on the
// medium, because it comes after the sync of the seal; without it, seal and
// frames may have been read from the page cache of a killed process. So a file
// has a page that no frame and no seal uses: there always is something to cut.
func (s *fileScan) complete() bool {
	return s.seal != 0 && s.win.size == s.pos && s.pos != s.header.FileBytes
}

// end judges what follows the newest valid frame. torn means that bytes are
// there which nobody was told about; an error that acknowledged data is
// damaged. last is whether no file follows.
func (s *fileScan) end(last bool) (torn bool, err error) {
	if s.seal != 0 && s.win.size < s.pos {
		return false, s.corrupt(s.win.size, fmt.Sprintf("the file ends inside its seal, which goes to byte %d", s.pos))
	}
	if s.seal == 0 && !last {
		return false, s.corrupt(s.pos, fmt.Sprintf("frame %d is missing or damaged, and the log goes on in the next file: %s", s.seq+1, s.invalid))
	}
	if s.seal == 0 {
		if err := s.testimony(); err != nil {
			return false, err
		}
		// Before its seal a file has its full length: it was synced like that
		// before it had a name. A shorter one lost its end.
		if s.header.FileBytes == 0 {
			return false, s.corrupt(s.pos, "the seal is missing, and the file was written with one: "+s.invalid)
		}
		if s.win.size != s.header.FileBytes {
			return false, s.corrupt(s.pos, fmt.Sprintf("no seal, and the file is %d bytes long instead of %d", s.win.size, s.header.FileBytes))
		}
	}
	from := s.pos
	if s.header.Reused {
		if s.seal == 0 {
			return s.begun()
		}
		from = max(from, s.header.FileBytes)
	}
	dirty, err := s.firstDirty(from)
	if err != nil {
		return false, err
	}
	if dirty >= 0 && s.seal != 0 {
		return false, s.corrupt(dirty, "bytes after the seal")
	}
	return dirty >= 0, nil
}

// testimony searches for a valid frame after the place where one is missing.
// Frames are written one after the other, each when those before it are
// durable, so any of them proves that the missing one was acknowledged.
func (s *fileScan) testimony() error {
	for pos := s.pos; pos < s.win.size; pos += pageBytes {
		p, reason, err := s.peek(pos)
		if err != nil {
			return err
		}
		if reason == "" {
			h := decodeFrameHeader(p)
			return s.corrupt(s.pos, fmt.Sprintf("frame %d is damaged (%s): it was acknowledged, frame %d at byte %d testifies that %d is durable",
				s.seq+1, s.invalid, h.Seq, pos, h.Durable))
		}
	}
	return nil
}

// begun tells whether a frame of this file begins after the newest valid one,
// which then never was finished. In a file that is used again, any other bytes
// there may be of the file before.
func (s *fileScan) begun() (bool, error) {
	if s.win.size-s.pos < frameHeaderBytes {
		return false, nil
	}
	p, err := s.win.bytes(s.pos, frameHeaderBytes)
	if err != nil {
		return false, err
	}
	return binary.LittleEndian.Uint32(p) == frameMagic && decodeFrameHeader(p).File == s.header.File, nil
}

// firstDirty is the position of the first byte at pos or after it that is not
// zero, or -1.
func (s *fileScan) firstDirty(pos int64) (int64, error) {
	for pos < s.win.size {
		n := int(min(readChunkBytes, s.win.size-pos))
		b, err := s.win.bytes(pos, n)
		if err != nil {
			return 0, err
		}
		if i := firstNonZero(b); i >= 0 {
			return pos + int64(i), nil
		}
		pos += int64(n)
	}
	return -1, nil
}

// follows verifies that s is the file after prev in one log.
func (s *fileScan) follows(prev *fileScan) error {
	h := s.header
	switch {
	case h.PredEnd != prev.pos:
		return s.corrupt(72, fmt.Sprintf("file %d ends at byte %d, not %d", prev.header.File, prev.pos, h.PredEnd))
	case h.PredCRC != prev.chain:
		return s.corrupt(80, fmt.Sprintf("not chained to the last frame of file %d", prev.header.File))
	case h.FirstSeq != prev.seq+1:
		return s.corrupt(56, fmt.Sprintf("begins with frame %d after frame %d", h.FirstSeq, prev.seq))
	case h.Epoch < prev.header.Epoch:
		return s.corrupt(40, fmt.Sprintf("epoch %d after epoch %d", h.Epoch, prev.header.Epoch))
	}
	return nil
}
