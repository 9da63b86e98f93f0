package segment

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sort"
	"sync"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"tailrace/internal/frame"
)

// Reader reads one segment. All methods may be called by many goroutines at a
// time.
type Reader struct {
	path    string
	from    io.ReaderAt
	footer  footer
	sum     fileSum
	props   Properties
	refs    []pageRef
	members *roaring64.Bitmap
}

// Open reads and verifies all of a segment but its blocks and the pages of its
// run index. path is for errors only. size is the length of the file in bytes.
// Errors are *frame.CorruptError, *VersionError, and what reading gives.
func Open(path string, r io.ReaderAt, size int64) (*Reader, error) {
	s := &Reader{path: path, from: r}
	if size < headerBytes+footerBytes {
		return nil, s.corrupt(0, fmt.Sprintf("file of %d bytes is too short for a segment", size), nil)
	}
	head, foot := make([]byte, headerBytes), make([]byte, footerBytes)
	if err := s.read(head, 0); err != nil {
		return nil, err
	}
	if err := s.read(foot, uint64(size-footerBytes)); err != nil {
		return nil, err
	}
	info, sum, err := parseHeader(path, head)
	if err != nil {
		return nil, err
	}
	s.sum = sum
	if s.footer, err = parseFooter(path, foot, size, sum); err != nil {
		return nil, err
	}
	begin := s.footer[sectionPages].pos
	tail := make([]byte, uint64(size-footerBytes)-begin)
	if err := s.read(tail, begin); err != nil {
		return nil, err
	}
	var part [sections][]byte
	for i := sectionPages; i < sections; i++ {
		sec := s.footer[i]
		part[i] = tail[sec.pos-begin:][:sec.length]
		if frame.Checksum(part[i]) != sec.crc {
			return nil, s.corrupt(sec.pos, sectionNames[i]+" does not match its checksum", nil)
		}
	}
	var reason string
	if s.props, reason = parseProperties(part[sectionProperties]); reason != "" {
		return nil, s.corrupt(s.footer[sectionProperties].pos, reason, nil)
	}
	s.props.Info, s.props.Bytes = info, size
	var at int
	if s.refs, at, reason = parsePageRefs(part[sectionPages], s.footer[sectionIndex]); reason != "" {
		return nil, s.corrupt(begin+uint64(at), reason, nil)
	}
	if s.members, err = parseMembers(part[sectionMembers], &s.props); err != nil {
		return nil, s.corrupt(s.footer[sectionMembers].pos, "malformed membership", err)
	}
	return s, nil
}

