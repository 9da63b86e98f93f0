package remote

const (
	formatVersion = 1

	headerBytes = 64
	entryBytes  = 32

	// pageBytes is what everything in the file is aligned to.
	pageBytes = 4 << 10

	// cellBytesDefault is a compromise: a larger cell means more bytes to fetch,
	// to read and to verify for a short read, a smaller one more slots in memory.
	cellBytesDefault = 256 << 10

	// cellBytesMax bounds the buffer of a read that wants a part of a cell.
	cellBytesMax = 8 << 20

	// slotsMin is what the default size of cells leaves room for, so that small
	// budgets have something to choose from.
	slotsMin = 16

	// gapBytes of present cells between missing ones are fetched again rather
	// than make two requests: a request costs as much time as that many bytes.
	gapBytes = 256 << 10

	// requestBytesMin is the least that the longest request may have, so that
	// the largest block of a segment takes one whatever the budget is.
	requestBytesMin = 2 << 20

	// windowBytesFirst is how far ahead the second of two reads in order goes. A
	// larger one wastes more on short runs, a smaller one takes more requests to
	// get going.
	windowBytesFirst = 1 << 20

	// cursorsMax is how many readers of one file are followed. More make every
	// read compare more, fewer lose sight of readers that take turns.
	cursorsMax = 8

	fetchesMaxDefault = 16
	waitersMaxDefault = 1024
	aheadMaxDefault   = 8 << 20
)
