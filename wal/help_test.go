package wal

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"testing"
	"time"

	"tailrace/internal/frame"
	"tailrace/internal/vfs"
	"tailrace/internal/vfs/memfs"
)

var (
	seedFlag   = flag.Uint64("wal.seed", 0, "seed of the random tests; 0 picks one")
	allFlag    = flag.Bool("wal.all", false, "run the crash and fault matrices whole, not a share of the outcomes")
	updateFlag = flag.Bool("update", false, "write the golden files again")
)

func TestMain(m *testing.M) {
	flag.Parse()
	// The matrices open thousands of stores and keep none: collecting is what they
	// would spend a third of their time on.
	debug.SetGCPercent(800)
	os.Exit(m.Run())
}

// testSeed picks the seed of a random test and says which it was.
func testSeed(t testing.TB) uint64 {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed: -wal.seed=%d", seed)
	return seed
}

const testDir = "data"

// testOptions is a store of the smallest files whose randomness and clock
// depend on nothing.
func testOptions(fs vfs.FS) Options {
	rng := rand.New(rand.NewPCG(1, 2))
	now := int64(1_700_000_000_000)
	return Options{
		FS: fs, Dir: testDir, FileBytes: fileBytesMin, Rand: rng.Uint64,
		Now: func() int64 { now++; return now },
	}
}

// payloadOf encodes records.
func payloadOf(records ...string) []byte {
	var b []byte
	for _, r := range records {
		b = AppendRecord(b, nil, []byte(r))
	}
	return b
}

func frameOf(records ...string) Frame {
	return Frame{Payload: payloadOf(records...), Records: len(records), At: 1_700_000_000_000}
}

// history collects what replay hands out.
type history struct {
	records []string
	seqs    []uint64
	pos     []Pos
}

func (h *history) replay(r Replayed) error {
	n := 0
	for record, err := range Records(r.Payload) {
		if err != nil {
			return err
		}
		h.records = append(h.records, string(record))
		n++
	}
	if n != r.Records {
		return fmt.Errorf("frame %d has %d records and says %d", r.Seq, n, r.Records)
	}
	if len(h.seqs) > 0 && r.Seq <= h.seqs[len(h.seqs)-1] {
		return fmt.Errorf("frame %d after %d", r.Seq, h.seqs[len(h.seqs)-1])
	}
	if len(h.pos) > 0 && r.Pos.Compare(h.pos[len(h.pos)-1]) <= 0 {
		return fmt.Errorf("frame at %v after %v", r.Pos, h.pos[len(h.pos)-1])
	}
	h.seqs = append(h.seqs, r.Seq)
	h.pos = append(h.pos, r.Pos)
	return nil
}

// openWith opens a store and returns its records.
func openWith(o Options) (*Files, Recovery, []string, error) {
	var h history
	l, rec, err := Open(o, h.replay)
	return l, rec, h.records, err
}

func mustOpen(t testing.TB, o Options) (*Files, Recovery, []string) {
	t.Helper()
	l, rec, records, err := openWith(o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return l, rec, records
}

func mustAppend(t testing.TB, l Log, records ...string) Place {
	t.Helper()
	place, err := l.Append(frameOf(records...))
	if err != nil {
		t.Fatalf("append %q: %v", records, err)
	}
	return place
}

func mustClose(t testing.TB, l interface{ Close() error }) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// names is the records name-0 to name-(n-1).
func names(name string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = name + "-" + strconv.Itoa(i)
	}
	return all
}

func wantRecords(t testing.TB, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("replayed %d records, want %d\ngot  %.300q\nwant %.300q", len(got), len(want), got, want)
	}
}

// checkPrefix is the law of every crash: what was acknowledged is there, in
// order, and what is there was sent, in order, without a gap.
func checkPrefix(got, acked, sent []string) error {
	if len(got) < len(acked) {
		return fmt.Errorf("%d records were acknowledged and %d are there", len(acked), len(got))
	}
	if len(got) > len(sent) || !slices.Equal(got, sent[:len(got)]) {
		return fmt.Errorf("replayed %.300q is no prefix of what was sent, %.300q", got, sent)
	}
	return nil
}

// wantCorrupt demands a corruption error of that file. offset < 0 is any place.
func wantCorrupt(t testing.TB, err error, path string, offset int64) {
	t.Helper()
	var ce *frame.CorruptError
	if !errors.As(err, &ce) {
		t.Fatalf("error is %v, want corruption of %s", err, path)
	}
	if ce.Path != path || offset >= 0 && ce.Offset != offset {
		t.Fatalf("error names %s at byte %d (%v), want %s at byte %d", ce.Path, ce.Offset, err, path, offset)
	}
}

// crashed is the file system after a crash that lost or kept everything.
func crashed(fs *memfs.FS, keep memfs.Keep) *memfs.FS { return fs.Crash(nil, keep) }

// filePath is the name of log file n in a test store.
func filePath(n uint64) string { return paths{testDir}.file(n) }

// readAll is the content of a file.
func readAll(t testing.TB, fs vfs.FS, name string) []byte {
	t.Helper()
	file, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	if size == 0 {
		return b
	}
	if _, err := file.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

// replaceFile gives a file other content, synced. nil removes it.
func replaceFile(t testing.TB, fs vfs.FS, name string, b []byte) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_ = fs.Remove(name) // it need not be there
	if b != nil {
		file, err := fs.Create(name)
		must(err)
		_, err = file.WriteAt(b, 0)
		must(err)
		must(file.Sync())
		must(file.Close())
	}
	dir := testDir
	if len(name) > len(testDir)+len(walDir)+2 && name[len(testDir)+1:len(testDir)+1+len(walDir)] == walDir {
		dir = paths{testDir}.wal()
	}
	must(fs.SyncDir(dir))
}
