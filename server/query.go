package server

import (
	"bytes"
	"math"

	"tailrace/internal/stream"
)

// mode is how a reader waits for what is not there yet.
type mode uint8

const (
	modeCatchUp mode = iota // not at all
	modeLongPoll
	modeSSE
)

// query is the parameters of a read.
type query struct {
	mode mode
	from stream.Offset
	now  bool // offset=now: from the tail

	// earliest is to read from where the stream begins, wherever that is by now.
	earliest bool

	cursor uint64
	// hasCursor is set if a cursor was given that is a number. Others are
	// taken as absent, as a cursor only ever tells caches apart.
	hasCursor bool

	// ids asks for events with ids, and for going on behind the one that the client
	// had last.
	ids  bool
	back bool // the client has told its last one
}

// The parameters that mean something; others are ignored.
const (
	paramOffset = iota
	paramLive
	paramCursor
	paramIDs
	paramToken // see authorize
	params
)

// parseQuery parses the parameters of a GET.
func parseQuery(raw []byte) (query, fault) {
	var (
		q      = query{earliest: true}
		values [params][]byte
		given  [params]bool
	)
	for len(raw) > 0 {
		var pair []byte
		pair, raw, _ = bytes.Cut(raw, []byte{'&'})
		key, value, _ := bytes.Cut(pair, []byte{'='})
		p, known := paramOf(key)
		switch {
		case !known:
			continue
		case given[p]:
			return q, faultDuplicateParameter
		}
		values[p], given[p] = value, true
	}
	if given[paramLive] {
		value, ok := unescape(values[paramLive])
		switch {
		case ok && string(value) == "long-poll":
			q.mode = modeLongPoll
		case ok && string(value) == "sse":
			q.mode = modeSSE
		default:
			return q, faultInvalidLive
		}
	}
	switch {
	case given[paramOffset]:
		if f := q.parseOffset(values[paramOffset]); f != faultNone {
			return q, f
		}
	case q.mode != modeCatchUp:
		return q, faultOffsetRequired
	}
	if given[paramCursor] {
		q.parseCursor(values[paramCursor])
	}
	if given[paramIDs] {
		switch value, _ := unescape(values[paramIDs]); string(value) {
		case "true":
			q.ids = true
		case "false":
		default:
			return q, faultInvalidIDs
		}
	}
	return q, faultNone
}

func paramOf(key []byte) (int, bool) {
	key, ok := unescape(key)
	if !ok {
		return 0, false
	}
	switch string(key) {
	case "offset":
		return paramOffset, true
	case "live":
		return paramLive, true
	case "cursor":
		return paramCursor, true
	case "ids":
		return paramIDs, true
	case "token":
		return paramToken, true
	}
	return 0, false
}

// goOn has an event stream with ids begin where the client's last one ended,
// which it tells when it connects again by itself, with the same query.
func (q *query) goOn(lastID []byte) fault {
	if !q.ids || q.mode != modeSSE || len(lastID) == 0 {
		return faultNone
	}
	from, err := stream.ParseOffset(lastID)
	if err != nil {
		return faultInvalidOffset
	}
	q.now, q.earliest, q.from, q.back = false, false, from, true
	return faultNone
}

func (q *query) parseOffset(raw []byte) fault {
	token, ok := unescape(raw)
	if !ok {
		return faultInvalidOffset
	}
	switch string(token) {
	case "-1", "0":
		return faultNone
	case "now":
		q.now, q.earliest, q.from = true, false, stream.OffsetMax
		return faultNone
	}
	from, err := stream.ParseOffset(token)
	if err != nil {
		return faultInvalidOffset
	}
	q.earliest, q.from = false, from
	return faultNone
}

// parseCursor takes digits. A number that leaves no greater one to answer with
// is as good as none.
func (q *query) parseCursor(raw []byte) {
	digits, ok := unescape(raw)
	if !ok || len(digits) == 0 {
		return
	}
	var n uint64
	for _, c := range digits {
		d := uint64(c - '0')
		if c < '0' || c > '9' || n > (cursorMax-d)/10 {
			return
		}
		n = n*10 + d
	}
	q.cursor, q.hasCursor = n, true
}

// cursorMax is the largest cursor of a client that there is an answer to.
const cursorMax = math.MaxUint64 - 1

// unescape decodes a name or value of a query.
func unescape(b []byte) ([]byte, bool) {
	if bytes.IndexByte(b, '%') < 0 && bytes.IndexByte(b, '+') < 0 {
		return b, true
	}
	decoded := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			var ok bool
			if c, ok = unhex(b[i:]); !ok {
				return nil, false
			}
			i += 2
		}
		decoded = append(decoded, c)
	}
	return decoded, true
}
