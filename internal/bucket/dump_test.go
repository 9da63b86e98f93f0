package bucket

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// The dumps of the golden files are beside them.
func TestGoldenDumps(t *testing.T) {
	var head, state bytes.Buffer
	if err := DumpHead(&head, testHead.Append(nil)); err != nil {
		t.Fatal(err)
	}
	payload, err := DumpState(&state, testState.Append(nil))
	if err != nil || !bytes.Equal(payload, testState.Payload) {
		t.Fatalf("payload %q, %v", payload, err)
	}
	for name, got := range map[string][]byte{"v1.head.txt": head.Bytes(), "v1.state.txt": state.Bytes()} {
		path := filepath.Join("testdata", name)
		if *updateFlag {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is\n%s\nand was\n%s", name, got, want)
		}
	}
}

func TestDumpsRefuseDamage(t *testing.T) {
	head, state := testHead.Append(nil), testState.Append(nil)
	head[40]++
	state[40]++
	if err := DumpHead(io.Discard, head); err == nil {
		t.Error("a damaged head was printed")
	}
	if _, err := DumpState(io.Discard, state); err == nil {
		t.Error("a damaged state was printed")
	}
}
