package wal

import (
	"bufio"
	"fmt"
	"io"
	"time"
)

// Dump writes an annotated listing of one log file: its header and every
// frame, up to the first place where none follows, and what stands there. It
// needs nothing of the store but the file's bytes. size is their number. The
// error is that of the file's first fault, or of reading or writing.
func Dump(w io.Writer, r io.ReaderAt, size int64) error {
	out := bufio.NewWriter(w)
	err := dump(out, r, size)
	if err != nil {
		fmt.Fprintf(out, "fault: %v\n", err)
	}
	if ferr := out.Flush(); err == nil {
		err = ferr
	}
	return err
}

func dump(out io.Writer, r io.ReaderAt, size int64) error {
	s := &fileScan{path: "log file", win: window{from: r, path: "log file", size: size}}
	if err := s.begin(); err != nil {
		return err
	}
	h := s.header
	fmt.Fprintf(out, "header\n")
	fmt.Fprintf(out, "  version      %d\n", formatVersion)
	fmt.Fprintf(out, "  file         %d\n", h.File)
	fmt.Fprintf(out, "  store        %v\n", h.Store)
	fmt.Fprintf(out, "  epoch        %d\n", h.Epoch)
	fmt.Fprintf(out, "  salt         %016x\n", h.Salt)
	fmt.Fprintf(out, "  first seq    %d\n", h.FirstSeq)
	if h.PredFile == 0 {
		fmt.Fprintf(out, "  predecessor  none\n")
	} else {
		fmt.Fprintf(out, "  predecessor  file %d, end %d, crc %08x\n", h.PredFile, h.PredEnd, h.PredCRC)
	}
	if h.FileBytes == 0 {
		fmt.Fprintf(out, "  file bytes   0: written whole by recovery\n")
	} else {
		fmt.Fprintf(out, "  file bytes   %d\n", h.FileBytes)
	}
	if h.Reused {
		fmt.Fprintf(out, "  reused       after the end may be bytes of an earlier file\n")
	}
	fmt.Fprintf(out, "  crc          %08x\n", s.chain)
	for {
		at := s.pos
		fh, payload, ok, err := s.next()
		if err != nil {
			return err
		}
		if !ok {
			return dumpEnd(out, s)
		}
		fmt.Fprintf(out, "frame at %d\n", at)
		fmt.Fprintf(out, "  %v, seq %d, durable %d, at %d (%s)\n", fh.Flags, fh.Seq, fh.Durable, fh.At,
			time.UnixMilli(fh.At).UTC().Format("2006-01-02T15:04:05.000Z"))
		fmt.Fprintf(out, "  chain %08x, crc %08x, payload %d bytes, %d on the medium\n", fh.Chain, fh.CRC, fh.Length, FrameSize(fh.Length))
		for record, err := range Records(payload) {
			if err != nil {
				return inFile(s.path, at+frameHeaderBytes, err)
			}
			fmt.Fprintf(out, "  record %s\n", excerpt(record))
		}
	}
}

// dumpEnd says what stands after the last frame.
func dumpEnd(out io.Writer, s *fileScan) error {
	torn, err := s.end(true)
	if err != nil {
		return err
	}
	rest := "zeros"
	if s.header.Reused {
		rest = "nothing of this file"
	}
	switch {
	case s.complete():
		fmt.Fprintf(out, "end at %d: sealed\n", s.pos)
	case s.seal != 0:
		fmt.Fprintf(out, "end at %d: sealed, %s up to %d\n", s.pos, rest, s.win.size)
	case torn:
		fmt.Fprintf(out, "end at %d: torn tail, %s\n", s.pos, s.invalid)
	default:
		fmt.Fprintf(out, "end at %d: no seal, %s up to %d\n", s.pos, rest, s.win.size)
	}
	return nil
}

// excerptBytes of a record are shown.
const excerptBytes = 48

func excerpt(record []byte) string {
	if len(record) <= excerptBytes {
		return fmt.Sprintf("%d bytes %q", len(record), record)
	}
	return fmt.Sprintf("%d bytes %q...", len(record), record[:excerptBytes])
}
