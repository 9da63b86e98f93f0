// Package stream holds the rules of the protocol as pure code: what a create,
// an append, a close, a delete or an expiry does to a stream, and what it is
// answered. It does no I/O, reads no clock and takes no lock; whoever calls it
// serializes the calls.
//
// The state is a Table of streams. A request is first decided against the
// table, which changes nothing and yields an Outcome and, when something is to
// happen, a Record. Applying the Record is the only way the table changes, so
// the table is a function of the records in their order, in life as in replay.
//
// A table can be taken down as one Row for each stream, and restored from them.
// Rows of any moment and the records after it give the same table as all
// records do.
//
// Sections in comments are those of the Durable Streams Protocol.
package stream
