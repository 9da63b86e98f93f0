package segment

import (
	"bufio"
	"fmt"
	"io"
	"time"
)

// Dump writes an annotated listing of a segment: header, footer, properties,
// blocks with their parts, and runs. Of a damaged one it shows what verifies,
// and each fault in its place. size is the length of the file in bytes. The
// error is that of the first fault, or of reading or writing.
func Dump(w io.Writer, r io.ReaderAt, size int64) error {
	out := bufio.NewWriter(w)
	d := dumper{out: out, from: &Reader{path: "segment", from: r}, size: size}
	d.dump()
	if err := out.Flush(); d.err == nil {
		d.err = err
	}
	return d.err
}

type dumper struct {
	out  io.Writer
	from *Reader // filled as far as the file allows
	size int64
	err  error // the first fault
}

func (d *dumper) printf(format string, args ...any) { fmt.Fprintf(d.out, format, args...) }

func (d *dumper) fault(err error) {
	d.printf("fault: %v\n", err)
	if d.err == nil {
		d.err = err
	}
}

func (d *dumper) dump() {
	if !d.header() {
		return // all that follows is checked with the checksum of the header
	}
	opened, err := Open(d.from.path, d.from.from, d.size)
	if err == nil {
		d.from = opened
		d.totals()
	} else {
		d.fault(err)
		d.footer()
	}
	d.blocks()
	if opened != nil {
		d.pages()
	}
}

func (d *dumper) header() bool {
	head := make([]byte, headerBytes)
	if d.size < headerBytes {
		d.fault(d.from.corrupt(uint64(max(d.size, 0)), "header is cut short", nil))
		return false
	}
	if err := d.from.read(head, 0); err != nil {
		d.fault(err)
		return false
	}
	info, sum, err := parseHeader(d.from.path, head)
	if err != nil {
		d.fault(err)
		return false
	}
	d.from.sum = sum
	d.printf("header\n")
	d.printf("  version     %d\n", formatVersion)
	d.printf("  store       %x\n", info.Store)
	d.printf("  segment     %d\n", info.ID)
	d.printf("  level       %d\n", info.Level)
	d.printf("  created     %d (%s)\n", info.Created, time.UnixMilli(info.Created).UTC().Format("2006-01-02T15:04:05.000Z"))
	d.printf("  crc         %08x\n", uint32(sum))
	return true
}

// footer finds where the blocks end in a file that does not open.
func (d *dumper) footer() {
	foot := make([]byte, footerBytes)
	if d.size >= headerBytes+footerBytes && d.from.read(foot, uint64(d.size-footerBytes)) == nil {
		if f, err := parseFooter(d.from.path, foot, d.size, d.from.sum); err == nil {
			d.from.footer = f
			return
		}
	}
	d.from.footer[sectionBlocks] = section{pos: headerBytes, length: uint64(d.size - headerBytes)}
}

func (d *dumper) totals() {
	p := d.from.props
	d.printf("properties\n")
	d.printf("  streams     %d, from %d to %d\n", p.Runs, p.First, p.Last)
	d.printf("  appends     %d\n", p.Appends)
	d.printf("  raw         %d bytes\n", p.RawBytes)
	d.printf("  stored      %d bytes\n", p.StoredBytes)
	d.printf("  blocks      %d, %d of them HTTP bodies\n", p.Blocks, p.AsIs)
	d.printf("sections\n")
	for i, s := range d.from.footer {
		d.printf("  %-10s  at %d, %d bytes, crc %08x\n", sectionNames[i], s.pos, s.length, s.crc)
	}
}

// blocks lists the blocks as they follow each other in the file, without the
// run index.
func (d *dumper) blocks() {
	end := d.from.footer[sectionBlocks].end()
	head := make([]byte, blockHeaderBytes)
	for pos := uint64(headerBytes); pos < end; {
		if end-pos < blockHeaderBytes {
			d.fault(d.from.corrupt(pos, "block header is cut short", nil))
			return
		}
		if err := d.from.read(head, pos); err != nil {
			d.fault(err)
			return
		}
		h, at, reason := parseBlockHeader(head, pos, d.from.sum)
		if reason != "" {
			d.fault(d.from.corrupt(pos+uint64(at), reason, nil))
			return
		}
		d.printf("block at %d\n", pos)
		d.printf("  %v, %v, content %d, stored %d, table %d bytes\n", h.kind, h.codec, h.content, h.stored, h.table)
		d.printf("  payload crc %08x, table crc %08x\n", h.payloadCRC, h.tableCRC)
		b, err := d.from.ReadBlock(Handle{pos, uint32(h.bytes())})
		if err != nil {
			d.fault(err)
		} else {
			d.parts(b)
		}
		pos += uint64(h.bytes())
	}
}

func (d *dumper) parts(b *Block) {
	for i := range b.table.parts {
		p := &b.table.parts[i]
		d.printf("  stream %d, from %d", p.stream, p.start)
		if b.kind == kindPiece {
			d.printf(", bytes %d to %d of an append of %d", b.table.before, b.table.before+uint64(p.bytes),
				b.table.before+uint64(p.bytes)+b.table.after)
		} else {
			d.printf(" to %d, %d appends", p.end(), p.count)
		}
		if p.json {
			d.printf(", JSON")
		}
		d.printf(", crc %08x, %s\n", p.crc, excerpt(b.content[p.at:p.at+p.bytes]))
	}
}

// pages lists the runs of a segment that was opened.
func (d *dumper) pages() {
	for i, ref := range d.from.refs {
		d.printf("page of the run index at %d\n", ref.pos)
		d.printf("  %d bytes, from stream %d\n", ref.len, ref.first)
		d.from.runsOf(i, nil, func(r Run, err error) bool {
			if err != nil {
				d.fault(err)
				return false
			}
			d.run(&r)
			return true
		})
	}
	d.printf("end at %d\n", d.size)
}

func (d *dumper) run(r *Run) {
	d.printf("  stream %d, from %d to %d, %d appends, %d bytes", r.Stream, r.Start, r.End, r.Appends, r.RawBytes())
	if r.JSON {
		d.printf(", JSON")
	}
	d.printf(", blocks")
	for i := range r.Blocks.Len() {
		b := r.Blocks.At(i)
		d.printf(" %d@%d", b.First, b.Pos)
	}
	d.printf("\n")
}

// excerptBytes of a part are shown.
const excerptBytes = 48

func excerpt(b []byte) string {
	if len(b) <= excerptBytes {
		return fmt.Sprintf("%q", b)
	}
	return fmt.Sprintf("%q...", b[:excerptBytes])
}
