package model

// Append adds r.Body to a stream, closes it, or both at once.
//
// The order of the checks is part of the protocol. A producer's retry is
// recognised before the rest of the request is looked at, so that it gets the
// same answer whatever happened to the stream since.
func (m *Model) Append(now int64, r AppendRequest) Result {
	s, code := m.find(now, r.Path)
	if code != OK {
		return rejected(code)
	}
	if len(r.Body) == 0 && !r.Close {
		return rejected(EmptyBody)
	}

	if r.Producer != nil {
		answer, done := s.checkProducer(*r.Producer)
		if done {
			if answer.Code == Duplicate {
				s.touched = now
			}
			return answer
		}
	} else if s.closed {
		if len(r.Body) > 0 {
			return s.closedResult()
		}
		s.touched = now
		return s.result(Closed)
	}

	if len(r.Body) > 0 && !sameContentType(r.ContentType, s.contentType) {
		return rejected(ContentTypeMismatch)
	}
	if r.Expected >= 0 && r.Expected != s.tail {
		return s.tailResult(OffsetMismatch)
	}
	if r.HasSeq && s.lastSeq != nil && r.Seq <= *s.lastSeq {
		return s.tailResult(StreamSeqRegression)
	}
	var e entry
	if len(r.Body) > 0 {
		if e, code = s.store(r.Body); code != OK {
			return rejected(code)
		}
	}

	// Accepted: from here on everything changes and nothing fails.
	s.touched = now
	if r.Producer != nil {
		s.producers[r.Producer.ID] = *r.Producer
	}
	if r.HasSeq {
		seq := r.Seq
		s.lastSeq = &seq
	}
	if r.Close {
		s.closed = true
	}
	code = Closed
	if len(r.Body) > 0 {
		s.add(now, e)
		s.dropMuch()
		code = Appended
	}
	answer := s.result(code)
	if r.Producer != nil {
		answer.Epoch, answer.Seq = r.Producer.Epoch, r.Producer.Seq
	}
	return answer
}

// checkProducer returns the answer to a request of p if p alone decides it.
// The request that closed the stream needs no memory of its own: nothing was
// accepted after it, so a repeat of it is a duplicate like any other.
func (s *stream) checkProducer(p Producer) (answer Result, done bool) {
	last, known := s.producers[p.ID]
	switch {
	case known && p.Epoch < last.Epoch:
		answer = rejected(StaleEpoch)
		answer.Epoch = last.Epoch
		return answer, true
	case known && p.Epoch == last.Epoch && p.Seq <= last.Seq:
		return s.duplicate(last), true
	case s.closed:
		return s.closedResult(), true
	case known && p.Epoch > last.Epoch && p.Seq != 0:
		return rejected(EpochStart), true
	case known && p.Epoch == last.Epoch && p.Seq != last.Seq+1:
		return gap(last.Seq+1, p.Seq), true
	case !known && p.Seq != 0:
		return gap(0, p.Seq), true
	}
	return Result{}, false
}

// duplicate reports what was last accepted, which a late retry may have
// less of.
func (s *stream) duplicate(last Producer) Result {
	r := s.result(Duplicate)
	r.Epoch, r.Seq = last.Epoch, last.Seq
	return r
}

func gap(expected, received int64) Result {
	r := rejected(SequenceGap)
	r.ExpectedSeq, r.ReceivedSeq = expected, received
	return r
}

// closedResult tells a writer that came too late where the stream ended.
func (s *stream) closedResult() Result {
	r := s.tailResult(StreamClosed)
	r.Closed = true
	return r
}

// tailResult rejects a writer that was wrong about the tail, and tells it.
func (s *stream) tailResult(code Code) Result {
	r := rejected(code)
	r.Tail = s.tail
	return r
}
