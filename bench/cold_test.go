package bench

import (
	"sync"
	"testing"
)

// coldStreams with ten appends each, flushed many times, are enough for several
// levels of merges.
const coldStreams = 3000

// Reading all ten appends of a stream from the files reads of each layer at
// most a page of its run index, and the block with the run, or two if it goes on
// in the next. How many layers there are is up to the merge.
const coldReadsPerLayer = 3

var coldCost struct {
	sync.Once
	many
}

func coldCostOnce(t *testing.T) many {
	t.Helper()
	coldCost.Do(func() {
		o := storeOptions{MemoryBytes: 256 << 20, FlushBytes: 256 << 10, MergeFanIn: 4}
		coldCost.many = measureMany(t, coldStreams, o, 500)
	})
	if coldCost.layers == 0 {
		t.Fatal("the measurement failed before, or nothing was flushed")
	}
	return coldCost.many
}

// TestColdReadTouchesFewBlocks bounds what is read for one stream among many.
func TestColdReadTouchesFewBlocks(t *testing.T) {
	m := coldCostOnce(t)
	t.Logf("%d layers: %.1f reads of files for a stream, %d at most", m.layers, m.cold.ReadsMean, m.cold.ReadsMax)
	if most := int64(coldReadsPerLayer * m.layers); m.cold.ReadsMax > most {
		t.Errorf("a stream took %d reads of %d layers, the bound is %d", m.cold.ReadsMax, m.layers, most)
	}
	if m.cold.ReadsMean < 2 {
		t.Errorf("%.2f reads for a stream are less than a page and a block: the measurement is broken", m.cold.ReadsMean)
	}
}

// TestNoDescriptorPerStreamWithSegments: segments have a descriptor each,
// streams none.
func TestNoDescriptorPerStreamWithSegments(t *testing.T) {
	const slack = 16
	m := coldCostOnce(t)
	if m.full.Engine.Segments == 0 {
		t.Error("there are no segments: the measurement is broken")
	}
	if got := m.full.Descriptors - m.empty.Descriptors - m.full.Engine.Segments; got > slack {
		t.Errorf("%d streams came with %d descriptors beside those of segments", coldStreams, got)
	}
	if got := m.coldDescriptors; got > slack {
		t.Errorf("a store that was opened again has %d descriptors beside those of segments", got)
	}
}

// TestEverythingReadsBackAsWritten writes several times what the store may keep
// in memory.
func TestEverythingReadsBackAsWritten(t *testing.T) {
	l := measureLarge(t, 12<<20, storeOptions{MemoryBytes: 64 << 20, FrameBytesMax: 4 << 20, FlushBytes: 1 << 20, BlockCacheBytes: 1 << 20, MergeFanIn: 4})
	t.Logf("%.3f stored bytes per raw byte in %d segments", l.size.ratio(), l.size.files)
	if l.size.files == 0 || l.size.manifest == 0 || l.size.meta == 0 {
		t.Errorf("the files of the store were not found: %+v", l.size)
	}
}

// TestScriptsAreWhatIsAsked: the messages are about as long as the targets say,
// the same seed gives the same, and what is read of arrays has the digest of
// what was sent.
func TestScriptsAreWhatIsAsked(t *testing.T) {
	const messages = 3000
	total := 0
	for i := range uint64(kindsOfScript) {
		a, b := newScript(7, i).array(nil, messages), newScript(7, i).array(nil, messages)
		if string(a) != string(b) {
			t.Errorf("kind %d: the same seed gives something else", i)
		}
		if other := newScript(8, i).array(nil, messages); string(a) == string(other) {
			t.Errorf("kind %d: another seed gives the same", i)
		}
		total += len(a)
	}
	if mean := total / (messages * kindsOfScript); mean < 120 || mean > 180 {
		t.Errorf("a message has %d bytes", mean)
	}
}
