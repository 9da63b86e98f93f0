package segment

import (
	"encoding/binary"

	"tailrace/index"
)

// pageRef is a page of the run index and the first stream in it.
type pageRef struct {
	first uint64
	pos   uint64 // in the file; in a pageWriter, among its pages
	len   uint32
}

// pageWriter encodes runs into pages. Positions of pages are not known before
// the last block is written, so their checksums come at the end.
type pageWriter struct {
	b      []byte // all pages, the last one open
	pages  []pageRef
	runs   uint32      // in the open page
	stream uint64      // of the last entry
	last   index.Block // in which the last entry ends
}

// add adds the entry of a run, whose stream is greater than the one before.
func (w *pageWriter) add(r *Run) {
	if len(w.pages) > 0 {
		begin := len(w.b)
		w.b = w.appendEntry(w.b, r)
		if page := w.pages[len(w.pages)-1]; len(w.b)+crcBytes-int(page.pos) <= pageBytes {
			w.added(r)
			return
		}
		w.b = w.b[:begin]
		w.close()
	}
	w.open(r.Stream)
	w.b = w.appendEntry(w.b, r)
	w.added(r)
}

func (w *pageWriter) added(r *Run) {
	w.runs++
	w.stream = r.Stream
	w.last = r.Blocks.At(r.Blocks.Len() - 1)
}

func (w *pageWriter) open(first uint64) {
	w.pages = append(w.pages, pageRef{first: first, pos: uint64(len(w.b))})
	before := w.last
	if before.Len == 0 {
		before.Pos = headerBytes
	}
	w.b = le.AppendUint32(w.b, 0) // runs, when the page is full
	w.b = le.AppendUint32(w.b, before.Len)
	w.b = le.AppendUint64(w.b, before.Pos)
	w.runs, w.stream, w.last = 0, 0, before
}

// close ends the open page, all but its checksum.
func (w *pageWriter) close() {
	page := &w.pages[len(w.pages)-1]
	le.PutUint32(w.b[page.pos:], w.runs)
	w.b = append(w.b, 0, 0, 0, 0)
	page.len = uint32(uint64(len(w.b)) - page.pos)
}

func (w *pageWriter) appendEntry(b []byte, r *Run) []byte {
	joins := w.last.Len > 0 && r.Blocks.At(0).Pos == w.last.Pos
	before := index.Block{First: r.Start, Pos: w.last.Pos, Len: w.last.Len}
	b = binary.AppendUvarint(b, r.Stream-w.stream)
	b = binary.AppendUvarint(b, r.Start)
	b = binary.AppendUvarint(b, r.Appends<<2|bit(r.JSON)<<1|bit(joins))
	b = binary.AppendUvarint(b, uint64(r.RawBytes()))
	return r.Blocks.AppendTail(b, int(bit(joins)), before)
}

// finish ends the last page and makes all of them right for a position in the
// file. It returns the pages and the page index.
func (w *pageWriter) finish(pos uint64, sum fileSum) (pages, refs []byte) {
	w.close()
	stream := uint64(0)
	for _, page := range w.pages {
		b := w.b[page.pos:][:page.len]
		crcAt := len(b) - crcBytes
		le.PutUint32(b[crcAt:], sum.placed(pos+page.pos, b[:crcAt]))
		refs = binary.AppendUvarint(refs, page.first-stream)
		refs = binary.AppendUvarint(refs, uint64(page.len))
		stream = page.first
	}
	return w.b, refs
}

// parsePageRefs decodes the page index of a run index at that place. at is
// where in the page index the fault is.
func parsePageRefs(b []byte, runIndex section) (refs []pageRef, at int, reason string) {
	d := decoder{b: b}
	next, stream := runIndex.pos, uint64(0)
	for d.left() > 0 {
		at = d.at
		stream = d.id(stream)
		n := d.uvarint()
		switch {
		case d.reason != "":
			return nil, d.at, d.reason
		case n <= pageHeaderBytes+crcBytes || n > runIndex.end()-next || n > 1<<32-1:
			return nil, at, "page does not fit into the run index"
		}
		refs = append(refs, pageRef{first: stream, pos: next, len: uint32(n)})
		next += n
	}
	if next != runIndex.end() {
		return nil, at, "pages do not fill the run index"
	}
	return refs, 0, ""
}

// pageScan reads the entries of one page.
type pageScan struct {
	d      decoder
	left   uint32      // entries
	stream uint64      // of the last entry
	last   index.Block // in which the last entry ends
	end    uint64      // of the blocks in the file
}

// scanPage begins to read a page at a position. end is where the blocks end.
func scanPage(b []byte, pos uint64, sum fileSum, end uint64) (s pageScan, at int, reason string) {
	crcAt := len(b) - crcBytes
	if sum.placed(pos, b[:crcAt]) != le.Uint32(b[crcAt:]) {
		return s, 0, "page does not match its checksum"
	}
	s = pageScan{
		d: decoder{b: b[pageHeaderBytes:crcAt]}, left: le.Uint32(b), end: end,
		last: index.Block{Len: le.Uint32(b[4:]), Pos: le.Uint64(b[8:])},
	}
	switch {
	case s.left == 0:
		return s, 0, "page without runs"
	case s.last.Pos < headerBytes || s.last.Pos > end || s.last.End() > end || s.last.Len == 0 && s.last.Pos != headerBytes:
		return s, 4, "page follows an impossible block"
	}
	return s, 0, ""
}

// next reads the next entry into r, reusing the memory of its blocks. It is
// false at the end and at a fault, which fault tells.
func (s *pageScan) next(r *Run) bool {
	d := &s.d
	if s.left == 0 || d.reason != "" {
		if s.left == 0 && d.left() > 0 {
			d.fail("bytes after the last run of the page")
		}
		return false
	}
	at := d.at
	r.Blocks.Reset()
	r.Stream, r.Start = d.id(s.stream), d.offset()
	v, raw := d.uvarint(), d.offset()
	r.Appends, r.JSON = v>>2, v&2 != 0
	if d.reason != "" {
		return false
	}
	r.End = r.Start + raw + AppendOverhead*r.Appends
	if r.Start > startMax || raw > runMax || r.Appends == 0 || r.Appends > raw || r.End > offsetMax {
		d.at = at
		d.fail("impossible run")
		return false
	}
	before := index.Block{First: r.Start, Pos: s.last.Pos, Len: s.last.Len}
	if v&1 != 0 {
		if before.Len == 0 {
			d.at = at
			d.fail("run joins a block that is not there")
			return false
		}
		r.Blocks.Add(before)
	}
	n, err := r.Blocks.DecodeTail(d.b[d.at:], before)
	if err != nil {
		d.fail(err.Error())
		return false
	}
	if r.Blocks.Len() == 0 || r.Blocks.At(0).First != r.Start {
		d.fail("first block does not begin with the run")
		return false
	}
	d.at += n
	s.last = r.Blocks.At(r.Blocks.Len() - 1)
	if s.last.End() > s.end || s.last.First >= r.End {
		d.at = at
		d.fail("run has blocks beyond its end or that of all blocks")
		return false
	}
	s.stream = r.Stream
	s.left--
	return true
}

// fault tells where in the page reading ended before its end, and why.
func (s *pageScan) fault() (at int, reason string) { return pageHeaderBytes + s.d.at, s.d.reason }
