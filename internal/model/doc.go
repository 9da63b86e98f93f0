// Package model is the protocol as small obvious code: a map from path to
// stream, and a stream is a slice of appends.
//
// It exists to be compared with the real thing. A test sends the same decoded
// requests to a Model and to the engine, and every difference is a defect of
// one of the two. So it shares no code with what it checks, and it prefers the
// plain way to the fast one: a fork's content is collected anew for every
// read, whether a stream has forks is found by looking at all streams, and
// JSON goes through encoding/json.
//
// A Model does no I/O, starts no goroutine and reads no clock: every method
// takes the time as unix milliseconds, and callers never let it run backwards.
// It is not safe for concurrent use. Bodies are copied on the way in and out.
//
// # Level
//
// Requests arrive decoded. Whatever HTTP rejects before it looks at a stream
// (malformed numbers and offsets, an absent content type beside a body, half a
// set of producer headers, a body over the limit) does not exist here.
//
// # Offsets
//
// A fresh stream has tail 0, and an append of stored length n moves the tail
// by n+5. The stored length is the body, or in JSON mode every message
// followed by one comma.
//
// # Expiry
//
// A stream past its deadline is noticed when a request names it, never by
// itself. That shows in one place: a fork past its deadline still counts as a
// fork of its source until a request names the fork. To compare with a server
// that sweeps, call Sweep when it does.
package model
