package segment

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"

	"tailrace/internal/frame"
)

func checksum(b []byte) uint32 { return frame.Checksum(b) }

// smallSegment has a block of each kind in 2 KiB or so.
func smallSegment(t testing.TB) []byte {
	t.Helper()
	jsonRun := modelRun{stream: 9, start: 500, json: true}
	for range 24 {
		jsonRun.bodies = append(jsonRun.bodies, []byte(`{"temperature":21.5,"unit":"C"},`), []byte(`1,2,`))
	}
	noise := rand.New(rand.NewPCG(7, 7))
	return write(t, WriterOptions{
		Info:       Info{Store: [16]byte{1, 2, 3}, ID: 7, Level: 1, Created: 1_700_000_000_123},
		BlockBytes: 160, SoloBytes: 500, SoloMinBytes: 800,
	}, []modelRun{
		{stream: 2, start: 10, bodies: [][]byte{[]byte("first"), []byte("second")}},
		{stream: 3, json: true, bodies: [][]byte{[]byte(`{"a":1},`), []byte(`{"a":1},{"a":2},`)}},
		{stream: 4, start: 77, bodies: [][]byte{bytes.Repeat([]byte("long "), 40)}},
		{stream: 7, start: 3, bodies: [][]byte{noiseOf(noise, 60), noiseOf(noise, 60), noiseOf(noise, 60), noiseOf(noise, 60)}},
		jsonRun,
		{stream: 12, start: 1, bodies: [][]byte{[]byte("before"), bytes.Repeat([]byte("more than one block "), 60), []byte("behind")}},
	})
}

