package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tailrace/internal/frame"
	"tailrace/internal/vfs"
	"tailrace/internal/vfs/memfs"
)

// image is the content of all files of a store, by path.
type image map[string][]byte

// mount puts an image on a new file system.
func (m image) mount(t testing.TB) *memfs.FS {
	t.Helper()
	fs := memfs.New()
	if err := fs.MkdirAll(testDir); err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if strings.HasPrefix(name, paths{testDir}.wal()) {
			if err := fs.MkdirAll(paths{testDir}.wal()); err != nil {
				t.Fatal(err)
			}
		}
		replaceFile(t, fs, name, m[name])
	}
	return fs
}

// placed is a frame of a log file and where it is.
type placed struct {
	FrameHeader
	at int64
}

// frames lists the frames of log file n.
func (m image) frames(t testing.TB, n uint64) []placed {
	t.Helper()
	b := m[filePath(n)]
	h, err := ParseFileHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	var all []placed
	for at := int64(headerBytes); at < int64(len(b)); {
		fh, _, err := ParseFrame(b[at:], h.Salt)
		if err != nil {
			break
		}
		all = append(all, placed{fh, at})
		at += FrameSize(fh.Length)
	}
	return all
}

// rechecksum makes the checksum of a changed file header right.
func (m image) rechecksum(n uint64) {
	b := m[filePath(n)]
	binary.LittleEndian.PutUint32(b[headerCRCAt:], frame.Checksum(b[:headerCRCAt]))
}

// reframe puts another frame, with the right checksum, where one is.
func (m image) reframe(t testing.TB, n uint64, i int, change func(h *FrameHeader, payload *[]byte)) {
	t.Helper()
	b := m[filePath(n)]
	fh, err := ParseFileHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	at := m.frames(t, n)[i].at
	h, payload, err := ParseFrame(b[at:], fh.Salt)
	if err != nil {
		t.Fatal(err)
	}
	payload = slices.Clone(payload)
	change(&h, &payload)
	copy(b[at:], AppendFrame(nil, &h, fh.Salt, payload))
}

