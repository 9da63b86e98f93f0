package server

import (
	"time"

	"tailrace/internal/stream"
)

// parseCreate parses the headers of a create or fork.
func (s *Server) parseCreate(x *exchange) fault {
	h, c := &x.head, &x.create
	*c = stream.Create{Path: view(h.name), TTL: stream.NoTTL, Closed: h.closes()}
	contentType, f := h.contentType()
	if f != faultNone {
		return f
	}
	c.ContentType = contentType
	if f := h.parseLife(c); f != faultNone {
		return f
	}
	if f := h.parseKeep(c); f != faultNone {
		return f
	}
	if h.has(fieldAccess) {
		if c.Public = string(h.values[fieldAccess]) == string(valuePublicRead); !c.Public {
			return faultInvalidAccess
		}
	}
	if f := x.parseFork(c); f != faultNone {
		return f
	}
	if c.From != "" && !s.mayFork(x) {
		return faultForbidden
	}
	return faultNone
}

// parseLife parses how long the stream lives.
func (h *head) parseLife(c *stream.Create) fault {
	if h.has(fieldTTL) {
		ttl, ok := parseInt(h.values[fieldTTL], stream.TTLMax)
		if !ok {
			return faultInvalidTTL
		}
		c.TTL = ttl
	}
	if h.has(fieldExpiresAt) {
		text := h.values[fieldExpiresAt]
		at, ok := parseTime(text)
		if !ok {
			return faultInvalidExpiresAt
		}
		c.ExpiresAt, c.ExpiresText = at, view(text)
	}
	if h.has(fieldTTL) && h.has(fieldExpiresAt) {
		return faultTTLAndExpiresAt
	}
	return faultNone
}

// parseKeep parses what the stream keeps.
func (h *head) parseKeep(c *stream.Create) fault {
	age, bytes := true, true
	if h.has(fieldKeepAge) {
		c.KeepAge, age = parsePositive(h.values[fieldKeepAge], stream.TTLMax)
	}
	if h.has(fieldKeepBytes) {
		c.KeepBytes, bytes = parsePositive(h.values[fieldKeepBytes], stream.RetentionBytesMax)
	}
	if !age || !bytes {
		return faultInvalidRetention
	}
	return faultNone
}

// parseTime reads an RFC 3339 time as Unix milliseconds. package time takes
// some spellings that the RFC does not, so the shape is checked first.
func parseTime(b []byte) (int64, bool) {
	const shape = "dddd-dd-ddTdd:dd:dd"
	if len(b) <= len(shape) || len(b) > expiresAtBytesMax {
		return 0, false
	}
	for i := range len(shape) {
		digit := '0' <= b[i] && b[i] <= '9'
		if shape[i] == 'd' && !digit || shape[i] != 'd' && b[i] != shape[i] {
			return 0, false
		}
	}
	if b[len(shape)] == ',' {
		return 0, false
	}
	t, err := time.Parse(time.RFC3339Nano, string(b))
	if err != nil {
		return 0, false
	}
	// 0 means that nothing was given, and every time before 1970 is equally
	// long ago.
	return max(t.UnixMilli(), 1), true
}

// parseFork parses what makes a create a fork (section 4.2).
func (x *exchange) parseFork(c *stream.Create) fault {
	h := &x.head
	if !h.has(fieldForkedFrom) {
		if h.has(fieldForkOffset) || h.has(fieldForkSubOffset) {
			return faultForkSourceRequired
		}
		return faultNone
	}
	var name []byte
	t, f := splitTarget(h.values[fieldForkedFrom])
	if f == faultNone && t.authority == nil && t.query == nil {
		name, x.sourceBuf, f = streamName(x.sourceBuf, t.path)
	}
	if f != faultNone || len(name) == 0 {
		return faultInvalidForkSource
	}
	c.From = view(name)
	if h.has(fieldForkOffset) {
		from, err := stream.ParseOffset(h.values[fieldForkOffset])
		if err != nil {
			return faultInvalidOffset
		}
		c.FromOffset, c.HasFromOffset = from, true
	}
	if h.has(fieldForkSubOffset) {
		sub, ok := parseInt(h.values[fieldForkSubOffset], stream.CounterMax)
		if !ok {
			return faultInvalidForkSubOffset
		}
		if sub > 0 && !c.HasFromOffset {
			return faultForkOffsetRequired
		}
		c.SubOffset = uint64(sub)
	}
	return faultNone
}

// put asks the engine for the stream; the body is there.
func (s *Server) put(x *exchange) outcome {
	c := &x.create
	if len(x.body) > 0 {
		if c.From != "" && c.ContentType == "" {
			// How the body is stored depends on a type that only the engine
			// knows. If the fork is there already, it is that of the fork.
			info, t := s.engine.Head(c.Path)
			x.info = info
			return s.settle(x, t, stepForkTarget)
		}
		c.Body, c.BodyErr = x.stored(c.ContentType)
	}
	return s.decideCreate(x)
}

// decideCreate asks the engine. A fork may copy from an append that is not in
// memory, and is then for a driver that may wait for the disk.
func (s *Server) decideCreate(x *exchange) outcome {
	t := s.engine.Create(&x.create)
	if t.Cold {
		return outcome{kind: kindLoad, step: stepCreate}
	}
	return s.settle(x, t, stepCreate)
}

// forkTarget goes on with a fork that inherits its content type.
func (s *Server) forkTarget(x *exchange) outcome {
	if x.ticket.Code == stream.OK {
		return s.putTyped(x)
	}
	info, t := s.engine.Head(x.create.From)
	x.info = info
	return s.settle(x, t, stepForkSource)
}

func (s *Server) forkSource(x *exchange) outcome {
	if x.ticket.Code != stream.OK {
		// The engine says what is wrong with the source.
		return s.decideCreate(x)
	}
	return s.putTyped(x)
}

// putTyped creates with the type that was found. It is now part of the
// request, so if the source is replaced meanwhile by a stream of another type
// the request is refused and nothing is stored in the wrong form.
func (s *Server) putTyped(x *exchange) outcome {
	c := &x.create
	c.ContentType = x.info.ContentType
	c.Body, c.BodyErr = x.stored(c.ContentType)
	return s.decideCreate(x)
}

// created answers a create.
func (s *Server) created(x *exchange) outcome {
	t := &x.ticket
	if !t.Code.Success() {
		return s.refuse(x)
	}
	if t.Code == stream.Created {
		s.begin(x, 201)
		b := x.scratch[:0]
		// A client that names no host gets a reference relative to where it is.
		if scheme, host := s.host(x); len(host) > 0 {
			b = append(append(append(b, scheme...), "://"...), host...)
		}
		b = append(b, x.head.path...)
		x.scratch = b
		x.set(nameLocation, b)
	} else {
		s.begin(x, 200)
	}
	x.resp.Header.SetContentType(t.ContentType)
	x.setTail(t.Tail, t.Closed)
	return done
}
