// Package checkpoint is the format of metadata checkpoint files: the stream
// table, as rows that mean nothing to this package.
//
// A snapshot holds a row for every stream. A delta holds a row for every stream
// that changed since the file it builds on, and a mark for every one that is
// gone. A reader of a store applies the snapshot, and then the deltas in order;
// a later row replaces an earlier one.
//
// A file is written front to back and read front to back, in blocks, so neither
// side needs more memory than a block.
//
// Numbers in all tables are little-endian.
//
// # File: header of 64 bytes, blocks, footer of 48 bytes, and nothing else
//
//	offset  size  field     notes
//	0       8     magic     "TAILCKP\n"
//	8       4     version   1
//	12      4     kind      1 snapshot, 2 delta; readers reject anything else
//	16      16    store     identity of the store
//	32      8     id        of the file, also its name
//	40      8     batch     the last batch that is in the rows
//	48      8     base      delta: the batch of the file it builds on; snapshot: 0
//	56      4     reserved  zero; readers reject anything else
//	60      4     crc       CRC-32C of the bytes before it
//
// # Block: header of 20 bytes, rows
//
//	0       4     magic     "ROWS"
//	4       4     length    of the rows in bytes, at least 1
//	8       4     rows      their number
//	12      4     chain     crc of the block before, or of the file header
//	16      4     crc       CRC-32C of the header before this field, and the rows
//	20      n     rows
//
// A block holds about 64 KiB, or one row that is longer. A row lies in one block.
//
// # Row
//
//	id      uvarint: distance to the id before, also from block to block; the first
//	        to 0. At least 1, so ids grow
//	length  uvarint: 0 the stream is gone (in a delta only), else 1 + length of the row
//	bytes   the row
//
// Uvarints take as few bytes as they can, so rows have one encoding.
//
// # Footer
//
//	0       4     magic     "ENDS"
//	4       4     reserved  zero
//	8       8     rows      with bytes
//	16      8     removed   marks of streams that are gone
//	24      8     bytes     of all rows together, without their ids and lengths
//	32      8     blocks
//	40      4     chain     crc of the last block, or of the file header
//	44      4     crc       CRC-32C of the footer before this field
//
// The chain runs through every byte of the file, and the footer ends it: a file
// that is cut, at whatever place, has no footer, and one that grew has it in the
// wrong place.
package checkpoint
