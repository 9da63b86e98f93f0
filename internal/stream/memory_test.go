package stream

import (
	"runtime"
	"testing"
	"unsafe"
)

// What a stream may take that uses nothing rare. A struct of one byte more
// goes into the next size class of the allocator, 16 bytes up.
const (
	streamBytes     = 80
	plainStreams    = 200_000
	plainBytesBound = 180 // of a 31-byte path, both indexes included
	plainBytesFloor = 100 // less than this and the measurement is broken
)

// heapBytes is what is in use after a collection.
func heapBytes() int64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools held on to
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestPlainStreamsAreSmall bounds the memory of streams, as they are created
// and as they are restored.
func TestPlainStreamsAreSmall(t *testing.T) {
	if size := unsafe.Sizeof(Stream{}); size > streamBytes {
		t.Errorf("the struct has %d bytes, the bound is %d", size, streamBytes)
	}
	hold := func(name string, before int64, table *Table) {
		got := float64(heapBytes()-before) / plainStreams
		t.Logf("%s: %.1f bytes per stream", name, got)
		if got > plainBytesBound || got < plainBytesFloor {
			t.Errorf("%s: %.1f bytes per stream, the bounds are %d and %d", name, got, plainBytesFloor, plainBytesBound)
		}
		if table.Len() != plainStreams {
			t.Errorf("%s: %d streams", name, table.Len())
		}
	}
	before := heapBytes()
	table, _ := plainTable(t, plainStreams)
	hold("created", before, table)

	rows := rowsOf(table)
	before = heapBytes()
	again := NewTable(Limits{})
	for id := ID(1); id <= plainStreams; id++ {
		if err := again.Restore(id, rows[id]); err != nil {
			t.Fatal(err)
		}
	}
	if err := again.Restored(table.LastID()); err != nil {
		t.Fatal(err)
	}
	hold("restored", before, again)
	runtime.KeepAlive(table)
	runtime.KeepAlive(rows)
}

// TestPlainAppendsDoNotAllocate holds what an append costs that uses nothing
// rare, and that a restored stream takes its parts and nothing more.
func TestPlainAppendsDoNotAllocate(t *testing.T) {
	table, paths := plainTable(t, 100)
	r := Append{ContentType: "application/json", Body: []byte("1,")}
	i := 0
	if got := testing.AllocsPerRun(1000, func() {
		r.Path = paths[i%len(paths)]
		i++
		rec, _ := table.DecideAppend(&r, 1)
		if _, err := table.Apply(&rec); err != nil {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("an append allocates %v times", got)
	}
	if table.Next(0).rare != nil {
		t.Error("an append made something rare of a plain stream")
	}

	again, row := NewTable(Limits{}), table.Next(0).AppendRow(nil)
	if err := again.Restore(1, row); err != nil {
		t.Fatal(err)
	}
	if got := testing.AllocsPerRun(1000, func() {
		if err := again.Restore(1, row); err != nil {
			t.Fatal(err)
		}
	}); got != 2 {
		t.Errorf("restoring a row allocates %v times, want 2: the stream and its path", got)
	}
}
