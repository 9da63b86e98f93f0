package segment

import (
	"errors"
	"fmt"
	"io"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"tailrace/index"
	"tailrace/internal/frame"
)

// WriterOptions are what a segment is made with. The zero value of a size is
// its default.
type WriterOptions struct {
	Info
	Better       bool // compress harder: half the speed, about a tenth less; for the last merge
	BlockBytes   int  // content of a shared block, at most SoloBytes
	SoloBytes    int  // stored bodies in one block of any kind, at most SoloBytesMax
	SoloMinBytes int  // a run of as many bytes has blocks of its own
}

func (o *WriterOptions) withDefaults() {
	if o.SoloBytes == 0 {
		o.SoloBytes = SoloBytesMax
	}
	if o.BlockBytes == 0 {
		o.BlockBytes = min(BlockBytesDefault, o.SoloBytes)
	}
	if o.SoloMinBytes == 0 {
		o.SoloMinBytes = SoloMinBytesDefault
	}
}

func (o *WriterOptions) validate() error {
	switch {
	case o.SoloBytes < 1 || o.SoloBytes > SoloBytesMax:
		return fmt.Errorf("segment: solo block of %d bytes, the range is 1 to %d", o.SoloBytes, SoloBytesMax)
	case o.BlockBytes < 1 || o.BlockBytes > o.SoloBytes:
		return fmt.Errorf("segment: shared block of %d bytes, the range is 1 to %d", o.BlockBytes, o.SoloBytes)
	case o.SoloMinBytes < 1:
		return fmt.Errorf("segment: solo blocks from %d bytes on", o.SoloMinBytes)
	}
	return nil
}

// Writer writes one segment: BeginRun, Append or CopyBlock until the run is
// complete, the next run, and Finish. The first error is final: all calls
// after it return it. What was written until then is no segment. A Writer is
// for one goroutine.
type Writer struct {
	to   io.Writer
	opts WriterOptions
	err  error

	pos uint64 // written so far
	sum fileSum
	crc uint32 // of the section that is being written
	out []byte // a block on its way out

	block build
	run   current
	queue []Run // begun and not yet in a page; only the last can be unfinished
	pages pageWriter

	members *roaring64.Bitmap
	props   Properties
}

// current is the run that is being written.
type current struct {
	stream uint64 // 0 = there is none
	json   bool
	solo   bool   // has blocks of its own
	next   uint64 // offset where the next append starts
	left   int64  // bytes to come
	span   span   // an append of which CopyBlock brought the first pieces
}

// NewWriter returns a writer that writes to w from where w stands, which is
// the beginning of the file. A fault of the options is the error of the first
// call.
func NewWriter(w io.Writer, o WriterOptions) *Writer {
	o.withDefaults()
	s := &Writer{to: w, opts: o, err: o.validate(), members: roaring64.New(), props: Properties{Info: o.Info}}
	var head []byte
	head, s.sum = o.appendHeader(nil)
	s.write(head)
	s.crc = 0
	return s
}

// Bytes is how much there is so far: what is written of the file, and what the
// open block has before compression. It lacks what Finish adds.
func (w *Writer) Bytes() int64 { return int64(w.pos) + int64(w.block.bytes()) }

func (w *Writer) fail(err error) error {
	if w.err == nil {
		w.err = err
	}
	return w.err
}

func (w *Writer) write(b []byte) {
	if w.err != nil {
		return
	}
	if _, err := w.to.Write(b); err != nil {
		_ = w.fail(fmt.Errorf("segment: write: %w", err))
		return
	}
	w.pos += uint64(len(b))
	w.crc = frame.Update(w.crc, b)
}

