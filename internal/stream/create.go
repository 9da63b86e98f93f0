package stream

// Content answers what the rules cannot know from a table: the bytes.
type Content interface {
	// Prefix returns the first n bytes of the append of s that follows at,
	// or on a JSON stream its first n messages. It is false if nothing
	// follows, or the append ends before n.
	Prefix(s *Stream, at Offset, n uint64) (prefix []byte, ok bool)
}

// forkDepthMax is how many forks of forks lead to one: a read of the last walks
// through all of them, and the end of the last may end them all.
const forkDepthMax = 128

// DecideCreate decides a create at now. The record is to be applied if its
// Kind is set. Streams that are Due must have been expired before.
func (t *Table) DecideCreate(r *Create, now int64, content Content) (Record, Outcome) {
	if s := t.byPath[r.Path]; s != nil {
		return Record{}, t.decideExisting(s, r)
	}
	rec := Record{
		Kind: KindCreate, ID: t.lastID + 1, At: now, Path: r.Path,
		ContentType: r.ContentType, Closed: r.Closed, Public: r.Public,
		TTL: r.TTL, ExpiresAt: r.ExpiresAt, ExpiresText: r.ExpiresText, Body: r.Body,
		KeepAge: r.KeepAge, KeepBytes: r.KeepBytes,
	}
	if r.From != "" {
		if code := t.decideFork(&rec, r, content); code != None {
			return Record{}, Outcome{Code: code}
		}
	}
	if rec.ContentType == "" {
		rec.ContentType = DefaultContentType
	}
	switch {
	case r.BodyErr != None:
		return Record{}, Outcome{Code: r.BodyErr}
	case t.Len() >= t.limits.Streams:
		return Record{}, Outcome{Code: TooManyStreams}
	}
	out := Outcome{Code: Created, Tail: rec.Base, Closed: r.Closed, ContentType: rec.ContentType}
	rec.Appends(func(_, _ int, end Offset) { out.Tail = end })
	return rec, out
}

// decideExisting compares a create with the stream that is there. What the
// request asks for must be what the stream was created with (section 5.1).
func (t *Table) decideExisting(s *Stream, r *Create) Outcome {
	if s.Gone {
		return Outcome{Code: PathBlocked}
	}
	if !s.matches(r) {
		return Outcome{Code: ConfigMismatch}
	}
	return Outcome{Code: Exists, Tail: s.Tail, Closed: s.Closed, ContentType: s.ContentType}
}

func (s *Stream) matches(r *Create) bool {
	wantType := r.ContentType
	if wantType == "" {
		wantType = DefaultContentType
		if r.From != "" {
			wantType = s.ContentType // inherited, so nothing was asked for
		}
	}
	if !SameContentType(wantType, s.ContentType) || r.Closed != s.Closed || r.Public != s.Public() {
		return false
	}
	if r.KeepAge != s.KeepAge() || r.KeepBytes != s.KeepBytes() {
		return false
	}
	at, _ := s.ExpiresAt()
	sameExpiry := r.TTL == s.TTL() && r.ExpiresAt == at
	f := s.fork()
	if f == nil {
		return r.From == "" && sameExpiry
	}
	inherits := f.inheritedExpiry && r.TTL == NoTTL && r.ExpiresAt == 0
	return r.From == f.from && r.SubOffset == f.sub &&
		(!r.HasFromOffset || r.FromOffset == f.base) && (sameExpiry || inherits)
}

// decideFork fills in what a fork takes from its source, or says why it can't.
// The content type is compared before anything else is looked at, so that no
// refusal has taken a reference (section 4.2).
func (t *Table) decideFork(rec *Record, r *Create, content Content) Code {
	source := t.byPath[r.From]
	switch {
	case source == nil:
		return ForkSourceNotFound
	case source.Gone:
		return ForkSourceGone
	case r.ContentType != "" && !SameContentType(r.ContentType, source.ContentType):
		return ForkContentType
	case source.depth() >= forkDepthMax:
		return ForkTooDeep
	}
	rec.Source, rec.From, rec.SubOffset = source.ID, r.From, r.SubOffset
	if rec.ContentType == "" {
		rec.ContentType = source.ContentType
	}
	if r.TTL == NoTTL && r.ExpiresAt == 0 {
		rec.TTL = source.TTL()
		rec.ExpiresAt, rec.ExpiresText = source.ExpiresAt()
		rec.InheritedExpiry = rec.TTL != NoTTL || rec.ExpiresAt != 0
	}
	rec.Base = source.Tail
	if r.HasFromOffset {
		if r.FromOffset > source.Tail {
			return ForkOffsetBeyond
		}
		if r.FromOffset < source.Start() {
			return ForkOffsetTrimmed
		}
		rec.Base = r.FromOffset
	}
	if r.SubOffset == 0 {
		return None
	}
	prefix, ok := content.Prefix(source, rec.Base, r.SubOffset)
	if !ok {
		return ForkSubOffset
	}
	rec.Prefix = len(prefix)
	rec.Body = append(prefix[:len(prefix):len(prefix)], r.Body...)
	return None
}
