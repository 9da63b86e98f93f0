package wal

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"tailrace/internal/vfs"
)

// Files is a Log on files.
//
// Locks are taken in the order trimming, appending, serving, mu. cur is written under
// appending and mu, so holding either is enough to read it; its number and file
// change under serving too.
type Files struct {
	o     Options
	fs    vfs.FS
	paths paths
	epoch uint64

	trimming  sync.Mutex // Trim, Close: one at a time
	appending sync.Mutex // Append, Witness, Close: one at a time
	buf       []byte     // under appending: the frame being written
	lastAt    int64      // under appending: latest time in any frame

	serving   sync.Mutex  // making a spare and putting it in service
	store     Store       // under serving: as on the medium
	storeFile vfs.File    // under serving: STORE
	aside     vfs.File    // under serving: STORE.trim, nil when it is not there
	retired   []logFile   // under serving: sealed by this owner and still open, oldest first
	recycled  []logFile   // under serving: given up, open, and wait to become the spare
	ballast   ballast     // under serving: while it is not whole
	stopping  atomic.Bool // Close waits: whoever makes a spare gives up

	mu     sync.Mutex // the fields below; held for no I/O
	cur    current
	spare  *spare
	short  bool  // the ballast is not whole; written under serving too
	err    error // the first failure: the log is over
	closed bool
	lock   io.Closer

	meters fileMeters
}

// current is the file that takes frames. Before the first one is in service it
// describes the predecessor, and has no file.
type current struct {
	file   vfs.File
	path   string
	number uint64
	bytes  int64 // length of the file until its seal
	salt   uint64
	pos    int64  // after the newest frame
	seq    uint64 // of the newest frame
	chain  uint32 // crc of the newest frame, or of the header
	untold bool   // nothing after the newest frame testifies that it is durable
	sealed bool
}

var _ Log = (*Files)(nil)

// Epoch implements Log.
func (l *Files) Epoch() uint64 { return l.epoch }

// FrameBytesMax implements Log.
func (l *Files) FrameBytesMax() int { return l.o.FrameBytesMax }

// Reserve implements Log.
func (l *Files) Reserve() int64 { return l.o.Reserve }

// Room implements Log. With a spare it is what an empty file holds: frames that
// do not go into the rest of the current file fit there, however much of that
// rest they leave unused. Without ballast it is the reserve at most.
func (l *Files) Room() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.err != nil || l.closed:
		return 0
	case l.spare != nil:
		return l.o.fileRoom()
	}
	if l.short {
		return min(l.rest(), l.o.Reserve)
	}
	return l.rest()
}

// rest is the room for frames in the current file beside its seal. Callers hold
// appending or mu.
func (l *Files) rest() int64 {
	if l.cur.sealed {
		return 0
	}
	return l.cur.bytes - tailBytes - l.cur.pos
}

// full tells whether a frame of that size goes into the next file. One that has
// used up what was written ahead goes on in the space behind it only until
// there is a spare. It is called under appending.
func (l *Files) full(size int64) bool {
	return size > l.rest() || l.cur.pos >= l.o.FileBytes-tailBytes && l.Spare()
}

// Spare implements Log.
func (l *Files) Spare() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.spare != nil
}

// usable returns why the log takes no more frames, or nil.
func (l *Files) usable() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.err != nil:
		return failure(l.err)
	case l.closed:
		return ErrClosed
	}
	return nil
}

// fail ends the log. The first failure is the one everybody is told about.
func (l *Files) fail(err error) error {
	l.mu.Lock()
	first := l.err == nil
	if first {
		l.err = err
	}
	err = l.err
	l.mu.Unlock()
	if first {
		l.o.Logger.Error("wal: log failed", "err", err)
	}
	return failure(err)
}

// Append implements Log.
func (l *Files) Append(f Frame) (Place, error) {
	if len(f.Payload) > l.FrameBytesMax() {
		return Place{}, fmt.Errorf("%w: %d bytes, the limit is %d", ErrFrameTooLarge, len(f.Payload), l.FrameBytesMax())
	}
	n, err := countRecords(f.Payload)
	if err != nil {
		return Place{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if n != f.Records || n == 0 {
		return Place{}, fmt.Errorf("%w: %d records found, %d claimed", ErrMalformed, n, f.Records)
	}
	l.appending.Lock()
	defer l.appending.Unlock()
	if err := l.usable(); err != nil {
		return Place{}, err
	}
	if l.full(FrameSize(len(f.Payload))) {
		if err := l.rotate(); err != nil {
			return Place{}, l.fail(err)
		}
	}
	at := Place{Pos{l.cur.number, l.cur.pos}, l.cur.seq + 1}
	if err := l.write(FrameHeader{Records: f.Records, At: f.At}, f.Payload); err != nil {
		return Place{}, l.fail(err)
	}
	return at, nil
}

// Witness implements Log. In a file that has room for its seal only, the seal
// is the witness.
func (l *Files) Witness() error {
	l.appending.Lock()
	defer l.appending.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	if !l.cur.untold {
		return nil
	}
	h := FrameHeader{Flags: FlagWitness, At: l.now()}
	if l.rest() < pageBytes {
		h.Flags = FlagSealRotate
	}
	if err := l.write(h, nil); err != nil {
		return l.fail(err)
	}
	return nil
}

// now is the time of a frame of the log's own: never before an earlier frame.
func (l *Files) now() int64 { return max(l.o.Now(), l.lastAt) }

// write makes one frame durable at the end of the current file, which has room
// for it. It is called under appending, and its errors are final.
func (l *Files) write(h FrameHeader, payload []byte) error {
	c := l.cur
	h.Epoch, h.File, h.Seq, h.Durable, h.Chain = l.epoch, c.number, c.seq+1, c.seq, c.chain
	b := AppendFrame(l.buf[:0], &h, c.salt, payload)
	if cap(b) <= bufferKeepBytes {
		l.buf = b
	} else {
		l.buf = nil
	}
	// Once a sync has failed, the system may have dropped the data, and a second
	// attempt could succeed without it. The first failure is the last call.
	began := time.Now()
	if err := c.file.WriteSync(b, c.pos); err != nil {
		return fmt.Errorf("wal: write %s at byte %d: %w", c.path, c.pos, err)
	}
	l.meters.synced(began, len(b))
	// A newer owner replaces the file before it takes anything over. So a file
	// that has its name still was the log's when the sync returned.
	if err := linked(c.file, c.path); err != nil {
		return err
	}
	l.lastAt = max(l.lastAt, h.At)
	c.pos += int64(len(b))
	c.seq, c.chain = h.Seq, h.CRC
	c.untold = h.Flags == 0
	c.sealed = h.Flags&flagsSeal != 0
	l.mu.Lock()
	l.cur = c
	l.mu.Unlock()
	return nil
}

// linked returns nil while path leads to file, and ErrFenced when somebody
// replaced it.
func linked(file vfs.File, path string) error {
	ok, err := file.Linked()
	switch {
	case err != nil:
		return fmt.Errorf("wal: examine %s: %w", path, err)
	case !ok:
		return fmt.Errorf("%w: %s was replaced", ErrFenced, path)
	}
	return nil
}
