package admin

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
)

// A cursor is the identity of the last stream that was looked at, and a checksum
// that ties it to the list it came from. It protects nothing: a list shows what
// belongs to its project, whatever the cursor. It finds the mistake of going on in
// one list with the cursor of another.
//
//	offset  size  field     notes
//	0       1     version   1
//	1       8     identity  big-endian
//	9       4     crc       CRC-32C of project, a zero byte, prefix, a zero byte, and the above
const (
	cursorVersion = 1
	cursorBytes   = 13
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func cursorSum(project, prefix string, head []byte) uint32 {
	sum := crc32.Checksum([]byte(project+"\x00"+prefix+"\x00"), castagnoli)
	return crc32.Update(sum, castagnoli, head)
}

func encodeCursor(project, prefix string, after uint64) string {
	b := make([]byte, 1, cursorBytes)
	b[0] = cursorVersion
	b = binary.BigEndian.AppendUint64(b, after)
	b = binary.BigEndian.AppendUint32(b, cursorSum(project, prefix, b))
	return base64.RawURLEncoding.EncodeToString(b)
}

func decodeCursor(project, prefix, cursor string) (after uint64, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) != cursorBytes || b[0] != cursorVersion ||
		binary.BigEndian.Uint32(b[9:]) != cursorSum(project, prefix, b[:9]) {
		return 0, false
	}
	return binary.BigEndian.Uint64(b[1:]), true
}
