package fuzz

import (
	"bytes"
	"io"
	"runtime"
	"testing"

	"tailrace/engine"
	"tailrace/internal/stream"
	"tailrace/internal/vfs/memfs"
	"tailrace/wal"
)

// How arbitrary bytes become a log file. The more of it is right, the deeper
// they get.
const (
	shapeRaw     = iota // as they are
	shapeHeader         // after the header of this store
	shapeFields         // as the fields of frames, whose checksums hold
	shapeRecords        // as records in frames that are right
	shapes
)

var (
	frameStore = wal.Store{ID: wal.UUID{1, 2, 3}, Created: 1, First: 1, Newest: 1}
	frameSalt  = uint64(0x5A17)
)

// frameFileBytes is the length of a file that is not cut.
const frameFileBytes = 64 << 10

// logFile makes a log file out of data.
func logFile(data []byte) []byte {
	c := &choices{data}
	shape := c.below(shapes)
	if shape == shapeRaw {
		return c.b
	}
	b := wal.FileHeader{File: 1, Store: frameStore.ID, Epoch: 1, Salt: frameSalt, FirstSeq: 1, FileBytes: frameFileBytes}.Append(nil)
	switch shape {
	case shapeHeader:
		b = append(b, c.b...)
	default:
		b = appendFrames(b, c, shape)
	}
	if len(b) < frameFileBytes && !c.chance(8) {
		b = append(b, make([]byte, frameFileBytes-len(b))...)
	}
	return b
}

// appendFrames adds frames with checksums that hold, right in all fields that
// data does not say otherwise about.
func appendFrames(b []byte, c *choices, shape int) []byte {
	page, err := wal.ParseFileHeader(b)
	if err != nil {
		panic(err)
	}
	chain := uint32(b[4092]) | uint32(b[4093])<<8 | uint32(b[4094])<<16 | uint32(b[4095])<<24
	for seq := uint64(1); c.left() && seq < 12; seq++ {
		h := wal.FrameHeader{Epoch: 1, File: 1, Seq: seq, At: int64(seq), Durable: seq - 1, Chain: chain}
		var payload []byte
		if kind := c.below(8); kind >= 6 {
			h.Flags = wal.Flags(c.below(9))
		} else if shape == shapeRecords {
			for n := 1 + c.below(3); h.Records < n; h.Records++ {
				payload = wal.AppendRecord(payload, nil, record(c))
			}
		} else {
			payload = c.take(c.below(300))
			h.Records = c.below(4)
		}
		if shape == shapeFields && c.chance(3) {
			wrong := uint64(c.below(1 << 16))
			switch c.below(6) {
			case 0:
				h.Epoch = wrong
			case 1:
				h.File = wrong
			case 2:
				h.Seq = wrong
			case 3:
				h.At = int64(wrong << 48)
			case 4:
				h.Durable = wrong
			case 5:
				h.Chain = uint32(wrong)
			}
		}
		b = wal.AppendFrame(b, &h, page.Salt, payload)
		chain = h.CRC
	}
	return b
}

// record is one that decodes, or arbitrary bytes.
func record(c *choices) []byte {
	if c.chance(4) {
		return c.take(c.below(40))
	}
	offset := func() stream.Offset {
		return pick(c, []stream.Offset{0, 0, 6, 11, 12, stream.Offset(c.below(256)), 1 << 40, stream.OffsetMax, stream.OffsetMax - 5})
	}
	r := stream.Record{
		Kind: stream.Kind(1 + c.below(5)), ID: stream.ID(1 + c.below(4)), At: int64(c.byte()),
		TTL: stream.NoTTL, Body: c.take(c.below(16)),
	}
	switch r.Kind {
	case stream.KindCreate:
		r.Path, r.ContentType = pick(c, somePaths), pick(c, someTypes)
		r.TTL = pick(c, append(someTTLs, 1<<62, -1<<62))
		if c.chance(3) {
			r.Source, r.From, r.Base, r.SubOffset = stream.ID(c.below(4)), pick(c, somePaths), offset(), uint64(c.byte())
			r.Prefix = c.below(8)
		}
		if c.chance(4) {
			r.ExpiresAt = int64(c.byte())<<56 + int64(c.byte())
		}
	case stream.KindAppend:
		r.Start, r.Close = offset(), c.chance(4)
		if c.chance(3) {
			r.Producer = stream.Producer{ID: "p", Epoch: int64(c.byte()), Seq: int64(c.byte())}
		}
	}
	return append(r.AppendHead(nil), r.Body...)
}

