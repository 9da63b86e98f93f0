package admin

import (
	"context"
	"errors"
	"time"

	"tailrace/engine"
)

// ErrNotFound means that there is no such stream, or that it was deleted or has
// expired already.
var ErrNotFound = errors.New("admin: no such stream")

// CodeError is why a store did not do what it was asked for.
type CodeError struct {
	Code      string // of the error catalogue, such as "disk_full"
	Temporary bool   // it may work soon
}

func (e *CodeError) Error() string { return "admin: the store answered " + e.Code }

// Store is what the interface is about. Its methods are safe for concurrent use.
type Store interface {
	// Projects lists all projects, by name.
	Projects() []Project

	// Project tells about one. It is false if there is none of that name.
	Project(name string) (Project, bool)

	// List returns streams of a project whose names begin with prefix and whose
	// identity is above after, at most limit, in order of identity, which is that of
	// creation. It bounds how long it looks, so that a page may be short or empty
	// with More to come.
	List(ctx context.Context, project, prefix string, after uint64, limit int) (Page, error)

	// Inspect tells everything about a stream, ErrNotFound if there is none.
	Inspect(ctx context.Context, name string) (Detail, error)

	// Delete deletes a stream and returns when that is durable: nil, ErrNotFound or a
	// CodeError. When ctx ends before, it returns, and the outcome is unknown.
	Delete(ctx context.Context, name string) error

	Status() Status
}

// Page is a part of a list.
type Page struct {
	Streams []Stream
	More    bool
	Next    uint64 // with More: the after to go on with
}

// Stream is what a list tells about a stream.
type Stream struct {
	Name        string    `json:"name"`
	ID          uint64    `json:"id"` // never given to another one
	ContentType string    `json:"content_type"`
	Tail        string    `json:"tail"`  // offset after the last append
	Start       string    `json:"start"` // the earliest offset that is retained
	Closed      bool      `json:"closed"`
	Gone        bool      `json:"gone"` // deleted or expired, kept for its forks
	Public      bool      `json:"public"`
	Bytes       int64     `json:"bytes"` // stored bytes that its project is charged for
	TTLSeconds  *int64    `json:"ttl_seconds,omitempty"`
	ExpiresAt   time.Time `json:"expires_at,omitzero"` // the absolute end of its life
}

// Detail is everything about one stream.
type Detail struct {
	Stream
	Project string `json:"project"`

	RetentionAgeSeconds int64 `json:"retention_age_seconds,omitempty"`
	RetentionBytes      int64 `json:"retention_bytes,omitempty"`

	ForkedFrom    *ForkedFrom `json:"forked_from,omitempty"`
	Forks         int         `json:"forks"`
	Producers     []Producer  `json:"producers"`      // the first ones, by id
	ProducerCount int         `json:"producer_count"` // of all
	LiveReaders   int         `json:"live_readers"`

	// Of what was appended to it, and not to what it was forked from: what no segment
	// has yet, and the rest, oldest first, with the sums of all runs.
	AppendsInMemory int    `json:"appends_in_memory"`
	BytesInMemory   int64  `json:"bytes_in_memory"`
	AppendsInRuns   uint64 `json:"appends_in_runs"`
	BytesRaw        int64  `json:"bytes_raw"`
	BytesCompressed int64  `json:"bytes_compressed"`
	Runs            []Run  `json:"runs"`
}

// Run is what one segment has of a stream.
type Run struct {
	Segment         uint64 `json:"segment"` // its identity
	Level           int    `json:"level"`   // how often it was merged
	From            string `json:"from"`
	To              string `json:"to"`
	Appends         uint64 `json:"appends"`
	BytesRaw        int64  `json:"bytes_raw"`        // as they were appended
	BytesCompressed int64  `json:"bytes_compressed"` // of their blocks; one that small streams share counts as a whole
	Disk            bool   `json:"disk"`             // it is in a file
	Bucket          bool   `json:"bucket"`           // it is in the bucket
}

// ForkedFrom is where a fork comes from.
type ForkedFrom struct {
	Name   string `json:"name"`
	ID     uint64 `json:"id"`
	Offset string `json:"offset"` // where its own appends begin
}

// Producer is the state of an idempotent producer.
type Producer struct {
	ID    string `json:"id"`
	Epoch int64  `json:"epoch"`
	Seq   int64  `json:"seq"`
}

// Project is what a project takes, and what it may.
type Project struct {
	Name   string `json:"name"`
	Use    Use    `json:"use"`
	Limits Limits `json:"limits"`
}

// Use is what a project takes now.
type Use struct {
	StoredBytes int64 `json:"stored_bytes"`
	Streams     int   `json:"streams"`
	LiveReaders int   `json:"live_readers"`
}

// Limits are those of a project. 0 is no limit of its own.
type Limits struct {
	StoredBytes          int64 `json:"stored_bytes"`
	Streams              int   `json:"streams"`
	ProducersPerStream   int   `json:"producers_per_stream"`
	AppendBytesPerSecond int64 `json:"append_bytes_per_second"`
	RequestsPerSecond    int   `json:"requests_per_second"`
	LiveReaders          int   `json:"live_readers"`
	BodyBytes            int64 `json:"body_bytes"`
}

// Status is how a server does. Counters begin with the process.
type Status struct {
	Version   string    `json:"version"`
	StartedAt time.Time `json:"started_at"`
	Draining  bool      `json:"draining"`

	Projects    int   `json:"projects"`
	Streams     int   `json:"streams"`
	Connections int   `json:"connections"`
	LiveReaders int64 `json:"live_readers"`

	StoredBytes  int64  `json:"stored_bytes"` // of appends that are kept, as projects are charged
	Segments     int    `json:"segments"`
	SegmentBytes int64  `json:"segment_bytes"` // compressed, on the disk or in the bucket
	Layers       int    `json:"layers"`
	MemoryBytes  int64  `json:"memory_bytes"` // of streams, and of appends that no segment has
	FrameBytes   int64  `json:"frame_bytes"`  // of those appends
	StagedOps    int    `json:"staged_ops"`   // writes that wait for the log
	Batches      uint64 `json:"batches"`      // that the log has
	DamagedReads int64  `json:"damaged_reads"`

	Bucket *engine.TierStats `json:"bucket,omitempty"`
}
