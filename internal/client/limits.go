package client

import "time"

// What a request may take. Each is a guard against a server that is not one of
// ours, or is ill, and is far from what is usual.
const (
	// batchBytesMax is the largest answer to a read, and the largest event, after
	// decoding. With more, a small answer that is compressed could fill the memory.
	batchBytesMax = 512 << 20

	// answerBytesMax is the largest answer that is not a read.
	answerBytesMax = 16 << 20

	// errorBytesMax is how much of an error is read.
	errorBytesMax = 64 << 10
)

// Defaults of Options.
const (
	patienceDefault = 2 * time.Minute

	// stallDefault is longer than the interval between two comments of an event
	// stream, and than a long-poll, both of which are seconds by default.
	stallDefault = 90 * time.Second

	backoffMinDefault = 100 * time.Millisecond
	backoffMaxDefault = 10 * time.Second
)
