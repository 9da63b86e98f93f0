package manifest

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// Dump writes an annotated listing of a manifest file: its header, every frame
// up to the first place where none follows, what stands there, and the state
// that all of it amounts to. The error is that of the file's first fault, or of
// writing.
func Dump(w io.Writer, b []byte) error {
	out := bufio.NewWriter(w)
	err := dump(out, b)
	if err != nil {
		fmt.Fprintf(out, "fault: %v\n", err)
	}
	if ferr := out.Flush(); err == nil {
		err = ferr
	}
	return err
}

func dump(out io.Writer, b []byte) error {
	h, err := ParseHeader(b)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "header\n")
	fmt.Fprintf(out, "  version    %d\n", binary.LittleEndian.Uint32(b[8:]))
	fmt.Fprintf(out, "  store      %x\n", h.Store)
	fmt.Fprintf(out, "  number     %d\n", h.Number)
	fmt.Fprintf(out, "  first seq  %d\n", h.FirstSeq)
	fmt.Fprintf(out, "  crc        %08x\n", binary.LittleEndian.Uint32(b[headerCRCAt:]))
	c, err := scan(b, func(f scanned) { dumpFrame(out, f) })
	if err != nil {
		return err
	}
	switch {
	case c.Torn != "":
		fmt.Fprintf(out, "end at %d: torn tail, %s\n", c.Pos, c.Torn)
	case !c.Confirmed:
		fmt.Fprintf(out, "end at %d: the last group has no confirm, zeros up to %d\n", c.Pos, len(b))
	default:
		fmt.Fprintf(out, "end at %d: zeros up to %d\n", c.Pos, len(b))
	}
	fmt.Fprintf(out, "state at the end\n")
	dumpState(out, &c.State)
	return nil
}

// DumpState writes an annotated listing of a state that is in no manifest file.
func DumpState(w io.Writer, s *State) error {
	out := bufio.NewWriter(w)
	dumpState(out, s)
	return out.Flush()
}

func dumpFrame(out io.Writer, f scanned) {
	fmt.Fprintf(out, "frame at %d\n", f.at)
	fmt.Fprintf(out, "  %v, seq %d, chain %08x, crc %08x, payload %d bytes, file %d bytes\n", f.Kind, f.Seq, f.Chain, f.CRC, f.Length, f.Size)
	if f.Kind == FrameSnapshot {
		dumpState(out, f.state)
	}
	for _, e := range f.edits {
		dumpEdit(out, e)
	}
}

func dumpEdit(out io.Writer, e Edit) {
	switch e := e.(type) {
	case Begin:
		fmt.Fprintf(out, "  begin act %d, %v, outputs %v\n", e.Act, e.Kind, e.Outputs)
	case Extend:
		fmt.Fprintf(out, "  extend act %d, outputs %v\n", e.Act, e.Outputs)
	case Commit:
		fmt.Fprintf(out, "  commit act %d\n", e.Act)
		if len(e.Remove) > 0 {
			fmt.Fprintf(out, "    remove segments %v\n", e.Remove)
		}
		for _, l := range e.Add {
			dumpLayer(out, "    add ", l)
		}
		if e.Checkpoint != nil {
			dumpCheckpoint(out, "    ", *e.Checkpoint)
		}
	case Abort:
		fmt.Fprintf(out, "  abort act %d\n", e.Act)
	case Removed:
		fmt.Fprintf(out, "  removed %v\n", e.Files)
	case shut:
		fmt.Fprintf(out, "  shut, log ends at seq %d\n", e.seq)
	default:
		dumpTierEdit(out, e)
	}
}

func dumpState(out io.Writer, s *State) {
	fmt.Fprintf(out, "  next id %d\n", s.NextID)
	for _, l := range s.Layers {
		dumpLayer(out, "  ", l)
	}
	dumpCheckpoint(out, "  ", s.Checkpoint)
	for _, a := range s.Acts {
		fmt.Fprintf(out, "  open act %d, %v, outputs %v\n", a.ID, a.Kind, a.Outputs)
	}
	for _, f := range s.Garbage {
		pinned := ""
		if s.Pinned(f) {
			pinned = ", pinned"
		}
		fmt.Fprintf(out, "  garbage %v%s\n", f, pinned)
	}
	dumpTier(out, &s.Tier)
}

func dumpLayer(out io.Writer, indent string, l Layer) {
	fmt.Fprintf(out, "%slayer of batches %d to %d\n", indent, l.From+1, l.To)
	for _, s := range l.Segments {
		fmt.Fprintf(out, "%s  segment %d, level %d, streams %d to %d, %d bytes of %d raw, %d runs, %d appends, created %s",
			indent, s.ID, s.Level, s.FirstStream, s.LastStream, s.Bytes, s.RawBytes, s.Runs, s.Appends, date(s.Created))
		if s.Start != 0 {
			fmt.Fprintf(out, ", from offset %d", s.Start)
		}
		if s.Place != PlaceLocal {
			fmt.Fprintf(out, ", %v, crc %08x", s.Place, s.CRC)
		}
		if s.Index != 0 {
			fmt.Fprintf(out, ", index %d", s.Index)
		}
		fmt.Fprintln(out)
	}
}

func dumpCheckpoint(out io.Writer, indent string, c Checkpoint) {
	fmt.Fprintf(out, "%scheckpoint at batch %d, log seq %d, file %d, offset %d, time %s, last stream %d, files %v\n",
		indent, c.Batch, c.Seq, c.WALFile, c.WALOffset, date(c.At), c.LastStream, c.files())
}

func date(ms int64) string {
	return fmt.Sprintf("%d (%s)", ms, time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z"))
}
