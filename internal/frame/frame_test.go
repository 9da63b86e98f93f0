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
