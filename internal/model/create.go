package model

const defaultContentType = "application/octet-stream"

// Create makes the stream r describes, or finds that it is there already.
func (m *Model) Create(now int64, r CreateRequest) Result {
	s, code := m.find(now, r.Path)
	switch code {
	case OK:
		if !s.matches(r) {
			return rejected(ConfigMismatch)
		}
		s.touched = now
		return s.result(Exists)
	case Gone:
		return rejected(PathBlocked)
	}

	s = &stream{
		path:        r.Path,
		contentType: r.ContentType,
		expiry:      r.expiry(),
		touched:     now,
		closed:      r.Closed,
		public:      r.Public,
		producers:   map[string]Producer{},
	}
	s.asked = r.expiry()
	s.keep(now, r.KeepAge, r.KeepBytes)
	if r.From != "" {
		if code := m.inherit(now, s, r); code != OK {
			return rejected(code)
		}
	} else if s.contentType == "" {
		s.contentType = defaultContentType
	}

	if len(r.Body) > 0 {
		e, code := s.store(r.Body)
		switch code {
		case OK:
			s.add(now, e)
		case EmptyArray:
			// A PUT of [] is a stream without messages.
		default:
			return rejected(code)
		}
	}

	s.dropMuch()

	// Only now is there a stream and, for a fork, a reference to its source.
	m.streams[s.path] = s
	return s.result(Created)
}

// inherit makes the new stream s a fork.
func (m *Model) inherit(now int64, s *stream, r CreateRequest) Code {
	source, code := m.find(now, r.From)
	switch code {
	case NotFound:
		return ForkSourceNotFound
	case Gone:
		return ForkSourceGone
	}

	if r.ContentType == "" {
		s.contentType = source.contentType
	} else if !sameContentType(r.ContentType, source.contentType) {
		return ForkContentType
	}
	if r.expiry().none() {
		s.expiry = source.expiry
	}

	base := r.FromOffset
	if base < 0 {
		base = source.tail
	}
	if base > source.tail {
		return ForkOffsetBeyond
	}
	if base < source.start {
		return ForkOffsetTrimmed
	}
	s.from, s.source, s.base, s.sub, s.tail = r.From, source, base, r.Sub, base
	s.start = source.start

	if r.Sub > 0 {
		prefix, ok := source.prefix(base, r.Sub)
		if !ok {
			return ForkSubOffset
		}
		s.add(now, prefix)
	}
	return OK
}

// matches reports whether r describes the stream. Closure is compared with the
// present, everything else with the creation. What a fork can inherit may be
// left out as it was then, or named as what it turned out to be.
func (s *stream) matches(r CreateRequest) bool {
	sameType := sameContentType(r.ContentType, s.contentType)
	if r.ContentType == "" {
		// A fork has its source's content type, named or not.
		sameType = r.From != "" || sameContentType(defaultContentType, s.contentType)
	}
	if r.KeepAge != s.keepAge || r.KeepBytes != s.keepBytes {
		return false
	}
	if !sameType || r.Closed != s.closed || r.Public != s.public || r.From != s.from {
		return false
	}
	if r.expiry() != s.asked && r.expiry() != s.expiry {
		return false
	}
	if r.From == "" {
		return true
	}
	return (r.FromOffset < 0 || r.FromOffset == s.base) && r.Sub == s.sub
}

func (r CreateRequest) expiry() expiry {
	return expiry{ttl: max(r.TTL, -1), at: r.ExpiresAt}
}
