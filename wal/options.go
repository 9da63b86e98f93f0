package wal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"tailrace/internal/vfs"
)

// Options of Open. FS and Dir are required; zero values of the others mean the
// default.
type Options struct {
	FS  vfs.FS
	Dir string // directory of the store; made when missing

	// FileBytes is how much of a log file is written ahead, and the length at
	// which the next one is begun: a multiple of 4096, at least 64 KiB, by default
	// 64 MiB. It holds for files made from now on.
	FileBytes int64

	// FrameBytesMax is the largest payload of one frame that the log has to take,
	// in bytes, up to FrameBytesLimit. The default, and the least, is what fits
	// into FileBytes, up to 32 MiB. For a larger one each file has space
	// allocated beyond FileBytes, which is given back when the file is full.
	FrameBytesMax int

	// Reserve is how much of a log file is kept for records that set space free:
	// bytes, a multiple of 4096, at most half of FileBytes. The default is the
	// smaller of 1 MiB and an eighth of FileBytes.
	Reserve int64

	// Prepare tells up to where the content of the log is durable elsewhere; nil
	// means nothing of it. It is called with the STORE file, once the lock is
	// held and before any log file is read or made, and returns the place of the
	// newest frame that is not needed any more. Frames up to that one are not
	// replayed, but verified as far as they are still there; Pos is compared with
	// where the frame is found, unless it is zero. Newest is 0 while the store has
	// never had a frame; otherwise Prepare should change nothing, because the log
	// may still be refused.
	Prepare func(Store) (Place, error)

	// Vouched is asked after Prepare, and nil stands for true: whether what it said
	// would be said again after a power cut. If not, nothing of the log is given up
	// on its word.
	Vouched func() bool

	Rand   func() uint64 // source of salts and of the store's identity; default: the system's
	Now    func() int64  // unix milliseconds; default: the system's clock
	Logger *slog.Logger  // default: none

	// Metrics takes the numbers of the log; nil = nobody asks. It serves one open
	// log at a time.
	Metrics *metrics.Set
}

func (o Options) withDefaults() Options {
	if o.FileBytes == 0 {
		o.FileBytes = fileBytesDefault
	}
	if o.Reserve == 0 {
		o.Reserve = min(reserveDefault, o.FileBytes/8/pageBytes*pageBytes)
	}
	fits := o.FileBytes - headerBytes - tailBytes - o.Reserve - frameHeaderBytes
	o.FrameBytesMax = max(o.FrameBytesMax, int(min(frameBytesDefault, fits)))
	if o.Rand == nil {
		o.Rand = systemRand
	}
	if o.Now == nil {
		o.Now = func() int64 { return time.Now().UnixMilli() }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Validate names everything that is wrong with the options. Open does the same
// first.
func (o Options) Validate() error {
	o = o.withDefaults()
	var errs []error
	if o.FS == nil {
		errs = append(errs, errors.New("wal: no file system given"))
	}
	if o.Dir == "" {
		errs = append(errs, errors.New("wal: no directory given"))
	}
	if o.FileBytes < fileBytesMin || o.FileBytes > fileBytesLimit || o.FileBytes%pageBytes != 0 {
		errs = append(errs, fmt.Errorf("wal: log file of %d bytes: want a multiple of %d from %d to %d", o.FileBytes, pageBytes, fileBytesMin, int64(fileBytesLimit)))
	}
	if o.Reserve < 0 || o.Reserve > o.FileBytes/2 || o.Reserve%pageBytes != 0 {
		errs = append(errs, fmt.Errorf("wal: reserve of %d bytes: want a multiple of %d up to half a log file", o.Reserve, pageBytes))
	}
	if o.FrameBytesMax > FrameBytesLimit {
		errs = append(errs, fmt.Errorf("wal: frames of %d bytes: at most %d", o.FrameBytesMax, FrameBytesLimit))
	}
	return errors.Join(errs...)
}

// tailBytes is the end of a file without frames: the page of its seal, and one
// that is never used (see fileScan.complete).
const tailBytes = 2 * pageBytes

// capacity is the length of a log file: FileBytes, or what the largest frame
// takes beside the reserve.
func (o Options) capacity() int64 {
	return max(o.FileBytes, headerBytes+FrameSize(o.FrameBytesMax)+o.Reserve+tailBytes)
}

// fileRoom is the room for frames in an empty file.
func (o Options) fileRoom() int64 { return o.capacity() - headerBytes - tailBytes }

// firstBytes is the length of the first file of an epoch. It is a quarter
// shorter than others: while nothing happens, a store then takes less than
// three log files for this one, the spare and the ballast.
func (o Options) firstBytes() int64 {
	return max(o.leastBytes(), o.capacity()/4*3/pageBytes*pageBytes)
}

// leastBytes is the length of a file that has room for the reserve only.
func (o Options) leastBytes() int64 {
	return max(fileBytesMin, headerBytes+o.Reserve+tailBytes)
}

func (o Options) newUUID() (u UUID) {
	binary.LittleEndian.PutUint64(u[:8], o.Rand())
	binary.LittleEndian.PutUint64(u[8:], o.Rand())
	return u
}

func systemRand() uint64 {
	var b [8]byte
	rand.Read(b[:]) // it never fails: it ends the process instead
	return binary.LittleEndian.Uint64(b[:])
}
