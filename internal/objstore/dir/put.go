package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"tailrace/internal/frame"
	"tailrace/internal/objstore"
	"tailrace/internal/vfs"
)

// pieceBytes is how much of a body is in memory at a time.
const pieceBytes = 1 << 20

// Put implements objstore.Bucket.
func (b *Bucket) Put(ctx context.Context, key string, body objstore.Body, c objstore.Condition) (string, error) {
	if err := check(ctx, objstore.OpPut, key); err != nil {
		return "", err
	}
	h := header{size: body.Size, tag: b.opts.Rand(), modified: b.opts.Now(), crc: body.CRC}
	dir := path.Dir(b.file(key))
	temp := path.Join(dir, fmt.Sprintf("%s%016x", mark, b.opts.Rand()))
	err := b.fs.MkdirAll(dir)
	if err == nil {
		err = b.write(ctx, temp, h, body)
	}
	if err == nil {
		err = b.publish(key, temp, c)
	}
	if err == nil {
		return h.etag(), nil
	}
	var e *objstore.Error
	if errors.As(err, &e) {
		e.Op, e.Key = objstore.OpPut, key
		return "", e
	}
	// That something is not there is about our own files here: the sweep of a
	// process that opened the bucket took them.
	if errors.Is(err, fs.ErrNotExist) {
		return "", &objstore.Error{Op: objstore.OpPut, Key: key, Kind: objstore.KindTemporary, Err: err}
	}
	return "", fail(objstore.OpPut, key, err)
}

// write makes the file temp, whole and synced, or not at all.
func (b *Bucket) write(ctx context.Context, temp string, h header, body objstore.Body) error {
	f, err := b.fs.Create(temp)
	if err != nil {
		return err
	}
	err = copyBody(ctx, f, body)
	if err == nil {
		_, err = f.WriteAt(h.encode(), 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		b.discard(temp)
	}
	return err
}

// discard removes a file without a purpose. If it stays, the next Open takes it.
func (b *Bucket) discard(temp string) { _ = b.fs.Remove(temp) }

func copyBody(ctx context.Context, f vfs.File, body objstore.Body) error {
	p := make([]byte, min(body.Size, pieceBytes))
	crc := uint32(0)
	for off := int64(0); off < body.Size; off += int64(len(p)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		p = p[:min(int64(len(p)), body.Size-off)]
		if n, err := body.R.ReadAt(p, off); n < len(p) {
			return fmt.Errorf("body: %w", errors.Join(err, io.ErrUnexpectedEOF))
		}
		if _, err := f.WriteAt(p, headerBytes+off); err != nil {
			return err
		}
		crc = frame.Update(crc, p)
	}
	if crc != body.CRC {
		return &objstore.Error{Kind: objstore.KindBadDigest, Err: fmt.Errorf("CRC-32C %08x, not %08x", crc, body.CRC)}
	}
	return nil
}

// publish gives the file temp the name of the object if the condition holds,
// and removes it if not.
func (b *Bucket) publish(key, temp string, c objstore.Condition) (err error) {
	kept := true // there is a name temp
	defer func() {
		if kept {
			b.discard(temp)
		}
	}()
	unlock, err := b.lock()
	if err != nil {
		return err
	}
	defer unlock()

	name := b.file(key)
	present, err := b.head(key)
	exists := !errors.Is(err, fs.ErrNotExist)
	var corrupt *corruptError
	if err != nil && exists && (!errors.As(err, &corrupt) || c.Match != "") {
		return err
	}
	switch {
	case c.Match != "" && !exists:
		return &objstore.Error{Kind: objstore.KindNotFound}
	case c.Match != "" && present.etag() != c.Match:
		return &objstore.Error{Kind: objstore.KindExists}
	case c.Absent && exists:
		return b.exists(name)
	case c.Absent:
		err := b.fs.Link(temp, name)
		if errors.Is(err, fs.ErrExist) {
			return b.exists(name)
		}
		if err == nil || !errors.Is(err, vfs.ErrCannotLink) {
			return errors.Join(err, b.fs.SyncDir(path.Dir(name)))
		}
	}
	if err := b.fs.Rename(temp, name); err != nil {
		return err
	}
	kept = false
	return b.fs.SyncDir(path.Dir(name))
}

// exists refuses a creation. Whoever made the object may have failed to sync
// its name, and who is refused may take the object for its own.
func (b *Bucket) exists(name string) error {
	if err := b.fs.SyncDir(path.Dir(name)); err != nil {
		return err
	}
	return &objstore.Error{Kind: objstore.KindExists}
}

// Delete implements objstore.Bucket.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	if err := check(ctx, objstore.OpDelete, key); err != nil {
		return err
	}
	unlock, err := b.lock()
	if err != nil {
		return fail(objstore.OpDelete, key, err)
	}
	defer unlock()
	name := b.file(key)
	err = b.fs.Remove(name)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		// Also after a deletion that could not sync.
		err = b.fs.SyncDir(path.Dir(name))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fail(objstore.OpDelete, key, err)
	}
	return nil
}

// lock keeps everybody else from changing names.
func (b *Bucket) lock() (unlock func(), err error) {
	b.mu.Lock()
	held, err := b.fs.Lock(path.Join(b.root, lockName))
	if err != nil {
		b.mu.Unlock()
		return nil, err
	}
	return func() {
		_ = held.Close() // nothing was written to it
		b.mu.Unlock()
	}, nil
}
