// Package manifest is the durable list of what is live: which segments there
// are, which files make up the newest metadata checkpoint, where the log goes on
// after it, which acts have begun, and which files wait to be removed.
//
// Every act of many steps is framed by two edits. Begin announces the files that
// the act will make, before any of them is made. Commit makes them live, after
// they are synced, and takes away what they replace, in one step. So whatever a
// crash leaves on the medium is either live, or an output of an act that has
// begun and will never commit, or garbage: all three by the word of the
// manifest. Nothing is inferred from a directory listing.
//
// The package does not touch the files it lists.
//
// # Files, relative to the directory of the store
//
//	CURRENT                                 names the manifest file that counts
//	CURRENT.tmp                             the next CURRENT, until it is renamed
//	manifest/00000000000000000042.manifest  a manifest file
//	seg/00000000000000000007.seg            a segment (not of this package)
//	seg/00000000000000000011.idx            the end of one whose blocks are in a bucket (not of this package)
//	meta/00000000000000000008.snap          a stream table (not of this package)
//	meta/00000000000000000009.delta         changes to one (not of this package)
//
// Numbers in all tables are little-endian.
//
// # CURRENT, 64 bytes
//
//	offset  size  field         notes
//	0       8     magic         "TAILCUR\n"
//	8       4     version       1
//	12      4     reserved      zero; readers reject anything else
//	16      16    store         identity of the store, as in STORE
//	32      8     number        of the manifest file
//	40      8     snapshot seq  sequence of its first frame
//	48      4     snapshot crc  and the crc of that
//	52      8     reserved      zero
//	60      4     crc           CRC-32C of the bytes before it
//
// # Manifest file: header of 4096 bytes, then frames
//
//	offset  size  field      notes
//	0       8     magic      "TAILMAN\n"
//	8       4     version    2; readers take 1 too
//	12      4     reserved   zero; readers reject anything else
//	16      16    store      as in CURRENT
//	32      8     number     of the file, also its name
//	40      8     first seq  sequence of the first frame
//	48      4044  reserved   zero
//	4092    4     crc        CRC-32C of the bytes before it
//
// # Frame: header of 48 bytes, payload, zeros up to a multiple of 4096
//
//	offset  size  field    notes
//	0       4     magic    "EDT1"
//	4       4     kind     1 snapshot, 2 edits, 3 confirm; readers reject anything else
//	8       4     length   of the payload in bytes; 0 in a confirm
//	12      4     edits    number of edits in the payload; 0 unless kind is 2
//	16      8     file     number of the manifest file
//	24      8     seq      sequence of the frame: one more than the frame before,
//	                       also from one file to the next
//	32      8     size     length of the file that was durable before this was written
//	40      4     chain    crc of the frame before, or of the file header
//	44      4     crc      CRC-32C of the store (16 bytes), the header before this
//	                       field, the payload and the zeros
//	48      n     payload  a state, or edits: see AppendState and AppendEdits
//
// A file is a snapshot, and then groups of edits, each followed by its confirm.
// Another confirm comes before the file is used beyond the length that frames so
// far vouch for. A frame fills whole pages of 4096 bytes, so writing one never
// touches a sector that holds an acknowledged one.
//
// # Torn tail or corruption
//
// A group is written and synced; then its confirm is written and synced; then
// the caller is told. Each frame is written only when the one before it is
// durable, so a valid frame behind a place where none is proves that what stood
// there had been acknowledged: that is corruption, and loading refuses with the
// place. No such frame: nobody was told, and the tail is cut. What is found:
//
//	damage                                 loading
//	header, snapshot, CURRENT              refuses: they are synced before they count
//	any group, the last one too            refuses: its confirm testifies for it
//	any confirm but the last               refuses: the next frame testifies for it
//	the last confirm                       goes on: its group is whole
//	the file is shorter than it was        refuses: the size in its frames says so
//	the last group and its confirm both    takes it for a torn tail
//
// The last line is all that stays open: damage to both of the last two frames,
// which brings back the state before one edit. Zeros never mean anything by
// themselves: space is reserved ahead, so a file ends in zeros.
//
// A group whose confirm is missing may have been read from memory of the system
// only. It counts, and Open writes it again, into a new file, before anything is
// built on it. While the disk is too full for that, Manifest.Settled is false.
//
// # Life of a file
//
// Open, and Append when a file has grown over the limit, write the state as one
// snapshot into the next file and switch to it:
//
//	crash after                        loading finds
//	next file made, synced, named      CURRENT as it was; the file is removed
//	CURRENT.tmp synced                 the same
//	CURRENT.tmp renamed                the next file, in the same state
//	directory synced                   the same; the old file is removed
//	old file removed                   the same
//
// Nothing is appended to a file of an earlier process. A CURRENT that is missing
// is a store without a manifest, unless a manifest file shows that there was one:
// then loading refuses.
//
// # Full disk
//
// Space is reserved ahead, and each act that begins finds room reserved for the
// edits that end it. A disk that is full is therefore met by Begin, before
// anything is written, and that leaves the manifest healthy. A switch that does
// not find space is put off: the old file goes on beyond the limit.
//
// Any other failure of a write, sync or rename ends the manifest (ErrFailed).
package manifest
