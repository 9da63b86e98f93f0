package faultobj

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"tailrace/internal/frame"
	"tailrace/internal/objstore"
)

var _ objstore.Bucket = (*Bucket)(nil)

// Put implements objstore.Bucket.
func (b *Bucket) Put(ctx context.Context, key string, body objstore.Body, c objstore.Condition) (etag string, err error) {
	err = b.call(ctx, objstore.OpPut, key, func(s strike) error {
		if s.fault == Foreign {
			// What two puts at once come to when the other one won.
			if _, err := b.base.Put(ctx, key, foreign(s), objstore.Condition{}); err != nil {
				return err
			}
		}
		if s.ignoreConditions {
			c = objstore.Condition{}
		}
		if s.ignoreChecksums {
			if body, err = honest(body); err != nil {
				return err
			}
		}
		etag, err = b.base.Put(ctx, key, body, c)
		if err == nil && s.fault == WrongETag {
			etag = wrongETag(s)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return etag, nil
}

func foreign(s strike) objstore.Body {
	return objstore.Bytes(fmt.Appendf(nil, "of somebody else %016x", s.random.Uint64()))
}

func wrongETag(s strike) string {
	return fmt.Sprintf("%q", fmt.Sprintf("wrong-%016x", s.random.Uint64()))
}

// honest is the body with the checksum that it has.
func honest(b objstore.Body) (objstore.Body, error) {
	content := make([]byte, b.Size)
	if _, err := b.R.ReadAt(content, 0); err != nil && b.Size > 0 {
		return b, err
	}
	b.CRC = frame.Checksum(content)
	return b, nil
}

// ReadAt implements objstore.Bucket.
func (b *Bucket) ReadAt(ctx context.Context, key string, p []byte, off int64) error {
	return b.call(ctx, objstore.OpReadAt, key, func(s strike) error {
		if err := b.base.ReadAt(ctx, key, p, off); err != nil {
			return err
		}
		if len(p) == 0 {
			return nil
		}
		at := s.random.IntN(len(p))
		switch s.fault {
		case Truncated:
			clear(p[at:])
			return s.fault.refusal(objstore.OpReadAt, key)
		case Corrupt:
			p[at] ^= 1 << s.random.IntN(8)
		}
		return nil
	})
}

// Head implements objstore.Bucket.
func (b *Bucket) Head(ctx context.Context, key string) (info objstore.Info, err error) {
	err = b.call(ctx, objstore.OpHead, key, func(s strike) error {
		if info, err = b.base.Head(ctx, key); err != nil {
			return err
		}
		if s.fault == WrongETag {
			info.ETag = wrongETag(s)
		}
		if s.ignoreChecksums {
			info.CRC, info.HasCRC = 0, false
		}
		return nil
	})
	if err != nil {
		return objstore.Info{}, err
	}
	return info, nil
}

// Delete implements objstore.Bucket.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	return b.call(ctx, objstore.OpDelete, key, func(strike) error {
		info, err := b.base.Head(ctx, key)
		if err == nil {
			b.bury(info)
		}
		return b.base.Delete(ctx, key)
	})
}

// List implements objstore.Bucket.
func (b *Bucket) List(ctx context.Context, prefix, after string, max int) (infos []objstore.Info, err error) {
	err = b.call(ctx, objstore.OpList, prefix, func(s strike) error {
		if infos, err = b.base.List(ctx, prefix, after, max); err != nil || s.fault != LyingList {
			return err
		}
		if dead, ok := b.exhume(s.random, prefix, after); ok && s.random.IntN(2) == 0 {
			infos = append(infos, dead)
			slices.SortFunc(infos, func(x, y objstore.Info) int { return strings.Compare(x.Key, y.Key) })
			infos = slices.CompactFunc(infos, func(x, y objstore.Info) bool { return x.Key == y.Key })
			infos = infos[:min(len(infos), max)]
		} else if len(infos) > 0 {
			at := s.random.IntN(len(infos))
			infos = slices.Delete(infos, at, at+1)
		}
		return nil
	})
	return infos, err
}

// buriedMax bounds what a lying list can choose from.
const buriedMax = 64

func (b *Bucket) bury(info objstore.Info) {
	b.mu.Lock()
	defer b.mu.Unlock()
	info.CRC, info.HasCRC = 0, false
	if b.buried = append(b.buried, info); len(b.buried) > buriedMax {
		b.buried = slices.Delete(b.buried, 0, 1)
	}
}

func (b *Bucket) exhume(random *rand.Rand, prefix, after string) (objstore.Info, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var fit []objstore.Info
	for _, info := range b.buried {
		if strings.HasPrefix(info.Key, prefix) && info.Key > after {
			fit = append(fit, info)
		}
	}
	if len(fit) == 0 {
		return objstore.Info{}, false
	}
	return fit[random.IntN(len(fit))], true
}