// allocMax is what reading any small file may allocate, beside a multiple of
// its length. A length field that is believed before it is checked asks for
// more.
const allocMax = 8 << 20

// readFrames reads a log file in all ways there are. Whatever its bytes are,
// all of them say the same, nothing panics, and memory stays within bounds.
func readFrames(t testing.TB, data []byte) (opened bool) {
	b := logFile(data)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)

	dumped := wal.Dump(io.Discard, bytes.NewReader(b), int64(len(b)))
	disk := mediumOf(t, map[string][]byte{"store/STORE": frameStore.Append(nil), "store/wal/00000000000000000001.wal": b})
	type replayed struct {
		seq     uint64
		payload string
	}
	var verified, recovered []replayed
	replay := func(to *[]replayed) func(wal.Replayed) error {
		return func(r wal.Replayed) error {
			*to = append(*to, replayed{r.Seq, string(r.Payload)})
			return nil
		}
	}
	_, verifyErr := wal.VerifyReplay(disk, "store", nil, replay(&verified))
	_, checkErr := engine.Check(smallStore(disk, newClock(), newRand(1).Uint64))

	engineDisk := disk.Clone()
	log, _, err := wal.Open(wal.Options{FS: disk, Dir: "store", FileBytes: frameFileBytes}, replay(&recovered))
	switch {
	case (err == nil) != (verifyErr == nil):
		t.Fatalf("open says %v, verify says %v", err, verifyErr)
	case err != nil:
		if err := refusal(err); err != nil {
			t.Fatal(err)
		}
	case len(verified) != len(recovered):
		t.Fatalf("verify saw %d frames, open %d", len(verified), len(recovered))
	}
	if err == nil {
		for i := range verified {
			if verified[i] != recovered[i] {
				t.Fatalf("frame %d is %+v to open and %+v to verify", i, recovered[i], verified[i])
			}
		}
		if dumped != nil {
			t.Fatalf("open reads what dump calls %v", dumped)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	}
	openEngine(t, engineDisk, checkErr)

	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > allocMax+64*uint64(len(b)) {
		t.Fatalf("reading %d bytes allocated %d", len(b), used)
	}
	return err == nil
}

// openEngine opens the file as a store whose records mean something. What it
// takes in, it must be able to show.
func openEngine(t testing.TB, disk *memfs.FS, checked error) {
	e, err := engine.Open(smallStore(disk, newClock(), newRand(1).Uint64))
	if (err == nil) != (checked == nil) {
		t.Fatalf("engine's open says %v, its check says %v", err, checked)
	}
	if err != nil {
		if err := refusal(err); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, path := range somePaths {
		for range 3 {
			res, ticket := e.Read(engine.ReadRequest{Path: path, BytesMax: 1 << 20, Touch: true})
			if ticket.Retry { // it has expired
				if _, err := e.Commit(); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if ticket.Code == stream.OK {
				_ = res.Tail.String()
			}
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFramesOfEveryShapeAreRead keeps the fuzzer's way in open.
func TestFramesOfEveryShapeAreRead(t *testing.T) {
	const runs = 150
	r := newRand(newSeed(t))
	for shape := range shapes {
		opened := 0
		for range runs {
			if readFrames(t, append([]byte{byte(shape)}, randomBytes(r, r.IntN(600))...)) {
				opened++
			}
		}
		t.Logf("shape %d: %d of %d files opened", shape, opened, runs)
		if shape == shapeRecords && opened == 0 {
			t.Error("no file with right frames was opened")
		}
	}
}

// FuzzFrame reads arbitrary log files.
func FuzzFrame(f *testing.F) {
	whole := wal.FileHeader{File: 1, Store: frameStore.ID, Epoch: 1, Salt: frameSalt, FirstSeq: 1, FileBytes: frameFileBytes}.Append(nil)
	f.Add(append([]byte{shapeRaw}, whole...))
	h := wal.FrameHeader{Records: 1, Epoch: 1, File: 1, Seq: 1}
	f.Add(append([]byte{shapeHeader}, wal.AppendFrame(nil, &h, frameSalt, wal.AppendRecord(nil, nil, []byte("x")))[:80]...))
	r := newRand(1)
	for shape := range shapes {
		f.Add(append([]byte{byte(shape)}, randomBytes(r, 64)...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<20 {
			return
		}
		readFrames(t, data)
	})
}
