// Package remote reads immutable files that are in a bucket, by range, through
// a cache of their bytes on the local disk.
//
// A file is cut into cells of one size. A read takes the cells that are on the
// disk from there and asks the source for the others: missing neighbours in one
// request, each cell by one reader at a time, while whoever else needs it waits
// for that one. Bytes go from the request to its readers in memory, so a budget
// that is too small for what is read only keeps less. A reader that goes
// through a file in order is found by its reads and gets ever longer requests.
//
// # The file of cells, <Dir>/cells, little-endian
//
//	offset  size  field       notes
//	0       8     magic       "TAILCEL\n"
//	8       4     version     1
//	12      4     cell bytes  a multiple of 4096
//	16      16    store       identity of the store
//	32      4     slots       1 or more
//	36      24    reserved    zero; readers reject anything else
//	60      4     crc         CRC-32C of the 60 bytes before
//	4096    32·n  table       an entry for each slot
//	…       …     data        of slot i at D + i · cell bytes, where D is the end
//	                          of the table, rounded up to 4096
//
// # Entry
//
//	0       8     file        that the cell is of
//	8       8     cell        number of the cell in that file, from 0
//	16      4     length      1..cell bytes; less only at the end of a file
//	20      4     reserved    zero
//	24      4     data crc    CRC-32C of the header's crc, bytes 0..23, and the data
//	28      4     entry crc   CRC-32C of the header's crc, the slot's number as 4
//	                          bytes, and bytes 0..27
//
// An entry of zeros is a slot without a cell.
//
// Nothing is ever synced. After a crash any sector of the file may be old or
// new, so every checksum says whose bytes it stands for: the header's is in
// those of the entries, which thereby never verify in the cache of another
// store or another size of cells; the slot's number is in that of its entry;
// file and cell are in that of the data. The table is verified when the cache
// is opened, and a cell every time that it is read from the disk. What does not
// verify is fetched again.
package remote
