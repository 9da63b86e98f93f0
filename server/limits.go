package server

import "time"

// Limits of a request, each with what gets worse when it grows.
const (
	// nameBytesMax bounds the decoded name of a stream: memory per stream.
	nameBytesMax = 1024

	// contentTypeBytesMax bounds a content type: memory per stream.
	contentTypeBytesMax = 256

	// producerIDBytesMax bounds a Producer-Id: memory per producer.
	producerIDBytesMax = 256

	// streamSeqBytesMax bounds a Stream-Seq: memory per stream.
	streamSeqBytesMax = 256

	// expiresAtBytesMax bounds a Stream-Expires-At, kept as it was written.
	expiresAtBytesMax = 64

	// headerBytesMax bounds the request line and headers: memory per
	// connection, used or idle.
	headerBytesMax = 16 << 10

	// headerFieldsMax bounds how many there are: parsed, each takes many times the
	// four bytes that it may be, for as long as the request lasts.
	headerFieldsMax = 128

	// prefetchBytes is the part of a body that arrives before the handler
	// runs, so that small requests need no second step. It is what fasthttp
	// reads ahead at most.
	prefetchBytes = 8 << 10

	// bodyStep is how a larger body is read and how the budget for bodies of
	// unknown length is taken.
	bodyStep = 64 << 10

	// inputShare is the share of Options.BodyBytesInFlight that input on event loops
	// may take besides, which is there because a request has arrived in part, or
	// others before it are not answered.
	inputShare = 4

	// keepBufferBytes is the largest buffer that waits for the next request:
	// memory per idle buffer.
	keepBufferBytes = 64 << 10
)

// Compression.
const (
	// gzipBytesMin is the smallest body that is compressed. Lower, and more
	// answers are compressed that fit into one packet anyway.
	gzipBytesMin = 1 << 10

	// keepGzipperBytes is how large the buffers are that a compressor keeps.
	// One read of the usual size fits.
	keepGzipperBytes = 2 << 20
)

// Pace of a client.
const (
	// bodyRateMin is how slowly a body may arrive, in bytes per second beyond
	// Options.ReadTimeout; a response may leave as slowly beyond
	// Options.WriteTimeout. Lower, and a few clients can hold the budget.
	bodyRateMin = 16 << 10

	// lingerTime and lingerBytes bound how long the server listens to a client
	// that it has answered before reading all of the request. Too little, and
	// the reset that follows the close can destroy the answer on its way.
	lingerTime  = 5 * time.Second
	lingerBytes = 64 << 20

	// stopGrace is what a server that stops gives to requests of which only a
	// part has arrived, and to clients that have their last answer. Longer
	// only delays the stop; too little cuts off requests on their way.
	stopGrace = 500 * time.Millisecond

	// stopDelivery is what it gives to an SSE reader to take the event that is
	// under way, which it would have to be sent again.
	stopDelivery = 2 * time.Second
)

// Live readers.
const (
	// eventBytesMax bounds the stored bytes of one event, unless a single
	// append is larger: memory per reader that is behind.
	eventBytesMax = 64 << 10

	// keepEventBytes is the largest buffer for events that is used again.
	keepEventBytes = 4 * eventBytesMax

	// liveSendBuffer is what the kernel is told to hold for a reader that does not
	// read. It holds up to three times that, with all around the bytes. Less slows
	// down readers that are far away and catching up.
	liveSendBuffer = 32 << 10

	// goneInterval is how often a long-poll that waits looks whether its client
	// has left. Longer, and clients that come and go use up the places.
	goneInterval = time.Second

	// writeStep is how much of an event may be on its way when the time for
	// a slow reader to take anything starts anew.
	writeStep = 256 << 10
)

// keepAlivePeriod is how often TCP asks whether the client is still there.
const keepAlivePeriod = 30 * time.Second
