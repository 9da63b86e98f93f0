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
// another version is there, and ErrNotFound that none is: the swap is lost.
// After any other error it may have happened: read the object. The whole
// content is held in memory when an attempt's answer was lost, so this is for
// small objects. Each content must be unique; see the package documentation.
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
	if err == nil {
		return etag, nil
	}
	if KindOf(err) != KindExists || !unknown {
		return "", err
	}
	// What is in the way may be what the lost attempt wrote.
	want, rerr := b.read()
	if rerr != nil {
		return "", fmt.Errorf("objstore: swap %s: exists, but cannot be compared: %w", key, rerr)
	}
	got, info, rerr := s.ReadAll(ctx, key, b.Size)
	switch {
	case KindOf(rerr) == KindInvalid: // larger than any content of ours
		return "", err
	case rerr != nil:
		return "", fmt.Errorf("objstore: swap %s: exists, but cannot be compared: %w", key, rerr)
	case bytes.Equal(got, want):
		return info.ETag, nil
	}
	return "", err
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
