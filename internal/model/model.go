package model

// Code says how a request ended.
type Code string

// Requests that succeeded.
const (
	Created   Code = "created"   // PUT made the stream
	Exists    Code = "exists"    // PUT found the stream it describes
	Appended  Code = "appended"  // POST added its body, and closed the stream if asked to
	Duplicate Code = "duplicate" // POST was accepted before: nothing was added
	Closed    Code = "closed"    // POST without a body closed the stream, or found it closed
	Deleted   Code = "deleted"   // DELETE took the stream away, or hid it while forks need it
	Changed   Code = "changed"   // PATCH did what it asks for, or there was nothing to do
	OK        Code = "ok"        // HEAD or GET was answered
)

// Requests that were rejected. They change nothing.
const (
	NotFound            Code = "not_found"
	Gone                Code = "gone"                  // soft-deleted; every method but PUT
	PathBlocked         Code = "path_blocked"          // soft-deleted; PUT
	ConfigMismatch      Code = "config_mismatch"       // PUT describes another stream
	StreamClosed        Code = "stream_closed"         // no more appends
	ContentTypeMismatch Code = "content_type_mismatch" // POST
	StreamSeqRegression Code = "stream_seq_regression" // Stream-Seq is not greater than the last one
	OffsetMismatch      Code = "offset_mismatch"       // Stream-Expected-Offset is not the tail
	StaleEpoch          Code = "stale_epoch"           // a newer incarnation of the producer was here
	EpochStart          Code = "epoch_start"           // a new epoch must begin with seq 0
	SequenceGap         Code = "sequence_gap"          // a seq before this one never arrived
	ForkSourceNotFound  Code = "fork_source_not_found" // no stream at From
	ForkSourceGone      Code = "fork_source_gone"      // source is soft-deleted
	ForkContentType     Code = "fork_content_type"     // differs from the source's
	ForkOffsetBeyond    Code = "fork_offset_beyond"    // past the source's tail
	ForkSubOffset       Code = "fork_sub_offset"       // past the end of the append it counts in
	ForkOffsetTrimmed   Code = "fork_offset_trimmed"   // before the source's start
	OffsetTrimmed       Code = "offset_trimmed"        // GET from before the start
	TrimBeyondTail      Code = "trim_beyond_tail"      // PATCH
	InvalidJSON         Code = "invalid_json"          // or not UTF-8
	EmptyArray          Code = "empty_array"           // POST of [] in JSON mode
	EmptyBody           Code = "empty_body"            // POST of nothing that does not close
)

// CreateRequest is a PUT. Its zero value is not the plain request: a TTL of 0
// is a lifetime of no time at all, and a FromOffset of 0 is the start.
type CreateRequest struct {
	Path        string
	ContentType string // "" is absent
	TTL         int64  // seconds; -1 is none
	ExpiresAt   int64  // unix milliseconds; 0 is none
	KeepAge     int64  // seconds; 0 is none
	KeepBytes   int64  // 0 is none
	Closed      bool
	Public      bool   // for everybody to read
	From        string // path of the source; "" is no fork
	FromOffset  int64  // -1 is the source's tail; only read beside From
	Sub         uint64 // bytes or messages after FromOffset; only read beside From
	Body        []byte
}

// AppendRequest is a POST. An empty Body with Close is a close and nothing else.
type AppendRequest struct {
	Path        string
	ContentType string // compared only beside a body
	Body        []byte
	Close       bool
	Producer    *Producer // nil is none
	Seq         string    // Stream-Seq; only read if HasSeq
	HasSeq      bool
	Expected    int64 // Stream-Expected-Offset; -1 is none
}

// Producer names one request of an idempotent producer.
type Producer struct {
	ID         string
	Epoch, Seq int64
}

