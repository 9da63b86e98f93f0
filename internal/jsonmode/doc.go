// Package jsonmode is the codec of JSON streams: from the body of an append to
// the bytes that are stored, and from stored bytes to the body of a read.
//
// An append carries one JSON text (RFC 8259). When that text is an array, each
// of its elements is one message; anything else is one message itself. Exactly
// one level is taken off: the array in [[1,2]] holds one message, [1,2].
//
// # Stored form
//
//	size  field    notes
//	n     message  one JSON value, every byte as the client sent it
//	1     comma    ','; one after each message, also after the last
//	…     …        the next message
//
// Whitespace between messages is dropped, whitespace inside a message is kept:
// numbers, key order and duplicate keys come back as they were sent. The comma
// after the last message is what makes stored forms concatenate: the messages
// of many appends are their stored bytes back to back, and a read is one pair
// of brackets around them, less the last comma.
//
//	body     [ {"a": 1} , 2 ]
//	stored   {"a": 1},2,
//	read     [{"a": 1},2]
//
// The stored form carries no lengths. Messages are found again by looking for
// the commas outside strings and brackets, which is slower than an index but
// needed only where a fork starts between two messages of one append.
//
// The package does no I/O, keeps no state and allocates nothing but the growth
// of the buffers it appends to.
package jsonmode
