package segment

import (
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// Codec says how the content of a block is stored.
type Codec uint8

const (
	CodecRaw  Codec = 0 // as it is
	CodecZstd Codec = 1 // one zstd frame
)

// String is the name of the codec.
func (c Codec) String() string {
	switch c {
	case CodecRaw:
		return "raw"
	case CodecZstd:
		return "zstd"
	}
	return fmt.Sprintf("codec %d", uint8(c))
}

// kept holds what is costly to make and not in use, up to its capacity. Unlike
// a sync.Pool it is not emptied by the collector: an encoder has tables of
// megabytes, and a flush uses it for each block.
type kept[T any] chan T

func (k kept[T]) take(make func() T) T {
	select {
	case v := <-k:
		return v
	default:
		return make()
	}
}

func (k kept[T]) give(v T) {
	select {
	case k <- v:
	default:
	}
}

// A flush and a merge encode at a time; decoders there are as many as cores in
// a small machine. With a concurrency of 1 none of them starts a goroutine.
var (
	encoders       = make(kept[*zstd.Encoder], 2)
	encodersBetter = make(kept[*zstd.Encoder], 1)
	decoders       = make(kept[*zstd.Decoder], 4)
)

func newEncoder(level zstd.EncoderLevel) *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true), zstd.WithWindowSize(SoloBytesMax))
	if err != nil {
		panic("segment: options of the encoder: " + err.Error())
	}
	return e
}

func newDecoder() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderMaxMemory(windowMax), zstd.WithDecoderMaxWindow(windowMax))
	if err != nil {
		panic("segment: options of the decoder: " + err.Error())
	}
	return d
}

// encode appends the content to dst, compressed if that makes it shorter.
func encode(dst, content []byte, better bool) ([]byte, Codec) {
	from, level := encoders, zstd.SpeedDefault
	if better {
		from, level = encodersBetter, zstd.SpeedBetterCompression
	}
	e := from.take(func() *zstd.Encoder { return newEncoder(level) })
	defer from.give(e)
	begin := len(dst)
	if out := e.EncodeAll(content, dst); len(out)-begin < len(content) {
		return out, CodecZstd
	}
	return append(dst[:begin], content...), CodecRaw
}

// decodeSlack is what the fast path of the decoder likes to write beyond the
// end of its output.
const decodeSlack = 32

// decode returns the content of a payload, in memory of its own. The caller
// has checked the length and the frame.
func decode(payload []byte, length int) ([]byte, error) {
	d := decoders.take(newDecoder)
	defer decoders.give(d)
	out, err := d.DecodeAll(payload, make([]byte, 0, length+decodeSlack))
	if err != nil {
		return nil, err
	}
	if len(out) != length {
		return nil, fmt.Errorf("segment: content has %d bytes instead of %d", len(out), length)
	}
	return out, nil
}

// checkFrame tells why b is not exactly one zstd frame of the form that is
// promised to those to whom it is sent as stored. It decodes nothing.
func checkFrame(b []byte, length int) (reason string) {
	const head = 5
	if len(b) < head || le.Uint32(b) != 0xFD2FB528 {
		return "no zstd frame"
	}
	d := b[4]
	if d&0x20 == 0 || d&0x1F != 0 {
		return "zstd frame with a window, a checksum or a dictionary"
	}
	width := []int{1, 2, 4, 8}[d>>6]
	if len(b) < head+width {
		return "zstd frame is cut short"
	}
	var size uint64
	for i := range width {
		size |= uint64(b[head+i]) << (8 * i)
	}
	if width == 2 {
		size += 256
	}
	if size != uint64(length) {
		return "zstd frame of another length"
	}
	for b = b[head+width:]; ; {
		if len(b) < 3 {
			return "zstd frame is cut short"
		}
		h := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
		last, kind, n := h&1 != 0, h>>1&3, h>>3
		switch kind {
		case 1: // one byte, repeated
			n = 1
		case 3:
			return "zstd block of a reserved type"
		}
		if b = b[3:]; n > len(b) {
			return "zstd frame is cut short"
		}
		if b = b[n:]; last {
			break
		}
	}
	if len(b) != 0 {
		return "more than one zstd frame"
	}
	return ""
}
