package engine

import (
	"context"
	"fmt"

	"tailrace/internal/bucket"
	"tailrace/internal/frame"
	"tailrace/internal/manifest"
	"tailrace/internal/objstore"
)

// headObject compares what the bucket says of an object with what it should be.
func headObject(ctx context.Context, s *objstore.Store, name string, o manifest.Object) error {
	info, err := s.Head(ctx, name)
	if err != nil {
		return err
	}
	if info.Size != o.Bytes || info.HasCRC && info.CRC != o.CRC {
		return &frame.CorruptError{Path: name, Reason: fmt.Sprintf("the object has %d bytes with checksum %08x, and should have %d with %08x", info.Size, info.CRC, o.Bytes, o.CRC)}
	}
	return nil
}

// nameIn is the name of an object of a store.
func nameIn(id [16]byte, o manifest.Object) string {
	return bucket.Object{Kind: bucket.Kind(o.Kind), ID: o.ID, CRC: o.CRC}.Name(id)
}

// namedObject reads an object.
type namedObject struct {
	ctx  context.Context
	from *objstore.Store
	name string
}

// ReadAt implements io.ReaderAt for ranges that are in the object.
func (r namedObject) ReadAt(p []byte, off int64) (int, error) {
	if err := r.from.ReadAt(r.ctx, r.name, p, off); err != nil {
		return 0, err
	}
	return len(p), nil
}
