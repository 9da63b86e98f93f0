package segment

import "math"

// AppendOverhead is what an append takes of the offset space beyond the length
// of its stored body. Offsets are part of the protocol: it never changes.
const AppendOverhead = 5

const (
	// BlockBytesDefault is the content of a shared block. Growing it compresses
	// better, and makes a read of a small stream decode more.
	BlockBytesDefault = 64 << 10

	// SoloBytesMax bounds the stored bodies in one block. It is what one reply
	// may carry; growing it makes a read that begins inside decode more.
	SoloBytesMax = 1 << 20

	// SoloMinBytesDefault is how much of a stream a segment must have for blocks
	// of its own. Below it, compression gains more from the neighbours.
	SoloMinBytesDefault = 256 << 10

	// AppendsMax bounds the appends in one block, and so its table.
	AppendsMax = 8192

	// contentMax has room for the bracket of a JSON body.
	contentMax = SoloBytesMax + 1

	// tableMax: an append takes at most 29 bytes of the table when each has a
	// part of its own.
	tableMax = 32 * AppendsMax

	// BlockMax is the longest block in a file, in bytes.
	BlockMax = blockHeaderBytes + tableMax + contentMax

	headerBytes      = 64
	blockHeaderBytes = 32
	pageHeaderBytes  = 16
	pageBytes        = 16 << 10
	propertiesBytes  = 64
	footerBytes      = 128
	crcBytes         = 4

	// windowMax is the largest window that every zstd decoder must accept. A
	// frame of one segment has a window as long as its content.
	windowMax = 8 << 20

	// offsetMax bounds offsets, appendMax the bytes of one append and runMax those
	// of a run, so that sums of them never wrap.
	offsetMax = math.MaxInt64
	appendMax = 1 << 40
	runMax    = 1 << 58
	startMax  = offsetMax - 4*appendMax
)