// storeImage is a store of three files: one that rotation sealed, two more of
// a second process that ended as told. Its last frames are a record, or a
// record and its witness, or a seal.
func storeImage(t testing.TB, end string) (m image, records []string) {
	t.Helper()
	fs := memfs.New()
	put := func(l *Files, n int) {
		for i := range n {
			r := fmt.Sprint(len(records), strings.Repeat("r", 500*i))
			mustAppend(t, l, r)
			records = append(records, r)
		}
	}
	l, _, _ := mustOpen(t, testOptions(fs))
	put(l, 3)
	mustClose(t, l)
	o := testOptions(fs)
	o.Rand = rand.New(rand.NewPCG(5, 6)).Uint64
	l, _, _ = mustOpen(t, o)
	for l.cur.number == 2 {
		put(l, 4)
	}
	put(l, 2)
	var err error
	switch end {
	case "frame":
	case "witness":
		err = l.Witness()
	case "seal":
		err = l.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return fs.Snapshot(), records
}

func TestCorruptionTable(t *testing.T) {
	store, dir := paths{testDir}.store(), paths{testDir}.wal()
	at := func(m image, n uint64, i int) int64 { return m.frames(t, n)[i].at }
	last := func(m image, n uint64) int { return len(m.frames(t, n)) - 1 }
	cases := []struct {
		name    string
		end     string // of the store: frame, witness, seal
		damage  func(m image)
		path    string              // of the fault; empty: the store opens
		offset  func(m image) int64 // of the fault, in the undamaged image; nil: 0
		lost    int                 // records that are gone when it opens
		torn    bool                // whether a torn tail is reported
		version bool                // whether it is a fault of version
	}{
		{name: "nothing", end: "seal", damage: func(image) {}},
		{name: "nothing, witness", end: "witness", damage: func(image) {}},
		{name: "nothing, no witness", end: "frame", damage: func(image) {}},
		{name: "files of others", end: "seal", damage: func(m image) {
			m[dir+"/.DS_Store"], m[dir+"/lost+found"], m[testDir+"/README"] = []byte("x"), []byte("x"), []byte("x")
		}},

		{name: "no STORE", end: "seal", damage: func(m image) { delete(m, store) }, path: store},
		{name: "STORE flipped", end: "seal", damage: func(m image) { m[store][40] ^= 1 }, path: store},
		{name: "STORE cut short", end: "seal", damage: func(m image) { m[store] = m[store][:40] }, path: store, offset: func(image) int64 { return 40 }},
		{name: "STORE empty", end: "seal", damage: func(m image) { m[store] = []byte{} }, path: store},
		{name: "STORE too long", end: "seal", damage: func(m image) { m[store] = append(m[store], 0) }, path: store, offset: func(image) int64 { return storeBytes }},
		{name: "STORE of another version", end: "seal", damage: func(m image) { m[store][8] = 2 }, path: store, version: true},
		{name: "no log directory", end: "seal", damage: func(m image) {
			maps.DeleteFunc(m, func(name string, _ []byte) bool { return strings.HasPrefix(name, dir) })
		}, path: dir},
		{name: "no first file", end: "seal", damage: func(m image) { delete(m, filePath(1)) }, path: filePath(1)},
		{name: "no middle file", end: "seal", damage: func(m image) { delete(m, filePath(2)) }, path: filePath(2)},
		{name: "no last file", end: "frame", damage: func(m image) { delete(m, filePath(3)) }, path: filePath(3)},
		{name: "no files but the first", end: "frame", damage: func(m image) { delete(m, filePath(2)); delete(m, filePath(3)) }, path: filePath(2)},
		{name: "strange name", end: "seal", damage: func(m image) { m[dir+"/3.wal"] = nil; m[dir+"/3.wal"] = []byte("x") }, path: dir + "/3.wal"},
		{name: "last file twice", end: "seal", damage: func(m image) { m[filePath(4)] = m[filePath(3)] }, path: filePath(4), offset: func(image) int64 { return 16 }},

		{name: "empty file", end: "seal", damage: func(m image) { m[filePath(2)] = []byte{} }, path: filePath(2)},
		{name: "torn header", end: "seal", damage: func(m image) { clear(m[filePath(2)][512:headerBytes]) }, path: filePath(2)},
		{name: "header magic", end: "seal", damage: func(m image) { m[filePath(2)][0] = 'X' }, path: filePath(2)},
		{name: "header version", end: "seal", damage: func(m image) { m[filePath(2)][8] = 9 }, path: filePath(2), version: true},
		{name: "header crc", end: "seal", damage: func(m image) { m[filePath(2)][headerCRCAt] ^= 1 }, path: filePath(2)},
		{name: "header shard", end: "seal", damage: func(m image) { m[filePath(2)][12] = 1; m.rechecksum(2) }, path: filePath(2), offset: func(image) int64 { return 12 }},
		{name: "header reused twice", end: "seal", damage: func(m image) { m[filePath(2)][84] = 2; m.rechecksum(2) }, path: filePath(2), offset: func(image) int64 { return 84 }},
		{name: "header reused and written whole", end: "seal", damage: func(m image) {
			m[filePath(2)][84] = 1
			clear(m[filePath(2)][88:96])
			m.rechecksum(2)
		}, path: filePath(2), offset: func(image) int64 { return 84 }},
		{name: "header reserved", end: "seal", damage: func(m image) { m[filePath(2)][100] = 1; m.rechecksum(2) }, path: filePath(2), offset: func(image) int64 { return 100 }},
		{name: "header of another store", end: "seal", damage: func(m image) { m[filePath(2)][24] ^= 1; m.rechecksum(2) }, path: filePath(2), offset: func(image) int64 { return 24 }},
		{name: "header predecessor end", end: "seal", damage: func(m image) {
			binary.LittleEndian.PutUint64(m[filePath(2)][72:], 2*headerBytes)
			m.rechecksum(2)
		}, path: filePath(2), offset: func(image) int64 { return 72 }},
		{name: "header predecessor crc", end: "seal", damage: func(m image) { m[filePath(2)][80] ^= 1; m.rechecksum(2) }, path: filePath(2), offset: func(image) int64 { return 80 }},
		{name: "header first seq", end: "seal", damage: func(m image) { m[filePath(2)][56]++; m.rechecksum(2) }, path: filePath(2), offset: func(image) int64 { return 56 }},
		{name: "header epoch", end: "seal", damage: func(m image) { m[filePath(1)][40] = 200; m.rechecksum(1) }, path: filePath(1), offset: func(image) int64 { return headerBytes + 16 }},
		{name: "swapped files", end: "seal", damage: func(m image) {
			m[filePath(1)], m[filePath(2)] = m[filePath(2)], m[filePath(1)]
		}, path: filePath(1), offset: func(image) int64 { return 16 }},

		{name: "torn frame in a file that goes on", end: "seal", damage: func(m image) { clear(m[filePath(2)][at(m, 2, 3)+40:][:200]) },
			path: filePath(2), offset: func(m image) int64 { return at(m, 2, 3) }},
		{name: "flipped payload", end: "seal", damage: func(m image) { m[filePath(1)][at(m, 1, 2)+65] ^= 4 }, path: filePath(1), offset: func(m image) int64 { return at(m, 1, 2) }},
		{name: "flipped length", end: "seal", damage: func(m image) { m[filePath(1)][at(m, 1, 2)+10] ^= 1 }, path: filePath(1), offset: func(m image) int64 { return at(m, 1, 2) }},
		{name: "huge length", end: "seal", damage: func(m image) { m[filePath(1)][at(m, 1, 2)+11] = 0xff }, path: filePath(1), offset: func(m image) int64 { return at(m, 1, 2) }},
		{name: "length beyond the file", end: "seal", damage: func(m image) { m[filePath(1)][at(m, 1, 2)+10] = 0x10 }, path: filePath(1), offset: func(m image) int64 { return at(m, 1, 2) }},
		{name: "zeroed frame", end: "seal", damage: func(m image) { clear(m[filePath(1)][at(m, 1, 1):][:pageBytes]) }, path: filePath(1), offset: func(m image) int64 { return at(m, 1, 1) }},
		{name: "swapped frames", end: "seal", damage: func(m image) {
			a, b := m[filePath(1)][at(m, 1, 0):][:pageBytes], m[filePath(1)][at(m, 1, 1):][:pageBytes]
			c := slices.Clone(a)
			copy(a, b)
			copy(b, c)
		}, path: filePath(1), offset: func(m image) int64 { return at(m, 1, 0) + 32 }},
		{name: "frame written twice", end: "seal", damage: func(m image) {
			copy(m[filePath(1)][at(m, 1, 1):][:pageBytes], m[filePath(1)][at(m, 1, 0):][:pageBytes])
		}, path: filePath(1), offset: func(m image) int64 { return at(m, 1, 1) + 32 }},
		{name: "sealed file cut", end: "seal", damage: func(m image) { m[filePath(2)] = m[filePath(2)][:at(m, 2, 4)] }, path: filePath(2), offset: func(m image) int64 { return at(m, 2, 4) }},
		{name: "sealed file cut inside its seal", end: "seal", damage: func(m image) { m[filePath(2)] = m[filePath(2)][:at(m, 2, last(m, 2))+pageBytes-1] },
			path: filePath(2), offset: func(m image) int64 { return at(m, 2, last(m, 2)) + pageBytes - 1 }},
		{name: "sealed file grown by zeros", end: "seal", damage: func(m image) { m[filePath(2)] = append(m[filePath(2)], make([]byte, 9000)...) }},
		{name: "sealed file grown by others", end: "seal", damage: func(m image) { m[filePath(2)] = append(m[filePath(2)], 0, 0, 7) },
			path: filePath(2), offset: func(m image) int64 { return int64(len(m[filePath(2)]) + 2) }},
		{name: "last sealed file grown by zeros", end: "seal", damage: func(m image) { m[filePath(3)] = append(m[filePath(3)], make([]byte, 9000)...) }},

		{name: "last frame before its witness", end: "frame", damage: func(m image) { m[filePath(3)][at(m, 3, last(m, 3))+65] ^= 1 }, lost: 1, torn: true},
		{name: "last frame never reached the medium", end: "frame", damage: func(m image) { clear(m[filePath(3)][at(m, 3, last(m, 3)):][:pageBytes]) }, lost: 1},
		{name: "frame before the last", end: "frame", damage: func(m image) { m[filePath(3)][at(m, 3, last(m, 3)-1)+65] ^= 1 },
			path: filePath(3), offset: func(m image) int64 { return at(m, 3, last(m, 3)-1) }},
		{name: "zeroed frame before the last", end: "frame", damage: func(m image) { clear(m[filePath(3)][at(m, 3, last(m, 3)-1):][:pageBytes]) },
			path: filePath(3), offset: func(m image) int64 { return at(m, 3, last(m, 3)-1) }},
		{name: "first frame of the last file", end: "witness", damage: func(m image) { m[filePath(3)][at(m, 3, 0)] ^= 1 },
			path: filePath(3), offset: func(m image) int64 { return at(m, 3, 0) }},
		{name: "last frame after its witness", end: "witness", damage: func(m image) { m[filePath(3)][at(m, 3, last(m, 3)-1)+65] ^= 1 },
			path: filePath(3), offset: func(m image) int64 { return at(m, 3, last(m, 3)-1) }},
		{name: "last frame after its witness, in its length", end: "witness", damage: func(m image) { m[filePath(3)][at(m, 3, last(m, 3)-1)+10] ^= 0x7f },
			path: filePath(3), offset: func(m image) int64 { return at(m, 3, last(m, 3)-1) }},
		{name: "the witness", end: "witness", damage: func(m image) { m[filePath(3)][at(m, 3, last(m, 3))+8] ^= 1 }, torn: true},
		{name: "last frame after its seal", end: "seal", damage: func(m image) { m[filePath(3)][at(m, 3, last(m, 3)-1)+65] ^= 1 },
			path: filePath(3), offset: func(m image) int64 { return at(m, 3, last(m, 3)-1) }},
		{name: "the seal", end: "seal", damage: func(m image) { m[filePath(3)][at(m, 3, last(m, 3))] ^= 1 },
			path: filePath(3), offset: func(m image) int64 { return at(m, 3, last(m, 3)) }},
		{name: "seal cut off", end: "seal", damage: func(m image) { m[filePath(3)] = m[filePath(3)][:at(m, 3, last(m, 3))] },
			path: filePath(3), offset: func(m image) int64 { return at(m, 3, last(m, 3)) }},
		{name: "last file cut", end: "witness", damage: func(m image) { m[filePath(3)] = m[filePath(3)][:at(m, 3, last(m, 3)-1)] },
			path: filePath(3), offset: func(m image) int64 { return at(m, 3, last(m, 3)-1) }},
		{name: "garbage after the last frame", end: "witness", damage: func(m image) { m[filePath(3)][60000] = 1 }, torn: true},

		// Right checksums: a faulty program wrote these, or somebody forged them.
		{name: "unknown flags", end: "seal", damage: func(m image) {
			m.reframe(t, 1, 1, func(h *FrameHeader, _ *[]byte) { h.Flags = 8 })
		}, path: filePath(1), offset: func(m image) int64 { return at(m, 1, 1) + 4 }},
		{name: "two flags", end: "seal", damage: func(m image) {
			m.reframe(t, 1, 3, func(h *FrameHeader, _ *[]byte) { h.Flags = flagsSeal })
		}, path: filePath(1), offset: func(m image) int64 { return at(m, 1, 3) + 4 }},
		{name: "wrong count", end: "seal", damage: func(m image) {
			m.reframe(t, 1, 1, func(h *FrameHeader, _ *[]byte) { h.Records++ })
		}, path: filePath(1), offset: func(m image) int64 { return at(m, 1, 1) + 12 }},
		{name: "no records", end: "seal", damage: func(m image) {
			m.reframe(t, 1, 1, func(h *FrameHeader, p *[]byte) { h.Records, *p = 0, nil })
		}, path: filePath(1), offset: func(m image) int64 { return at(m, 1, 1) + 12 }},
		{name: "malformed records", end: "seal", damage: func(m image) {
			m.reframe(t, 1, 1, func(_ *FrameHeader, p *[]byte) { *p = []byte{9, 1} })
		}, path: filePath(1), offset: func(m image) int64 { return at(m, 1, 1) + frameHeaderBytes }},
		{name: "seal with records", end: "seal", damage: func(m image) {
			m.reframe(t, 1, 1, func(h *FrameHeader, _ *[]byte) { h.Flags = FlagSealClose })
		}, path: filePath(1), offset: func(m image) int64 { return at(m, 1, 1) + 8 }},
		{name: "durable beyond itself", end: "seal", damage: func(m image) {
			m.reframe(t, 1, 1, func(h *FrameHeader, _ *[]byte) { h.Durable = h.Seq })
		}, path: filePath(1), offset: func(m image) int64 { return at(m, 1, 1) + 48 }},
		{name: "another file", end: "seal", damage: func(m image) {
			m.reframe(t, 1, 1, func(h *FrameHeader, _ *[]byte) { h.File = 7 })
		}, path: filePath(1), offset: func(m image) int64 { return at(m, 1, 1) + 24 }},
		{name: "another epoch", end: "seal", damage: func(m image) {
			m.reframe(t, 1, 1, func(h *FrameHeader, _ *[]byte) { h.Epoch = 7 })
		}, path: filePath(1), offset: func(m image) int64 { return at(m, 1, 1) + 16 }},
		{name: "gap in the sequence", end: "seal", damage: func(m image) {
			m.reframe(t, 1, 1, func(h *FrameHeader, _ *[]byte) { h.Seq += 5 })
		}, path: filePath(1), offset: func(m image) int64 { return at(m, 1, 1) + 32 }},
		{name: "broken chain", end: "seal", damage: func(m image) {
			m.reframe(t, 1, 1, func(h *FrameHeader, _ *[]byte) { h.Chain++ })
		}, path: filePath(1), offset: func(m image) int64 { return at(m, 1, 1) + 56 }},
		{name: "another frame in the middle", end: "seal", damage: func(m image) {
			m.reframe(t, 1, 1, func(_ *FrameHeader, p *[]byte) { *p = payloadOf(strings.Repeat("f", 300)) })
		}, path: filePath(1), offset: func(m image) int64 { return at(m, 1, 2) + 56 }},
		{name: "another seal", end: "seal", damage: func(m image) {
			m.reframe(t, 1, 3, func(h *FrameHeader, _ *[]byte) { h.At++ })
		}, path: filePath(2), offset: func(image) int64 { return 80 }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m, records := storeImage(t, c.end)
			var offset int64
			if c.offset != nil {
				offset = c.offset(m)
			}
			for name, b := range m {
				m[name] = slices.Clone(b)
			}
			c.damage(m)
			fs := m.mount(t)
			before := fs.Snapshot()
			_, verr := Verify(fs, testDir)
			l, rec, got, err := openWith(testOptions(fs))
			if (verr == nil) != (err == nil) || err != nil && verr.Error() != err.Error() {
				t.Fatalf("Open says %v and Verify %v", err, verr)
			}
			if c.path == "" {
				if err != nil {
					t.Fatal(err)
				}
				wantRecords(t, got, records[:len(records)-c.lost])
				if (rec.Torn != nil) != c.torn {
					t.Fatalf("torn tail: %+v", rec.Torn)
				}
				mustClose(t, l)
				return
			}
			var ve *VersionError
			if c.version {
				if !errors.As(err, &ve) || ve.Path != c.path || ve.Want != formatVersion || ve.Found == formatVersion {
					t.Fatalf("error is %v, want a fault of version", err)
				}
			} else {
				wantCorrupt(t, err, c.path, offset)
			}
			after := fs.Snapshot()
			delete(after, paths{testDir}.lock())
			delete(before, paths{testDir}.lock())
			if !sameFiles(before, after) {
				t.Fatal("a refused open changed something")
			}
			if l, err := fs.Lock(paths{testDir}.lock()); err != nil {
				t.Fatalf("a refused open keeps the lock: %v", err)
			} else {
				l.Close()
			}
		})
	}
}

