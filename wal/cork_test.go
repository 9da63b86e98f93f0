package wal

import (
	"testing"

	"tailrace/internal/vfs/memfs"
)

// What is staged between Cork and Uncork is one batch, whoever waits for it; and
// a Close does not wait for an Uncork.
func TestCorkedRecordsAreOneBatch(t *testing.T) {
	l, _, _ := mustOpen(t, testOptions(memfs.New()))
	g := NewGroup(l, GroupOptions{WitnessIdle: -1})
	before := stage(t, g, Growth, "before")
	<-before.Done()
	for range 100 {
		g.Cork()
		g.Cork()
		first := stage(t, g, Growth, "first")
		for range 10 {
			g.gather() // the committer has every chance
			if b := stage(t, g, Growth, "next"); b != first || isDone(b) {
				t.Fatalf("batch %d after batch %d, done %v", b.N, first.N, isDone(b))
			}
		}
		g.Uncork()
		if isDone(first) {
			t.Fatal("committed while there is a cork")
		}
		g.Uncork()
		<-first.Done()
	}
	g.Cork()
	last := stage(t, g, Growth, "last")
	mustClose(t, g)
	if !isDone(last) || last.Err() != nil {
		t.Fatal("the last record is not durable after Close")
	}
}
