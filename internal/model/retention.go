package model

import "fmt"

// ChangeRequest is a PATCH. Its zero value asks for everything there is to take
// away: the plain request, which asks for nothing, is Nothing.
type ChangeRequest struct {
	Path      string
	KeepAge   int64 // seconds; 0 is none, -1 is not given
	KeepBytes int64 // 0 is none, -1 is not given
	TTL       int64 // seconds; -1 is none, -2 is not given
	ExpiresAt int64 // unix milliseconds; 0 is none, -1 is not given
	Trim      int64 // -1 is not given; what follows every offset is the tail if Now
	Now       bool
}

// Nothing is a PATCH that asks for nothing.
func Nothing(path string) ChangeRequest {
	return ChangeRequest{Path: path, KeepAge: -1, KeepBytes: -1, TTL: -2, ExpiresAt: -1, Trim: -1}
}

// Change is a PATCH.
func (m *Model) Change(now int64, r ChangeRequest) Result {
	s, code := m.find(now, r.Path)
	if code != OK {
		return rejected(code)
	}
	trim := r.Trim
	if r.Now {
		trim = s.tail
	}
	if trim > s.tail {
		return rejected(TrimBeyondTail)
	}
	switch {
	case r.TTL >= 0:
		s.expiry = expiry{ttl: r.TTL}
		s.asked = s.expiry
	case r.ExpiresAt > 0:
		s.expiry = expiry{ttl: -1, at: r.ExpiresAt}
		s.asked = s.expiry
	case r.TTL == -1 && s.expiry.ttl >= 0:
		s.expiry.ttl = -1
		s.asked = s.expiry
	case r.ExpiresAt == 0 && s.expiry.at != 0:
		s.expiry.at = 0
		s.asked = s.expiry
	}
	s.touched = now
	keepAge, keepBytes := s.keepAge, s.keepBytes
	if r.KeepAge >= 0 {
		keepAge = r.KeepAge
	}
	if r.KeepBytes >= 0 {
		keepBytes = r.KeepBytes
	}
	s.keep(now, keepAge, keepBytes)
	s.start = max(s.start, trim)
	s.dropMuch()
	answer := s.result(Changed)
	answer.Start = s.start
	return answer
}

// keep sets the policy.
func (s *stream) keep(now, age, bytes int64) {
	if age != 0 && s.keepAge == 0 {
		s.agesFrom, s.longestAge = now, 0
	}
	s.keepAge, s.keepBytes = age, bytes
	s.longestAge = max(s.longestAge, age)
}

// dropMuch drops what a stream has too much of, once that is an eighth.
func (s *stream) dropMuch() {
	if s.keepBytes > 0 && s.tail-s.start > s.keepBytes+s.keepBytes/8 {
		s.start = s.tail - s.keepBytes
	}
}

// DropOld is for a server that dropped what ends at or before an offset because
// of its age. It says what is wrong with that.
func (m *Model) DropOld(now int64, path string, start int64) error {
	s := m.streams[path]
	if s == nil || s.hidden || s.keepAge == 0 || start < s.start || start > s.tail {
		return fmt.Errorf("model: nothing of %q up to %d can be too old", path, start)
	}
	for _, e := range s.entries() {
		if since := max(e.at, s.agesFrom); e.end <= start && (now-since)/1000 < s.keepAge {
			return fmt.Errorf("model: an append of %q up to %d is dropped after %d ms, and is to be kept for %d s", path, e.end, now-since, s.keepAge)
		}
	}
	s.start = start
	return nil
}

// Overdue says what should have been dropped for its age by now. The age is
// counted to a second, or to a sixteenth of the longest that was asked for.
func (m *Model) Overdue(now int64, path string) error {
	s := m.streams[path]
	if s == nil || s.hidden || s.keepAge == 0 {
		return nil
	}
	for _, e := range s.entries() {
		late := max(1000, s.longestAge*1000/16)
		if since := max(e.at, s.agesFrom); now-since-late > s.keepAge*1000 {
			return fmt.Errorf("model: the append of %q up to %d is kept after %d ms, and was to be for %d s", path, e.end, now-since, s.keepAge)
		}
	}
	return nil
}
