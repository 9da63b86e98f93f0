// Package bucket is the layout of a store in an object store: the names of its
// objects, and the two that are no files of the store.
//
// # Objects, relative to the prefix of the bucket
//
// Every name begins with the identity of the store, 32 hex digits.
//
//	<store>/head                                        who owns it, and the newest state
//	<store>/seg/<xx>/00000000000000000007-0badcafe.seg  a segment, as on the disk
//	<store>/meta/00000000000000000008-0badcafe.snap     a stream table
//	<store>/meta/00000000000000000009-0badcafe.delta    changes to one
//	<store>/meta/00000000000000000010-0badcafe.state    a published state
//
// The number is the id of the file, xx its last two hex digits, so that names
// spread, and the end is the CRC-32C of the content: a name has one content for
// ever. All objects but the head are written once, under the condition that they
// are not there yet.
//
// A state refers to segments and to files of the checkpoint by what their names
// are made of. Head, state, and what the state refers to are the store as of a
// checkpoint; nothing has to be listed to find it.
//
// Numbers in all tables are little-endian. What is reserved is zero, and readers
// refuse anything else.
//
// # Head, 128 bytes
//
//	offset  size  field     notes
//	0       8     magic     "TAILHEAD"
//	8       4     version   1
//	12      4     reserved
//	16      16    store     identity of the store
//	32      16    owner     the directory that writes here
//	48      8     epoch     of that owner: one more each time that it opens the store
//	56      8     state     id of the newest published state; 0: none yet
//	64      8     bytes     of that object
//	72      4     state crc CRC-32C of that object
//	76      4     reserved
//	80      8     written   unix milliseconds
//	88      8     nonce     drawn for each head that is written, so that a writer knows
//	                        its own
//	96      28    reserved
//	124     4     crc       CRC-32C of the bytes before it
//
// The head is the fence. It is replaced only by who has read it, under the
// condition that it is still the same (If-Match), and only with a greater epoch or
// as the same owner and epoch. Whoever finds another owner or epoch in it has
// been replaced, and leaves the bucket alone.
//
// # State: header of 96 bytes, then the payload
//
//	offset  size  field     notes
//	0       8     magic     "TAILSTAT"
//	8       4     version   1
//	12      4     reserved
//	16      16    store     identity of the store
//	32      8     id        of the object
//	40      8     written   unix milliseconds
//	48      8     length    of the payload
//	56      36    reserved
//	92      4     crc       CRC-32C of the bytes before it and of the payload
//	96      n     payload   a state of package manifest, all of whose segments and
//	                        files of the checkpoint are in the bucket
package bucket
