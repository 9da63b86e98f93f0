package fuzz

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"testing"

	"tailrace/internal/frame"
	"tailrace/internal/manifest"
	"tailrace/internal/vfs/memfs"
)

// How arbitrary bytes become a manifest file. The more of it is right, the
// deeper they get.
const (
	manifestRaw     = iota // as they are, to every decoder
	manifestHeader         // after the header of this store
	manifestPayload        // as payloads of frames, whose checksums hold
	manifestEdits          // as a history of edits, all of which follow
	manifestDamaged        // as a history and one damage to its file
	manifestShapes
)

var manifestStore = [16]byte{7, 7, 7}

// manifestFile makes a manifest file out of data. want is the state that it has
// to have when it is read at all; nil: any.
func manifestFile(c *choices) (b []byte, want *manifest.State) {
	shape := c.below(manifestShapes)
	if shape == manifestRaw {
		return c.b, nil
	}
	b = manifest.Header{Store: manifestStore, Number: 1, FirstSeq: 1}.Append(nil)
	switch shape {
	case manifestHeader:
		return append(b, c.b...), nil
	case manifestPayload:
		f := manifestFrames{b: b, size: 128 << 10}
		if !c.chance(4) {
			f.add(manifest.FrameSnapshot, 0, manifest.AppendState(nil, &manifest.State{NextID: uint64(1 + c.below(4))}))
		}
		for n := 0; c.left() && n < 6; n++ {
			f.add(manifest.FrameKind(1+c.below(4)), c.below(4), c.take(c.below(300)))
		}
		return append(f.b, make([]byte, 128<<10-len(f.b))...), nil
	}
	f := manifestFrames{b: b, size: 128 << 10}
	s := manifest.State{NextID: 1}
	f.add(manifest.FrameSnapshot, 0, manifest.AppendState(nil, &s))
	for n := 0; c.left() && n < 12; n++ {
		e := manifestEdit(c, s)
		if s.Apply(e) == nil {
			f.add(manifest.FrameEdits, 1, manifest.AppendEdits(nil, e))
			f.add(manifest.FrameConfirm, 0, nil)
		}
	}
	b = append(f.b, make([]byte, f.size-int64(len(f.b)))...)
	if shape == manifestDamaged {
		b = damageOnce(c, b, len(f.b))
	}
	return b, &s
}

// damageOnce damages one place of a file whose frames end at end.
func damageOnce(c *choices, b []byte, end int) []byte {
	at := c.below(end)
	switch c.below(3) {
	case 0:
		b[at] ^= byte(1 + c.below(255))
	case 1:
		clear(b[at/4096*4096:][:4096])
	case 2:
		b = b[:at]
	}
	return b
}

// manifestFrames is a file whose frames are chained and whose checksums hold.
type manifestFrames struct {
	b    []byte
	size int64
	seq  uint64
	crc  uint32
}

func (f *manifestFrames) add(kind manifest.FrameKind, edits int, payload []byte) {
	if f.seq == 0 {
		f.crc = binary.LittleEndian.Uint32(f.b[4092:])
	}
	f.seq++
	h := manifest.FrameHeader{Kind: kind, Edits: edits, File: 1, Seq: f.seq, Size: f.size, Chain: f.crc}
	f.b = manifest.AppendFrame(f.b, &h, manifestStore, payload)
	f.crc = h.CRC
}

// manifestEdit is an edit that may follow from s.
func manifestEdit(c *choices, s manifest.State) manifest.Edit {
	outputs := func(first uint64) (files []manifest.File) {
		for range c.below(4) {
			files = append(files, manifest.File{ID: first + uint64(len(files)), Kind: manifest.FileKind(1 + c.below(3))})
		}
		return files
	}
	if len(s.Acts) == 0 || c.chance(3) {
		e := manifest.Begin{Act: s.NextID, Kind: manifest.ActKind(1 + c.below(3))}
		if e.Kind != manifest.ActBackup {
			e.Outputs = outputs(s.NextID + 1)
		}
		return e
	}
	a := pick(c, s.Acts)
	switch c.below(6) {
	case 0:
		return manifest.Abort{Act: a.ID}
	case 1:
		return manifest.Extend{Act: a.ID, Outputs: outputs(s.NextID)}
	case 2:
		return manifest.Removed{Files: s.Garbage[:c.below(len(s.Garbage)+1)]}
	}
	e := manifest.Commit{Act: a.ID}
	to := s.Checkpoint
	to.Batch += uint64(1 + c.below(300))
	to.Seq += uint64(c.below(300))
	layer := manifest.Layer{From: s.End(), To: to.Batch}
	if c.chance(2) && len(s.Layers) > 0 {
		layer.From = 0
		layer.To = s.End()
		for _, f := range s.Live() {
			if f.Kind == manifest.FileSegment {
				e.Remove = append(e.Remove, f.ID)
			}
		}
	}
	for i, f := range a.Outputs {
		switch f.Kind {
		case manifest.FileSegment:
			seg := manifest.Segment{ID: f.ID, Level: uint8(c.byte()), FirstStream: uint64(1000 * i), LastStream: uint64(1000*i + c.below(1000)), Bytes: int64(c.below(1 << 20))}
			layer.Segments = append(layer.Segments, seg)
		case manifest.FileSnapshot:
			to.Snapshot, to.Deltas = f.ID, nil
		case manifest.FileDelta:
			to.Deltas = append(to.Deltas[:len(to.Deltas):len(to.Deltas)], f.ID)
		}
	}
	e.Add, e.Checkpoint = []manifest.Layer{layer}, &to
	return e
}

