package wal

import "tailrace/internal/vfs"

// Recovery tells what Open found.
type Recovery struct {
	Created bool   // the store is new
	Clean   bool   // the store is new, or its last owner closed it
	Files   int    // log files read
	Frames  uint64 // in them, of every kind, replayed or not
	Records uint64 // in them, replayed or not
	Torn    *Torn  // the tail that was cut, or nil
	LastAt  int64  // latest time in any frame, unix milliseconds; 0 without frames
	LastSeq uint64
	Epoch   uint64 // of the new owner
	Store   UUID
}

// Torn is a tail that was being written when its process ended. Nobody was told
// that it is durable, so it is cut.
type Torn struct {
	Pos    Pos    // where the frame would have begun
	Seq    uint64 // its sequence
	Reason string // why it is no frame
}

// scan reads all log files of a survey, front to back, and verifies everything
// about them. The last file stays open and is returned; nil when there is
// none. keep is the file that holds the frame at the start, or the first one
// that is left. Nothing is changed.
func scan(fs vfs.FS, p paths, s survey, start Place, replay func(Replayed) error, rec *Recovery) (last *fileScan, keep uint64, err error) {
	keep = s.store.First
	for i, n := range s.numbers {
		var buf []byte
		if last != nil {
			buf = last.win.release()
		}
		cur, err := openScan(fs, p, n, buf)
		if err == nil && i == 0 {
			err = start.reaches(cur)
		}
		if err == nil {
			err = cur.verify(s, last, i == len(s.numbers)-1, replay, rec)
		}
		last.close()
		if err != nil {
			cur.close()
			return nil, 0, err
		}
		if cur.header.FirstSeq <= start.Seq {
			keep = n
		}
		last = cur
	}
	if err := start.covered(p, s, last); err != nil {
		last.close()
		return nil, 0, err
	}
	return last, keep, nil
}

// verify replays one file and judges it beside the file before it.
func (s *fileScan) verify(su survey, prev *fileScan, isLast bool, replay func(Replayed) error, rec *Recovery) error {
	if s.header.Store != su.store.ID {
		return s.corrupt(24, "log file of another store, "+s.header.Store.String())
	}
	if prev != nil {
		if err := s.follows(prev); err != nil {
			return err
		}
	}
	if err := s.replay(replay); err != nil {
		return err
	}
	torn, err := s.end(isLast)
	if err != nil {
		return err
	}
	if torn {
		rec.Torn = &Torn{Pos: Pos{s.header.File, s.pos}, Seq: s.seq + 1, Reason: s.invalid}
	}
	rec.Files++
	rec.count(s)
	rec.Clean = s.complete() && s.seal == FlagSealClose && s.header.FileBytes != 0
	return nil
}

// count adds a file's totals.
func (rec *Recovery) count(s *fileScan) {
	rec.Frames += s.frames
	rec.Records += s.records
	rec.LastAt = max(rec.LastAt, s.lastAt)
	rec.LastSeq = s.seq
}