// One bit of every byte of a store that was idle for a witness, or closed. A
// flip is detected, or it is where nothing is read, or it hits the last witness
// or seal; and no acknowledged record changes.
func TestEveryBitFlipIsDetectedOrHarmless(t *testing.T) {
	seed := testSeed(t)
	for _, end := range []string{"witness", "seal", "witness in a file used again"} {
		t.Run(end, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 8))
			fs := memfs.New()
			var want []string
			var prepare func(Store) (Place, error)
			if end == "witness in a file used again" {
				fs, prepare, want = reusedImage(t)
			}
			for n := range 2 {
				if prepare != nil {
					break
				}
				l, _, _ := mustOpen(t, testOptions(fs))
				for i := range 2 {
					r := fmt.Sprint(n, strings.Repeat("r", 4500*i+20))
					mustAppend(t, l, r)
					want = append(want, r)
				}
				switch {
				case n == 0 || end == "seal":
					mustClose(t, l)
				default:
					if err := l.Witness(); err != nil {
						t.Fatal(err)
					}
				}
			}
			img := image(fs.Snapshot())
			delete(img, paths{testDir}.lock())
			delete(img, paths{testDir}.ballast()) // has no content
			kinds := map[string]int{}
			for _, name := range slices.Sorted(maps.Keys(img)) {
				where := classify(t, img, name)
				for off := range int64(len(img[name])) {
					mask := byte(1) << rng.IntN(8)
					flip(t, fs, name, off, mask)
					var h history
					_, err := VerifyReplay(fs, testDir, prepare, h.replay)
					flip(t, fs, name, off, mask)
					kind := where(off)
					var corrupt *frame.CorruptError
					var version *VersionError
					detected := errors.As(err, &corrupt) && corrupt.Path == name || errors.As(err, &version) && version.Path == name
					switch {
					case err != nil && !detected:
						t.Fatalf("%s byte %d: %v", name, off, err)
					case detected && kind == "unused":
						t.Fatalf("%s byte %d is not read, and detected: %v", name, off, err)
					case detected:
						kinds["detected"]++
					case kind == "used":
						t.Fatalf("%s byte %d: bit %#x was flipped and nobody noticed", name, off, mask)
					default:
						kinds[kind]++
						wantRecords(t, h.records, want)
					}
				}
			}
			t.Logf("%v", kinds)
			if kinds["detected"] == 0 || kinds["unused"] == 0 {
				t.Errorf("implausible: %v", kinds)
			}
			if prepare != nil && kinds["unused"] < fileBytesMin/2 {
				t.Error("the file has no bytes of its earlier use")
			}
			if end == "seal" && kinds["last"] != 0 {
				t.Errorf("%d flips of the last seal were not detected", kinds["last"])
			}
		})
	}
}

