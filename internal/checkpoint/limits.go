package checkpoint

const (
	formatVersion = 1

	headerBytes      = 64
	blockHeaderBytes = 20
	footerBytes      = 48

	// blockBytes of rows end a block. Growing it takes memory on both sides, a
	// smaller one more calls of the system.
	blockBytes = 64 << 10

	// RowBytesMax is the length of the longest row. It bounds the memory that a
	// length field can ask for.
	RowBytesMax = 64 << 20

	// rowOverheadMax is an id and a length.
	rowOverheadMax = 10 + 5

	blockPayloadMax = blockBytes + rowOverheadMax + RowBytesMax
)
