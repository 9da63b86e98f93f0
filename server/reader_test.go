package server

import (
	"bytes"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"tailrace/engine"
	"tailrace/internal/stream"
)

// diskReader stands before the engine as if all data were on disk: a Read finds
// none of it, and a ReadCold gets it in memory of its own. A client that takes
// zstd gets a stored frame.
type diskReader struct {
	reader

	mu       sync.Mutex
	colds    int
	asked    []engine.ReadRequest // of both kinds, in order
	frames   map[stream.Offset][]byte
	onCold   func(engine.ReadRequest)                                                    // before a cold read
	answer   func(engine.ReadRequest) (r engine.ReadResult, t engine.Ticket, given bool) // instead of the engine's
	far      func(engine.ReadRequest) bool                                               // what waits for a bucket; nil = nothing
	noFrames bool
}

// onDisk has a server read everything from the disk.
func onDisk(d *diskReader) func(*setup) {
	return func(u *setup) {
		u.reads = func(r reader) reader {
			d.reader, d.frames = r, make(map[stream.Offset][]byte)
			return d
		}
	}
}

func (d *diskReader) Read(r engine.ReadRequest) (engine.ReadResult, engine.Ticket) {
	d.note(r)
	res, t := d.reader.Read(r)
	if len(res.Parts) > 0 {
		res.Parts, res.Cold, res.Next, res.UpToDate, res.AtEnd = nil, true, res.From, false, false
		res.Far = d.far != nil && d.far(r)
	}
	return res, t
}

func (d *diskReader) ReadCold(r engine.ReadRequest) (engine.ReadResult, engine.Ticket) {
	d.note(r)
	d.mu.Lock()
	d.colds++
	onCold, answer := d.onCold, d.answer
	d.mu.Unlock()
	if onCold != nil {
		onCold(r)
	}
	if answer != nil {
		if res, t, given := answer(r); given {
			return res, t
		}
	}
	res, t := d.reader.ReadCold(r)
	for i, part := range res.Parts {
		res.Parts[i] = bytes.Clone(part)
	}
	if r.Stored && len(res.Parts) > 0 && !d.noFrames {
		body := appendContent(nil, &res)
		res.Parts, res.Stored, res.StoredSize = nil, frameOf(body), len(body)
		d.mu.Lock()
		d.frames[res.From] = res.Stored
		d.mu.Unlock()
	}
	return res, t
}

func (d *diskReader) note(r engine.ReadRequest) {
	r.Path = string([]byte(r.Path)) // the exchange's memory is used again
	d.mu.Lock()
	d.asked = append(d.asked, r)
	d.mu.Unlock()
}

// coldReads is how often the disk was asked.
func (d *diskReader) coldReads() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.colds
}

func (d *diskReader) frame(from stream.Offset) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.frames[from]
}

// last is the newest request.
func (d *diskReader) last() engine.ReadRequest {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked[len(d.asked)-1]
}

var zstdEncoder, _ = zstd.NewWriter(nil)
var zstdDecoder, _ = zstd.NewReader(nil)

// frameOf is the body as one zstd frame.
func frameOf(body []byte) []byte { return zstdEncoder.EncodeAll(body, nil) }

func unframe(t testing.TB, frame string) string {
	t.Helper()
	b, err := zstdDecoder.DecodeAll([]byte(frame), nil)
	if err != nil {
		t.Fatalf("not zstd: %v", err)
	}
	return string(b)
}

// corrupt answers a read of bytes that do not verify.
func corrupt(engine.ReadRequest) (engine.ReadResult, engine.Ticket, bool) {
	return engine.ReadResult{}, engine.Ticket{Outcome: stream.Outcome{Code: stream.DataCorrupt}}, true
}
