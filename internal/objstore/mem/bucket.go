package mem

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"tailrace/internal/frame"
	"tailrace/internal/objstore"
)

// Bucket is a bucket in memory.
type Bucket struct {
	now func() time.Time

	mu       sync.Mutex // guards the rest
	objects  map[string]object
	versions uint64 // given so far: every put gets a tag that none had
}

// object is immutable: a put replaces it, and readers keep what they found.
type object struct {
	content  []byte
	crc      uint32 // of what was put, whatever damage came since
	etag     string
	modified time.Time
}

var _ objstore.Bucket = (*Bucket)(nil)

// New returns an empty bucket. now gives the times of its objects; nil is the
// real clock.
func New(now func() time.Time) *Bucket {
	if now == nil {
		now = time.Now
	}
	return &Bucket{now: now, objects: map[string]object{}}
}

// Put implements objstore.Bucket.
func (b *Bucket) Put(ctx context.Context, key string, body objstore.Body, c objstore.Condition) (string, error) {
	if err := check(ctx, objstore.OpPut, key); err != nil {
		return "", err
	}
	content := make([]byte, body.Size)
	if _, err := io.ReadFull(io.NewSectionReader(body.R, 0, body.Size), content); err != nil {
		return "", fail(objstore.OpPut, key, objstore.KindTemporary, err)
	}
	if got := frame.Checksum(content); got != body.CRC {
		return "", fail(objstore.OpPut, key, objstore.KindBadDigest, fmt.Errorf("CRC-32C %08x, not %08x", got, body.CRC))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	old, exists := b.objects[key]
	switch {
	case c.Match != "" && !exists:
		return "", fail(objstore.OpPut, key, objstore.KindNotFound, nil)
	case c.Match != "" && old.etag != c.Match, c.Absent && exists:
		return "", fail(objstore.OpPut, key, objstore.KindExists, nil)
	}
	b.versions++
	etag := strconv.Quote(fmt.Sprintf("%d-%08x", b.versions, body.CRC))
	b.objects[key] = object{content: content, crc: body.CRC, etag: etag, modified: b.now()}
	return etag, nil
}

// ReadAt implements objstore.Bucket.
func (b *Bucket) ReadAt(ctx context.Context, key string, p []byte, off int64) error {
	if err := check(ctx, objstore.OpReadAt, key); err != nil || len(p) == 0 {
		return err
	}
	o, ok := b.find(key)
	if !ok {
		return fail(objstore.OpReadAt, key, objstore.KindNotFound, nil)
	}
	if off < 0 || off > int64(len(o.content)) || int64(len(p)) > int64(len(o.content))-off {
		return fail(objstore.OpReadAt, key, objstore.KindRange, fmt.Errorf("%d bytes from %d of %d", len(p), off, len(o.content)))
	}
	copy(p, o.content[off:])
	return nil
}

// Head implements objstore.Bucket.
func (b *Bucket) Head(ctx context.Context, key string) (objstore.Info, error) {
	if err := check(ctx, objstore.OpHead, key); err != nil {
		return objstore.Info{}, err
	}
	o, ok := b.find(key)
	if !ok {
		return objstore.Info{}, fail(objstore.OpHead, key, objstore.KindNotFound, nil)
	}
	return o.info(key), nil
}

// Delete implements objstore.Bucket.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	if err := check(ctx, objstore.OpDelete, key); err != nil {
		return err
	}
	b.Drop(key)
	return nil
}

// List implements objstore.Bucket.
func (b *Bucket) List(ctx context.Context, prefix, after string, max int) ([]objstore.Info, error) {
	if err := ctx.Err(); err != nil {
		return nil, fail(objstore.OpList, prefix, objstore.KindOf(err), err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var infos []objstore.Info
	for _, key := range slices.Sorted(maps.Keys(b.objects)) {
		if strings.HasPrefix(key, prefix) && key > after && len(infos) < max {
			info := b.objects[key].info(key)
			info.CRC, info.HasCRC = 0, false // as little as real lists say
			infos = append(infos, info)
		}
	}
	return infos, nil
}

func (b *Bucket) find(key string) (object, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.objects[key]
	return o, ok
}

func (o object) info(key string) objstore.Info {
	return objstore.Info{Key: key, Size: int64(len(o.content)), CRC: o.crc, HasCRC: true, ETag: o.etag, Modified: o.modified}
}

func check(ctx context.Context, op, key string) error {
	if err := ctx.Err(); err != nil {
		return fail(op, key, objstore.KindOf(err), err)
	}
	if err := objstore.CheckKey(key); err != nil {
		return fail(op, key, objstore.KindInvalid, err)
	}
	return nil
}

func fail(op, key string, k objstore.Kind, err error) error {
	return &objstore.Error{Op: op, Key: key, Kind: k, Err: err}
}

// Keys are the keys of all objects, growing.
func (b *Bucket) Keys() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(maps.Keys(b.objects))
}

// Content is a copy of the bytes of an object.
func (b *Bucket) Content(key string) ([]byte, bool) {
	o, ok := b.find(key)
	return bytes.Clone(o.content), ok
}

// Corrupt flips a bit of the byte at off. The checksum and tag of the object
// stay as they were.
func (b *Bucket) Corrupt(key string, off int64) {
	b.damage(key, func(content []byte) []byte {
		content[off] ^= 1
		return content
	})
}

// Truncate cuts an object to n bytes.
func (b *Bucket) Truncate(key string, n int64) {
	b.damage(key, func(content []byte) []byte { return content[:n] })
}

// Drop removes an object, as if it had been lost.
func (b *Bucket) Drop(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.objects, key)
}

func (b *Bucket) damage(key string, do func([]byte) []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.objects[key]
	if !ok {
		panic(errors.New("mem: no object " + key + " to damage"))
	}
	o.content = do(bytes.Clone(o.content))
	b.objects[key] = o
}
