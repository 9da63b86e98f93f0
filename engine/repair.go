package engine

import (
	"errors"
	"fmt"

	"tailrace/internal/manifest"
	"tailrace/internal/stream"
	"tailrace/wal"
)

// RepairReport says what Repair did.
type RepairReport struct {
	Before Report // with the torn tail of the log that was cut, if there was one
	After  Report
	Acts   int // flushes, merges and backups that had begun and were given up
	Files  int // that nothing needs: removed
}

// Repair does what loses nothing: it finishes the recovery of a store that no
// process has open, as the next start would, and removes what interrupted work
// left. Damage is refused as a *DamageError, which says what is concerned, and
// nothing is changed then.
func Repair(o Options) (RepairReport, error) {
	o = o.withDefaults()
	r, err := repair(o)
	if err != nil {
		return r, fmt.Errorf("engine: repair %s: %w", o.Dir, err)
	}
	return r, nil
}

func repair(o Options) (r RepairReport, err error) {
	if err := refuseMarked(o.FS, o.Dir, backupName, unfinishedName, restoringName); err != nil {
		return r, err
	}
	store, err := readStore(o.FS, o.Dir)
	if err != nil {
		return r, err // before anything is made in a directory that is no store
	}
	if r.Before, err = checkAlone(o); err != nil {
		if faults := diagnose(o, store); len(faults) > 0 {
			err = &DamageError{Faults: faults}
		}
		return r, err
	}
	before, err := manifest.Load(o.FS, o.Dir, store.ID)
	if err != nil {
		return r, err
	}
	o.Manual, o.offline, o.Tier = true, true, nil
	e, err := Open(o)
	if err != nil {
		return r, err
	}
	if err := errors.Join(e.sweepGarbage(), e.Close()); err != nil {
		return r, err
	}
	if r.After, err = Check(o); err != nil {
		return r, err
	}
	after, err := manifest.Load(o.FS, o.Dir, store.ID)
	if err != nil {
		return r, err
	}
	was, is := before.State(), after.State()
	r.Acts = len(was.Acts) - len(is.Acts)
	r.Files = leftovers(&was) - leftovers(&is)
	return r, nil
}

// leftovers is how many files wait to be removed, or may be there for nothing.
func leftovers(s *manifest.State) int {
	n := len(s.Garbage)
	for _, a := range s.Acts {
		n += len(a.Outputs)
	}
	return n
}

var errInUse = errors.New("a server has the store open")

// checkAlone is Check of a store that nobody changes meanwhile.
func checkAlone(o Options) (Report, error) {
	lock, err := o.FS.Lock(o.Dir + "/" + lockName)
	if err != nil {
		return Report{}, fmt.Errorf("%w: %w", errInUse, err)
	}
	r, err := Check(o)
	return r, errors.Join(err, lock.Close())
}

// Fault is a file of a store that cannot be read back.
type Fault struct {
	Path    string
	Err     error
	Streams []string // paths of the streams that may miss something, forks included
	All     bool     // any stream may
	Bucket  bool     // nothing is lost: the bucket has the segment whole
	segment uint64   // identity of a segment whose index tells that, or 0
}

// DamageError is damage that cannot be undone without losing something.
type DamageError struct{ Faults []Fault }

// errBucketHasIt is what to do about a segment of which the bucket has a copy.
var errBucketHasIt = errors.New("the segment is whole in the bucket: start the store with --bucket instead, which mends it")

// Error names the first file, and says how many more there are.
func (d *DamageError) Error() string {
	f := &d.Faults[0]
	text := fmt.Sprintf("%v (%d streams are concerned)", f.Err, len(f.Streams))
	if f.All {
		text = fmt.Sprintf("%v (any stream may be concerned)", f.Err)
	}
	if f.Bucket {
		text = fmt.Sprintf("%v (%v)", f.Err, errBucketHasIt)
	}
	if more := len(d.Faults) - 1; more > 0 {
		text += fmt.Sprintf(", and %d more files", more)
	}
	return text
}

// Unwrap gives the faults of the files.
func (d *DamageError) Unwrap() []error {
	all := make([]error, len(d.Faults))
	for i := range d.Faults {
		all[i] = d.Faults[i].Err
	}
	return all
}

// diagnose looks at all files of a store, and goes on where one is damaged as
// far as the others make sense without it. It changes nothing. It may find
// nothing where Check found something: faults between files are none of it.
func diagnose(o Options, store wal.Store) (faults []Fault) {
	o.Tier = nil
	o.offline = true
	e := newEngine(o)
	defer e.closeSegments()
	e.store = store.ID
	fault := func(path string, err error) { faults = append(faults, Fault{Path: path, Err: err, All: true}) }
	loaded, err := manifest.Load(o.FS, o.Dir, store.ID)
	if err != nil {
		fault(o.Dir+"/"+manifestDir, err)
		return faults
	}
	state := loaded.State()
	segments := e.diagnoseSegments(state.Layers)

	// With the whole table and log there are names for the streams.
	c := state.Checkpoint
	batch, whole := uint64(0), true
	for _, f := range state.CheckpointFiles() {
		if batch, err = e.loadRows(f, batch); err != nil {
			fault(e.filePath(f), err)
			whole = false
			break
		}
	}
	if whole {
		if err := e.table.Restored(stream.ID(c.LastStream)); err != nil {
			fault(o.Dir+"/"+manifest.MetaDir, err)
			whole = false
		}
	}
	replay := e.replay
	if !whole {
		replay = nil
	}
	e.durable, e.frames.released = c.Batch, c.Batch
	start := func(wal.Store) (wal.Place, error) {
		return wal.Place{Seq: c.Seq, Pos: wal.Pos{File: c.WALFile, Offset: c.WALOffset}}, nil
	}
	if _, err := wal.VerifyReplay(o.FS, o.Dir, start, replay); err != nil {
		fault(o.Dir+"/"+logDir, err)
	}
	for _, s := range segments {
		f := Fault{Path: s.path, Err: s.err, All: !whole, Bucket: s.info.Place >= manifest.PlaceBoth}
		if f.Bucket {
			f.All = false
		} else if whole {
			f.Streams = e.concerned(&s)
			if s.streams != nil {
				f.segment = s.info.ID
			}
		}
		faults = append(faults, f)
	}
	return faults
}
