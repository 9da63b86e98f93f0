package jsonmode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// bodies are shaped like what streams carry: tokens of a language model, change
// events in batches, long texts in scripts of one and of three bytes a rune.
func bodies() map[string][]byte {
	event := `{"id":"01J9Z6V3T8","type":"order.updated","ts":1718000000123,"data":{"sku":"A-1042","qty":3,"price":19.99,"note":"leave at the door","paid":true}}`
	return map[string][]byte{
		"event":  []byte(event),
		"batch":  []byte("[" + strings.Repeat(event+",", 99) + event + "]"),
		"token":  []byte(`{"type":"text-delta","delta":" and"}`),
		"ascii":  []byte(`"` + strings.Repeat("The quick brown fox jumps over the lazy dog. ", 1000) + `"`),
		"cjk":    []byte(`"` + strings.Repeat("色は匂へど散りぬるを", 1500) + `"`),
		"escape": []byte(`"` + strings.Repeat(`line\n\"quoted\" `, 2500) + `"`),
		"number": []byte("[" + strings.Repeat("-12.345,", 5000) + "0]"),
		"indent": indent(strings.Repeat(event+",", 99) + event),
	}
}

func indent(elements string) []byte {
	var b bytes.Buffer
	if err := json.Indent(&b, []byte("["+elements+"]"), "", "  "); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func BenchmarkFlatten(b *testing.B) {
	for _, name := range []string{"token", "event", "batch", "indent", "ascii", "cjk", "escape", "number"} {
		body := bodies()[name]
		b.Run("body="+name, func(b *testing.B) {
			dst := make([]byte, 0, len(body)+1)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := Flatten(dst, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkValid is the floor beside BenchmarkFlatten: what the standard library
// takes only to say yes.
func BenchmarkValid(b *testing.B) {
	for _, name := range []string{"event", "ascii"} {
		body := bodies()[name]
		b.Run("body="+name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if !json.Valid(body) {
					b.Fatal("not valid")
				}
			}
		})
	}
}

func BenchmarkPrefix(b *testing.B) {
	stored, messages, err := Flatten(nil, bodies()["batch"])
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{1, messages} {
		b.Run(fmt.Sprintf("messages=%d", n), func(b *testing.B) {
			prefix, _ := Prefix(stored, n)
			b.SetBytes(int64(len(prefix)))
			b.ReportAllocs()
			for b.Loop() {
				Prefix(stored, n)
			}
		})
	}
}

func BenchmarkAppendArray(b *testing.B) {
	stored, _, err := Flatten(nil, bodies()["batch"])
	if err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, 0, len(stored)+1)
	b.SetBytes(int64(len(stored)))
	b.ReportAllocs()
	for b.Loop() {
		AppendArray(dst, stored)
	}
}
