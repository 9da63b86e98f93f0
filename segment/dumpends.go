package segment

import (
	"bufio"
	"io"

	"tailrace/internal/frame"
)

// DumpEnds is Dump for what the disk keeps of a segment whose blocks are
// elsewhere: the header and, right behind it, everything after BlocksEnd. Places
// that it shows are places in the segment; of a footer that does not verify, which
// alone tells how many bytes are left out, in the file. size is the length of the
// file in bytes.
func DumpEnds(w io.Writer, r io.ReaderAt, size int64) error {
	out := bufio.NewWriter(w)
	d := dumper{out: out, from: &Reader{path: "segment", from: r}, size: size}
	d.dumpEnds()
	if err := out.Flush(); d.err == nil {
		d.err = err
	}
	return d.err
}

func (d *dumper) dumpEnds() {
	if !d.header() {
		return
	}
	blocks, err := d.leftOut()
	if err != nil {
		d.fault(err)
		return
	}
	d.size += blocks
	d.printf("left out\n  bytes %d to %d\n", headerBytes, headerBytes+blocks)
	opened, err := Open(d.from.path, endsReader{d.from.from, blocks}, d.size)
	if err != nil {
		d.fault(err)
		return
	}
	d.from = opened
	d.totals()
	d.pages()
}

// leftOut is how many bytes of blocks the segment has.
func (d *dumper) leftOut() (int64, error) {
	if d.size < headerBytes+footerBytes {
		return 0, d.from.corrupt(uint64(d.size), "file is cut short", nil)
	}
	foot := make([]byte, footerBytes)
	if err := d.from.read(foot, uint64(d.size-footerBytes)); err != nil {
		return 0, err
	}
	blocks := int64(0)
	if frame.Checksum(foot[:116]) == le.Uint32(foot[116:]) {
		blocks = int64(min(le.Uint64(foot[20*sectionBlocks+8:]), 1<<62))
	}
	_, err := parseFooter(d.from.path, foot, d.size+blocks, d.from.sum)
	return blocks, err
}

// endsReader reads what is behind the blocks of a segment in a file without them.
type endsReader struct {
	from   io.ReaderAt
	blocks int64 // bytes
}

// ReadAt implements io.ReaderAt for ranges that are in one of the ends.
func (r endsReader) ReadAt(p []byte, off int64) (int, error) {
	if off >= headerBytes {
		off -= r.blocks
	}
	return r.from.ReadAt(p, off)
}
