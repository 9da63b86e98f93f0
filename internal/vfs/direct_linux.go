package vfs

import (
	"errors"
	"os"
	"strconv"
	"sync"
	"syscall"
	"unsafe"
)

// The system writes past the page cache if position, length and memory are
// multiples of the block size of the device: a page always is.
const directAlign = 4096

// directBytesMax bounds the buffer of a file. For larger writes the medium is
// what takes the time, whichever way they go.
const directBytesMax = 256 << 10

// direct is a second descriptor of a file, each write to which goes to the
// medium past the page cache and is durable when it returns: one call of the
// system in place of two, without the work of keeping the cache. The bytes are
// in the page cache of nobody afterwards; readers of the file see them.
type direct struct {
	mu  sync.Mutex
	f   *os.File
	buf []byte // aligned, for what is not
	off bool   // the file system cannot do this
}

// write writes p durably, or reports that it has to be done in another way.
func (d *direct) write(f *os.File, p []byte, off int64) (done bool, err error) {
	if len(p) == 0 || len(p)%directAlign != 0 || len(p) > directBytesMax || off < 0 || off%directAlign != 0 {
		return false, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.open(f) {
		return false, nil
	}
	if !aligned(p) {
		if len(d.buf) < len(p) {
			d.buf = alignedBuffer(len(p))
		}
		p = d.buf[:copy(d.buf, p)]
	}
	_, err = d.f.WriteAt(p, off)
	// This is how a file system says that it cannot, and it may say so late.
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EOPNOTSUPP) {
		d.off = true
		return false, nil
	}
	return true, err
}

func (d *direct) open(f *os.File) bool {
	if d.f != nil || d.off {
		return !d.off
	}
	// Through the descriptor, since the file's name may lead elsewhere by now.
	err := control(f, "open", func(fd int) (err error) {
		d.f, err = os.OpenFile("/proc/self/fd/"+strconv.Itoa(fd), os.O_WRONLY|syscall.O_DIRECT|syscall.O_DSYNC, 0)
		return err
	})
	d.off = err != nil
	return !d.off
}

func (d *direct) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = true
	if d.f == nil {
		return nil
	}
	return d.f.Close()
}

func aligned(p []byte) bool {
	return uintptr(unsafe.Pointer(unsafe.SliceData(p)))%directAlign == 0
}

// alignedBuffer returns at least n bytes of aligned memory. The runtime does
// not move what it has allocated.
func alignedBuffer(n int) []byte {
	size := directAlign
	for size < n {
		size *= 2
	}
	b := make([]byte, size+directAlign)
	skip := -uintptr(unsafe.Pointer(&b[0])) % directAlign
	return b[skip:][:size]
}