// BeginRun begins the run of a stream. Streams come in growing order, and none
// twice. start is the offset where the first append starts. size is the number
// of bytes of all stored bodies that are going to follow, exactly: it decides
// whether the run has blocks of its own.
func (w *Writer) BeginRun(stream, start uint64, json bool, size int64) error {
	if err := w.endRun(); err != nil {
		return err
	}
	switch {
	case stream <= w.props.Last:
		return w.fail(fmt.Errorf("segment: run of stream %d after that of stream %d", stream, w.props.Last))
	case start > startMax:
		return w.fail(fmt.Errorf("segment: run of stream %d: start %d is beyond the limit", stream, start))
	case size < 1 || size > runMax:
		return w.fail(fmt.Errorf("segment: run of stream %d: impossible size %d", stream, size))
	}
	w.run = current{stream: stream, json: json, solo: size >= int64(w.opts.SoloMinBytes), next: start, left: size}
	// Whoever reads a small run should have to decode one block only.
	small := size <= int64(w.opts.BlockBytes/4)
	if w.run.solo || small && !w.block.takes(int(size), w.opts.BlockBytes) {
		w.flush()
	}
	w.settle()
	n := len(w.queue)
	if n < cap(w.queue) {
		w.queue = w.queue[:n+1] // has blocks whose memory is good for another run
	} else {
		w.queue = append(w.queue, Run{})
	}
	r := &w.queue[n]
	r.Blocks.Reset()
	*r = Run{Stream: stream, Start: start, End: start, JSON: json, Blocks: r.Blocks}
	w.members.Add(stream)
	w.props.Runs++
	if w.props.First == 0 {
		w.props.First = stream
	}
	w.props.Last = stream
	w.props.RawBytes += size
	return w.err
}

// Append adds the next append of the run, given as its stored body. body is
// the caller's again when Append returns.
func (w *Writer) Append(body []byte) error {
	if w.err != nil {
		return w.err
	}
	if err := w.takeable(len(body)); err != nil {
		return w.fail(err)
	}
	if len(body) == 0 || w.run.json && body[len(body)-1] != ',' {
		return w.fail(fmt.Errorf("segment: stream %d: append at %d is no stored body", w.run.stream, w.run.next))
	}
	if len(body) > w.opts.SoloBytes {
		return w.appendSpan(body)
	}
	limit := w.opts.BlockBytes
	if w.run.solo {
		limit = w.opts.SoloBytes
	}
	if !w.block.takes(len(body), limit) {
		w.flush()
	}
	if w.block.empty() && w.run.solo {
		w.block.kind = kindSolo
	}
	if parts := w.block.table.parts; len(parts) == 0 || parts[len(parts)-1].stream != w.run.stream {
		w.block.begin(w.run.stream, w.run.next, w.run.json)
	}
	w.block.add(body)
	w.took(1, int64(len(body)))
	return w.err
}

// takeable tells why as many bytes cannot follow in the current run.
func (w *Writer) takeable(n int) error {
	switch {
	case w.run.stream == 0:
		return errors.New("segment: append outside of a run")
	case w.run.span.left != 0:
		return fmt.Errorf("segment: stream %d: append at %d lacks %d bytes", w.run.stream, w.run.next, w.run.span.left)
	case int64(n) > w.run.left:
		return fmt.Errorf("segment: stream %d: run is longer than announced", w.run.stream)
	}
	return nil
}

// took counts whole appends into the current run.
func (w *Writer) took(appends uint64, bytes int64) {
	w.run.left -= bytes
	w.run.next += uint64(bytes) + AppendOverhead*appends
	r := &w.queue[len(w.queue)-1]
	r.Appends += appends
	r.End = w.run.next
	w.props.Appends += appends
	if r.End > offsetMax {
		_ = w.fail(fmt.Errorf("segment: stream %d: end %d is beyond the limit", r.Stream, r.End))
	}
}

// appendSpan adds an append that is longer than a block, in pieces of equal
// length.
func (w *Writer) appendSpan(body []byte) error {
	if len(body) > appendMax {
		return w.fail(fmt.Errorf("segment: stream %d: append of %d bytes", w.run.stream, len(body)))
	}
	w.flush()
	pieces := (len(body) + w.opts.SoloBytes - 1) / w.opts.SoloBytes
	size := (len(body) + pieces - 1) / pieces
	for at := 0; at < len(body) && w.err == nil; at += size {
		piece := body[at:min(at+size, len(body))]
		w.block.kind = kindPiece
		w.block.begin(w.run.stream, w.run.next, w.run.json)
		w.block.add(piece)
		w.block.table.before, w.block.table.after = uint64(at), uint64(len(body)-at-len(piece))
		w.flush()
	}
	w.took(1, int64(len(body)))
	return w.err
}