// Result answers everything but a read. Numbers that do not belong to the
// answer are -1, other fields are zero.
//
// Tail, Closed and ContentType belong to every success except Deleted, and
// describe the stream after the request. StreamClosed carries Tail and Closed;
// OffsetMismatch and StreamSeqRegression carry Tail.
type Result struct {
	Code        Code
	Tail        int64
	Closed      bool
	ContentType string

	Epoch       int64 // of a producer: after its success, and the current one with StaleEpoch
	Seq         int64 // of a producer: the highest accepted, after its success
	ExpectedSeq int64 // with SequenceGap
	ReceivedSeq int64 // with SequenceGap

	TTL       int64 // of Head only: seconds, the whole window; -1 is none
	ExpiresAt int64 // of Head only: unix milliseconds; 0 is none
	KeepAge   int64 // of Head only: seconds; 0 is none
	KeepBytes int64 // of Head only; 0 is none
	Start     int64 // of Head and Change only: the earliest offset that is kept
	Public    bool  // of Head only
}

// ReadResult answers a read.
type ReadResult struct {
	Code        Code
	ContentType string
	Appends     [][]byte // whole appends as stored: in JSON mode a comma follows every message
	Ends        []int64  // Ends[i] is the offset after Appends[i]
	Next        int64    // where to read on; -1 if rejected
	Tail        int64    // -1 if rejected
	UpToDate    bool     // Next is the tail
	Closed      bool     // closed and Next is the tail: nothing will ever follow
	Start       int64    // the earliest offset that is kept, with OffsetTrimmed too
}

// Model is a server's streams.
type Model struct {
	// streams holds the soft-deleted ones too: they block their path.
	streams map[string]*stream
}

// New returns a Model without streams.
func New() *Model {
	return &Model{streams: map[string]*stream{}}
}

// Head describes the stream at path. It is not a use: the TTL goes on running.
func (m *Model) Head(now int64, path string) Result {
	s, code := m.find(now, path)
	if code != OK {
		return rejected(code)
	}
	r := s.result(OK)
	r.TTL, r.ExpiresAt = s.expiry.ttl, s.expiry.at
	r.KeepAge, r.KeepBytes, r.Start = s.keepAge, s.keepBytes, s.start
	r.Public = s.public
	return r
}

// HeadPublic is Head for somebody who may read public streams only. All others
// do not exist for him.
func (m *Model) HeadPublic(now int64, path string) Result {
	if m.private(path) {
		return rejected(NotFound)
	}
	return m.Head(now, path)
}

// ReadPublic is Read for somebody who may read public streams only.
func (m *Model) ReadPublic(now int64, path string, from int64, sizeMax int) ReadResult {
	if m.private(path) {
		return ReadResult{Code: NotFound, Next: -1, Tail: -1}
	}
	return m.Read(now, path, from, sizeMax)
}

// private reports whether there is a stream that is not public. To be asked for
// by somebody who may not know does not even end a stream that is due.
func (m *Model) private(path string) bool {
	s := m.streams[path]
	return s != nil && !s.public
}

// Delete removes the stream at path. A stream with forks is only hidden until
// the last of them is gone.
func (m *Model) Delete(now int64, path string) Result {
	s, code := m.find(now, path)
	if code != OK {
		return rejected(code)
	}
	m.retire(s)
	return rejected(Deleted)
}

// Sweep notices every stream past its deadline, as if a request had named it.
func (m *Model) Sweep(now int64) {
	for path := range m.streams {
		m.find(now, path)
	}
}

// find returns the stream at path with OK, or why there is none to use.
// It is where expiry takes effect.
func (m *Model) find(now int64, path string) (*stream, Code) {
	s := m.streams[path]
	if s != nil && !s.hidden && s.expired(now) {
		m.retire(s)
		s = m.streams[path]
	}
	switch {
	case s == nil:
		return nil, NotFound
	case s.hidden:
		return nil, Gone
	}
	return s, OK
}

// retire ends a stream: its forks still read it, so it goes only if it has none.
func (m *Model) retire(s *stream) {
	if m.hasForks(s) {
		s.hidden = true
		return
	}
	delete(m.streams, s.path)
	if source := s.source; source != nil && source.hidden {
		m.retire(source)
	}
}

// hasForks looks at every stream, hidden ones too: they keep their source as
// long as their own forks read through them.
func (m *Model) hasForks(s *stream) bool {
	for _, other := range m.streams {
		if other.source == s {
			return true
		}
	}
	return false
}

// rejected is a Result that says nothing about a stream.
func rejected(code Code) Result {
	return Result{Code: code, Tail: -1, Epoch: -1, Seq: -1, ExpectedSeq: -1, ReceivedSeq: -1, TTL: -1}
}
