package objstore

import (
	"context"
	"errors"
	"fmt"

	"tailrace/internal/frame"
)

// ReadAt fills p with the bytes of an object from off.
func (s *Store) ReadAt(ctx context.Context, key string, p []byte, off int64) error {
	return s.do(ctx, OpReadAt, key, int64(len(p)), func(ctx context.Context) error {
		return s.bucket.ReadAt(ctx, key, p, off)
	})
}

// Head describes an object.
func (s *Store) Head(ctx context.Context, key string) (Info, error) {
	var info Info
	err := s.do(ctx, OpHead, key, 0, func(ctx context.Context) (err error) {
		info, err = s.bucket.Head(ctx, key)
		return err
	})
	return info, err
}

// Delete removes an object; one that is not there is no error. After an error
// that is Ambiguous the object may be there or not.
func (s *Store) Delete(ctx context.Context, key string) error {
	return s.do(ctx, OpDelete, key, 0, func(ctx context.Context) error {
		return s.bucket.Delete(ctx, key)
	})
}

// List is for audits: see Bucket.
func (s *Store) List(ctx context.Context, prefix, after string, max int) ([]Info, error) {
	var infos []Info
	err := s.retry(ctx, OpList, prefix, 0, func(ctx context.Context) (err error) {
		infos, err = s.bucket.List(ctx, prefix, after, max)
		return err
	})
	return infos, err
}

// ReadAll reads a whole object of up to max bytes; a larger one is KindInvalid.
// Content and Info are of the same version, also while others swap it.
func (s *Store) ReadAll(ctx context.Context, key string, max int64) ([]byte, Info, error) {
	info, err := s.Head(ctx, key)
	if err != nil {
		return nil, Info{}, err
	}
	for n := 1; ; n++ {
		if info.Size > max {
			return nil, Info{}, &Error{Op: OpReadAt, Key: key, Kind: KindInvalid,
				Err: fmt.Errorf("the object has %d bytes, more than %d", info.Size, max)}
		}
		p, rerr := s.readVersion(ctx, key, info)
		if rerr == nil && info.HasCRC {
			return p, info, nil
		}
		k := KindOf(rerr)
		if rerr != nil && k != KindRange && k != KindCorrupt {
			return nil, Info{}, rerr
		}
		// What does not fit may be of another version, or was damaged on its way.
		// Without a checksum only a tag that stayed the same tells.
		again, err := s.Head(ctx, key)
		if err != nil {
			return nil, Info{}, err
		}
		if rerr == nil {
			if again.ETag == info.ETag && again.Size == info.Size {
				return p, info, nil
			}
			rerr = &Error{Op: OpReadAt, Key: key, Kind: KindTemporary, Err: errors.New("the object changes while it is read")}
		}
		if n == s.opts.Attempts {
			return nil, Info{}, rerr
		}
		info = again
	}
}

// readVersion reads the object that info describes, and compares the checksum
// if there is one.
func (s *Store) readVersion(ctx context.Context, key string, info Info) ([]byte, error) {
	p := make([]byte, info.Size)
	if err := s.ReadAt(ctx, key, p, 0); err != nil {
		return nil, err
	}
	if got := frame.Checksum(p); info.HasCRC && got != info.CRC {
		return nil, &Error{Op: OpReadAt, Key: key, Kind: KindCorrupt,
			Err: fmt.Errorf("the content has CRC-32C %08x, the store says %08x", got, info.CRC)}
	}
	return p, nil
}
