package model

// stream is one incarnation of a path.
type stream struct {
	path        string
	contentType string // as given at creation, or the source's
	expiry      expiry
	touched     int64 // unix milliseconds of the last use
	closed      bool
	public      bool // as given at creation; forks have their own
	hidden      bool // soft-deleted: only forks see it

	// What the PUT asked for, where the stream may have got its source's expiry
	// by inheritance. A repeated PUT is compared with both.
	asked expiry

	from   string  // the source's path as given, "" if this is no fork
	source *stream // nil if this is no fork
	base   int64   // where the fork leaves the source
	sub    uint64  // as requested

	own  []entry // without what a fork inherits
	tail int64

	// What ends at start or before is dropped. Nobody reads from before it.
	start      int64
	keepAge    int64 // seconds; 0 is none
	keepBytes  int64 // 0 is none
	agesFrom   int64 // what was there before counts from then
	longestAge int64

	producers map[string]Producer // by id: its epoch and the highest accepted seq
	lastSeq   *string             // Stream-Seq of the last append that had one
}

// expiry is when a stream ends: after ttl seconds without use, at an instant,
// or never.
type expiry struct {
	ttl int64 // -1 is none
	at  int64 // 0 is none
}

func (e expiry) none() bool {
	return e.ttl < 0 && e.at == 0
}

// expired divides instead of multiplying, so that no TTL is too long.
func (s *stream) expired(now int64) bool {
	if s.expiry.at != 0 && now >= s.expiry.at {
		return true
	}
	return s.expiry.ttl >= 0 && (now-s.touched)/1000 >= s.expiry.ttl
}

// entries is all a reader of the stream can see: what it inherits through the
// chain of sources, then its own, without what is dropped. What a source drops
// stays with its forks.
func (s *stream) entries() []entry {
	var all []entry
	if s.source != nil {
		source := *s.source
		source.start = 0
		for _, e := range source.entries() {
			if e.end <= s.base {
				all = append(all, e)
			}
		}
	}
	all = append(all, s.own...)
	for len(all) > 0 && all[0].end <= s.start {
		all = all[1:]
	}
	return all
}

// add appends e.
func (s *stream) add(now int64, e entry) {
	e.at = now
	s.tail += int64(len(e.body)) + 5
	e.end = s.tail
	s.own = append(s.own, e)
}

func (s *stream) json() bool {
	return parseContentType(s.contentType).media == "application/json"
}

// result is a success that describes the stream.
func (s *stream) result(code Code) Result {
	r := rejected(code)
	r.Tail, r.Closed, r.ContentType = s.tail, s.closed, s.contentType
	return r
}
