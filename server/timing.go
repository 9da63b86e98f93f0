package server

import (
	"bytes"
	"strconv"
	"time"
)

// timing is where the time of one request went, for a client that has asked.
type timing struct {
	last  time.Time
	spent [phases]time.Duration
}

// phase is a part of the way from a request to its answer.
type phase uint8

const (
	phaseParse  phase = iota // from when it was there to when it was understood
	phaseAuth                // who asks, and may they
	phaseBody                // for the rest of a large body
	phaseLock                // for the engine, and its decision
	phaseLog                 // until what the answer depends on was durable
	phaseRead                // of the disk or a bucket
	phaseEncode              // of the answer
	phases
)

var phaseNames = [phases]string{"parse", "auth", "body", "lock", "log", "read", "encode"}

// timed begins to note the time if the client asks for that.
func (x *exchange) timed() {
	if x.timing == nil && x.head.has(fieldTiming) && bytes.EqualFold(x.head.values[fieldTiming], valueTrue) {
		x.timing = &timing{last: x.began}
	}
}

// mayTime reports whether who asks may know where the time went. For strangers it would
// be a clock without the noise of a network: how long keys were tried, and whether the
// engine has looked at something.
func (s *Server) mayTime(x *exchange) bool { return s.opts.Auth == nil || x.grant != nil }

// spent notes that all time since the last note went into a phase.
func (x *exchange) spent(p phase) {
	if t := x.timing; t != nil {
		now := time.Now()
		t.spent[p] += max(0, now.Sub(t.last))
		t.last = now
	}
}

// append appends the value of the header that tells (W3C Server Timing). Durations
// are milliseconds.
func (t *timing) append(dst []byte) []byte {
	for p, d := range t.spent {
		if d == 0 && phase(p) != phaseParse {
			continue
		}
		if len(dst) > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(append(dst, phaseNames[p]...), ";dur="...)
		dst = strconv.AppendFloat(dst, float64(d)/float64(time.Millisecond), 'f', 3, 64)
	}
	return dst
}