func noiseOf(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// One bit of every byte: each flip is found by Verify, and none makes a read
// return other bytes or panic.
func TestEveryFlipIsDetected(t *testing.T) {
	rng := newRand(t)
	b := smallSegment(t)
	want := contents(t, b)
	for off := range b {
		mask := byte(1) << rng.IntN(8)
		b[off] ^= mask
		_, err := verify(b)
		var corrupt *frame.CorruptError
		var version *VersionError
		if !errors.As(err, &corrupt) && !errors.As(err, &version) {
			t.Fatalf("byte %d, bit %#x: %v", off, mask, err)
		}
		if corrupt != nil && (corrupt.Offset < 0 || corrupt.Offset > int64(len(b)) || corrupt.Path != "x.seg") {
			t.Fatalf("byte %d: %v", off, err)
		}
		if err := readAll(b); err == nil && contents(t, b) != want {
			t.Fatalf("byte %d, bit %#x: reads return something else", off, mask)
		}
		b[off] ^= mask
	}
	if _, err := verify(b); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", len(b))
}

// contents is all that a reader sees.
func contents(t testing.TB, b []byte) string {
	var all bytes.Buffer
	s := open(t, b)
	s.Runs(func(r Run, err error) bool {
		if err != nil {
			t.Fatal(err)
		}
		err = s.Appends(&r, 0, nil, func(body []byte, end uint64) bool {
			all.WriteString(string(rune(r.Stream)) + string(rune(end)))
			all.Write(body)
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		return true
	})
	return all.String()
}

func TestEveryTruncationIsRefused(t *testing.T) {
	b := smallSegment(t)
	for n := range b {
		if _, err := Open("x.seg", bytes.NewReader(b[:n]), int64(n)); err == nil {
			t.Fatalf("%d of %d bytes were opened", n, len(b))
		}
	}
	for _, more := range [][]byte{{0}, bytes.Repeat([]byte{0}, 4096), b} {
		longer := append(bytes.Clone(b), more...)
		if _, err := verify(longer); err == nil {
			t.Fatalf("%d bytes more than a segment were taken for one", len(more))
		}
	}
	// The file may also shrink behind the back of its reader.
	s, err := Open("x.seg", bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	s.from = bytes.NewReader(b[:100])
	_, err = s.ReadBlock(blocksOf(t, b)[0])
	wantCorrupt(t, err, 100, "shorter than it was")
}

func TestCorruptSegmentsAreRefused(t *testing.T) {
	pristine := smallSegment(t)
	blocks := blocksOf(t, pristine)
	s := open(t, pristine)
	kindAt := map[kind]Handle{} // the first that is compressed
	for _, h := range blocks {
		raw, err := s.ReadStored(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := kindAt[raw.header.kind]; !ok && raw.Codec == CodecZstd {
			kindAt[raw.header.kind] = h
		}
	}
	seven, _, err := s.Run(7)
	if err != nil {
		t.Fatal(err)
	}
	// The first block of stream 7 is raw, and has two appends of 60 bytes of it.
	noise, solo, piece := int64(seven.Handle(0).Pos), int64(kindAt[kindSolo].Pos), int64(kindAt[kindPiece].Pos)
	if solo == 0 || piece == 0 {
		t.Fatalf("blocks are %v", kindAt)
	}
	table := func(at int64) int64 { return at + blockHeaderBytes }
	payload := func(b []byte, at int64) int64 { return table(at) + int64(le.Uint32(b[at+16:])) }
	sec := s.footer
	at := func(i int) int64 { return int64(sec[i].pos) }
	foot := int64(len(pristine)) - footerBytes
	page := at(sectionIndex) + pageHeaderBytes // the first entry: 2, 10, 2 appends, 11 bytes

	for _, c := range []struct {
		name   string
		damage func(b []byte)
		reseal bool
		offset int64
		reason string
	}{
		{"magic", func(b []byte) { b[0]++ }, false, 0, "not a segment"},
		{"header", func(b []byte) { b[33]++ }, false, 0, "header does not match"},
		{"reserved 12", func(b []byte) { b[13] = 1 }, true, 12, "reserved"},
		{"reserved 49", func(b []byte) { b[55] = 1 }, true, 49, "reserved"},
		{"header of another segment", func(b []byte) {
			head, _ := Info{ID: 8}.appendHeader(nil)
			copy(b, head)
		}, false, foot + 100, "footer of another header"},

		{"footer magic", func(b []byte) { b[len(b)-1]++ }, false, foot + 120, "no footer"},
		{"footer", func(b []byte) { b[foot+3]++ }, false, foot, "footer does not match"},
		{"footer version", func(b []byte) { b[foot+104]++; resum(b) }, false, foot + 104, "another format version"},
		{"footer reserved", func(b []byte) { b[foot+110]++; resum(b) }, false, foot + 108, "reserved"},
		{"section elsewhere", func(b []byte) { b[foot+20]++; resum(b) }, false, foot + 20, "run index does not fit"},
		{"section of nothing", func(b []byte) { le.PutUint64(b[foot+68:], 0); resum(b) }, false, foot + 60, "membership does not fit"},
		{"section beyond", func(b []byte) { le.PutUint64(b[foot+8:], 1<<63); resum(b) }, false, foot, "blocks does not fit"},
		{"checksum of all blocks", func(b []byte) { b[foot+16]++; resum(b) }, false, headerBytes, "blocks do not match their checksum in the footer"},
		{"checksum of all pages", func(b []byte) { b[foot+36]++; resum(b) }, false, at(sectionIndex), "run index does not match its checksum in the footer"},
		{"section short", func(b []byte) { b[foot+88]--; resum(b) }, false, foot + 80, "fill the file"},

		{"page index", func(b []byte) { b[at(sectionPages)]++ }, false, at(sectionPages), "page index does not match"},
		{"page index zero", func(b []byte) { b[at(sectionPages)] = 0 }, true, at(sectionPages), "do not grow"},
		{"page index length", func(b []byte) { b[at(sectionPages)+1] ^= 4 }, true, at(sectionPages), "page"},
		{"page index stream", func(b []byte) { b[at(sectionPages)] = 1 }, true, at(sectionIndex), "does not promise"},
		{"membership", func(b []byte) { b[at(sectionMembers)+9]++ }, false, at(sectionMembers), "membership does not match"},
		{"membership malformed", func(b []byte) { b[at(sectionMembers)+9]++ }, true, at(sectionMembers), "malformed membership"},
		{"membership of others", func(b []byte) {
			i := bytes.Index(b[at(sectionMembers):], []byte{3, 0, 4, 0})
			b[at(sectionMembers)+int64(i)+2] = 5
		}, true, at(sectionMembers), "membership lacks stream 4"},
		{"properties", func(b []byte) { b[at(sectionProperties)]++ }, false, at(sectionProperties), "properties does not match"},
		{"raw bytes", func(b []byte) { b[at(sectionProperties)]++ }, true, at(sectionProperties), "properties are"},
		{"stored bytes", func(b []byte) { b[at(sectionProperties)+8]++ }, true, at(sectionProperties), "properties are"},
		{"appends", func(b []byte) { b[at(sectionProperties)+16]++ }, true, at(sectionProperties), "properties are"},
		{"no appends", func(b []byte) { b[at(sectionProperties)+16] = 0 }, true, at(sectionProperties), "impossible number of appends"},
		{"runs", func(b []byte) { b[at(sectionProperties)+24]++ }, true, at(sectionMembers), "do not agree"},
		{"blocks", func(b []byte) { b[at(sectionProperties)+32]++ }, true, at(sectionProperties), "properties are"},
		{"as is", func(b []byte) { b[at(sectionProperties)+40]++ }, true, at(sectionProperties), "properties are"},
		{"first", func(b []byte) { b[at(sectionProperties)+48]-- }, true, at(sectionMembers), "do not agree"},
		{"last below first", func(b []byte) { b[at(sectionProperties)+56] = 1 }, true, at(sectionProperties), "impossible streams"},

		{"block magic", func(b []byte) { b[noise]++ }, false, noise, "no block"},
		{"block header", func(b []byte) { b[noise+4]++ }, false, noise, "block header does not match"},
		{"unknown codec", func(b []byte) { b[noise+4] = 2 }, true, noise + 4, "unknown codec 2"},
		{"unknown flags", func(b []byte) { b[noise+5] = 2 }, true, noise + 5, "unknown flags 0x2"},
		{"block reserved", func(b []byte) { b[noise+7] = 1 }, true, noise + 6, "reserved"},
		{"content of nothing", func(b []byte) { le.PutUint32(b[noise+8:], 0) }, true, noise + 8, "content length"},
		{"content beyond", func(b []byte) { le.PutUint32(b[solo+8:], contentMax+1) }, true, solo + 8, "content length"},
		{"raw of another length", func(b []byte) { b[noise+8]++ }, true, noise + 12, "stored length"},
		{"zstd that is longer", func(b []byte) { le.PutUint32(b[solo+8:], le.Uint32(b[solo+12:])) }, true, solo + 12, "stored length"},
		{"shared taken for solo", func(b []byte) { b[noise+5] = byte(kindSolo) }, true, at(sectionProperties), "properties are"},
		{"swapped blocks", func(b []byte) {
			x, y := int64(kindAt[kindPiece].Pos), int64(kindAt[kindPiece].Pos)+int64(kindAt[kindPiece].Len)
			head := bytes.Clone(b[x : x+blockHeaderBytes])
			copy(b[x:], b[y:y+blockHeaderBytes])
			copy(b[y:], head)
		}, false, piece, "block header does not match"},

		{"table", func(b []byte) { b[table(noise)]++ }, false, table(noise), "append table does not match"},
		{"stream 0", func(b []byte) { b[table(noise)] = 0 }, true, table(noise), "do not grow"},
		{"another stream", func(b []byte) { b[table(noise)]++ }, true, noise, "where the index has it"},
		{"another start", func(b []byte) { b[table(noise)+1]++ }, true, noise, "does not continue the run"},
		{"no appends in a part", func(b []byte) { b[table(noise)+2] = 0 }, true, table(noise) + 3, "impossible number of appends"},
		{"JSON in the table", func(b []byte) { b[table(noise)+2] |= 1 }, true, noise, "do not agree that stream 7 is JSON"},
		{"length of nothing", func(b []byte) { b[table(noise)+3] = 0 }, true, table(noise) + 4, "impossible length"},
		{"longer append", func(b []byte) { b[table(noise)+3]++ }, true, table(noise), "appends have"},
		{"part checksum", func(b []byte) { b[payload(b, noise)-1]++ }, true, payload(pristine, noise), "do not match their checksum"},
		{"piece before", func(b []byte) { b[table(piece)+3]++ }, true, piece, "does not continue the run"},
		{"whole piece", func(b []byte) { b[piece+5] = byte(kindSolo) }, true, -1, ""},

		{"payload", func(b []byte) { b[payload(b, noise)+5]++ }, false, payload(pristine, noise), "payload does not match"},
		{"content", func(b []byte) { b[payload(b, noise)+5]++ }, true, payload(pristine, noise), "do not match their checksum"},
		{"no frame", func(b []byte) { b[payload(b, solo)]++ }, true, payload(pristine, solo), "no zstd frame"},
		{"frame with checksum", func(b []byte) { b[payload(b, solo)+4] |= 4 }, true, payload(pristine, solo), "a checksum"},
		{"frame of another length", func(b []byte) { b[payload(b, solo)+5]++ }, true, payload(pristine, solo), "another length"},

		{"page", func(b []byte) { b[page]++ }, false, at(sectionIndex), "page does not match"},
		{"page without runs", func(b []byte) { le.PutUint32(b[at(sectionIndex):], 0) }, true, at(sectionIndex), "page without runs"},
		{"page of more runs", func(b []byte) { b[at(sectionIndex)]++ }, true, at(sectionPages) - crcBytes, "cut short"},
		{"page of fewer runs", func(b []byte) { b[at(sectionIndex)]-- }, true, -1, ""},
		{"page behind no block", func(b []byte) { b[at(sectionIndex)+8]++ }, true, at(sectionIndex) + 4, "impossible block"},
		{"page behind a block", func(b []byte) { b[at(sectionIndex)+4] = 40 }, true, headerBytes, "in no block"},
		{"run of stream 0", func(b []byte) { b[page] = 0 }, true, page, "do not grow"},
		{"run of another start", func(b []byte) { b[page+1]++ }, true, headerBytes, "does not continue"},
		{"run of no appends", func(b []byte) { b[page+2] = 0 }, true, page, "impossible run"},
		{"run joins nothing", func(b []byte) { b[page+2] |= 1 }, true, page, "joins a block"},
		{"run is JSON", func(b []byte) { b[page+2] |= 2 }, true, headerBytes, "agree that stream 2 is JSON"},
		{"run of other bytes", func(b []byte) { b[page+3]++ }, true, headerBytes, "run of stream 2 ends at"},
		{"run of fewer bytes", func(b []byte) { b[page+3]-- }, true, headerBytes, "beyond the end"},
		{"run of more appends in fewer bytes", func(b []byte) { b[page+2] += 4; b[page+3] -= 5 }, true, headerBytes, "has 2 appends, the index says 3"},
		{"run without blocks", func(b []byte) { b[page+4] = 0 }, true, page + 4, "first block"},
		{"block before its run", func(b []byte) { b[page+5]++ }, true, page + 4, "first block"},
		{"block of no length", func(b []byte) { b[page+6], b[page+7] = 0x80, 0 }, true, page + 4, "longer than it has to be"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bytes.Clone(pristine)
			c.damage(b)
			if c.reseal {
				damaged := bytes.Clone(b)
				resealAs(b, pristine)
				if bytes.Equal(b, pristine) {
					t.Fatalf("nothing is damaged: %x", damaged)
				}
			}
			_, err := verify(b)
			if c.offset < 0 {
				var corrupt *frame.CorruptError
				if !errors.As(err, &corrupt) {
					t.Fatalf("error is %v", err)
				}
				t.Log(err)
				return
			}
			wantCorrupt(t, err, c.offset, c.reason)
		})
	}

	t.Run("another version", func(t *testing.T) {
		b := bytes.Clone(pristine)
		b[8]++
		_, err := verify(b)
		var v *VersionError
		if !errors.As(err, &v) || v.Path != "x.seg" || v.Found != 2 || v.Want != 1 {
			t.Fatalf("error is %v", err)
		}
	})
}

// resum makes the checksum of the footer right.
func resum(b []byte) {
	foot := b[len(b)-footerBytes:]
	le.PutUint32(foot[116:], frame.Checksum(foot[:116]))
}

// What is sent as stored is not decoded, and must be one frame all the same.
func TestStoredBlockIsOneFrame(t *testing.T) {
	pristine := smallSegment(t)
	s := open(t, pristine)
	r, _, err := s.Run(9)
	if err != nil {
		t.Fatal(err)
	}
	h := r.Handle(0)
	raw, err := s.ReadStored(h)
	if err != nil {
		t.Fatal(err)
	}
	payload := int64(h.Pos) + int64(h.Len) - int64(len(raw.Payload))
	b := bytes.Clone(pristine)
	b[payload+4] |= 4
	resealAs(b, pristine)
	_, err = open(t, b).ReadStored(h)
	wantCorrupt(t, err, payload, "zstd frame with a window, a checksum or a dictionary")
}

// A part of a block that no run claims is found, though all checksums hold.
func TestPartWithoutRunIsFound(t *testing.T) {
	for name, behind := range map[string]bool{"in the last block": false, "with blocks behind": true} {
		var out bytes.Buffer
		w := NewWriter(&out, smallSizes)
		for stream := uint64(2); stream <= 3; stream++ {
			if err := errors.Join(w.BeginRun(stream, 0, false, 4), w.Append([]byte("body"))); err != nil {
				t.Fatal(err)
			}
		}
		w.flush()
		w.queue = w.queue[:0] // forget run 3
		w.members.Remove(3)
		w.props.Runs, w.props.Appends, w.props.RawBytes, w.props.Last = 1, 1, 4, 2
		if behind {
			if err := errors.Join(w.BeginRun(4, 0, false, 4), w.Append([]byte("body"))); err != nil {
				t.Fatal(err)
			}
		}
		finish(t, w, &out)
		_, err := verify(out.Bytes())
		t.Log(name)
		wantCorrupt(t, err, headerBytes, "block has stream 3, the index does not")
	}
}

// Lengths that lie are refused before memory is spent on them.
func TestHostileLengthsAllocateLittle(t *testing.T) {
	pristine := smallSegment(t)
	block := int64(blocksOf(t, pristine)[0].Pos)
	s := open(t, pristine)
	refs := int64(s.footer[sectionPages].pos)
	for name, damage := range map[string]func(b []byte){
		"content": func(b []byte) { le.PutUint32(b[block+8:], 1<<31) },
		"stored":  func(b []byte) { le.PutUint32(b[block+12:], 1<<31) },
		"table":   func(b []byte) { le.PutUint32(b[block+16:], 1<<31) },
		"page":    func(b []byte) { b[refs+1] = 0x7F },
		"members": func(b []byte) { le.PutUint64(b[s.footer[sectionMembers].pos:], 1<<32) },
		"pages":   func(b []byte) { le.PutUint64(b[len(b)-footerBytes+48:], 1<<40) },
	} {
		b := bytes.Clone(pristine)
		damage(b)
		resealAs(b, pristine)
		if err := readAll(pristine); err != nil { // pools are filled
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, verr := verify(b)
		rerr := readAll(b)
		runtime.ReadMemStats(&after)
		if verr == nil || rerr == nil {
			t.Errorf("%s: %v, %v", name, verr, rerr)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
			t.Errorf("%s: %d bytes allocated", name, used)
		}
	}
	for _, h := range []Handle{
		{0, 100}, {headerBytes, BlockMax + 1}, {headerBytes, 1<<32 - 1}, {1<<64 - 1, 100}, {1 << 63, 100}, {headerBytes, 3},
	} {
		_, err := s.ReadBlock(h)
		wantCorrupt(t, err, int64(h.Pos), "no block can have")
		_, err = s.ReadStored(h)
		wantCorrupt(t, err, int64(h.Pos), "no block can have")
	}
}

func TestPayloadIsExactlyOneFrame(t *testing.T) {
	content := bytes.Repeat([]byte("content "), 100)
	payload, codec := encode(nil, content, false)
	if codec != CodecZstd {
		t.Fatalf("codec is %v", codec)
	}
	if got, err := decode(payload, len(content)); err != nil || !bytes.Equal(got, content) {
		t.Fatalf("came back as %d bytes, %v", len(got), err)
	}
	skippable := []byte{0x50, 0x2A, 0x4D, 0x18, 1, 0, 0, 0, 9}
	empty := []byte{0x28, 0xB5, 0x2F, 0xFD, 0x20, 0, 1, 0, 0}
	for name, b := range map[string][]byte{
		"nothing":            nil,
		"behind a skippable": append(bytes.Clone(skippable), payload...),
		"before a skippable": append(bytes.Clone(payload), skippable...),
		"before an empty":    append(bytes.Clone(payload), empty...),
		"twice":              append(bytes.Clone(payload), payload...),
		"cut":                payload[:len(payload)-1],
		"a byte more":        append(bytes.Clone(payload), 0),
	} {
		if reason := checkFrame(b, len(content)); reason == "" {
			t.Errorf("%s: taken for one frame", name)
		}
	}
	for _, n := range []int{len(content) - 1, len(content) + 1} {
		if _, err := decode(payload, n); err == nil || checkFrame(payload, n) == "" {
			t.Errorf("a frame of %d bytes was decoded as %d", len(content), n)
		}
	}
}
