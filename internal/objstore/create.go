package objstore

import (
	"context"
	"errors"
	"fmt"

	"tailrace/internal/frame"
)

// Create makes an object that no one has made yet, and returns when the store
// is known to hold it whole. An object of the same size and CRC-32C under the
// key is taken for this one, from an attempt whose answer was lost or from a
// life before a crash; any other is ErrForeign, and stays as it is. After
// another error the object may be there or not: call it again.
func (s *Store) Create(ctx context.Context, key string, b Body) error {
	var lost error // the word of a store that has the object, and then does not
	for range s.opts.Attempts {
		err := s.do(ctx, OpPut, key, b.Size, func(ctx context.Context) error {
			_, err := s.bucket.Put(ctx, key, b, Condition{Absent: true})
			return err
		})
		if err != nil && KindOf(err) != KindExists {
			return err
		}
		refused := err
		switch err := s.verify(ctx, key, b); {
		case err == nil:
			return nil
		case refused == nil:
			return fmt.Errorf("objstore: create %s: accepted, but: %w", key, err)
		case errors.Is(err, errDiffers):
			return &Error{Op: OpPut, Key: key, Kind: KindExists, Err: fmt.Errorf("%w: %w", ErrForeign, err)}
		case KindOf(err) != KindNotFound:
			return fmt.Errorf("objstore: create %s: exists, but cannot be compared: %w", key, err)
		}
		// Somebody deleted it between the two requests.
		lost = refused
	}
	return fmt.Errorf("objstore: create %s: the store refuses it, and has no such object: %w", key, lost)
}

var errDiffers = errors.New("the stored object differs")

// verify compares what the store holds with what it should.
func (s *Store) verify(ctx context.Context, key string, b Body) error {
	info, err := s.Head(ctx, key)
	if err != nil {
		return err
	}
	crc := info.CRC
	if info.Size == b.Size && !info.HasCRC {
		if crc, err = s.checksum(ctx, key, info.Size); err != nil {
			return err
		}
	}
	if info.Size != b.Size || crc != b.CRC {
		return &Error{Op: OpHead, Key: key, Kind: KindCorrupt, Err: fmt.Errorf("%w: %d bytes with CRC-32C %08x, not %d with %08x",
			errDiffers, info.Size, crc, b.Size, b.CRC)}
	}
	return nil
}

// pieceBytes is how much of an object is in memory while it is read back.
const pieceBytes = 1 << 20

// checksum reads an object back for its CRC-32C.
func (s *Store) checksum(ctx context.Context, key string, size int64) (crc uint32, err error) {
	p := make([]byte, min(size, pieceBytes))
	for off := int64(0); off < size; off += int64(len(p)) {
		p = p[:min(int64(len(p)), size-off)]
		if err := s.ReadAt(ctx, key, p, off); err != nil {
			return 0, err
		}
		crc = frame.Update(crc, p)
	}
	return crc, nil
}