// flush writes the open block. All runs in it but the last are complete.
func (w *Writer) flush() {
	if w.block.empty() || w.err != nil {
		return
	}
	var h blockHeader
	w.out, h = w.block.encode(w.out[:0], w.pos, w.sum, w.opts.Better)
	parts := w.block.table.parts
	w.wrote(&h, parts)
	w.write(w.out)
	w.block.reset()
}

// wrote notes a block that stands at the end of what is written so far, in the
// runs that have parts in it. All runs but the current one are then complete.
func (w *Writer) wrote(h *blockHeader, parts []part) {
	runs := w.queue
	current := len(runs) - 1
	if parts[len(parts)-1].stream != runs[current].Stream {
		runs = runs[:current] // the current run has begun, and nothing of it was written
	}
	runs = runs[len(runs)-len(parts):]
	for i := range runs {
		runs[i].Blocks.Add(index.Block{First: parts[i].start, Pos: w.pos, Len: uint32(h.bytes())})
	}
	w.props.Blocks++
	w.props.StoredBytes += int64(h.stored)
	if h.kind == kindSolo {
		w.props.AsIs++
	}
	for i := range current {
		w.pages.add(&w.queue[i])
	}
	w.queue[0], w.queue[current] = w.queue[current], w.queue[0]
	w.queue = w.queue[:1]
}

// endRun verifies that the current run is complete.
func (w *Writer) endRun() error {
	if w.err == nil && w.run.left != 0 {
		return w.fail(fmt.Errorf("segment: stream %d: run lacks %d bytes", w.run.stream, w.run.left))
	}
	if w.run.solo {
		w.flush()
	}
	return w.err
}

// CutRun ends the current run behind what has come of it, which must be something
// and whole appends, and returns how many bytes are left of what was announced.
func (w *Writer) CutRun() (left int64, err error) {
	switch {
	case w.err != nil:
		return 0, w.err
	case w.run.stream == 0 || w.run.span.left != 0 || w.queue[len(w.queue)-1].Appends == 0:
		return 0, w.fail(fmt.Errorf("segment: stream %d: run cannot end at %d", w.run.stream, w.run.next))
	}
	left = w.run.left
	w.run.left = 0
	w.props.RawBytes -= left
	return left, nil
}

// settle moves a run that is complete, and not in the open block, into the run
// index. When no block is open, it is the only one in the queue.
func (w *Writer) settle() {
	if len(w.queue) == 1 && w.block.empty() && w.err == nil {
		w.pages.add(&w.queue[0])
		w.queue = w.queue[:0]
	}
}

// Finish completes the segment. It needs one run at least. The destination
// stays open, and is not synced.
func (w *Writer) Finish() (Properties, error) {
	if err := w.endRun(); err != nil {
		return Properties{}, err
	}
	w.flush()
	switch {
	case w.err != nil:
		return Properties{}, w.err
	case w.props.Runs == 0:
		return Properties{}, w.fail(errors.New("segment: no runs"))
	}
	w.settle()
	w.members.RunOptimize()
	members, err := w.members.ToPortableBytes()
	if err != nil {
		return Properties{}, w.fail(fmt.Errorf("segment: encode membership: %w", err))
	}
	var f footer
	f[sectionBlocks] = section{headerBytes, w.pos - headerBytes, w.crc}
	pages, refs := w.pages.finish(w.pos, w.sum)
	for i, b := range [][]byte{pages, refs, members, w.props.append(nil)} {
		w.crc = 0
		pos := w.pos
		w.write(b)
		f[sectionIndex+i] = section{pos, uint64(len(b)), w.crc}
	}
	w.write(f.append(nil, w.sum))
	if w.err != nil {
		return Properties{}, w.err
	}
	w.props.Bytes = int64(w.pos)
	_ = w.fail(errors.New("segment: finished"))
	return w.props, nil
}
