package segment

import (
	"fmt"

	"tailrace/internal/frame"
)

const footerMagic = "\nGESLIAT"

// The sections in the order of the file.
const (
	sectionBlocks = iota
	sectionIndex
	sectionPages
	sectionMembers
	sectionProperties
	sections
)

var sectionNames = [sections]string{"blocks", "run index", "page index", "membership", "properties"}

// section is a part of the file and its checksum.
type section struct {
	pos, length uint64
	crc         uint32
}

func (s section) end() uint64 { return s.pos + s.length }

// footer is where everything is.
type footer [sections]section

// append adds the encoded footer to b.
func (f *footer) append(b []byte, sum fileSum) []byte {
	var p [footerBytes]byte
	for i, s := range f {
		le.PutUint64(p[20*i:], s.pos)
		le.PutUint64(p[20*i+8:], s.length)
		le.PutUint32(p[20*i+16:], s.crc)
	}
	le.PutUint32(p[100:], uint32(sum))
	le.PutUint32(p[104:], formatVersion)
	le.PutUint32(p[116:], frame.Checksum(p[:116]))
	copy(p[120:], footerMagic)
	return append(b, p[:]...)
}

// parseFooter decodes the end of a file of that size, which is footerBytes
// long, and verifies that the sections fill the file.
func parseFooter(path string, p []byte, size int64, sum fileSum) (footer, error) {
	begin := size - footerBytes
	corrupt := func(at int64, reason string) (footer, error) {
		return footer{}, &frame.CorruptError{Path: path, Offset: begin + at, Reason: reason}
	}
	switch {
	case string(p[120:]) != footerMagic:
		return corrupt(120, "no footer: bad magic, or the file is cut short")
	case frame.Checksum(p[:116]) != le.Uint32(p[116:]):
		return corrupt(0, "footer does not match its checksum")
	case le.Uint32(p[104:]) != formatVersion:
		return corrupt(104, "footer of another format version")
	case le.Uint32(p[100:]) != uint32(sum):
		return corrupt(100, "footer of another header")
	case !allZero(p[108:116]):
		return corrupt(108, "reserved bytes are not zero")
	}
	var f footer
	next := uint64(headerBytes)
	for i := range f {
		s := section{le.Uint64(p[20*i:]), le.Uint64(p[20*i+8:]), le.Uint32(p[20*i+16:])}
		if s.pos != next || s.length == 0 || s.length > uint64(begin)-next {
			return corrupt(int64(20*i), fmt.Sprintf("section %s does not fit into the file", sectionNames[i]))
		}
		next = s.end()
		f[i] = s
	}
	if next != uint64(begin) || f[sectionProperties].length != propertiesBytes {
		return corrupt(20*sectionProperties, "sections do not fill the file")
	}
	return f, nil
}
