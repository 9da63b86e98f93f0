package stream

import (
	"bytes"
	"math"

	"tailrace/internal/model"
)

// compare holds an outcome against the model's, in what belongs to its code.
func (w *world) compare(got Outcome, want model.Result, producer bool) {
	w.t.Helper()
	if got.Code.String() != string(want.Code) {
		w.fail("outcome %s, model says %s\n%+v\n%+v", got.Code, want.Code, got, want)
	}
	same := true
	switch got.Code {
	case Created, Exists:
		same = got.ContentType == want.ContentType
		fallthrough
	case Appended, Duplicate, Closed, StreamClosed:
		same = same && int64(got.Tail) == want.Tail && got.Closed == want.Closed
		if producer && got.Code != StreamClosed {
			same = same && got.Epoch == want.Epoch && got.Seq == want.Seq
		}
	case Changed:
		same = int64(got.Start) == want.Start && int64(got.Tail) == want.Tail && got.Closed == want.Closed
	case OffsetMismatch, StreamSeqRegression:
		same = int64(got.Tail) == want.Tail
	case StaleEpoch:
		same = got.Epoch == want.Epoch
	case SequenceGap:
		same = got.Expected == want.ExpectedSeq && got.Received == want.ReceivedSeq
	}
	if !same {
		w.fail("outcome %+v, model says %+v", got, want)
	}
}

// head compares what there is to know about a path without using the stream.
func (w *world) head(path string) {
	s, want := w.gate(path), w.model.Head(w.now, path)
	if code := usable(s); code.String() != string(want.Code) {
		w.fail("%s is %s, model says %s", path, code, want.Code)
	} else if code != OK {
		return
	}
	at, _ := s.ExpiresAt()
	if int64(s.Tail) != want.Tail || s.Closed != want.Closed || s.ContentType != want.ContentType || s.TTL() != want.TTL || at != want.ExpiresAt ||
		s.KeepAge() != want.KeepAge || s.KeepBytes() != want.KeepBytes || int64(s.Start()) != want.Start || s.Public() != want.Public {
		w.fail("%s is %+v, model says %+v", path, *s, want)
	}
}

// read compares all that is visible after an offset, and uses the stream.
func (w *world) read(path string, from Offset) {
	w.note("read %s from %d", path, from)
	s, want := w.gate(path), w.model.Read(w.now, path, modelOffset(from), math.MaxInt)
	if usable(s) == OK && from < s.Start() {
		if want.Code != model.OffsetTrimmed || want.Start != int64(s.Start()) {
			w.fail("%s starts at %d, model says %+v", path, s.Start(), want)
		}
		if want = w.model.Read(w.now, path, -1, math.MaxInt); from == 0 {
			from = s.Start() // what is left
		}
	}
	if code := usable(s); code.String() != string(want.Code) {
		w.fail("%s is %s, model says %s", path, code, want.Code)
	} else if code != OK {
		return
	}
	w.touch(s)
	var bodies [][]byte
	var ends []int64
	for _, a := range w.shown(s) {
		if a.end > max(from, s.Start()) {
			bodies, ends = append(bodies, a.body), append(ends, int64(a.end))
		}
	}
	same := len(ends) == len(want.Ends) && int64(s.Tail) == want.Tail && want.Next == want.Tail && s.Closed == want.Closed
	for i := 0; same && i < len(ends); i++ {
		same = ends[i] == want.Ends[i] && bytes.Equal(bodies[i], want.Appends[i])
	}
	if !same {
		w.fail("%s after %d shows %q ending at %d, tail %d; model says %+v", path, from, bodies, ends, s.Tail, want)
	}
}

func usable(s *Stream) Code {
	switch {
	case s == nil:
		return NotFound
	case s.Gone:
		return Gone
	}
	return OK
}
