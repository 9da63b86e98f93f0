package bench

import (
	"context"
	"strings"
	"sync"

	"tailrace/internal/objstore"
)

// requests is what was asked of a bucket, failures included.
type requests struct {
	N      map[asked]int64
	Failed int64
	Up     int64 // bytes of puts that the bucket took
	Down   int64 // of reads that it served
}

// asked is an operation and what it was about: "put seg".
type asked string

// What objects are: what requests are counted by.
const (
	aboutSegment = "seg"
	aboutMeta    = "meta" // checkpoints and states
	aboutHead    = "head"
	aboutProbe   = "probe"
	aboutAll     = ""
)

// of is how often an operation was asked for.
func (r requests) of(op, about string) (n int64) {
	if about != aboutAll {
		return r.N[asked(op+" "+about)]
	}
	for what, times := range r.N {
		if strings.HasPrefix(string(what), op+" ") {
			n += times
		}
	}
	return n
}

func (r requests) all() (n int64) {
	for _, times := range r.N {
		n += times
	}
	return n
}

// since is what came after.
func (r requests) since(before requests) requests {
	d := requests{N: map[asked]int64{}, Failed: r.Failed - before.Failed, Up: r.Up - before.Up, Down: r.Down - before.Down}
	for what, n := range r.N {
		d.N[what] = n - before.N[what]
	}
	return d
}

// countBucket counts the requests to a bucket.
type countBucket struct {
	bucket objstore.Bucket

	mu sync.Mutex // guards the rest
	n  requests
}

func newCountBucket(b objstore.Bucket) *countBucket {
	return &countBucket{bucket: b, n: requests{N: map[asked]int64{}}}
}

func (c *countBucket) requests() requests {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n.since(requests{})
}

func aboutOf(key string) string {
	switch {
	case strings.HasSuffix(key, ".seg"):
		return aboutSegment
	case strings.HasSuffix(key, "/head"):
		return aboutHead
	case strings.Contains(key, "/probe/"):
		return aboutProbe
	}
	return aboutMeta
}

func (c *countBucket) count(op, key string, err error, up, down int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n.N[asked(op+" "+aboutOf(key))]++
	switch objstore.KindOf(err) {
	case objstore.KindNone:
		c.n.Up, c.n.Down = c.n.Up+up, c.n.Down+down
	case objstore.KindNotFound, objstore.KindExists:
	default:
		if aboutOf(key) != aboutProbe { // which asks for what has to fail
			c.n.Failed++
		}
	}
}

// Put implements objstore.Bucket.
func (c *countBucket) Put(ctx context.Context, key string, b objstore.Body, cond objstore.Condition) (string, error) {
	tag, err := c.bucket.Put(ctx, key, b, cond)
	c.count(objstore.OpPut, key, err, b.Size, 0)
	return tag, err
}

// ReadAt implements objstore.Bucket.
func (c *countBucket) ReadAt(ctx context.Context, key string, p []byte, off int64) error {
	err := c.bucket.ReadAt(ctx, key, p, off)
	c.count(objstore.OpReadAt, key, err, 0, int64(len(p)))
	return err
}

// Head implements objstore.Bucket.
func (c *countBucket) Head(ctx context.Context, key string) (objstore.Info, error) {
	info, err := c.bucket.Head(ctx, key)
	c.count(objstore.OpHead, key, err, 0, 0)
	return info, err
}

// Delete implements objstore.Bucket.
func (c *countBucket) Delete(ctx context.Context, key string) error {
	err := c.bucket.Delete(ctx, key)
	c.count(objstore.OpDelete, key, err, 0, 0)
	return err
}

// List implements objstore.Bucket.
func (c *countBucket) List(ctx context.Context, prefix, after string, max int) ([]objstore.Info, error) {
	infos, err := c.bucket.List(ctx, prefix, after, max)
	c.count(objstore.OpList, prefix, err, 0, 0)
	return infos, err
}
