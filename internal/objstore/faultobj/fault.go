package faultobj

import (
	"net/http"
	"slices"
	"time"

	"tailrace/internal/objstore"
)

// Fault is one way for a call to go wrong.
type Fault uint8

// The faults. Those that a request can meet on its way to the store have no
// effect there; After means that it took effect and the answer was lost.
const (
	None          Fault = iota
	Conflict            // 409, another write to the key is under way
	Foreign             // somebody else writes the key just before a put
	Internal            // 500, no effect
	InternalAfter       // 500 after the effect
	SlowDown            // 503, with a time to wait
	TimeoutBefore       // no effect
	TimeoutAfter        // the answer is lost
	Truncated           // the body of a read ends early
	Corrupt             // a bit of the body of a read is wrong
	WrongETag           // the tag in the answer is of no version
	Slow                // takes a while, and then succeeds
	Denied              // 403
	Missing             // 404 of an object that may exist
	Skewed              // 403, the clocks are too far apart
	LyingList           // a list lacks an object, or has one that was deleted
	faults
)

var faultNames = [faults]string{"none", "conflict", "foreign", "internal", "internal after", "slow down", "timeout before",
	"timeout after", "truncated", "corrupt", "wrong etag", "slow", "denied", "missing", "skewed", "lying list"}

func (f Fault) String() string { return faultNames[f] }

// Faults are all of them.
func Faults() []Fault {
	all := make([]Fault, 0, faults)
	for f := None + 1; f < faults; f++ {
		all = append(all, f)
	}
	return all
}

// Hits reports whether a call of op can meet the fault.
func (f Fault) Hits(op string) bool {
	in := func(ops ...string) bool { return slices.Contains(ops, op) }
	switch f {
	case Conflict:
		return in(objstore.OpPut, objstore.OpDelete)
	case Foreign:
		return in(objstore.OpPut)
	case InternalAfter, TimeoutAfter:
		return in(objstore.OpPut, objstore.OpDelete)
	case Truncated, Corrupt:
		return in(objstore.OpReadAt)
	case WrongETag:
		return in(objstore.OpPut, objstore.OpHead)
	case Missing:
		return in(objstore.OpReadAt, objstore.OpHead)
	case LyingList:
		return in(objstore.OpList)
	}
	return f != None
}

// slowDownAfter is what SlowDown asks to wait.
const slowDownAfter = 2 * time.Second

// refusal is the error of a fault that has one.
func (f Fault) refusal(op, key string) error {
	e := &objstore.Error{Op: op, Key: key}
	set := func(k objstore.Kind, status int, code string) { e.Kind, e.Status, e.Code = k, status, code }
	switch f {
	case Conflict:
		set(objstore.KindConflict, http.StatusConflict, "ConditionalRequestConflict")
	case Internal, InternalAfter:
		set(objstore.KindTemporary, http.StatusInternalServerError, "InternalError")
	case SlowDown:
		set(objstore.KindThrottled, http.StatusServiceUnavailable, "SlowDown")
		e.RetryAfter = slowDownAfter
	case TimeoutBefore, TimeoutAfter:
		e.Kind = objstore.KindTimeout
	case Truncated:
		e.Kind = objstore.KindTruncated
	case Denied:
		set(objstore.KindDenied, http.StatusForbidden, "AccessDenied")
	case Missing:
		set(objstore.KindNotFound, http.StatusNotFound, "NoSuchKey")
	case Skewed:
		set(objstore.KindSkewed, http.StatusForbidden, "RequestTimeTooSkewed")
	default:
		return nil
	}
	return e
}
