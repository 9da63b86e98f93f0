package bucket

import (
	"fmt"
	"io"
	"time"
)

// DumpHead writes an annotated listing of a head. The error is that of the
// first fault, or of writing.
func DumpHead(w io.Writer, b []byte) error {
	h, err := ParseHead(b)
	if err != nil {
		return err
	}
	state := "nothing published yet"
	if h.State.ID != 0 {
		state = fmt.Sprintf("%d, %d bytes, crc %08x, %s", h.State.ID, h.StateBytes, h.State.CRC, h.State.Name(h.Store))
	}
	_, err = fmt.Fprintf(w, "head\n  version  %d\n  store    %x\n  owner    %x\n  epoch    %d\n  state    %s\n  written  %s\n  nonce    %016x\n  crc      %08x\n",
		le.Uint32(b[8:]), h.Store, h.Owner, h.Epoch, state, date(h.Written), h.Nonce, le.Uint32(b[headCRCAt:]))
	return err
}

// DumpState writes an annotated listing of a published state, without its
// payload, and returns that. The error is that of the first fault, or of
// writing.
func DumpState(w io.Writer, b []byte) (payload []byte, err error) {
	s, err := ParseState(b)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(w, "state\n  version  %d\n  store    %x\n  id       %d\n  written  %s\n  payload  %d bytes\n  crc      %08x\n",
		le.Uint32(b[8:]), s.Store, s.ID, date(s.Written), len(s.Payload), le.Uint32(b[stateCRCAt:]))
	return s.Payload, err
}

func date(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }
