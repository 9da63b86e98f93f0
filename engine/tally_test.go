package engine

import (
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"

	"tailrace/internal/manifest"
	"tailrace/internal/vfs/faultfs"
	"tailrace/segment"
)

// tally counts what the runs got to, so that a test that stopped doing
// something is noticed.
type tally struct {
	lives, closes, checks  atomic.Int64
	flushes                atomic.Int64
	snapshots, deltas      atomic.Int64
	merges                 atomic.Int64
	backups                atomic.Int64 // made, restored and compared
	parted                 atomic.Int64 // segments that go on with a stream
	rewrites               atomic.Int64 // merges of one layer, for its dead streams
	truncated              atomic.Int64 // runs of a Gone stream that a merge cut to what forks show
	dropped                atomic.Int64 // fronts of streams
	refused                atomic.Int64 // reads from what was dropped
	fronts                 atomic.Int64 // runs that a merge began above a base
	trimRewrites           atomic.Int64 // merges of one layer, for what was dropped from fronts
	recycled               atomic.Int64 // log files used again
	trimmed                atomic.Int64 // log files removed
	removed                atomic.Int64 // segments and files of checkpoints removed
	switches               atomic.Int64 // of the manifest to another file
	coldReads, stored      atomic.Int64
	coldForks, pieces      atomic.Int64 // pieces: appends larger than a block
	full, returned, noRoom atomic.Int64 // noRoom: opening needed more than there was
}

// each yields the counters by name.
func (c *tally) each(yield func(name string, n int64)) {
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		yield(v.Type().Field(i).Name, v.Field(i).FieldByName("v").Int())
	}
}

func (c *tally) String() string {
	var all []string
	c.each(func(name string, n int64) { all = append(all, fmt.Sprintf("%s %d", name, n)) })
	return strings.Join(all, ", ")
}

// never is what did not happen, and should.
func (c *tally) never() (names []string) {
	c.each(func(name string, n int64) {
		if n == 0 && name != "noRoom" {
			names = append(names, name)
		}
	})
	return names
}

func (c *tally) sawFlush(f *flush) {
	c.flushes.Add(1)
	if f.full {
		c.snapshots.Add(1)
	} else {
		c.deltas.Add(1)
	}
	if f.segment.bytes > segment.SoloBytesMax {
		c.pieces.Add(1) // bytes of large appends do not compress
	}
}

func (c *tally) sawMerge(e *Engine, m *merge) {
	c.merges.Add(1)
	for _, info := range m.done {
		if info.Start != 0 {
			c.parted.Add(1)
		}
	}
	if len(m.plan.inputs) == 1 {
		c.rewrites.Add(1)
		if in := m.plan.inputs[0].segments[0]; in.trimmedBytes > 0 && in.trimmedBytes*deadShare >= in.info.RawBytes {
			c.trimRewrites.Add(1)
		}
	}
	for s := range e.table.All {
		if !s.Gone {
			if s.Start() == 0 {
				continue
			}
			for _, out := range m.opened {
				if run, ok, err := out.reader.Run(uint64(s.ID)); err == nil && ok && run.Start > uint64(s.Base()) {
					c.fronts.Add(1)
				}
			}
			continue
		}
		for _, out := range m.opened {
			if run, ok, err := out.reader.Run(uint64(s.ID)); err == nil && ok && run.End < uint64(storedOf(s)) {
				c.truncated.Add(1)
			}
		}
	}
}

// sawFiles looks at the files that a life renamed and removed.
func (c *tally) sawFiles(faults *faultfs.FS) {
	for _, op := range faults.Trace() {
		switch {
		case op.Kind == faultfs.Rename && strings.HasSuffix(op.To, "wal/next.tmp"):
			c.recycled.Add(1)
		case op.Kind == faultfs.Rename && strings.HasSuffix(op.To, "/CURRENT"):
			c.switches.Add(1)
		case op.Kind != faultfs.Remove:
		case strings.HasSuffix(op.Name, ".wal"):
			c.trimmed.Add(1)
		case strings.Contains(op.Name, "/"+manifest.SegmentDir+"/"), strings.Contains(op.Name, "/"+manifest.MetaDir+"/"):
			c.removed.Add(1)
		}
	}
}
