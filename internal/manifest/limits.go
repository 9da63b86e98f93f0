package manifest

const (
	// pageBytes is the unit of padding: writing a frame never touches a sector
	// that holds an acknowledged one.
	pageBytes = 4096

	formatVersion  = 2 // of manifest files; 1 is read too, and is the same without buckets
	currentVersion = 1 // of CURRENT

	headerBytes      = pageBytes // a manifest file's header
	frameHeaderBytes = 48
	currentBytes     = 64

	// limitDefault is the length at which the next file is begun. Growing it
	// makes switches rarer, and reading at open and the space for two files longer.
	limitDefault = 8 << 20
	limitMin     = 16 << 10

	// chunkDefault is how much space is reserved at a time. Growing it makes
	// syncs of the length rarer, and small stores bigger.
	chunkDefault = 64 << 10
	chunkMin     = pageBytes

	// reserveBytes is the room that each open act finds for its later edits when
	// the disk is full: an extension, the commit of about 300 segments, and the
	// removal of what it made obsolete.
	reserveBytes = 40 << 10

	// payloadMax bounds the payload of one frame: a snapshot of about a million
	// segments.
	payloadMax = 64 << 20

	// fileBytesMax bounds what a reader takes into memory. No writer makes a file
	// that long: it would be one that grew on a full disk for a hundred thousand
	// edits.
	fileBytesMax = 1 << 30
)

// frameSize is how many bytes a frame with a payload of that many bytes takes
// on the medium: header and padding included.
func frameSize(payload int) int64 {
	return (int64(payload) + frameHeaderBytes + pageBytes - 1) / pageBytes * pageBytes
}

// groupSize is the room that a group of edits takes: its frame and the confirm
// after it.
func groupSize(payload int) int64 { return frameSize(payload) + frameSize(0) }
