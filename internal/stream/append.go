package stream

// DecideAppend decides an append or close at now. The record is to be applied
// if its Kind is set. A stream that is Due must have been expired before.
//
// The order of the checks is the protocol's (sections 5.2, 5.2.1): what an
// idempotent producer repeats is recognized before anything can refuse it, and
// of several conflicts closure is told first, because it is final.
func (t *Table) DecideAppend(r *Append, now int64) (Record, Outcome) {
	s := t.byPath[r.Path]
	switch {
	case s == nil:
		return Record{}, Outcome{Code: NotFound}
	case s.Gone:
		return Record{}, Outcome{Code: Gone}
	case len(r.Body) == 0 && r.BodyErr == None && !r.Close:
		return Record{}, Outcome{Code: EmptyBody}
	}
	out := Outcome{Tail: s.Tail, Closed: s.Closed}
	if r.Producer.ID != "" {
		out.Epoch, out.Seq = r.Producer.Epoch, r.Producer.Seq
		if s.decideProducer(r.Producer, &out); out.Code != None {
			return Record{}, out
		}
	}
	if s.Closed {
		out.Code = StreamClosed
		if closeOnly := len(r.Body) == 0 && r.BodyErr == None; closeOnly && r.Producer.ID == "" {
			out.Code = Closed
		}
		return Record{}, out
	}
	if out.Code = t.decideConflicts(s, r); out.Code != None {
		return Record{}, out
	}
	rec := Record{
		Kind: KindAppend, ID: s.ID, Start: s.Tail, Close: r.Close,
		Producer: r.Producer, Seq: r.Seq, HasSeq: r.HasSeq, Body: r.Body,
	}
	if s.TTL() != NoTTL || s.KeepAge() != 0 {
		rec.At = now
	}
	out.Code, out.Closed = Appended, r.Close
	if len(r.Body) > 0 {
		out.Tail = s.Tail.End(len(r.Body))
	} else {
		out.Code = Closed
	}
	return rec, out
}

// decideProducer sets out.Code if the request is a repetition or out of turn. A
// closed stream accepts nothing, so what closed it is the last request of its
// producer, and its repetition is a duplicate like any other.
func (s *Stream) decideProducer(p Producer, out *Outcome) {
	last := s.producer(p.ID)
	switch {
	case last == nil:
		if p.Seq != 0 && !s.Closed {
			out.Code, out.Expected, out.Received = SequenceGap, 0, p.Seq
		}
	case p.Epoch < last.epoch:
		out.Code, out.Epoch, out.Seq = StaleEpoch, last.epoch, last.seq
	case p.Epoch > last.epoch:
		if p.Seq != 0 && !s.Closed {
			out.Code = EpochStart
		}
	case p.Seq <= last.seq:
		out.Code, out.Seq = Duplicate, last.seq
	case p.Seq > last.seq+1 && !s.Closed:
		out.Code, out.Expected, out.Received = SequenceGap, last.seq+1, p.Seq
	}
}

// decideConflicts finds what keeps an open stream from taking the request.
// An empty body is never held against its content type (section 5.2).
func (t *Table) decideConflicts(s *Stream, r *Append) Code {
	hasBody := len(r.Body) > 0 || r.BodyErr != None
	switch {
	case hasBody && !SameContentType(r.ContentType, s.ContentType):
		return ContentTypeMismatch
	case r.HasExpected && r.Expected != s.Tail:
		return OffsetMismatch
	case r.HasSeq && s.regresses(r.Seq):
		return StreamSeqRegression
	case r.BodyErr != None:
		return r.BodyErr
	}
	if r.Producer.ID != "" && s.Producers() >= t.limits.ProducersPerStream {
		if s.producer(r.Producer.ID) == nil {
			return TooManyProducers
		}
	}
	return None
}

// DecideDelete decides a delete.
func (t *Table) DecideDelete(path string) (Record, Outcome) {
	s := t.byPath[path]
	switch {
	case s == nil:
		return Record{}, Outcome{Code: NotFound}
	case s.Gone:
		return Record{}, Outcome{Code: Gone}
	}
	return Record{Kind: KindDelete, ID: s.ID}, Outcome{Code: Deleted}
}
