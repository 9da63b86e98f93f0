package bucket

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"tailrace/internal/frame"
)

var updateFlag = flag.Bool("update", false, "write the golden files again")

var (
	testStore = [16]byte{0xA, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xF}
	testHead  = Head{
		Store: testStore, Owner: [16]byte{1, 2, 3}, Epoch: 7, State: Object{State, 42, 0xdeadbeef}, StateBytes: 4711,
		Written: 1_800_000_000_000, Nonce: 0x1122334455667788,
	}
	testState = PublishedState{Store: testStore, ID: 42, Written: 1_800_000_000_000, Payload: []byte("payload of a state")}
)

// The golden files are what version 1 looks like in a bucket, for ever.
func TestGoldenObjects(t *testing.T) {
	for name, b := range map[string][]byte{"v1.head": testHead.Append(nil), "v1.state": testState.Append(nil)} {
		path := filepath.Join("testdata", name)
		if *updateFlag {
			if err := os.WriteFile(path, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b, want) {
			t.Errorf("%s differs from what is written today", name)
		}
		switch name {
		case "v1.head":
			if h, err := ParseHead(want); err != nil || h != testHead {
				t.Errorf("head reads as %+v, %v", h, err)
			}
		default:
			if s, err := ParseState(want); err != nil || !bytes.Equal(s.Append(nil), want) {
				t.Errorf("state reads as %+v, %v", s, err)
			}
		}
	}
}

// Every byte of both is under the checksum, or is compared by itself.
func TestEveryFlippedBitIsFound(t *testing.T) {
	head, state := testHead.Append(nil), testState.Append(nil)
	for name, c := range map[string]struct {
		whole []byte
		parse func([]byte) error
	}{
		"head":  {head, func(b []byte) error { _, err := ParseHead(b); return err }},
		"state": {state, func(b []byte) error { _, err := ParseState(b); return err }},
	} {
		refused := func(what string, b []byte) {
			var ce *frame.CorruptError
			var ve *VersionError
			if err := c.parse(b); !errors.As(err, &ce) && !errors.As(err, &ve) {
				t.Errorf("%s %s: %v", name, what, err)
			}
		}
		for bit := range 8 * len(c.whole) {
			b := bytes.Clone(c.whole)
			b[bit/8] ^= 1 << (bit % 8)
			refused("with a flipped bit", b)
		}
		for n := range c.whole {
			refused("cut short", c.whole[:n])
		}
		refused("grown", append(bytes.Clone(c.whole), 0))
	}
	for what, change := range map[string]func(h *Head){
		"no owner":            func(h *Head) { h.Owner = [16]byte{} },
		"no epoch":            func(h *Head) { h.Epoch = 0 },
		"state without bytes": func(h *Head) { h.StateBytes = 0 },
		"bytes of no state":   func(h *Head) { h.State = Object{} },
		"before all time":     func(h *Head) { h.Written = -1 },
	} {
		h := testHead
		change(&h)
		if _, err := ParseHead(h.Append(nil)); err == nil {
			t.Errorf("head with %s was read", what)
		}
	}
}

func TestNamesAreReadBack(t *testing.T) {
	for o, want := range map[Object]string{
		{Segment, 7, 0xbadcafe}: "0a0102030405060708090a0b0c0d0e0f/seg/07/00000000000000000007-0badcafe.seg",
		{Segment, 1<<64 - 1, 0}: "0a0102030405060708090a0b0c0d0e0f/seg/ff/18446744073709551615-00000000.seg",
		{Snapshot, 8, 1}:        "0a0102030405060708090a0b0c0d0e0f/meta/00000000000000000008-00000001.snap",
		{Delta, 9, 0xffffffff}:  "0a0102030405060708090a0b0c0d0e0f/meta/00000000000000000009-ffffffff.delta",
		{State, 10, 0x12345678}: "0a0102030405060708090a0b0c0d0e0f/meta/00000000000000000010-12345678.state",
	} {
		if got := o.Name(testStore); got != want {
			t.Errorf("%+v is called %s, want %s", o, got, want)
		}
		if got, ok := ParseName(testStore, want); !ok || got != o {
			t.Errorf("%s is read as %+v, %v", want, got, ok)
		}
		for _, other := range []string{want[1:], want + "x", want[:len(want)-1], "0b" + want[2:], "x" + want} {
			if o, ok := ParseName(testStore, other); ok {
				t.Errorf("%s is read as %+v", other, o)
			}
		}
	}
	for _, name := range []string{"", "head", HeadName(testStore), Prefix(testStore), Prefix(testStore) + "seg/08/00000000000000000007-0badcafe.seg"} {
		if o, ok := ParseName(testStore, name); ok {
			t.Errorf("%q is read as %+v", name, o)
		}
	}
}
