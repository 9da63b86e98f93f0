// Package memfs is a file system in memory that can lose power.
//
// Every file has two contents: the one that is seen, which all writes reach at
// once, and the one on the medium, which only a sync brings up to date. Every
// directory has its names as seen and on the medium, and SyncDir brings the
// second up to date. Crash cuts the power: it makes a new file system of what
// the medium held, after deciding for each thing that was not synced whether
// it had got there already.
//
// # What can be kept or lost
//
//	thing                    unit       law
//	written bytes            sector     512 bytes, each on its own: writes tear and reorder
//	length of a file         one value  any length the file had since its sync, with its cuts:
//	                                    grown without its data, the new part is zeros
//	created, removed name    one name   apart from the content of the file
//	renamed name             one rename old or new name, never both or neither
//	linked name              one name   as a created one, whatever becomes of the first name
//	directory made           always     MkdirAll syncs the parents, so it is there
//
// Syncing a file does not make its name durable, and syncing a directory does
// not make the content of its files durable.
//
// # Failed syncs
//
// FailSync is what Linux does when a sync fails: the pages count as clean
// although the medium lacks them. They are still read back, and a later sync
// that succeeds does not write them. FailSync itself returns nil when it has
// done this; the caller reports the failure.
//
// # Memory
//
// Content is kept in pages of 4 KiB that the two views share until a write
// parts them. A hole takes no memory. A sync costs the pages it writes, and a
// crash or clone of clean pages shares them with the old file system.
package memfs
