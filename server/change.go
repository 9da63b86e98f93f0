package server

import "tailrace/internal/stream"

// parseChange parses the headers of a change.
func (x *exchange) parseChange() fault {
	const all = 1<<fieldKeepAge | 1<<fieldKeepBytes | 1<<fieldTTL | 1<<fieldExpiresAt | 1<<fieldTrim
	h, c := &x.head, &x.change
	*c = stream.Change{Path: view(h.name), TTL: stream.NoTTL}
	switch {
	case x.announcesBody(), x.chunked():
		return faultUnexpectedBody
	case h.given&all == 0:
		return faultNothingToChange
	}
	if f := h.changeLife(c); f != faultNone {
		return f
	}
	if f := h.changeKeep(c); f != faultNone {
		return f
	}
	return h.changeTrim(c)
}

// takesAway reports whether a header of a change takes away what it names.
func (h *head) takesAway(f field) bool { return string(h.values[f]) == "none" }

// changeLife parses how long the stream lives from now on.
func (h *head) changeLife(c *stream.Change) fault {
	c.HasTTL, c.HasExpiresAt = h.has(fieldTTL), h.has(fieldExpiresAt)
	if c.HasTTL && !h.takesAway(fieldTTL) {
		ttl, ok := parseInt(h.values[fieldTTL], stream.TTLMax)
		if !ok {
			return faultInvalidTTL
		}
		c.TTL = ttl
	}
	if c.HasExpiresAt && !h.takesAway(fieldExpiresAt) {
		text := h.values[fieldExpiresAt]
		at, ok := parseTime(text)
		if !ok {
			return faultInvalidExpiresAt
		}
		c.ExpiresAt, c.ExpiresText = at, view(text)
	}
	if c.HasTTL && c.HasExpiresAt {
		return faultTTLAndExpiresAt
	}
	return faultNone
}

// changeKeep parses what the stream keeps from now on.
func (h *head) changeKeep(c *stream.Change) fault {
	age, bytes := true, true
	if c.HasKeepAge = h.has(fieldKeepAge); c.HasKeepAge && !h.takesAway(fieldKeepAge) {
		c.KeepAge, age = parsePositive(h.values[fieldKeepAge], stream.TTLMax)
	}
	if c.HasKeepBytes = h.has(fieldKeepBytes); c.HasKeepBytes && !h.takesAway(fieldKeepBytes) {
		c.KeepBytes, bytes = parsePositive(h.values[fieldKeepBytes], stream.RetentionBytesMax)
	}
	if !age || !bytes {
		return faultInvalidRetention
	}
	return faultNone
}

// changeTrim parses the offset before which the stream drops what it has.
func (h *head) changeTrim(c *stream.Change) fault {
	if c.HasTrim = h.has(fieldTrim); !c.HasTrim {
		return faultNone
	}
	if string(h.values[fieldTrim]) == "now" {
		c.Trim = stream.OffsetMax
		return faultNone
	}
	to, err := stream.ParseOffset(h.values[fieldTrim])
	if err != nil {
		return faultInvalidOffset
	}
	// A token past all that there can be is beyond the tail, and not the tail.
	c.Trim = min(to, stream.OffsetMax-1)
	return faultNone
}

// alter changes a stream.
func (s *Server) alter(x *exchange) outcome {
	return s.settle(x, s.engine.Change(&x.change), stepChange)
}

// changed answers a change.
func (s *Server) changed(x *exchange) outcome {
	t := &x.ticket
	if !t.Code.Success() {
		return s.refuse(x)
	}
	s.begin(x, 204)
	x.setTail(t.Tail, t.Closed)
	x.setOffset(nameEarliest, t.Start)
	return done
}
