// Package segment is the immutable file: runs of many streams, compressed,
// every byte under a checksum. A flush of the log writes one, a merge of older
// segments writes one; nothing ever changes one.
//
// A [Writer] needs an io.Writer and one pass, a [Reader] an io.ReaderAt and
// the size, so that a disk and an object store serve alike. The package knows
// nothing of names, directories or the log.
//
// # Terms
//
// The unit is the append: one stored body of n >= 1 bytes, which takes n +
// [AppendOverhead] of the offset space of its stream. A run is all appends of
// one stream that the segment has; they are contiguous. A segment has at most
// one run of a stream, and its runs are in the order of stream ids.
//
// Appends of JSON streams are stored as their messages, each with a comma after
// it: {"a":1},{"b":2},
//
// A block is the unit of compression. There are three kinds:
//
//   - A shared block holds parts of the runs of many streams, whole appends
//     each. A run that does not fit goes on in the next block.
//   - A solo block holds appends of one stream, and its content is exactly one
//     HTTP body: for JSON the messages in brackets, the last comma replaced by
//     the closing one. So a reply can carry the block as it is stored.
//   - A piece block holds a part of one append that is longer than a block may
//     be. It cannot be sent as stored.
//
// Numbers in all tables are little-endian. A uvarint takes as few bytes as it
// can. What is reserved is zero, and readers refuse anything else.
//
// # File
//
//	header      64 bytes
//	blocks      back to back
//	run index   pages of about 16 KiB, back to back
//	page index
//	membership  the stream ids, a roaring bitmap in the portable 64-bit format
//	properties  64 bytes
//	footer      128 bytes
//
// # Header, 64 bytes
//
//	offset  size  field     notes
//	0       8     magic     "TAILSEG\n"
//	8       4     version   1
//	12      4     reserved
//	16      16    store     identity of the store
//	32      8     id        of the segment, never reused in its store
//	40      8     created   unix milliseconds
//	48      1     level     0 from the log, higher from merges
//	49      11    reserved
//	60      4     crc       CRC-32C of the bytes before it
//
// A checksum that is called placed is the CRC-32C of the header's crc, the
// position of the bytes in the file (8 bytes), and the bytes. So what belongs
// to another file, or to another place of this one, never verifies.
//
// # Block: header of 32 bytes, append table, payload
//
//	offset  size  field     notes
//	0       4     magic     "BLK1"
//	4       1     codec     0 raw, 1 zstd
//	5       1     flags     0 shared, 3 solo, 1 piece
//	6       2     reserved
//	8       4     content   length of the content in bytes, 1..1048577
//	12      4     stored    length of the payload; raw: that of the content,
//	                        zstd: less
//	16      4     table     length of the append table
//	20      4     crc       CRC-32C of the payload
//	24      4     crc       CRC-32C of the append table
//	28      4     crc       of the header before this field, placed
//	32      t     table     append table
//	32+t    n     payload   the content, encoded
//
// Payload and table are not placed, so that a merge can take over a solo block
// without decoding it. A zstd payload is one frame, single segment, with
// content size, without dictionary and checksum.
//
// # Append table: for each part of a run in the block
//
//	stream   uvarint  id, minus that of the part before; at least 1
//	start    uvarint  offset where the first append starts
//	count    uvarint  appends << 1, plus 1 for JSON
//	before   uvarint  piece only: bytes of the append in the blocks before
//	after    uvarint  piece only: bytes of the append in the blocks after
//	lengths  uvarint  of the stored body of each append; of a piece, its own
//	crc      4        CRC-32C of the stored bodies (of the piece)
//
// The content is the stored bodies in this order, and for a solo block of JSON
// the brackets. The crc is always that of the messages with all their commas,
// so it stays the same wherever a merge puts them. A block has 8192 appends at
// most. A solo and a piece block have one part, and a piece block one append.
//
// # Page of the run index
//
//	offset  size  field    notes
//	0       4     runs     in this page, at least 1
//	4       4     length   of the block that the first run follows; 0 = none
//	8       8     position of that block; 64 = none
//	16      n     entries
//	16+n    4     crc      of the bytes before, placed
//
// Entry:
//
//	stream   uvarint  id, minus that of the entry before (0 for the first)
//	start    uvarint  offset where the first append starts
//	appends  uvarint  number << 2, plus 2 for JSON, plus 1 if the run begins in
//	                  the block in which the entry before ends
//	raw      uvarint  stored bodies of all appends, in bytes
//	blocks            the sparse index of the blocks that the entry before does
//	                  not have, as package index encodes it
//
// The end of the run is start + raw + 5 for each append. A page is longer than
// 16 KiB only if it has one entry. An entry needs only its page.
//
// # Page index: for each page
//
//	stream  uvarint  first id, minus that of the page before
//	length  uvarint  of the page in bytes
//
// # Properties, 64 bytes
//
//	0       8     raw       stored bodies, in bytes
//	8       8     stored    payloads, in bytes
//	16      8     appends
//	24      8     runs
//	32      8     blocks
//	40      8     as is     blocks that are HTTP bodies
//	48      8     first     smallest stream id
//	56      8     last      greatest stream id
//
// # Footer, 128 bytes
//
//	0       20    blocks      position (8), length (8), CRC-32C (4)
//	20      20    run index   the same
//	40      20    page index  the same
//	60      20    membership  the same
//	80      20    properties  the same
//	100     4     header      crc of the header
//	104     4     version     1
//	108     8     reserved
//	116     4     crc         CRC-32C of the bytes before it
//	120     8     magic       "\nGESLIAT"
//
// The sections lie back to back between header and footer: positions say again
// what lengths say, for a person with a hex dump.
//
// # What is verified when
//
// Open verifies header, footer, page index, membership and properties. A look
// at a run verifies its page, a read of a block the whole block, decoded
// content included. [Verify] reads everything, and compares what the parts say
// of each other. Faults are *frame.CorruptError with the place.
package segment
