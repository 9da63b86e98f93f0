package sse

import (
	"bytes"
	"testing"
)

func BenchmarkAppendData(b *testing.B) {
	token := []byte(`{"type":"text-delta","delta":" and"},`)
	for _, c := range []struct {
		name  string
		enc   Encoding
		parts [][]byte
	}{
		{"json/size=token", JSON, [][]byte{token}},
		{"json/size=64KiB", JSON, bytes.SplitAfter(bytes.Repeat(token, 1<<16/len(token)), []byte("},"))},
		{"text/size=64KiB", Text, [][]byte{bytes.Repeat([]byte("a line of sixty-four bytes, as people write them in a text file\n"), 1<<10)}},
		{"text-no-lines/size=64KiB", Text, [][]byte{bytes.Repeat([]byte("x"), 1<<16)}},
		{"text-only-ends/size=64KiB", Text, [][]byte{bytes.Repeat([]byte("\n"), 1<<16)}},
		{"base64/size=64KiB", Base64, [][]byte{make([]byte, 1<<16)}},
	} {
		b.Run("enc="+c.name, func(b *testing.B) {
			var size int64
			for _, part := range c.parts {
				size += int64(len(part))
			}
			dst := AppendData(nil, c.enc, c.parts...)
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				AppendData(dst[:0], c.enc, c.parts...)
			}
		})
	}
}

func BenchmarkAppendControl(b *testing.B) {
	dst := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		AppendControl(dst, Control{NextOffset: "0000000000000000_0000000000012345", Cursor: "2345678", UpToDate: true})
	}
}
