// Package server speaks the Durable Streams protocol over HTTP/1.1 and 1.0. It
// parses requests, asks the engine, and renders what the engine decided; it
// has no rules of its own about streams and knows no files.
//
// # From request to answer
//
//	connection ─► driver ─► handle ─► engine
//	                 ▲         │
//	                 └ outcome ┘
//
// A handler is a function of an exchange: the request, the response to fill,
// and what is known of the connection. It never blocks and never touches the
// connection. What it cannot finish at once it returns as an outcome:
//
//	done   the response is complete
//	wait   a ticket of the engine has to become ready first; resume goes on
//	load   what is asked for is on disk, and reading it may block; load goes on
//	live   the client waits at the tail of a stream, by long-poll or SSE
//	big    the body has not been read, and reading it may block
//	again  what the decision depended on has changed: handle it anew
//	drop   the outcome is unknown: close the connection without a word
//
// Only a driver knows what serves the connection. One gives each connection a
// goroutine of fasthttp, which waits for tickets and the disk and reads bodies
// itself, and hands SSE readers to a goroutine of their own. On Linux plain
// sockets are served by event loops, whose driver runs the same handlers: it
// stages the appends of a pass together and answers them after one commit. What
// may block or is unusual it hands to the first driver, with the bytes that were
// read, and gets the connection back after the answer.
//
// # Durable before visible
//
// No byte of an answer leaves before everything the answer depends on is
// durable. If the log fails first, the connection is closed without an answer,
// because any answer would be a guess.
//
// # Codings
//
// A catch-up read is sent as it is, compressed by gzip, or as the one zstd frame
// that the engine stores. Which of them is decided before anything is
// compressed, so that the entity tag, which tells them apart, is there first.
// Live reads are never coded: they are small, and are to arrive at once.
//
// # Refusals
//
// Every refusal is the same envelope with a code that does not change between
// versions; Catalogue lists them. What is malformed is refused before the
// engine sees it and before the body is read.
//
//	{"error":{"code":"invalid_offset","message":"…"}}
package server
