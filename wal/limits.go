package wal

const (
	// pageBytes is the unit of padding. A medium writes at least this much per
	// sync anyway; a smaller unit would let a torn write reach acknowledged
	// bytes, a bigger one wastes log on lone appends.
	pageBytes = 4096

	headerBytes      = pageBytes // a log file's header
	frameHeaderBytes = 64
	storeBytes       = 64

	// fileBytesDefault is the length of a log file. Growing it makes rotation
	// rarer and recovery's rewrite of the last file longer.
	fileBytesDefault = 64 << 20
	fileBytesMin     = 64 << 10
	fileBytesLimit   = 1 << 40

	// reserveDefault keeps room for a hundred lone deletes on a full disk, each
	// with a witness.
	reserveDefault = 1 << 20

	// frameBytesDefault bounds the payload of one frame unless the options ask
	// for more. A larger frame is one longer write that others wait for.
	frameBytesDefault = 32 << 20

	// FrameBytesLimit bounds the payload of one frame in every file, so that a
	// reader knows how much memory a length field may ask for.
	FrameBytesLimit = 64 << 20

	// othersBytes is how much of the medium a log that opens leaves to the rest of
	// its store, whose manifest begins a file too. It is part of the ballast.
	othersBytes = 256 << 10

	// ballastMargin is what the ballast has for STORE and for the file system's
	// own blocks.
	ballastMargin = 8 * pageBytes

	// recycleMax is how many files that were given up wait to become the spare.
	// Each saves writing a whole file with zeros, and is space that nobody else
	// gets; beyond what the log fills from one Trim to the next it saves nothing.
	recycleMax = 2

	// retiredMax is how many sealed files stay open, since only a file that is
	// open for writing can be used again. Each takes two descriptors.
	retiredMax = 8

	// zeroChunkBytes is the unit in which a spare is written with zeros: also how
	// much is written after Close asked for an end.
	zeroChunkBytes = 1 << 20

	// readChunkBytes is the unit of reading a file from front to back.
	readChunkBytes = 256 << 10

	// bufferBytes is the buffer that a log begins with. The runtime aligns what is
	// this large to pages, so that a frame in it is written from where it is.
	bufferBytes = 64 << 10

	// bufferKeepBytes is the largest buffer kept between frames.
	bufferKeepBytes = 1 << 20
)

// FrameSize is how many bytes a frame with a payload of that many bytes takes
// on the medium: header and padding included.
func FrameSize(payload int) int64 {
	return (int64(payload) + frameHeaderBytes + pageBytes - 1) / pageBytes * pageBytes
}
