package objstore

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"
)

var (
	// ErrNotFound means that no object has the key.
	ErrNotFound = errors.New("objstore: no such object")

	// ErrExists means that a condition was not met: the object exists, or it is
	// another version than the one named.
	ErrExists = errors.New("objstore: the object exists, or is another version")

	// ErrForeign means that Create found an object with other content under its
	// key. Nothing was overwritten. Such an error matches ErrExists too.
	ErrForeign = errors.New("objstore: the key has an object with other content")

	// ErrOvertaken means that Swap lost an answer and then found another version,
	// or none: its own may have been there in between, and others may have seen it.
	// Such an error matches ErrExists or ErrNotFound too.
	ErrOvertaken = errors.New("objstore: an attempt of unknown effect is not the last version")
)

// Kind says what a caller can do about an error.
type Kind uint8

// The kinds; the table of the package documentation says where they come from.
const (
	KindNone      Kind = iota // no error
	KindNotFound              // no object has the key
	KindNoBucket              // the bucket does not exist
	KindExists                // a condition was not met
	KindConflict              // another write to the key is under way
	KindThrottled             // the store wants fewer requests
	KindTemporary             // the store or the network failed; the effect is unknown
	KindTimeout               // the attempt took too long; the effect is unknown
	KindDenied                // no, wrong or too weak credentials
	KindSkewed                // the clocks here and there are too far apart
	KindBadDigest             // the body was not what its checksum said
	KindTruncated             // the reply was shorter than it promised
	KindRange                 // the object ends before the bytes asked for
	KindInvalid               // the request is one that the store will never do
	KindCorrupt               // bytes that do not match their checksum
	KindCanceled              // the caller gave up; the effect is unknown
	kinds
)

var kindNames = [kinds]string{"ok", "not found", "no such bucket", "exists", "conflict", "throttled", "temporary",
	"timeout", "denied", "clock skew", "bad digest", "truncated", "out of range", "invalid", "corrupt", "canceled"}

func (k Kind) String() string {
	if k < kinds {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// Retryable reports whether another attempt may end otherwise.
func (k Kind) Retryable() bool {
	switch k {
	case KindConflict, KindThrottled, KindTemporary, KindTimeout, KindTruncated:
		return true
	}
	return false
}

// Ambiguous reports whether a write that ended so may have happened, or may
// still. A refusal by a busy store counts: it may be a proxy's word.
func (k Kind) Ambiguous() bool { return k.Retryable() || k == KindCanceled }

// Error is how a call on a bucket failed. Nothing in it is secret.
type Error struct {
	Op, Key    string
	Kind       Kind
	Status     int           // of HTTP, or 0
	Code       string        // the store's word for it, or ""
	RetryAfter time.Duration // what the store asked to wait, or 0
	Err        error         // what lies beneath, or nil
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("objstore: " + e.Op)
	if e.Key != "" {
		b.WriteString(" " + e.Key)
	}
	b.WriteString(": " + e.Kind.String())
	if e.Status != 0 {
		b.WriteString(" (" + strconv.Itoa(e.Status))
		if e.Code != "" {
			b.WriteString(" " + e.Code)
		}
		b.WriteString(")")
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap gives what lies beneath.
func (e *Error) Unwrap() error { return e.Err }

// Is makes kinds match the values that callers branch on.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrNotFound:
		return e.Kind == KindNotFound
	case ErrExists:
		return e.Kind == KindExists
	}
	return false
}

// KindOf is the kind of an error. One that no bucket made counts as temporary,
// because nothing is known about it.
func KindOf(err error) Kind {
	if err == nil {
		return KindNone
	}
	if e := asError(err); e != nil {
		return e.Kind
	}
	switch {
	case errors.Is(err, context.Canceled):
		return KindCanceled
	case errors.Is(err, context.DeadlineExceeded):
		return KindTimeout
	}
	return KindTemporary
}

func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}
