package stream

// NoTTL stands for the absence of a sliding lifetime.
const NoTTL = -1

// TTLMax is the longest sliding lifetime in seconds, the largest integer every
// JavaScript client represents exactly.
const TTLMax = 1<<53 - 1

// CounterMax is the largest producer epoch and sequence (section 5.2.1).
const CounterMax = 1<<53 - 1

// Create asks for a stream, or for a fork of one (sections 4.2, 5.1).
type Create struct {
	Path        string
	ContentType string // "" = not given
	TTL         int64  // seconds, NoTTL = not given
	ExpiresAt   int64  // Unix milliseconds, 0 = not given
	ExpiresText string // ExpiresAt as the client wrote it
	Closed      bool
	KeepAge     int64 // seconds, 0 = not given
	KeepBytes   int64 // 0 = not given
	Public      bool  // for everybody to read; a fork does not inherit it

	From          string // path of the source, "" = not a fork
	FromOffset    Offset // where the fork begins, if HasFromOffset; else at the tail
	HasFromOffset bool
	SubOffset     uint64 // bytes or JSON messages of the append after FromOffset

	// Body is the first append. On a JSON stream it is already flattened;
	// BodyErr says that it could not be, and is InvalidJSON.
	Body    []byte
	BodyErr Code
}

// Append asks for an append, a close, or both in one step (sections 5.2, 5.3).
// An empty Body with Close is a close alone.
type Append struct {
	Path        string
	ContentType string // "" = not given
	Close       bool
	Producer    Producer
	Seq         string // Stream-Seq, if HasSeq
	HasSeq      bool
	Expected    Offset // Stream-Expected-Offset, if HasExpected
	HasExpected bool

	// Body is flattened if ContentType is JSON; BodyErr says that it could
	// not be (InvalidJSON, EmptyArray).
	Body    []byte
	BodyErr Code
}

// Producer is the claim of an idempotent producer (section 5.2.1). The zero
// value means that the request has none.
type Producer struct {
	ID    string
	Epoch int64
	Seq   int64
}

// Outcome is what a request is answered.
type Outcome struct {
	Code        Code
	Tail        Offset
	Closed      bool
	ContentType string
	Start       Offset // after a change, and of what is read from before it

	// Of the producer: its current epoch and highest accepted sequence, and
	// after a gap what was expected and what was received.
	Epoch, Seq         int64
	Expected, Received int64
}
