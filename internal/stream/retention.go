package stream

import "math"

// retention is what a stream drops from its front by itself, and what it has to
// know for that.
type retention struct {
	age   int64 // seconds, 0 = whatever its age
	bytes int64 // of the offset space, 0 = however many

	// Of a stream with an age. Everything before the offset of a mark was there at
	// its time. The appends since the last mark came between begin and last.
	marks []Mark
	begin int64 // Unix milliseconds
	last  int64 // likewise, never below begin
}

// Mark says that everything before an offset was there at a time.
type Mark struct {
	At     int64 // Unix milliseconds
	Offset Offset
}

const (
	// RetentionBytesMax is the largest number of bytes to keep, the largest integer
	// every JavaScript client represents exactly.
	RetentionBytesMax = 1<<53 - 1

	// ageShare is how much longer than its age an append may stay, as one part in so
	// many: more parts take more marks.
	ageShare = 16

	// marksMax is how many marks there are at most: one for each part of an age, one
	// that is just beginning, and one that is due.
	marksMax = ageShare + 2

	// bytesShare is how much more than it has to a stream keeps before it is trimmed,
	// as one part in so many. Less often is a trim, less is kept too long.
	bytesShare = 8
)

// Start is the earliest retained offset: nobody reads from before it.
func (s *Stream) Start() Offset {
	if s.rare == nil {
		return 0
	}
	return s.rare.start
}

// retained returns the policy of a stream, or nil.
func (s *Stream) retained() *retention {
	if s.rare == nil {
		return nil
	}
	return s.rare.retention
}

// KeepAge is how long an append is kept, in seconds, or 0.
func (s *Stream) KeepAge() int64 {
	if r := s.retained(); r != nil {
		return r.age
	}
	return 0
}

// KeepBytes is how much of its offset space a stream keeps, or 0.
func (s *Stream) KeepBytes() int64 {
	if r := s.retained(); r != nil {
		return r.bytes
	}
	return 0
}

// RetentionBytes is the memory that marks take.
func (s *Stream) RetentionBytes() int {
	const each = 16
	if r := s.retained(); r != nil && r.age != 0 {
		return marksMax * each
	}
	return 0
}

// bucket is how long the appends between two marks may have come one after the
// other, in milliseconds.
func (r *retention) bucket() int64 {
	if r.age < ageShare {
		return 1000
	}
	if r.age > math.MaxInt64/1000 {
		return math.MaxInt64 / ageShare
	}
	return r.age * 1000 / ageShare
}

// due is when what was there at a time is too old.
func (r *retention) due(at int64) int64 {
	if r.age > (math.MaxInt64-max(at, 0))/1000 {
		return math.MaxInt64
	}
	return at + r.age*1000
}

// note takes down that an append came to a stream with a tail.
func (r *retention) note(at int64, tail, start Offset) {
	at = max(at, r.last)
	switch {
	case tail == start: // nothing is before it
		r.marks, r.begin = nil, at
	case at-r.begin >= r.bucket():
		// Of the marks that are due the newest says it all.
		first := 0
		for first+1 < len(r.marks) && r.due(r.marks[first+1].At) <= at {
			first++
		}
		if len(r.marks)-first >= marksMax {
			first = len(r.marks) - marksMax + 1
		}
		kept := make([]Mark, 0, len(r.marks)-first+1)
		r.marks = append(append(kept, r.marks[first:]...), Mark{At: r.last, Offset: tail})
		r.begin = at
	}
	r.last = at
}

// trimmed forgets the marks of what is dropped.
func (r *retention) trimmed(start Offset) {
	n := 0
	for n < len(r.marks) && r.marks[n].Offset <= start {
		n++
	}
	if n > 0 {
		r.marks = append([]Mark(nil), r.marks[n:]...)
	}
}

// TooOld is the offset before which everything is older than the stream keeps
// it. It is false if there is nothing like that.
func (s *Stream) TooOld(now int64) (Offset, bool) {
	r := s.retained()
	if r == nil || r.age == 0 || s.Gone || s.Start() == s.Tail {
		return 0, false
	}
	if r.due(r.last) <= now {
		return s.Tail, true
	}
	for i := len(r.marks) - 1; i >= 0; i-- {
		if r.due(r.marks[i].At) <= now {
			return r.marks[i].Offset, true
		}
	}
	return 0, false
}

// TooMuch is the offset before which a stream has more than it is to keep. It is
// false as long as that is not much.
func (s *Stream) TooMuch() (Offset, bool) {
	keep := Offset(s.KeepBytes())
	if keep == 0 || s.Gone || s.Tail-s.Start() <= keep+keep/bytesShare {
		return 0, false
	}
	return s.Tail - keep, true
}

// NextDue is when time alone changes something about the stream, in Unix
// milliseconds, or math.MaxInt64: it expires, or something in it gets too old.
func (s *Stream) NextDue() int64 {
	at := s.Deadline()
	r := s.retained()
	if r == nil || r.age == 0 || s.Gone || s.Start() == s.Tail {
		return at
	}
	oldest := r.last
	if len(r.marks) > 0 {
		oldest = r.marks[0].At
	}
	return min(at, r.due(oldest))
}

// keep sets the policy. What is there already counts from now on, if its age has
// not counted before.
func (s *Stream) keep(age, bytes, at int64) {
	if age == 0 && bytes == 0 {
		if s.rare != nil {
			s.rare.retention = nil
		}
		return
	}
	rare := s.needRare()
	if rare.retention == nil {
		rare.retention = &retention{}
	}
	r := rare.retention
	switch {
	case age == 0:
		r.marks, r.begin, r.last = nil, 0, 0
	case r.age == 0:
		r.begin, r.last = at, at
	}
	r.age, r.bytes = age, bytes
}

// trim drops what ends at start or before.
func (s *Stream) trim(start Offset) {
	s.needRare().start = start
	if r := s.retained(); r != nil {
		r.trimmed(start)
	}
}
