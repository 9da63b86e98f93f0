package remote

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"tailrace/internal/frame"
	"tailrace/internal/vfs/memfs"
)

// smallFile is a file of four slots, three of which have a cell.
func smallFile(t testing.TB) []byte {
	t.Helper()
	fs := memfs.New()
	o := Options{FS: fs, Bytes: 6 * pageBytes, CellBytes: pageBytes, Source: &bucket{}}
	c := mustOpen(t, o)
	f := c.File(7, 5*pageBytes+100)
	read(t, f, Ask{}, 3*pageBytes, 1)
	read(t, f, Ask{}, 5*pageBytes, 1)
	read(t, c.File(1<<50, 10), Ask{}, 0, 10)
	wantError(t, c.Close(), nil)
	return fs.Snapshot()[testName]
}

// The golden file is what version 1 looks like on the disk.
func TestGoldenFile(t *testing.T) {
	path := filepath.Join("testdata", "v1.cells")
	b := smallFile(t)
	if *updateFlag {
		wantError(t, os.MkdirAll("testdata", 0o755), nil)
		wantError(t, os.WriteFile(path, b, 0o644), nil)
	}
	golden, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, golden) {
		t.Error("v1.cells differs from what is written today")
	}
	// Reading is tested on the file itself, whatever writing does.
	table, err := DecodeTable(golden)
	wantError(t, err, nil)
	want := map[uint32]string{0: "7 3 4096", 1: "7 5 100", 2: "1125899906842624 0 10"}
	if table.Store != testStore || table.CellBytes != pageBytes || table.Slots != 4 || table.Damaged != 0 || len(table.Entries) != len(want) {
		t.Fatalf("%+v", table)
	}
	for slot, e := range table.Entries {
		data := golden[table.data(slot):][:e.Length]
		if got := fmt.Sprint(e.File, e.Cell, e.Length); got != want[slot] || e.sum(table.seed(), data) != e.CRC {
			t.Errorf("slot %d has %s, want %s", slot, got, want[slot])
		}
	}
}

// Every damage costs cells, never an answer.
func TestCorruptionTable(t *testing.T) {
	le := binary.LittleEndian
	head := func(change func(b []byte)) func(b []byte) []byte {
		return func(b []byte) []byte {
			change(b)
			le.PutUint32(b[60:], frame.Checksum(b[:60]))
			return b
		}
	}
	const table, data = pageBytes, 2 * pageBytes
	entry := func(slot int, change func(b []byte)) func(b []byte) []byte {
		return func(b []byte) []byte {
			e := b[table+slot*entryBytes:][:entryBytes]
			change(e)
			le.PutUint32(e[28:], entrySum(frame.Checksum(b[60:64]), uint32(slot), e))
			return b
		}
	}
	flip := func(at int) func(b []byte) []byte {
		return func(b []byte) []byte { b[at] ^= 4; return b }
	}
	for _, c := range []struct {
		name    string
		damage  func(b []byte) []byte
		fault   int64 // where the header is at fault; -1 if it is not, -2 if its version is
		cells   int64 // that a start finds
		damaged int64 // that it and the reads after it found
	}{
		{"whole", func(b []byte) []byte { return b }, -1, 3, 0},
		{"empty", func(b []byte) []byte { return nil }, 0, 0, 0},
		{"cut in the header", func(b []byte) []byte { return b[:headerBytes-1] }, 0, 0, 0},
		{"cut after the header", func(b []byte) []byte { return b[:headerBytes] }, headerBytes, 0, 0},
		{"cut in the table", func(b []byte) []byte { return b[:table+127] }, table + 127, 0, 0},
		{"cut in the data", func(b []byte) []byte { return b[:data+pageBytes+10] }, -1, 3, 2},
		{"longer", func(b []byte) []byte { return append(b, make([]byte, 100)...) }, -1, 3, 0},
		{"magic", flip(0), 0, 0, 0},
		{"version", head(func(b []byte) { b[8]++ }), -2, 0, 0},
		{"header", flip(20), 0, 0, 0},
		{"store", head(func(b []byte) { b[20]++ }), -1, 0, 0},
		{"no slots", head(func(b []byte) { le.PutUint32(b[32:], 0) }), 32, 0, 0},
		{"many slots", head(func(b []byte) { le.PutUint32(b[32:], 1<<32-1) }), 6 * pageBytes, 0, 0},
		{"fewer slots", head(func(b []byte) { le.PutUint32(b[32:], 3) }), -1, 0, 0},
		{"no cell bytes", head(func(b []byte) { le.PutUint32(b[12:], 0) }), 12, 0, 0},
		{"odd cell bytes", head(func(b []byte) { le.PutUint32(b[12:], 5000) }), 12, 0, 0},
		{"many cell bytes", head(func(b []byte) { le.PutUint32(b[12:], 1<<31) }), 12, 0, 0},
		{"reserved in the header", head(func(b []byte) { b[59] = 1 }), 36, 0, 0},
		{"entry", flip(table + 3), -1, 2, 1},
		{"entry of nothing", flip(table + 3*entryBytes), -1, 3, 1},
		{"erased entry", func(b []byte) []byte { clear(b[table:][:entryBytes]); return b }, -1, 2, 0},
		{"entry in another slot", func(b []byte) []byte { copy(b[table+3*entryBytes:], b[table:][:entryBytes]); return b }, -1, 3, 1},
		{"entry of no bytes", entry(0, func(e []byte) { le.PutUint32(e[16:], 0) }), -1, 2, 1},
		{"entry of too many bytes", entry(0, func(e []byte) { le.PutUint32(e[16:], pageBytes+1) }), -1, 2, 1},
		{"entry far away", entry(0, func(e []byte) { le.PutUint64(e[8:], 1<<63) }), -1, 2, 1},
		{"reserved in an entry", entry(0, func(e []byte) { e[20] = 1 }), -1, 2, 1},
		{"another length", entry(0, func(e []byte) { le.PutUint32(e[16:], 4000) }), -1, 3, 1},
		{"another file", entry(0, func(e []byte) { le.PutUint64(e, 1<<51) }), -1, 3, 0},
		{"the same cell twice", entry(0, func(e []byte) { le.PutUint64(e[8:], 5) }), -1, 2, 1},
		{"data", flip(data + 100), -1, 3, 1},
		{"data of another slot", func(b []byte) []byte { copy(b[data:], b[data+pageBytes:][:pageBytes]); return b }, -1, 3, 1},
		{"no data", func(b []byte) []byte { clear(b[data:]); return b }, -1, 3, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := c.damage(smallFile(t))
			got, err := DecodeTable(b)
			var faulty *frame.CorruptError
			var version *VersionError
			switch {
			case c.fault == -1:
				wantError(t, err, nil)
			case c.fault == -2 && errors.As(err, &version):
			case errors.As(err, &faulty) && faulty.Offset == c.fault && faulty.Reason != "":
			default:
				t.Errorf("decoded %+v, %v", got, err)
			}
			fs := memfs.New()
			wantError(t, fs.MkdirAll(testDir), nil)
			f, err := fs.Create(testName)
			wantError(t, err, nil)
			_, err = f.WriteAt(b, 0)
			wantError(t, err, nil)
			o := Options{FS: fs, Bytes: 6 * pageBytes, CellBytes: pageBytes, Source: &bucket{}}
			for again := range 3 {
				cache := mustOpen(t, o)
				if s := cache.Stats(); again == 0 && s.Cells != c.cells {
					t.Errorf("%+v", s)
				}
				f := cache.File(7, 5*pageBytes+100)
				read(t, f, Ask{}, 3*pageBytes, 1)
				read(t, f, Ask{}, 5*pageBytes, 1)
				read(t, cache.File(1<<50, 10), Ask{}, 0, 10)
				// An entry that does not verify, of a slot that nobody needed, is
				// still there at the next start.
				if s := cache.Stats(); again == 0 && s.Damaged != c.damaged || s.Damaged > c.damaged || again > 0 && s.Requests > 0 {
					t.Errorf("start %d: %+v", again, s)
				}
				wantError(t, cache.Close(), nil)
			}
		})
	}
}

