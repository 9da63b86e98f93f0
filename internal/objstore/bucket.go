package objstore

import (
	"bytes"
	"context"
	"io"
	"time"

	"tailrace/internal/frame"
)

// Bucket is one flat name space of objects. One call is one attempt: retries
// are the policy's (Store). Errors are of type *Error or have one inside.
// Implementations are safe for concurrent use.
type Bucket interface {
	// Put writes an object under a condition and returns its tag. The store
	// refuses a body whose CRC-32C is not b.CRC (KindBadDigest), and an unmet
	// condition (KindExists; KindNotFound where Match finds no object). Other
	// errors leave open whether the object was written.
	Put(ctx context.Context, key string, b Body, c Condition) (etag string, err error)

	// ReadAt fills p with the bytes from off, exactly. An object that ends
	// earlier is KindRange, a reply that ends earlier KindTruncated; what is in p
	// after an error is undefined. An empty p reads nothing.
	ReadAt(ctx context.Context, key string, p []byte, off int64) error

	// Head describes an object.
	Head(ctx context.Context, key string) (Info, error)

	// Delete removes an object; one that is not there is no error.
	Delete(ctx context.Context, key string) error

	// List is for audits only: up to max objects with the prefix, which may end
	// within a segment, growing, after the key `after`. It may lag behind.
	List(ctx context.Context, prefix, after string, max int) ([]Info, error)
}

// Body is the content of an object to be. It may be read more than once.
type Body struct {
	R    io.ReaderAt
	Size int64
	CRC  uint32 // CRC-32C of it all, computed before the request
}

// Bytes is p as a Body. p must not change until the call that got it returned.
func Bytes(p []byte) Body {
	return Body{R: bytes.NewReader(p), Size: int64(len(p)), CRC: frame.Checksum(p)}
}

// Condition is what must hold for a Put to happen. The zero value is none.
type Condition struct {
	Absent bool   // no object has the key (If-None-Match: *)
	Match  string // the object has this tag (If-Match)
}

// Info describes an object.
type Info struct {
	Key      string
	Size     int64
	CRC      uint32 // CRC-32C of the whole object
	HasCRC   bool   // the store said CRC; lists do not
	ETag     string // changes with the content
	Modified time.Time
}

// The operations of a Bucket, as in Error.Op, in Stats and in traces.
const (
	OpPut    = "put"
	OpReadAt = "read"
	OpHead   = "head"
	OpDelete = "delete"
	OpList   = "list"
)

var operations = [...]string{OpPut, OpReadAt, OpHead, OpDelete, OpList}
