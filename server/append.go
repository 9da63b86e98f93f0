package server

import (
	"bytes"

	"tailrace/internal/jsonmode"
	"tailrace/internal/stream"
)

// parseAppend parses the headers of an append or close.
func (s *Server) parseAppend(x *exchange) fault {
	h, a := &x.head, &x.append
	*a = stream.Append{Path: view(h.name), Close: h.closes()}
	if h.has(fieldSeq) {
		seq := h.values[fieldSeq]
		if len(seq) == 0 || len(seq) > streamSeqBytesMax {
			return faultInvalidStreamSeq
		}
		a.Seq, a.HasSeq = view(seq), true
	}
	if h.has(fieldExpected) {
		expected, err := stream.ParseOffset(h.values[fieldExpected])
		if err != nil {
			return faultInvalidOffset
		}
		a.Expected, a.HasExpected = expected, true
	}
	// What is refused here is refused before the body is sent or read. Whether
	// a body in chunks needs a type shows only with its first byte.
	if f := h.parseProducer(&a.Producer); f != faultNone || !x.announcesBody() {
		return f
	}
	contentType, f := h.bodyType()
	a.ContentType = contentType
	return f
}

// announcesBody reports whether it is certain that a body follows. Only a body
// in chunks can turn out to be empty, unless the client asks before it sends.
func (x *exchange) announcesBody() bool {
	h := &x.head
	if h.has(fieldContentLength) {
		return h.announced > 0
	}
	return x.chunked() && h.has(fieldExpect) && !h.http10
}

// chunked reports whether the request has a body of unknown length.
func (x *exchange) chunked() bool { return x.req.Header.ContentLength() == -1 }

// bodyType is the content type that an append with a body has to have.
func (h *head) bodyType() (string, fault) {
	contentType, f := h.contentType()
	if f == faultNone && contentType == "" {
		f = faultContentTypeRequired
	}
	return contentType, f
}

// closes reports whether the request asks for closure. Any value but true is
// no error but means nothing (section 4.1).
func (h *head) closes() bool {
	return h.has(fieldClosed) && bytes.EqualFold(h.values[fieldClosed], valueTrue)
}

// parseProducer parses the claim of an idempotent producer, all of it or none.
func (h *head) parseProducer(p *stream.Producer) fault {
	const all = 1<<fieldProducerID | 1<<fieldProducerEpoch | 1<<fieldProducerSeq
	switch h.given & all {
	case 0:
		return faultNone
	case all:
	default:
		return faultIncompleteProducer
	}
	id := h.values[fieldProducerID]
	epoch, ok1 := parseInt(h.values[fieldProducerEpoch], stream.CounterMax)
	seq, ok2 := parseInt(h.values[fieldProducerSeq], stream.CounterMax)
	if len(id) == 0 || len(id) > producerIDBytesMax || !ok1 || !ok2 {
		return faultInvalidProducer
	}
	p.ID, p.Epoch, p.Seq = view(id), epoch, seq
	return faultNone
}

// postAppend asks the engine for the append; the body is there.
func (s *Server) postAppend(x *exchange) outcome {
	a := &x.append
	// Without a body there is nothing that could have a type (section 5.2).
	if len(x.body) > 0 {
		if a.ContentType == "" {
			contentType, f := x.head.bodyType()
			if f != faultNone {
				return s.fail(x, f)
			}
			a.ContentType = contentType
		}
		a.Body, a.BodyErr = x.stored(a.ContentType)
		if len(a.Body) == 0 && a.BodyErr == stream.None {
			a.BodyErr = stream.EmptyArray
		}
	}
	return s.settle(x, s.engine.Append(a), stepAppend)
}

// stored is the body as a stream of that type stores it.
func (x *exchange) stored(contentType string) ([]byte, stream.Code) {
	if !stream.IsJSON(contentType) {
		return x.body, stream.None
	}
	flat, _, err := jsonmode.Flatten(x.flatBuf[:0], x.body)
	x.flatBuf, x.jsonErr = flat, err
	if err != nil {
		return nil, stream.InvalidJSON
	}
	return flat, stream.None
}

// contentType is the request's content type, "" if there is none.
func (h *head) contentType() (string, fault) {
	if !h.has(fieldContentType) {
		return "", faultNone
	}
	b := h.values[fieldContentType]
	if len(b) > contentTypeBytesMax || !isPlainType(b) && !stream.ValidContentType(view(b)) {
		return "", faultInvalidContentType
	}
	return view(b), faultNone
}

// isPlainType reports whether b is a media type without parameters, the common
// case that needs no parser.
func isPlainType(b []byte) bool {
	slash := bytes.IndexByte(b, '/')
	if slash <= 0 || slash == len(b)-1 {
		return false
	}
	for i, c := range b {
		switch {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9', i == slash,
			c == '-', c == '.', c == '+', c == '_':
		default:
			return false
		}
	}
	return true
}

// appended answers an append or close.
func (s *Server) appended(x *exchange) outcome {
	t := &x.ticket
	if !t.Code.Success() {
		return s.refuse(x)
	}
	// A producer is told by the status whether its request was new
	// (section 5.2.1).
	producer := x.append.Producer.ID != ""
	status := 204
	if producer && t.Code == stream.Appended {
		status = 200
	}
	s.begin(x, status)
	x.setTail(t.Tail, t.Closed)
	if producer {
		x.setInt(nameProducerEpoch, t.Epoch)
		x.setInt(nameProducerSeq, t.Seq)
	}
	return done
}
