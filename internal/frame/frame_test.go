package frame

import (
	"errors"
	"io"
	"testing"
)

// The check value of CRC-32C in every published catalogue.
func TestChecksumIsCastagnoli(t *testing.T) {
	if got := Checksum([]byte("123456789")); got != 0xE3069283 {
		t.Fatalf("Checksum = %#x, want 0xE3069283", got)
	}
}

func TestUpdateContinuesAChecksum(t *testing.T) {
	b := []byte("one sequence of opaque records")
	for i := range b {
		if got := Update(Checksum(b[:i]), b[i:]); got != Checksum(b) {
			t.Fatalf("split at %d: %#x, want %#x", i, got, Checksum(b))
		}
	}
}

func TestCorruptErrorNamesThePlace(t *testing.T) {
	err := error(&CorruptError{Path: "wal/1.wal", Offset: 4096, Reason: "frame is cut short", Err: io.ErrUnexpectedEOF})
	if got, want := err.Error(), "corrupt wal/1.wal at byte 4096: frame is cut short: unexpected EOF"; got != want {
		t.Errorf("Error = %q, want %q", got, want)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the error beneath is hidden")
	}
	if got, want := (&CorruptError{Reason: "bad magic"}).Error(), "corrupt at byte 0: bad magic"; got != want {
		t.Errorf("Error = %q, want %q", got, want)
	}
}

func TestZerosNamesTheFirstThatIsNot(t *testing.T) {
	b := make([]byte, 40)
	if at, ok := Zeros(b, 0, len(b)); !ok {
		t.Errorf("of zeros, byte %d is said to be none", at)
	}
	for i := range b {
		b[i] = 1
		if at, ok := Zeros(b, 0, len(b)); ok || at != int64(i) {
			t.Errorf("byte %d is not zero: found %d, %v", i, at, ok)
		}
		_, before := Zeros(b, 0, i)
		if _, behind := Zeros(b, i+1, len(b)); !before || !behind {
			t.Errorf("byte %d is not zero, and counts for those before %v, behind %v", i, before, behind)
		}
		b[i] = 0
	}
}
