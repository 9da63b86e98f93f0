package wal

import (
	"errors"
	"strings"
	"testing"

	"tailrace/internal/vfs/memfs"
)

func TestReopenKeepsAcknowledged(t *testing.T) {
	fs := memfs.New()
	var want []string
	for open := range 5 {
		l, rec, got := mustOpen(t, testOptions(fs))
		wantRecords(t, got, want)
		if rec.Created != (open == 0) || !rec.Clean || rec.Torn != nil || rec.Epoch != uint64(open+1) {
			t.Fatalf("open %d: recovery is %+v", open, rec)
		}
		for range 30 { // more than one file holds
			mustAppend(t, l, names(string(rune('a'+open)), 3)...)
			want = append(want, names(string(rune('a'+open)), 3)...)
		}
		if err := l.Witness(); err != nil {
			t.Fatal(err)
		}
		mustClose(t, l)
	}
	report, err := Verify(fs, testDir)
	if err != nil || report.Records != uint64(len(want)) || !report.Clean {
		t.Fatalf("verify: %+v, %v", report, err)
	}
}

func TestCrashKeepsAcknowledged(t *testing.T) {
	for _, keep := range []memfs.Keep{memfs.KeepNone, memfs.KeepAll} {
		t.Run(keep.String(), func(t *testing.T) {
			fs := memfs.New()
			var want []string
			for open := range 4 {
				l, rec, got := mustOpen(t, testOptions(fs))
				wantRecords(t, got, want)
				if rec.Torn != nil {
					t.Fatalf("open %d: torn tail %+v", open, rec.Torn)
				}
				for range 20 {
					mustAppend(t, l, names("r", 2)...)
					want = append(want, names("r", 2)...)
				}
				fs = crashed(fs, keep)
			}
		})
	}
}

func TestFrameOfLargestSizeFits(t *testing.T) {
	o := testOptions(memfs.New())
	l, _, _ := mustOpen(t, o)
	max := l.FrameBytesMax()
	if err := l.Allocate(); err != nil {
		t.Fatal(err)
	}
	if got := FrameSize(max) + l.Reserve(); got != l.Room() {
		t.Fatalf("largest frame and reserve take %d of %d", got, l.Room())
	}
	record := strings.Repeat("x", max-RecordSize(max)+max)
	for range 3 {
		mustAppend(t, l, record)
	}
	f := frameOf(record, "")
	if _, err := l.Append(f); !errors.Is(err, ErrFrameTooLarge) {
		t.Fatalf("a frame of %d bytes: %v, want ErrFrameTooLarge", len(f.Payload), err)
	}
	mustAppend(t, l, "after") // it was not final
	mustClose(t, l)
	_, _, got := mustOpen(t, o)
	wantRecords(t, got, []string{record, record, record, "after"})
}

func TestMalformedPayloadIsRefused(t *testing.T) {
	l, _, _ := mustOpen(t, testOptions(memfs.New()))
	for _, f := range []Frame{
		{},
		{Payload: payloadOf("a"), Records: 2},
		{Payload: payloadOf("a"), Records: 0},
		{Payload: []byte{5, 'a'}, Records: 1},
		{Payload: []byte{0x80}, Records: 1},
		{Payload: []byte{0x81, 0x00, 'a'}, Records: 1},
	} {
		if _, err := l.Append(f); !errors.Is(err, ErrMalformed) {
			t.Errorf("append %v: %v, want ErrMalformed", f, err)
		}
	}
	mustAppend(t, l, "after")
	mustClose(t, l)
}

func TestClosedLogRefuses(t *testing.T) {
	l, _, _ := mustOpen(t, testOptions(memfs.New()))
	mustClose(t, l)
	mustClose(t, l)
	if _, err := l.Append(frameOf("a")); err != ErrClosed {
		t.Errorf("append: %v", err)
	}
	if err := l.Witness(); err != ErrClosed {
		t.Errorf("witness: %v", err)
	}
	if err := l.Allocate(); err != ErrClosed {
		t.Errorf("allocate: %v", err)
	}
	if l.Room() != 0 || l.Spare() {
		t.Errorf("room %d, spare %v", l.Room(), l.Spare())
	}
}

func TestCloseLeavesTheLogOnly(t *testing.T) {
	fs := memfs.New()
	l, _, _ := mustOpen(t, testOptions(fs))
	mustAppend(t, l, "a")
	if err := l.Allocate(); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	for name, b := range fs.Snapshot() {
		switch name {
		case testDir + "/LOCK":
		case testDir + "/STORE":
		case testDir + "/BALLAST":
		case filePath(1):
			if len(b) != 3*pageBytes {
				t.Errorf("%s has %d bytes, want header, frame and seal", name, len(b))
			}
		default:
			t.Errorf("%s is left", name)
		}
	}
}

// Room is a promise: frames that fill it, however they are cut, need no
// allocation.
func TestRoomIsCertain(t *testing.T) {
	for _, size := range []int64{pageBytes, 2 * pageBytes, 3 * pageBytes, 5 * pageBytes, 7 * pageBytes} {
		for before := range 12 {
			for _, spare := range []bool{false, true} {
				fs := memfs.New()
				l, _, _ := mustOpen(t, testOptions(fs))
				for range before {
					mustAppend(t, l, "x")
				}
				if spare {
					if err := l.Allocate(); err != nil {
						t.Fatal(err)
					}
				}
				fs.SetCapacity(fs.Used()) // the disk is full from here on
				n := int(size) - frameHeaderBytes
				record := strings.Repeat("y", n-RecordSize(n)+n)
				for room := l.Room(); room >= size; room -= size {
					mustAppend(t, l, record)
				}
				if err := l.Witness(); err != nil {
					t.Fatalf("witness on a full disk: %v", err)
				}
				mustClose(t, l)
			}
		}
	}
}

func TestWitnessIsWrittenOnce(t *testing.T) {
	fs := memfs.New()
	l, _, _ := mustOpen(t, testOptions(fs))
	at := func() int64 { return l.cur.pos }
	begin := at()
	if err := l.Witness(); err != nil || at() != begin {
		t.Fatalf("witness of an empty file: %v, %d bytes", err, at()-begin)
	}
	mustAppend(t, l, "a")
	for range 3 {
		if err := l.Witness(); err != nil {
			t.Fatal(err)
		}
	}
	if got := at() - begin; got != 2*pageBytes {
		t.Fatalf("a frame and its witness take %d bytes", got)
	}
}