// parseMembers decodes the set of stream ids.
func parseMembers(b []byte, p *Properties) (*roaring64.Bitmap, error) {
	m := roaring64.New()
	n, err := m.ReadPortableFrom(bytes.NewReader(b))
	switch {
	case err != nil:
		return nil, err
	case n != int64(len(b)):
		return nil, errors.New("segment: bytes after the set")
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if m.GetCardinality() != p.Runs || m.Minimum() != p.First || m.Maximum() != p.Last {
		return nil, errors.New("segment: set and properties do not agree")
	}
	return m, nil
}

func (s *Reader) corrupt(at uint64, reason string, err error) error {
	return &frame.CorruptError{Path: s.path, Offset: int64(at), Reason: reason, Err: err}
}

// read fills b from a position.
func (s *Reader) read(b []byte, pos uint64) error {
	n, err := s.from.ReadAt(b, int64(pos))
	switch {
	case n == len(b):
		return nil
	case err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return s.corrupt(pos+uint64(n), "file is shorter than it was", nil)
	}
	return fmt.Errorf("segment: read %s at %d: %w", s.path, pos, err)
}

// Properties are the totals of the segment.
func (s *Reader) Properties() Properties { return s.props }

// From is a reader of the same segment that takes its bytes from elsewhere. What
// Open read is shared.
func (s *Reader) From(r io.ReaderAt) *Reader {
	other := *s
	other.from = r
	return &other
}

// BlocksEnd is the position behind the last block: from there to the end of the
// file, and in the header before the first, is all that finds blocks.
func (s *Reader) BlocksEnd() int64 { return int64(s.footer[sectionBlocks].end()) }

// HeaderBytes is the length of the header before the first block.
const HeaderBytes = headerBytes

// Members is the set of streams of which the segment has runs. It is shared:
// callers must not change it.
func (s *Reader) Members() *roaring64.Bitmap { return s.members }

// Has tells whether the segment has a run of the stream.
func (s *Reader) Has(stream uint64) bool {
	return stream >= s.props.First && stream <= s.props.Last && s.members.Contains(stream)
}

// buffers are for reads that nobody keeps.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// scan begins to read page number i. The page must not be used after release.
func (s *Reader) scan(i int) (page pageScan, b []byte, release func(), err error) {
	ref := s.refs[i]
	buf := buffers.Get().(*[]byte)
	if cap(*buf) < int(ref.len) {
		*buf = make([]byte, ref.len)
	}
	b = (*buf)[:ref.len]
	release = func() { buffers.Put(buf) }
	if err := s.read(b, ref.pos); err != nil {
		release()
		return page, nil, nil, err
	}
	page, at, reason := scanPage(b, ref.pos, s.sum, s.footer[sectionIndex].pos)
	if reason != "" {
		release()
		return page, nil, nil, s.corrupt(ref.pos+uint64(at), reason, nil)
	}
	return page, b, release, nil
}

// pageFault is the error of a page whose entries cannot be.
func (s *Reader) pageFault(i int, page *pageScan) error {
	at, reason := page.fault()
	if reason == "" {
		return nil
	}
	return s.corrupt(s.refs[i].pos+uint64(at), reason, nil)
}

// Run is the run of a stream, and false if the segment has none. It reads one
// page of the run index.
func (s *Reader) Run(stream uint64) (Run, bool, error) {
	if !s.Has(stream) {
		return Run{}, false, nil
	}
	i := sort.Search(len(s.refs), func(i int) bool { return s.refs[i].first > stream }) - 1
	if i < 0 {
		return Run{}, false, s.corrupt(s.footer[sectionPages].pos, fmt.Sprintf("no page for stream %d, which is a member", stream), nil)
	}
	page, _, release, err := s.scan(i)
	if err != nil {
		return Run{}, false, err
	}
	defer release()
	var r Run
	for page.next(&r) {
		if r.Stream >= stream {
			break
		}
	}
	if err := s.pageFault(i, &page); err != nil {
		return Run{}, false, err
	}
	if r.Stream != stream {
		return Run{}, false, s.corrupt(s.refs[i].pos, fmt.Sprintf("no run of stream %d, which is a member", stream), nil)
	}
	return r, true, nil
}

// Runs yields all runs in the order of stream ids. An error ends it; the run
// beside it is then empty. A run is good until the next.
func (s *Reader) Runs(yield func(Run, error) bool) {
	for i := range s.refs {
		if !s.runsOf(i, nil, yield) {
			return
		}
	}
}

// runsOf yields the runs of a page, after it has shown the bytes of the page
// to seen. It is false when that was the end.
func (s *Reader) runsOf(i int, seen func(page []byte), yield func(Run, error) bool) bool {
	page, b, release, err := s.scan(i)
	if err != nil {
		yield(Run{}, err)
		return false
	}
	defer release()
	if seen != nil {
		seen(b)
	}
	var r Run
	first := true
	for page.next(&r) {
		if first && r.Stream != s.refs[i].first || i+1 < len(s.refs) && r.Stream >= s.refs[i+1].first {
			yield(Run{}, s.corrupt(s.refs[i].pos, "page has streams that the page index does not promise", nil))
			return false
		}
		first = false
		if !yield(r, nil) {
			return false
		}
	}
	if err := s.pageFault(i, &page); err != nil {
		yield(Run{}, err)
		return false
	}
	return true
}
