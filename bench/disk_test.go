package bench

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tailrace/engine"
	"tailrace/segment"
)

// storeSize is where the bytes of a store are.
type storeSize struct {
	raw      int64 // stored bodies of all appends, in segments
	segments int64
	payload  int64 // of segments: blocks without their headers and tables
	meta     int64 // of checkpoints
	manifest int64
	log      int64 // its files are as long as they are, whatever is in them
	appends  uint64
	runs     uint64
	blocks   uint64
	asIs     uint64 // blocks that are sent as they are stored
	files    int    // segments
}

// stored is all that is kept but the log.
func (s *storeSize) stored() int64 { return s.segments + s.meta + s.manifest }

func (s *storeSize) ratio() float64 { return float64(s.stored()) / float64(s.raw) }

// sizeOf adds up the files of a store that nobody has open.
func sizeOf(tb testing.TB, dir string) (s storeSize) {
	tb.Helper()
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		switch area, _, _ := strings.Cut(filepath.ToSlash(rel), "/"); area {
		case "seg":
			s.segments += info.Size()
			return s.addSegment(name, info.Size())
		case "meta":
			s.meta += info.Size()
		case "manifest":
			s.manifest += info.Size()
		default:
			s.log += info.Size()
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func (s *storeSize) addSegment(name string, size int64) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := segment.Open(name, f, size)
	if err != nil {
		return err
	}
	p := r.Properties()
	s.files++
	s.raw += p.RawBytes
	s.payload += p.StoredBytes
	s.appends, s.runs, s.blocks, s.asIs = s.appends+p.Appends, s.runs+p.Runs, s.blocks+p.Blocks, s.asIs+p.AsIs
	return nil
}

// report prints what the bytes are for, each over the raw bytes.
func (s *storeSize) report(b *testing.B) {
	raw := float64(s.raw)
	b.ReportMetric(s.ratio(), "stored/raw")
	b.ReportMetric(float64(s.payload)/raw, "payload/raw")
	b.ReportMetric(float64(s.segments-s.payload)/raw, "tables+index/raw")
	b.ReportMetric(float64(s.meta)/raw, "meta/raw")
	b.ReportMetric(float64(s.manifest)/raw, "manifest/raw")
	b.ReportMetric(float64(s.raw)/float64(s.appends), "B/append")
	b.ReportMetric(float64(s.files), "segments")
}

// storeOptions are the settings of an engine that a benchmark is about; 0 is the
// default of the engine, but for MemoryBytes.
type storeOptions struct {
	MemoryBytes     int64
	FrameBytesMax   int64
	FlushBytes      int64
	BlockCacheBytes int64
	LogFileBytes    int64
	SegmentBytes    int64
	MergeFanIn      int
}

func (o storeOptions) engine(dir string) engine.Options {
	if o.MemoryBytes == 0 {
		o.MemoryBytes = memoryBytes
	}
	return engine.Options{
		Dir: dir, MemoryBytes: o.MemoryBytes, FrameBytesMax: o.FrameBytesMax, FlushBytes: o.FlushBytes,
		BlockCacheBytes: o.BlockCacheBytes, LogFileBytes: o.LogFileBytes, SegmentBytes: o.SegmentBytes, MergeFanIn: o.MergeFanIn,
	}
}

// compact flushes and merges a store that nobody has open, until there is
// nothing to do. A Manual engine has nobody to be considerate of.
func compact(tb testing.TB, dir string, o storeOptions) engine.Stats {
	tb.Helper()
	opts := o.engine(dir)
	opts.Manual = true
	e, err := engine.Open(opts)
	if err != nil {
		tb.Fatal(err)
	}
	if err := e.Flush(); err != nil {
		tb.Fatal(err)
	}
	if err := e.Merge(); err != nil {
		tb.Fatal(err)
	}
	stats := e.Stats()
	if err := e.Close(); err != nil {
		tb.Fatal(err)
	}
	return stats
}
