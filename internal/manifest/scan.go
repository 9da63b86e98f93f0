package manifest

import (
	"encoding/binary"
	"errors"
	"fmt"

	"tailrace/internal/frame"
)

// Contents is what a manifest file amounts to.
type Contents struct {
	Header
	State State

	// Confirmed tells that the last group is known to be on the medium, and not
	// only in memory of the system: its confirm is there, or there is no group.
	Confirmed bool

	// Torn is the reason why what stands after the last frame is none, when it is
	// something else than zeros. It was being written when its process ended:
	// nobody was told about it.
	Torn string

	Pos  int64  // where the next frame would begin
	Seq  uint64 // of the last frame
	Size int64  // the length that the file has to have at least

	snapshotCRC uint32
}

// Parse reads a whole manifest file. Errors are *VersionError and
// *frame.CorruptError without a path.
func Parse(b []byte) (*Contents, error) { return scan(b, nil) }

// scanned is a frame on its way to whoever looks at a file frame by frame.
type scanned struct {
	FrameHeader
	at    int64
	edits []Edit
	state *State // after the frame
}

// scan is Parse that shows every frame.
func scan(b []byte, visit func(scanned)) (*Contents, error) {
	h, err := ParseHeader(b)
	if err != nil {
		return nil, err
	}
	c := &Contents{Header: h, Pos: headerBytes, Seq: h.FirstSeq - 1}
	chain := binary.LittleEndian.Uint32(b[headerCRCAt:])
	last := FrameKind(0)
	for {
		_, reason := checkFrame(b[c.Pos:], h.Store)
		if reason != "" {
			// The snapshot was synced before CURRENT named the file.
			if last == 0 {
				return nil, corrupt(c.Pos, "the snapshot is damaged: "+reason, nil)
			}
			if err := c.end(b, reason); err != nil {
				return nil, err
			}
			c.Confirmed = last != FrameEdits
			return c, nil
		}
		f, payload, err := ParseFrame(b[c.Pos:], h.Store)
		if err != nil {
			return nil, moveBy(c.Pos, err)
		}
		if err := c.follows(f, chain, last, int64(len(b))); err != nil {
			return nil, err
		}
		edits, err := c.take(f, payload)
		if err != nil {
			return nil, err
		}
		if visit != nil {
			visit(scanned{f, c.Pos, edits, &c.State})
		}
		if last == 0 {
			c.snapshotCRC = f.CRC
		}
		chain, last = f.CRC, f.Kind
		c.Pos += frameSize(f.Length)
		c.Seq, c.Size = f.Seq, f.Size
	}
}

// follows checks that a frame is the one that has to come next. Its checksum
// holds: what is wrong was written like that, or written elsewhere.
func (c *Contents) follows(f FrameHeader, chain uint32, last FrameKind, length int64) error {
	fits := f.Kind != FrameSnapshot
	switch last {
	case 0:
		fits = f.Kind == FrameSnapshot
	case FrameEdits:
		fits = f.Kind == FrameConfirm
	}
	switch {
	case f.File != c.Number:
		return corrupt(c.Pos+16, fmt.Sprintf("frame of file %d", f.File), nil)
	case f.Seq != c.Seq+1:
		return corrupt(c.Pos+24, fmt.Sprintf("frame %d after %d", f.Seq, c.Seq), nil)
	case f.Chain != chain:
		return corrupt(c.Pos+40, fmt.Sprintf("frame %d does not follow the frame before it", f.Seq), nil)
	case !fits:
		return corrupt(c.Pos+4, f.Kind.String()+" in the wrong place", nil)
	case f.Size < c.Size || f.Size < c.Pos+frameSize(f.Length):
		return corrupt(c.Pos+32, fmt.Sprintf("frame %d in a file of %d bytes", f.Seq, f.Size), nil)
	case f.Size > length:
		return corrupt(length, fmt.Sprintf("file is cut short: it had %d bytes at frame %d", f.Size, f.Seq), nil)
	}
	return nil
}

// take brings the state to after the frame.
func (c *Contents) take(f FrameHeader, payload []byte) ([]Edit, error) {
	at := c.Pos + frameHeaderBytes
	switch f.Kind {
	case FrameSnapshot:
		s, err := DecodeState(payload)
		if err != nil {
			return nil, corrupt(at, "malformed snapshot", err)
		}
		c.State = s
	case FrameEdits:
		edits, err := DecodeEdits(payload)
		if err != nil {
			return nil, corrupt(at, "malformed edits", err)
		}
		if len(edits) != f.Edits {
			return nil, corrupt(c.Pos+12, fmt.Sprintf("frame has %d edits and claims %d", len(edits), f.Edits), nil)
		}
		for _, e := range edits {
			if err := c.State.apply(e); err != nil {
				return nil, corrupt(at, "an edit does not follow", err)
			}
		}
		return edits, nil
	}
	return nil, nil
}

// end judges a place where no valid frame follows. A valid one further on was
// written after the one that stood here had been synced: that is damage. Else
// nobody was told about what stands here.
func (c *Contents) end(b []byte, reason string) error {
	for at := c.Pos + pageBytes; at < int64(len(b)); at += pageBytes {
		if _, none := checkFrame(b[at:], c.Store); none == "" && binary.LittleEndian.Uint64(b[at+16:]) == c.Number {
			return corrupt(c.Pos, fmt.Sprintf("%s; the frame at byte %d proves that one was here", reason, at), nil)
		}
	}
	if _, clean := frame.Zeros(b, int(c.Pos), len(b)); !clean {
		c.Torn = reason
	}
	return nil
}

// moveBy corrects the place in the error of a decoder that saw a part of a file.
func moveBy(at int64, err error) error {
	var ce *frame.CorruptError
	if errors.As(err, &ce) {
		ce.Offset += at
	}
	return err
}
