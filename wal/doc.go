// Package wal is the write-ahead log: one sequence of opaque records shared by
// all streams. A record is durable, in its place in the sequence, when the
// append that carried it returned; replay hands all of them back in order. What
// the caller has made durable elsewhere is trimmed from the front, file by file.
//
// The package knows nothing of streams. It knows three things: a frame (what
// one sync makes durable), a file (a run of frames, chained to the file before
// it), and a store (the directory that holds the chain).
//
// # Directory
//
//	LOCK                          held by the one process that has the log open
//	STORE                         identity of the store, first file, floor of the newest
//	STORE.tmp                     the next STORE, made ahead with the spare
//	STORE.trim                    the STORE of the next trim, made ahead too
//	BALLAST                       space to open the store in on a full disk, no content
//	wal/00000000000000000042.wal  a log file
//	wal/next.tmp                  the spare: the next log file, written ahead
//	wal/rewrite.tmp               the last file while recovery seals it
//
// The chain of files is its own authority: each header names its predecessor,
// the position where that one ended and the checksum of its last frame. STORE
// names the first file, and a floor for the number of the last: it is raised
// before a file takes its first frame, so a file with frames cannot go missing
// unnoticed, wherever in the chain it stood. A log file below the first one is
// none: it was given up, is not read, and is removed by the next open.
//
// Numbers in all tables are little-endian.
//
// # STORE, 64 bytes
//
//	offset  size  field     notes
//	0       8     magic     "TAILSTO\n"
//	8       4     version   1
//	12      4     shards    1
//	16      16    store     random; every log file carries it
//	32      8     created   unix milliseconds
//	40      8     first     number of the first log file; raised by a trim
//	48      8     newest    floor: no file below or at it may be missing; 0 = none yet
//	56      4     reserved  zero; readers reject anything else
//	60      4     crc       CRC-32C of the bytes before it
//
// # Log file: header of 4096 bytes, then frames
//
//	offset  size  field       notes
//	0       8     magic       "TAILWAL\n"
//	8       4     version     1
//	12      4     shard       0
//	16      8     file        number of the file, also its name
//	24      16    store       as in STORE
//	40      8     epoch       grows at every open of the store
//	48      8     salt        random; part of every frame's crc
//	56      8     first seq   sequence of the first frame
//	64      8     pred file   number of the predecessor, file - 1; 0 for file 1
//	72      8     pred end    position after the predecessor's last frame
//	80      4     pred crc    crc of the predecessor's last frame
//	84      4     reused      1 = the file was used before, see below; 0 = it was
//	                          written with zeros, or whole by recovery
//	88      8     file bytes  length of the file until it is sealed;
//	                          0 = written whole by recovery, never without seal
//	96      3996  reserved    zero; readers reject anything else
//	4092    4     crc         CRC-32C of the bytes before it
//
// The length is there because a file without seal must still have it: one that
// is shorter lost its end, whatever the bytes that are left look like.
//
// # Frame: header of 64 bytes, payload, zeros up to a multiple of 4096
//
//	offset  size  field    notes
//	0       4     magic    "FRM1"
//	4       4     flags    0 records, 1 witness, 2 seal of a rotation, 4 seal of a
//	                       close; readers reject anything else
//	8       4     length   of the payload in bytes, at most 64 MiB; 0 unless
//	                       flags is 0
//	12      4     records  number of records in the payload; 0 unless flags is 0
//	16      8     epoch    as in the file header
//	24      8     file     as in the file header
//	32      8     seq      sequence of the frame: one more than the frame before
//	40      8     at       unix milliseconds, given by the caller
//	48      8     durable  the witness: highest seq known durable when this was built
//	56      4     chain    crc of the frame before, or of the file header
//	60      4     crc      CRC-32C of the salt (8 bytes), the header before this
//	                       field, and the payload
//	64      n     payload  records, each a uvarint length and its bytes
//
// A frame fills whole pages of 4096 bytes, so writing one never touches a
// sector that holds an acknowledged one, and a torn write hurts itself only.
// The padding is outside the crc and never read. The salt keeps a client from
// sending bytes that look like a frame: without it, the search below could
// find one inside a torn body.
//
// # Torn tail or corruption
//
// A frame is written only after the one before it is durable. So when the last
// file has a place where no valid frame follows, any valid frame of this file
// further on proves that what stood in that place had been acknowledged: the
// store refuses to open and says where. No such frame: nobody was told, the
// tail is cut, logged and reported. A place like that in any other file is
// corruption. The last frame of a file has no successor to testify for it;
// therefore an idle log writes a witness, an empty frame, and a closed one a
// seal. What stays open: rot of the last frame within the moment before its
// witness, followed by a crash.
//
// Zeros and the length of a file never mean the end of the log. But a length
// that was cut to the end of a seal means that this seal is on the medium: the
// cut comes after its sync. The last page of a file stays unused, so that
// there is something to cut. Only a file without successor has to be cut: one
// that has a successor was synced before that got its name.
//
// # Life of a file
//
// The spare is allocated, written with zeros and synced ahead of need, so that
// a commit overwrites existing blocks: it needs no space and no journal.
//
// How much of a file is written (Options.FileBytes) says when the next one is
// begun, and how large a frame may be (Options.FrameBytesMax) how much space a
// file has. Where one frame may be larger than all that is written, the file has
// more allocated behind it. Frames that go there cost the journal something, but
// cannot meet a full disk either. The file goes on there as long as there is no
// spare, so what was promised a place needs none; with a spare it ends after the
// frame that went over FileBytes. When it is sealed, what was only allocated is
// given back.
//
// Rotation seals the current file, writes the header of the spare, gives it its
// name, and raises the floor in STORE. Every step but the giving back is synced
// before the next one begins:
//
//	crash after                  opening finds
//	spare made                   next.tmp, removed
//	seal synced                  last file sealed, longer than its end: rewritten
//	                             (or cut, if a large frame took it past FileBytes)
//	header of the spare synced   the same
//	spare renamed                a last file without frames: rewritten as a seal
//	STORE renamed                the same
//	first frame synced           normal
//
// A trim raises the first file in STORE, by a rename, and has nothing more to do
// with the files before it:
//
//	crash after                  opening finds
//	STORE.trim written           STORE.trim, removed
//	STORE renamed                log files below the first, removed
//	STORE.tmp written again      the same
//	files removed                normal
//
// It needs no space: STORE.trim and the STORE.tmp of a spare have their blocks.
//
// # Files used again
//
// A few of the files that were given up become spares, by a rename to next.tmp.
// They have all blocks up to FileBytes, and those were written, so nothing is
// written again and a full disk does not matter; only what large frames need
// behind that has to be allocated. Their old frames stay in place
// behind the new header. They are no frames of the file: their checksums are of
// another salt, and should two salts agree, they carry a lower file number. So
// they are neither read nor witnesses. But what stands behind the newest frame
// is not zeros then, and proves nothing: only a frame of this very file that
// begins there is reported as a torn tail, and bytes after a seal are no fault.
// The header says so, because in any other file those bytes are evidence.
//
// A log file must not be kept by a hard link: its content changes.
//
// # Opening
//
// Opening reads everything before it changes anything. What the caller has
// durable elsewhere is verified as far as it is there, and not replayed. A log
// that begins after the frame that the caller needs next is corrupt; so is one
// that ends before the newest frame the caller has, whatever its end looks like.
// Files that hold nothing the caller needs are given up before anything takes
// space.
//
// A last file that was not sealed and cut is copied, frame by frame, into
// rewrite.tmp under a new epoch and salt, sealed, synced and renamed over the
// original: what was read may have been in the page cache only, now it is on
// the medium. That rename also fences: a process that still had the file open
// finds it unlinked when it next commits, and stops. It also stops when it
// would rotate or trim, and STORE is not the file that it put there. Every open
// begins a new file; nothing is appended to a file of an earlier process.
//
// # Opening on a full disk
//
// An open needs space: for the copy of the last file, and for its first file.
// A full disk has none, and what could set some free are the records that the
// log takes once it is open. So each store has a ballast: a file without content
// whose space is allocated, as long as a log file and a little more, made with
// the store and before there is a spare. An open that meets a full disk removes
// it and tries again. Its first file is then as short as can be, with room for
// the reserve only, which keeps the rest for the next open: a smaller ballast is
// made of it, and 256 KiB are left for the other parts of the store. As long as
// the ballast is not whole, Room is what the reserve is, so nothing grows;
// Allocate makes it whole before it makes a spare. A store that is killed on a
// full disk over and over uses up two pages each time, and its frames.
//
// The ballast has to be as long as a log file, because the copy has to be
// complete before it replaces the original, and any file may be full. Two other
// ways were given up. A last file that is synced and sealed where it is would
// need no copy, but an owner that lost its lock could go on in it. And a spare
// has the space that the copy needs, but is gone when the disk is full.
//
// The first file of an epoch is a quarter shorter than others, on any disk. It
// makes opening faster, and an idle store, which has this file, the spare and
// the ballast, take less than three log files.
//
// A failed write, sync or rename ends the log (ErrFailed). Nothing is retried:
// after a failed sync the system may have dropped the data, and a second sync
// would succeed without it.
package wal