// reusedImage is a store of one log file, which is full of frames of an earlier
// use after the few of its own.
func reusedImage(t testing.TB) (*memfs.FS, func(Store) (Place, error), []string) {
	t.Helper()
	fs, w := memfs.New(), &life{}
	l := reusedLog(t, testOptions(fs), w)
	for i := range 2 {
		if err := w.append(l, 4500*i+20); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Witness(); err != nil {
		t.Fatal(err)
	}
	if err := l.Trim(w.start().Pos); err != nil {
		t.Fatal(err)
	}
	m := image(fs.Snapshot())
	maps.DeleteFunc(m, func(name string, _ []byte) bool {
		return name != filePath(4) && name != (paths{testDir}).store()
	})
	return m.mount(t), w.prepare, w.sent[w.saved:]
}

// classify tells of each byte of a file whether it is used, unused, or of the
// last witness or seal.
func classify(t testing.TB, img image, name string) func(off int64) string {
	var n uint64
	if _, err := fmt.Sscanf(strings.TrimPrefix(name, paths{testDir}.wal()+"/"), "%020d.wal", &n); err != nil {
		return func(int64) string { return "used" }
	}
	frames := img.frames(t, n)
	isLast := img[filePath(n+1)] == nil
	return func(off int64) string {
		if off < headerBytes {
			return "used"
		}
		for i, f := range frames {
			switch {
			case off < f.at || off >= f.at+FrameSize(f.Length):
			case off >= f.at+frameHeaderBytes+int64(f.Length):
				return "unused" // padding
			case isLast && i == len(frames)-1:
				return "last"
			default:
				return "used"
			}
		}
		return "unused" // never written
	}
}

func flip(t testing.TB, fs *memfs.FS, name string, off int64, mask byte) {
	t.Helper()
	if err := fs.Corrupt(name, off, mask); err != nil {
		t.Fatal(err)
	}
}

var _ vfs.FS = (*memfs.FS)(nil)
