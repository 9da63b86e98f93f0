package faultfs

import "tailrace/internal/vfs"

// file passes the calls of one open file through the gate.
type file struct {
	fs   *FS
	base vfs.File
	name string
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	fault, err := f.fs.enter(Op{Kind: ReadAt, Name: f.name, Off: off, Len: int64(len(p))})
	if fault.Short > 0 {
		n, rerr := f.base.ReadAt(p[:min(fault.Short, len(p))], off)
		if rerr != nil {
			return n, rerr
		}
		return n, err
	}
	if err != nil {
		return 0, err
	}
	return f.base.ReadAt(p, off)
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	fault, err := f.fs.enter(Op{Kind: WriteAt, Name: f.name, Off: off, Len: int64(len(p))})
	if fault.Short > 0 {
		n, werr := f.base.WriteAt(p[:min(fault.Short, len(p))], off)
		if werr != nil {
			return n, werr
		}
		return n, err
	}
	if err != nil {
		return 0, err
	}
	return f.base.WriteAt(p, off)
}

func (f *file) Size() (int64, error) {
	if _, err := f.fs.enter(Op{Kind: Size, Name: f.name}); err != nil {
		return 0, err
	}
	return f.base.Size()
}

func (f *file) Truncate(size int64) error {
	if _, err := f.fs.enter(Op{Kind: Truncate, Name: f.name, Len: size}); err != nil {
		return err
	}
	return f.base.Truncate(size)
}

func (f *file) Allocate(size int64) error {
	if _, err := f.fs.enter(Op{Kind: Allocate, Name: f.name, Len: size}); err != nil {
		return err
	}
	return f.base.Allocate(size)
}

func (f *file) Sync() error { return f.sync(Sync, f.base.Sync) }

func (f *file) SyncData() error { return f.sync(SyncData, f.base.SyncData) }

// WriteSync passes the gate as the two calls that it stands for, so each can
// fail alone.
func (f *file) WriteSync(p []byte, off int64) error {
	if _, err := f.WriteAt(p, off); err != nil {
		return err
	}
	return f.SyncData()
}

func (f *file) sync(kind Kind, do func() error) error {
	fault, err := f.fs.enter(Op{Kind: kind, Name: f.name})
	if err != nil {
		if fault.Err != nil {
			// A base that is gone has nothing left to lose.
			_ = f.fs.FailSync(f)
		}
		return err
	}
	return do()
}

func (f *file) Linked() (bool, error) {
	if _, err := f.fs.enter(Op{Kind: Linked, Name: f.name}); err != nil {
		return false, err
	}
	return f.base.Linked()
}

func (f *file) Close() error {
	_, err := f.fs.enter(Op{Kind: Close, Name: f.name})
	// After a stop too: the system closes the files of a dead process.
	baseErr := f.base.Close()
	if err != nil {
		return err
	}
	return baseErr
}
