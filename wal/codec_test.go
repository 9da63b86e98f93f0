package wal

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"tailrace/internal/frame"
)

func TestRecordsComeBackAsAppended(t *testing.T) {
	rng := rand.New(rand.NewPCG(testSeed(t), 1))
	for range 200 {
		var payload []byte
		var want [][]byte
		size := 0
		for range rng.IntN(8) {
			r := make([]byte, rng.IntN(1<<rng.IntN(16)))
			cut := rng.IntN(len(r) + 1)
			payload = AppendRecord(payload, r[:cut], r[cut:])
			want = append(want, r)
			size += RecordSize(len(r))
		}
		if len(payload) != size {
			t.Fatalf("payload of %d bytes, RecordSize says %d", len(payload), size)
		}
		i := 0
		for r, err := range Records(payload) {
			if err != nil || !bytes.Equal(r, want[i]) {
				t.Fatalf("record %d: %v", i, err)
			}
			i++
		}
		if i != len(want) {
			t.Fatalf("%d records of %d", i, len(want))
		}
	}
}

func TestFrameSizeIsWholePages(t *testing.T) {
	for payload, want := range map[int]int64{0: 4096, 1: 4096, 4032: 4096, 4033: 8192, 32 << 20: 32<<20 + 4096} {
		if got := FrameSize(payload); got != want {
			t.Errorf("FrameSize(%d) = %d, want %d", payload, got, want)
		}
	}
}

func TestHeadersComeBackAsWritten(t *testing.T) {
	h := FileHeader{File: 9, Store: UUID{1, 2, 3}, Epoch: 4, Salt: 5, FirstSeq: 6, PredFile: 8, PredEnd: 7 * pageBytes, PredCRC: 8, FileBytes: 1 << 20}
	b := h.Append([]byte("before"))
	if got, err := ParseFileHeader(b[6:]); err != nil || got != h || len(b) != 6+headerBytes {
		t.Errorf("file header %+v, %v", got, err)
	}
	h.Reused = true
	if got, err := ParseFileHeader(h.Append(nil)); err != nil || got != h {
		t.Errorf("header of a reused file %+v, %v", got, err)
	}
	s := Store{ID: UUID{4, 5}, Created: 77, First: 3, Newest: 12}
	if got, err := ParseStore(s.Append(nil)); err != nil || got != s {
		t.Errorf("store %+v, %v", got, err)
	}
	fh := FrameHeader{Records: 2, Epoch: 3, File: 4, Seq: 5, At: -6, Durable: 4, Chain: 7}
	p := AppendFrame([]byte("before"), &fh, 99, payloadOf("a", "b"))
	got, payload, err := ParseFrame(p[6:], 99)
	if err != nil || got != fh || !bytes.Equal(payload, payloadOf("a", "b")) || len(p) != 6+pageBytes {
		t.Errorf("frame %+v, want %+v: %v", got, fh, err)
	}
	if _, _, err := ParseFrame(p[6:], 98); err == nil {
		t.Error("a frame verifies with another salt")
	}
}

// Padding must be zeros also when the buffer held something before.
func TestAppendFrameClearsThePadding(t *testing.T) {
	b := bytes.Repeat([]byte{0xff}, 3*pageBytes)
	p := AppendFrame(b[:0], &FrameHeader{Seq: 1, Records: 1}, 0, payloadOf("a"))
	if i := firstNonZero(p[frameHeaderBytes+2:]); i >= 0 || len(p) != pageBytes {
		t.Fatalf("byte %d of the padding is set", i)
	}
}

// Decoders take any bytes: they return an error of the right kind or something
// that encodes to the same bytes.
func TestDecodersNeverPanic(t *testing.T) {
	rng := rand.New(rand.NewPCG(testSeed(t), 2))
	fh := FrameHeader{Records: 2, Epoch: 3, File: 4, Seq: 5, Durable: 4}
	seeds := [][]byte{
		FileHeader{File: 1, Epoch: 1, FirstSeq: 1, FileBytes: fileBytesMin}.Append(nil),
		Store{First: 1, Newest: 2}.Append(nil),
		AppendFrame(nil, &fh, 7, payloadOf("a", "b"))[:frameHeaderBytes+4],
		payloadOf("a", string(make([]byte, 300))),
	}
	check := func(what string, err error) {
		t.Helper()
		var ce *frame.CorruptError
		var ve *VersionError
		if err != nil && !errors.As(err, &ce) && !errors.As(err, &ve) {
			t.Fatalf("%s: %v", what, err)
		}
	}
	for range 20000 {
		b := slices.Clone(seeds[rng.IntN(len(seeds))])
		for range rng.IntN(4) {
			b[rng.IntN(len(b))] = byte(rng.Uint32())
		}
		b = b[:rng.IntN(len(b)+1)]
		h, err := ParseFileHeader(b)
		if check("file header", err); err == nil && !bytes.Equal(h.Append(nil), b) {
			t.Fatalf("file header %+v has two spellings", h)
		}
		s, err := ParseStore(b)
		if check("store", err); err == nil && !bytes.Equal(s.Append(nil), b) {
			t.Fatalf("store %+v has two spellings", s)
		}
		f, payload, err := ParseFrame(b, 7)
		if check("frame", err); err == nil && !bytes.HasPrefix(AppendFrame(nil, &f, 7, payload), b[:frameHeaderBytes+len(payload)]) {
			t.Fatalf("frame %+v has two spellings", f)
		}
		var again []byte
		var bad error
		for r, err := range Records(b) {
			if err != nil {
				bad = err
				break
			}
			again = AppendRecord(again, nil, r)
		}
		if check("records", bad); bad == nil && !bytes.Equal(again, b) {
			t.Fatalf("records %x have two spellings", b)
		}
	}
}
