package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"tailrace/internal/objstore"
	"tailrace/internal/vfs"
)

const (
	mark     = "~"     // ends the names of objects, begins those that are none
	lockName = "~lock" // in the root
	// Names of files have at most 255 bytes, one of which is the mark.
	segmentBytesMax = 254
)

// Options of a bucket. The zero value works.
type Options struct {
	Now  func() time.Time
	Rand func() uint64 // for tags; two puts that get the same are one version
}

// Bucket is a bucket in a directory.
type Bucket struct {
	fs   vfs.FS
	root string
	opts Options

	// mu is held with the lock file, which is refused at once when another
	// process has it: goroutines of this one wait for each other.
	mu sync.Mutex
}

var _ objstore.Bucket = (*Bucket)(nil)

// Open opens the bucket in the directory root, which has to exist: a share that
// is not mounted is no empty bucket. It removes what interrupted puts left; one
// of another process that is under way is tried again.
func Open(fsys vfs.FS, root string, o Options) (*Bucket, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Uint64
	}
	b := &Bucket{fs: fsys, root: root, opts: o}
	if _, err := fsys.ReadDir(root); errors.Is(err, fs.ErrNotExist) {
		return nil, &objstore.Error{Op: objstore.OpList, Kind: objstore.KindNoBucket, Err: err}
	} else if err != nil {
		return nil, fmt.Errorf("dir: %w", err)
	}
	err := b.walk("", "", func(dir, name string) error {
		if strings.HasPrefix(name, mark) && name != lockName {
			if err := fsys.Remove(path.Join(root, dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("dir: clean up: %w", err)
	}
	return b, nil
}

// file is the path of the object's file.
func (b *Bucket) file(key string) string { return path.Join(b.root, key+mark) }

// open opens an object's file and verifies what it says.
func (b *Bucket) open(key string) (vfs.File, header, error) {
	f, err := b.fs.Open(b.file(key))
	if err != nil {
		return nil, header{}, err
	}
	h, err := readHeader(f)
	if err != nil {
		_ = f.Close() // it was only read
		return nil, header{}, err
	}
	return f, h, nil
}

// corruptError is a file that lies.
type corruptError struct{ reason error }

func (e *corruptError) Error() string { return e.reason.Error() }

func readHeader(f vfs.File) (header, error) {
	p := make([]byte, headerBytes)
	if n, err := f.ReadAt(p, 0); n < len(p) {
		if errors.Is(err, io.EOF) {
			return header{}, &corruptError{fmt.Errorf("%d bytes are no object file", n)}
		}
		return header{}, err
	}
	h, err := decodeHeader(p)
	if err != nil {
		return header{}, &corruptError{err}
	}
	size, err := f.Size()
	if err != nil {
		return header{}, err
	}
	if size != headerBytes+h.size {
		return header{}, &corruptError{fmt.Errorf("the file has %d bytes, and its object %d", size, h.size)}
	}
	return h, nil
}

// ReadAt implements objstore.Bucket.
func (b *Bucket) ReadAt(ctx context.Context, key string, p []byte, off int64) error {
	if err := check(ctx, objstore.OpReadAt, key); err != nil || len(p) == 0 {
		return err
	}
	f, h, err := b.open(key)
	if err != nil {
		return fail(objstore.OpReadAt, key, err)
	}
	defer f.Close()
	if off < 0 || off > h.size || int64(len(p)) > h.size-off {
		return &objstore.Error{Op: objstore.OpReadAt, Key: key, Kind: objstore.KindRange, Err: fmt.Errorf("%d bytes from %d of %d", len(p), off, h.size)}
	}
	if n, err := f.ReadAt(p, headerBytes+off); n < len(p) {
		return fail(objstore.OpReadAt, key, err)
	}
	return nil
}

// Head implements objstore.Bucket.
func (b *Bucket) Head(ctx context.Context, key string) (objstore.Info, error) {
	if err := check(ctx, objstore.OpHead, key); err != nil {
		return objstore.Info{}, err
	}
	h, err := b.head(key)
	if err != nil {
		return objstore.Info{}, fail(objstore.OpHead, key, err)
	}
	return objstore.Info{Key: key, Size: h.size, CRC: h.crc, HasCRC: true, ETag: h.etag(), Modified: h.modified}, nil
}

func (b *Bucket) head(key string) (header, error) {
	f, h, err := b.open(key)
	if err != nil {
		return header{}, err
	}
	return h, f.Close()
}

// List implements objstore.Bucket.
func (b *Bucket) List(ctx context.Context, prefix, after string, max int) ([]objstore.Info, error) {
	// Directories are not in the order of keys ("a-b" is before "a/b", but the
	// directory "a" before "a-b~"), so all keys are there before the first.
	var keys []string
	under := prefix[:strings.LastIndexByte(prefix, '/')+1]
	err := b.walk(strings.TrimSuffix(under, "/"), prefix, func(dir, name string) error {
		segment, ok := strings.CutSuffix(name, mark)
		if key := path.Join(dir, segment); ok && segment != "" && strings.HasPrefix(key, prefix) && key > after {
			keys = append(keys, key)
		}
		return ctx.Err()
	})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fail(objstore.OpList, prefix, err)
	}
	slices.Sort(keys)
	var infos []objstore.Info
	for _, key := range keys {
		if len(infos) == max {
			break
		}
		h, err := b.head(key)
		if errors.Is(err, fs.ErrNotExist) { // deleted meanwhile
			continue
		}
		if err != nil {
			return nil, fail(objstore.OpList, key, err)
		}
		infos = append(infos, objstore.Info{Key: key, Size: h.size, ETag: h.etag(), Modified: h.modified})
	}
	return infos, nil
}

// walk calls each for every file in dir and below, where keys can have the
// prefix. dir is relative to the root; what is not there has no files.
func (b *Bucket) walk(dir, prefix string, each func(dir, name string) error) error {
	names, err := b.fs.ReadDir(path.Join(b.root, dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.Contains(name, mark) {
			err = each(dir, name)
		} else if sub := path.Join(dir, name); strings.HasPrefix(sub+"/", prefix) || strings.HasPrefix(prefix, sub+"/") {
			err = b.walk(sub, prefix, each)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func check(ctx context.Context, op, key string) error {
	if err := ctx.Err(); err != nil {
		return fail(op, key, err)
	}
	err := objstore.CheckKey(key)
	for segment := range strings.SplitSeq(key, "/") {
		if len(segment) > segmentBytesMax {
			err = fmt.Errorf("a segment of the key has %d bytes, more than %d", len(segment), segmentBytesMax)
		}
	}
	if err != nil {
		return &objstore.Error{Op: op, Key: key, Kind: objstore.KindInvalid, Err: err}
	}
	return nil
}

// fail gives an error of the file system its kind.
func fail(op, key string, err error) error {
	e := &objstore.Error{Op: op, Key: key, Kind: objstore.KindOf(err), Err: err}
	var corrupt *corruptError
	switch {
	case errors.As(err, &corrupt):
		e.Kind = objstore.KindCorrupt
	case errors.Is(err, fs.ErrNotExist):
		e.Kind = objstore.KindNotFound
	case errors.Is(err, vfs.ErrLocked):
		e.Kind = objstore.KindConflict
	case errors.Is(err, fs.ErrPermission):
		e.Kind = objstore.KindDenied
	}
	return e
}
