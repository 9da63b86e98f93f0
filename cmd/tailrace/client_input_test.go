package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

var seedFlag = flag.Int64("tailrace.seed", 0, "seed of the random tests; 0 takes one from the clock")

// bodies is all that an input cuts.
func bodies(t *testing.T, in input) (all []string, records int64) {
	t.Helper()
	for {
		body, n, err := in.next(nil)
		if len(body) > 0 {
			all = append(all, string(body))
			records += n
		}
		if errors.Is(err, io.EOF) {
			return all, records
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// crumbs reads in pieces of random sizes, some of them together with the end.
type crumbs struct {
	text string
	r    *rand.Rand
}

func (c *crumbs) Read(p []byte) (int, error) {
	n := copy(p[:min(len(p), 1+c.r.IntN(20))], c.text)
	c.text = c.text[n:]
	if c.text == "" && (n == 0 || c.r.IntN(2) == 0) {
		return n, io.EOF
	}
	return n, nil
}

// TestInputIsCutTheSameEachTime for a producer that has a name, however the bytes
// come in: at full size, and with line ends at the edge of it.
func TestInputIsCutTheSameEachTime(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = time.Now().UnixNano()
	}
	t.Logf("-tailrace.seed=%d", seed)
	r := rand.New(rand.NewPCG(uint64(seed), 0))
	for range 3000 {
		var text strings.Builder
		for range r.IntN(12) {
			text.WriteString(strings.Repeat("x", r.IntN(8)))
			if r.IntN(5) > 0 {
				text.WriteByte('\n')
			}
		}
		size := 1 + r.IntN(16)
		cut := func(in io.Reader) []string {
			all, records := bodies(t, newLineInput(in, size, false))
			if strings.Join(all, "") != text.String() {
				t.Fatalf("%q, size %d: %q", text.String(), size, all)
			}
			if lines := int64(strings.Count(text.String(), "\n")); records != lines && records != lines+1 {
				t.Fatalf("%q has %d records", text.String(), records)
			}
			return all
		}
		want := cut(iotest.DataErrReader(strings.NewReader(text.String())))
		for range 3 {
			if got := cut(&crumbs{text.String(), r}); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
				t.Fatalf("%q, size %d: %q, and %q another time", text.String(), size, got, want)
			}
		}
		for i, body := range want {
			if i < len(want)-1 && !strings.HasSuffix(body, "\n") || len(body) > size && strings.Count(strings.TrimSuffix(body, "\n"), "\n") > 0 {
				t.Fatalf("%q, size %d: %q", text.String(), size, want)
			}
		}
		chunks, _ := bodies(t, &chunkInput{in: &crumbs{text.String(), r}, size: size})
		if strings.Join(chunks, "") != text.String() {
			t.Fatalf("%q, size %d: %q", text.String(), size, chunks)
		}
		for i, c := range chunks {
			if len(c) != size && i != len(chunks)-1 {
				t.Fatalf("%q, size %d: %q", text.String(), size, chunks)
			}
		}
	}
}

// TestValuesAreBatched: empty lines are none, and every value is there once.
func TestValuesAreBatched(t *testing.T) {
	text := "1\n\n  {\"a\": [1, 2]}  \r\n\t\n\"x\"\nnull"
	all, records := bodies(t, &valueInput{lines: newLineInput(strings.NewReader(text), 1000, false)})
	if fmt.Sprintf("%q", all) != fmt.Sprintf("%q", []string{`[1,{"a": [1, 2]},"x",null]`}) || records != 4 {
		t.Errorf("%q, %d records", all, records)
	}
	if all, _ := bodies(t, &valueInput{lines: newLineInput(strings.NewReader("\n \n\n"), 2, false)}); len(all) != 0 {
		t.Errorf("of nothing: %q", all)
	}
}

func TestInputErrorsComeAfterWhatWasRead(t *testing.T) {
	broken := errors.New("the disk is broken")
	in := newLineInput(io.MultiReader(strings.NewReader("one\ntwo\nthr"), iotest.ErrReader(broken)), 1000, true)
	var got bytes.Buffer
	for {
		body, _, err := in.next(nil)
		got.Write(body)
		if err != nil {
			if !errors.Is(err, broken) || got.String() != "one\ntwo\n" {
				t.Errorf("%q, %v", got.String(), err)
			}
			return
		}
	}
}
