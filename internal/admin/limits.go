package admin

import "time"

// Limits, each with what gets worse when it grows.
const (
	// listDefault and listMax are how many streams an answer lists: memory per
	// request, and how long the store is asked at a time.
	listDefault = 100
	listMax     = 1000

	// listBudget is how long a request looks for streams that match. What it has then
	// is the answer, with a cursor: how long a client waits.
	listBudget = 250 * time.Millisecond

	// nameBytesMax is that of the names of streams, which a prefix is one of.
	nameBytesMax = 1024

	// requestIDBytesMax bounds an X-Request-Id: bytes per line of the log.
	requestIDBytesMax = 128

	// deletesInFlight is how many deletes of a job wait for the log at a time: what
	// clients have to share a batch with.
	deletesInFlight = 64

	// jobsPerProject and jobsMax are how many jobs run at a time.
	jobsPerProject = 4
	jobsMax        = 16

	// finishedMax and finishedFor are how many jobs that ended are remembered, and how
	// long: memory.
	finishedMax = 100
	finishedFor = time.Hour

	// jobErrorsMax is how many codes a job tells apart, the last of them "other".
	jobErrorsMax = 8

	// deleteTries is how often a stream is tried when the store is busy, from
	// deleteRetryMin to deleteRetryMax apart: how long a job hangs on to a store that
	// takes nothing.
	deleteTries    = 10
	deleteRetryMin = 50 * time.Millisecond
	deleteRetryMax = 5 * time.Second
)

// ConnectionsMax is how many connections Serve leaves open: descriptors, which the
// log must never lack.
const ConnectionsMax = 64

// Bounds of connections to the admin listener.
const (
	headerTimeout = 5 * time.Second  // for a request's headers
	readTimeout   = 10 * time.Second // for a request, which has no body
	writeTimeout  = 30 * time.Second // for the answer; profiles add what they take
	idleTimeout   = 2 * time.Minute
	headerBytes   = 16 << 10

	// shutdownTimeout is how long requests under way may go on.
	shutdownTimeout = 5 * time.Second
)