// readManifest reads a file in all ways there are. Whatever its bytes are, all
// of them say the same, nothing panics, and memory stays within bounds.
func readManifest(t testing.TB, data []byte) (read bool) {
	b, want := manifestFile(&choices{data})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	decodeParts(t, b)
	c, err := manifest.Parse(b)
	if dumped := manifest.Dump(io.Discard, b); (err == nil) != (dumped == nil) {
		t.Fatalf("parse says %v, dump says %v", err, dumped)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > allocMax+64*uint64(len(b)) {
		t.Fatalf("reading %d bytes allocated %d", len(b), used)
	}
	if err != nil {
		if err := manifestRefusal(err); err != nil {
			t.Fatal(err)
		}
		return false
	}
	image := manifest.AppendState(nil, &c.State)
	if want != nil && !bytes.Equal(image, manifest.AppendState(nil, want)) {
		t.Fatalf("the state is\n%+v, want\n%+v", c.State, *want)
	}
	if s, err := manifest.DecodeState(image); err != nil || !bytes.Equal(manifest.AppendState(nil, &s), image) {
		t.Fatalf("the state does not survive its encoding: %v", err)
	}
	if c.Store == manifestStore && c.Number == 1 {
		openManifest(t, b, c)
	}
	return true
}

// decodeParts gives the bytes to the decoders of parts. What they read has one
// encoding.
func decodeParts(t testing.TB, b []byte) {
	if s, err := manifest.DecodeState(b); err == nil && !bytes.Equal(manifest.AppendState(nil, &s), b) {
		t.Fatalf("%x is another encoding of %+v", b, s)
	}
	if edits, err := manifest.DecodeEdits(b); err == nil && !bytes.Equal(manifest.AppendEdits(nil, edits...), b) {
		t.Fatalf("%x is another encoding of %+v", b, edits)
	}
	if cur, err := manifest.ParseCurrent(b); err == nil && !bytes.Equal(cur.Append(nil), b) {
		t.Fatalf("%x is another encoding of %+v", b, cur)
	}
}

// openManifest opens a file that reads, and takes it over twice.
func openManifest(t testing.TB, b []byte, c *manifest.Contents) {
	snapshot, _, err := manifest.ParseFrame(b[4096:], manifestStore)
	if err != nil {
		t.Fatal(err)
	}
	cur := manifest.Current{Store: manifestStore, Number: 1, SnapshotSeq: snapshot.Seq, SnapshotCRC: snapshot.CRC}
	disk := memfs.New()
	for _, dir := range []string{"store/manifest"} {
		if err := disk.MkdirAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	for name, b := range map[string][]byte{"store/CURRENT": cur.Append(nil), "store/manifest/00000000000000000001.manifest": b} {
		f, err := disk.Create(name)
		if err == nil {
			_, err = f.WriteAt(b, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	disk = disk.Clone()
	state := c.State
	for range 2 {
		l, err := manifest.Load(disk, "store", manifestStore)
		if err != nil {
			t.Fatalf("load refuses what parse reads: %v", err)
		}
		found := l.State()
		if !bytes.Equal(manifest.AppendState(nil, &found), manifest.AppendState(nil, &state)) {
			t.Fatalf("load found\n%+v, want\n%+v", found, state)
		}
		m, err := l.Open(manifest.Options{ChunkBytes: 4096})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Begin(manifest.ActMerge, manifest.FileSegment); err != nil && !errors.Is(err, manifest.ErrRefused) {
			t.Fatal(err)
		}
		state = m.State()
		disk = disk.Crash(nil, memfs.KeepNone)
	}
}

// manifestRefusal checks that a file was refused with a reason.
func manifestRefusal(err error) error {
	var corrupt *frame.CorruptError
	var version *manifest.VersionError
	switch {
	case errors.As(err, &corrupt) && corrupt.Offset >= 0 && corrupt.Reason != "":
		return nil
	case errors.As(err, &version):
		return nil
	}
	return fmt.Errorf("refused without naming the place: %w", err)
}

// TestManifestsOfEveryShapeAreRead keeps the fuzzer's way in open.
func TestManifestsOfEveryShapeAreRead(t *testing.T) {
	const runs = 150
	r := newRand(newSeed(t))
	for shape := range manifestShapes {
		read := 0
		for range runs {
			if readManifest(t, append([]byte{byte(shape)}, randomBytes(r, r.IntN(400))...)) {
				read++
			}
		}
		t.Logf("shape %d: %d of %d files read", shape, read, runs)
		if shape == manifestEdits && read != runs {
			t.Error("a history that follows is not read")
		}
	}
}

// FuzzManifest reads arbitrary manifest files.
func FuzzManifest(f *testing.F) {
	s := manifest.State{NextID: 9, Garbage: []manifest.File{{ID: 3, Kind: manifest.FileDelta}}}
	f.Add(append([]byte{manifestRaw}, manifest.AppendState(nil, &s)...))
	f.Add(append([]byte{manifestRaw}, manifest.AppendEdits(nil, manifest.Extend{Act: 1, Outputs: []manifest.File{{ID: 2, Kind: 1}}}, manifest.Abort{Act: 4})...))
	f.Add(append([]byte{manifestRaw}, manifest.Current{Number: 1}.Append(nil)...))
	r := newRand(1)
	for shape := range manifestShapes {
		f.Add(append([]byte{byte(shape)}, randomBytes(r, 100)...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<20 {
			return
		}
		readManifest(t, data)
	})
}
