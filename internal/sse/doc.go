// Package sse encodes live reads as Server-Sent Events, the text format that
// browsers read with EventSource.
//
// A reader gets one data event for each batch of appends, directly followed by
// one control event that says where to go on from.
//
// # Data event
//
//	event: data
//	data:first line of the payload
//	data:second line of the payload
//	(empty line)
//
// The payload of a data event depends on the type of the stream:
//
//	encoding  streams           payload
//	Text      text/*            the bytes, line by line
//	JSON      application/json  one array of the messages
//	Base64    all others        RFC 4648, padded, on one line
//
// The format knows three ends of line, CRLF, CR and LF, and a reader gets all of
// them as LF. So each of the three ends a line here: a payload can then neither
// end its event early nor add a field or an event of its own. What a reader of
// a text stream cannot get back is which of the three it was. In JSON they occur
// only between tokens, where they mean nothing.
//
// The format is UTF-8 by definition. Bytes of a text stream that are not valid
// UTF-8 are written unchanged, and clients that decode will show replacement
// characters in their place; the same goes for a rune whose bytes arrive in two
// events. Who needs the bytes themselves uses another read mode or another type.
//
// # Control event
//
//	event: control
//	data:{"streamNextOffset":"…","streamCursor":"…","upToDate":true}
//	(empty line)
//
// # Comment
//
//	:
//	(empty line)
//
// The package does no I/O and allocates nothing but the growth of the buffers it
// appends to, so one encoded event can be shared by all readers of a stream.
package sse
