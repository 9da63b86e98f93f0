package objstore

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"tailrace/internal/frame"
)

// Swap replaces the version of an object that has the tag old, or makes the
// object if old is "", and returns the tag of the new one. ErrExists means that
// another version is there, and ErrNotFound that none is: the swap is lost. Such
// an error is ErrOvertaken too if an attempt's answer was lost, because then this
// version may have been there for a while. After any other error it may be
// there: read the object.
//
// To know its own version Swap reads it back whole, so this is for small
// objects. Each content must be unique; see the package documentation.
func (s *Store) Swap(ctx context.Context, key string, b Body, old string) (etag string, err error) {
	c := Condition{Absent: old == "", Match: old}
	unknown := false // an attempt may have happened
	err = s.do(ctx, OpPut, key, b.Size, func(ctx context.Context) (err error) {
		etag, err = s.bucket.Put(ctx, key, b, c)
		if KindOf(err).Ambiguous() {
			unknown = true
		}
		return err
	})
	switch k := KindOf(err); {
	case k == KindNone:
		return etag, nil
	case !unknown || k != KindExists && k != KindNotFound:
		return "", err
	case k == KindNotFound:
		return "", overtaken(key, k)
	}
	// What is in the way may be what the lost attempt wrote.
	want, rerr := b.read()
	if rerr != nil {
		return "", fmt.Errorf("objstore: swap %s: exists, but cannot be compared: %w", key, rerr)
	}
	got, info, rerr := s.ReadAll(ctx, key, b.Size)
	switch k := KindOf(rerr); {
	case k == KindNotFound:
		return "", overtaken(key, k)
	case k == KindInvalid: // larger than ours
		return "", overtaken(key, KindExists)
	case rerr != nil:
		return "", fmt.Errorf("objstore: swap %s: exists, but cannot be compared: %w", key, rerr)
	case !bytes.Equal(got, want):
		return "", overtaken(key, KindExists)
	}
	return info.ETag, nil
}

func overtaken(key string, k Kind) error {
	return &Error{Op: OpPut, Key: key, Kind: k, Err: ErrOvertaken}
}

func (b Body) read() ([]byte, error) {
	p := make([]byte, b.Size)
	if _, err := io.ReadFull(io.NewSectionReader(b.R, 0, b.Size), p); err != nil {
		return nil, err
	}
	if got := frame.Checksum(p); got != b.CRC {
		return nil, fmt.Errorf("the body has CRC-32C %08x, not %08x as was said", got, b.CRC)
	}
	return p, nil
}
