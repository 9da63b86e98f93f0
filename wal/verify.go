package wal

import "tailrace/internal/vfs"

// Report is what Verify found in a store without fault.
type Report struct {
	Store   UUID
	Created int64 // unix milliseconds
	Empty   bool  // there is no store yet, or one without log files
	Clean   bool  // the last owner closed it
	Files   int
	Frames  uint64
	Records uint64
	LastSeq uint64
	LastAt  int64 // unix milliseconds
	Torn    *Torn // a tail that the next open is going to cut; not a fault
}

// Verify reads the whole log of the store in dir and verifies every checksum
// and every link, as Open does without Prepare: the log has to begin at the
// beginning. It changes nothing and takes no lock: of a store that is in use it
// may report a torn tail that is a frame on its way, or find a fault in a file
// that is given up meanwhile. The first fault is a *frame.CorruptError or a
// *VersionError.
func Verify(fs vfs.FS, dir string) (Report, error) {
	return VerifyReplay(fs, dir, nil, nil)
}

// VerifyReplay is Verify from where prepare says, with frames handed to replay
// as Open does, so that a caller can verify what is in them. An error of either
// ends it. Both may be nil. Where there is no STORE, prepare is not called.
func VerifyReplay(fs vfs.FS, dir string, prepare func(Store) (Place, error), replay func(Replayed) error) (Report, error) {
	p := paths{dir}
	s, err := look(fs, p)
	if err != nil {
		return Report{}, err
	}
	var start Place
	if s.found {
		if start, err = (Options{Prepare: prepare}).start(s.store); err != nil {
			return Report{}, err
		}
	}
	var rec Recovery
	last, _, err := scan(fs, p, s, start, start.after(p, replay), &rec)
	if err != nil {
		return Report{}, err
	}
	last.close()
	return Report{
		Store: s.store.ID, Created: s.store.Created, Empty: last == nil, Clean: last == nil || rec.Clean,
		Files: rec.Files, Frames: rec.Frames, Records: rec.Records, LastSeq: rec.LastSeq, LastAt: rec.LastAt, Torn: rec.Torn,
	}, nil
}
