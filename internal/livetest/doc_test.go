// Package livetest shows that every reader gets everything once and in order,
// whatever it is like and whatever happens meanwhile.
//
// A server runs in the process of the test, on a real directory and behind real
// sockets, with sizes so small that it flushes and merges all the time, that
// little of what is read is in memory, and that a live response lasts about a
// second. Streams are created, forked, closed, deleted, and expire while they
// are read, and a stream may get a successor at its path.
//
// # How it is judged
//
// Every append is told by its stream, writer and number. A writer notes what
// was acknowledged, with its end. Since an offset counts the bytes of appends
// (ADR 0004), acknowledged appends must join without a gap, whoever wrote them:
// that is the truth about a stream, and nothing but acknowledgements goes into
// it. A reader notes where it is only by what it was told together with data,
// goes on from there after every end, and compares what it got in each step
// with the truth. So all it ever got, one after the other, is the content of
// the stream from where it began: bytes are compared as they are, event streams
// of text with every end of line as LF, JSON by value.
//
//	world     the server, the streams of the moment, the course of a test
//	author    gives a path one stream after the other
//	writer    appends to one stream, beside others
//	track     the truth about one stream
//	reader    reads one stream after the other, by all modes
//	patient   a reader of an event stream, who notices that it was forgotten
//	wire      a reader's connection: throttled, stalled, about to die
//	pulse     tells a server that gives up a reader from a machine that is busy
//	tally     how often each thing happened: what did not happen was not tested
//	verdict   all that contradicts
//
// A connection that breaks is nothing special to the dying and the slow, and a
// fault to everybody else: a response that is over has its last chunk. Of
// refusals only 503 and 429 with Retry-After are accepted, and what is true:
// 404 and 410 of a stream that has ended, 409 of one that is closed.
//
// How late something comes is not judged, but for one law: a server does not go
// on with comments to a reader that it has news for. That no wake-up is lost, at
// any interleaving, is tested beside the server.
//
// A soak is the same test with -live.time. -live.seed repeats what was drawn, not
// the moments: who reads what, and in which manner, also depends on them.
package livetest
