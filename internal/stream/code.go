package stream

// Code is the kind of an Outcome. Codes below Rejected are successes.
type Code uint8

const (
	None Code = iota
	Created
	Exists    // create: there already, with the same configuration
	Appended  // data was added, and closure if asked for
	Duplicate // the producer's request was accepted before
	Closed    // close alone: closed now or before
	Deleted
	Changed
	OK // read

	Rejected
	NotFound
	Gone                // deleted or expired, kept for its forks
	PathBlocked         // create: the path belongs to a stream that is Gone
	ConfigMismatch      // create: there already, with another configuration
	StreamClosed        // append: the stream takes no more
	ContentTypeMismatch // append: not the stream's content type
	StreamSeqRegression // append: Stream-Seq did not grow
	OffsetMismatch      // append: Stream-Expected-Offset is not the tail
	StaleEpoch          // producer: a newer epoch was seen
	EpochStart          // producer: a new epoch begins at sequence 0
	SequenceGap         // producer: a sequence is missing
	ForkSourceNotFound
	ForkSourceGone
	ForkContentType   // fork: not the source's content type
	ForkOffsetBeyond  // fork: past the tail of the source
	ForkSubOffset     // fork: past the end of the append it points into
	ForkTooDeep       // fork: its source is a fork of a fork, too many times
	ForkOffsetTrimmed // fork: before the start of the source
	OffsetTrimmed     // read: before the start of the stream
	TrimBeyondTail    // change: to drop what is not there yet
	InvalidJSON
	EmptyArray
	EmptyBody
	TooManyStreams
	TooManyProducers
	QuotaBytes   // the project, or all together, may not keep more appends
	QuotaStreams // the project has as many streams as it may
	BodyTooLarge
	MemoryFull
	DiskFull
	Overloaded
	DataCorrupt // read: stored bytes do not verify, or cannot be read
	Unavailable // read: the bytes are in a bucket, which did not answer in time
	Failed      // the log failed: whether it happened is unknown
)

var codeNames = [...]string{
	None: "none", Created: "created", Exists: "exists", Appended: "appended",
	Duplicate: "duplicate", Closed: "closed", Deleted: "deleted", Changed: "changed", OK: "ok", Rejected: "rejected",
	NotFound: "not_found", Gone: "gone", PathBlocked: "path_blocked",
	ConfigMismatch: "config_mismatch", StreamClosed: "stream_closed",
	ContentTypeMismatch: "content_type_mismatch", StreamSeqRegression: "stream_seq_regression",
	OffsetMismatch: "offset_mismatch", StaleEpoch: "stale_epoch", EpochStart: "epoch_start",
	SequenceGap: "sequence_gap", ForkSourceNotFound: "fork_source_not_found",
	ForkSourceGone: "fork_source_gone", ForkContentType: "fork_content_type",
	ForkOffsetBeyond: "fork_offset_beyond", ForkSubOffset: "fork_sub_offset",
	ForkTooDeep: "fork_too_deep", ForkOffsetTrimmed: "fork_offset_trimmed",
	OffsetTrimmed: "offset_trimmed", TrimBeyondTail: "trim_beyond_tail",
	InvalidJSON: "invalid_json", EmptyArray: "empty_array", EmptyBody: "empty_body",
	TooManyStreams: "too_many_streams", TooManyProducers: "too_many_producers",
	QuotaBytes: "quota_bytes", QuotaStreams: "quota_streams",
	BodyTooLarge: "body_too_large", MemoryFull: "memory_full", DiskFull: "disk_full",
	Overloaded: "overloaded", DataCorrupt: "data_corrupt",
	Unavailable: "storage_unavailable", Failed: "failed",
}

// String is the name of the code, as error bodies carry it.
func (c Code) String() string { return codeNames[c] }

// Success reports whether the request did what it asked for.
func (c Code) Success() bool { return c > None && c < Rejected }