// FuzzTable decodes bytes, as they are and with right checksums.
func FuzzTable(f *testing.F) {
	whole := smallFile(f)
	f.Add(whole[:2*pageBytes], false)
	f.Add(whole[:2*pageBytes], true)
	f.Add(whole[:pageBytes+5], true)
	f.Add([]byte("TAILCEL\n"), false)
	f.Fuzz(func(t *testing.T, b []byte, right bool) {
		le := binary.LittleEndian
		b = bytes.Clone(b)
		if right && len(b) >= headerBytes {
			copy(b, headerMagic)
			le.PutUint32(b[8:], formatVersion)
			clear(b[36:60])
			le.PutUint32(b[60:], frame.Checksum(b[:60]))
			for slot, at := uint32(0), pageBytes; at+entryBytes <= len(b); slot, at = slot+1, at+entryBytes {
				le.PutUint32(b[at+28:], entrySum(frame.Checksum(b[60:64]), slot, b[at:][:entryBytes]))
			}
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		table, err := DecodeTable(b)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 64*kib+16*uint64(len(b)) {
			t.Fatalf("decoding %d bytes allocated %d", len(b), used)
		}
		if err != nil {
			var faulty *frame.CorruptError
			var version *VersionError
			if !errors.As(err, &version) && !(errors.As(err, &faulty) && faulty.Offset >= 0 && faulty.Offset <= int64(len(b))) {
				t.Fatal(err)
			}
			return
		}
		// What was decoded is encoded as it was.
		again := append(table.Append(nil), make([]byte, pageBytes-headerBytes)...)
		damaged := 0
		for slot := range table.Slots {
			was := b[len(again):][:entryBytes]
			if e, ok := table.Entries[slot]; ok {
				again = e.append(again, table.seed(), slot)
				if !bytes.Equal(again[len(again)-entryBytes:], was) {
					t.Fatalf("slot %d: %+v was %x", slot, e, was)
				}
				continue
			}
			if !bytes.Equal(was, make([]byte, entryBytes)) {
				damaged++
			}
			again = append(again, make([]byte, entryBytes)...)
		}
		if !bytes.Equal(again[:headerBytes], b[:headerBytes]) || damaged != table.Damaged {
			t.Fatalf("%+v, %d damaged", table, damaged)
		}
		back, err := DecodeTable(again)
		if err != nil || back.Header != table.Header || len(back.Entries) != len(table.Entries) || back.Damaged != 0 {
			t.Fatalf("again: %+v, %v", back, err)
		}
	})
}
