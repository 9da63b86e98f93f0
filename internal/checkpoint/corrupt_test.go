package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"tailrace/internal/frame"
)

// smallFile is a delta of three blocks and where they begin, and the footer.
func smallFile(t testing.TB) (b []byte, at []int) {
	t.Helper()
	long := bytes.Repeat([]byte("x"), blockBytes)
	b = write(t, deltaHeader, []line{
		{id: 3, row: []byte("three")}, {id: 4, removed: true}, {id: 300, row: long},
		{id: 301, row: []byte{}}, {id: 302, row: long},
		{id: 1 << 40, row: []byte("far")}, {id: 1<<40 + 1, removed: true},
	})
	for pos := headerBytes; len(at) < 3; pos += blockHeaderBytes + int(binary.LittleEndian.Uint32(b[pos+4:])) {
		at = append(at, pos)
	}
	return b, append(at, len(b)-footerBytes)
}

// reblock puts other rows into a block and makes all checksums right from there.
func reblock(b []byte, at []int, i int, change func(rows []byte) []byte) []byte {
	out := slices.Clone(b[:at[i]])
	chain := binary.LittleEndian.Uint32(b[at[i]+12:])
	le := binary.LittleEndian
	for j := i; j < 3; j++ {
		block := slices.Clone(b[at[j]:at[j+1]])
		if j == i {
			block = append(block[:blockHeaderBytes:blockHeaderBytes], change(block[blockHeaderBytes:])...)
			le.PutUint32(block[4:], uint32(len(block)-blockHeaderBytes))
		}
		le.PutUint32(block[12:], chain)
		chain = frame.Update(frame.Checksum(block[:16]), block[blockHeaderBytes:])
		le.PutUint32(block[16:], chain)
		out = append(out, block...)
	}
	footer := slices.Clone(b[at[3]:])
	le.PutUint32(footer[40:], chain)
	le.PutUint32(footer[44:], frame.Checksum(footer[:44]))
	return append(out, footer...)
}

func TestCorruptionTable(t *testing.T) {
	whole, at := smallFile(t)
	rehead := func(change func(h []byte)) func([]byte) []byte {
		return func(b []byte) []byte {
			change(b)
			binary.LittleEndian.PutUint32(b[60:], frame.Checksum(b[:60]))
			return b
		}
	}
	refoot := func(change func(f []byte)) func([]byte) []byte {
		return func(b []byte) []byte {
			f := b[at[3]:]
			change(f)
			binary.LittleEndian.PutUint32(f[44:], frame.Checksum(f[:44]))
			return b
		}
	}
	rows := func(i int, change func(rows []byte) []byte) func([]byte) []byte {
		return func(b []byte) []byte { return reblock(b, at, i, change) }
	}
	first := int64(at[0] + blockHeaderBytes)
	cases := []struct {
		name   string
		damage func(b []byte) []byte
		offset int64
	}{
		{"empty", func([]byte) []byte { return nil }, 0},
		{"header cut", func(b []byte) []byte { return b[:40] }, 40},
		{"magic", func(b []byte) []byte { b[0] = 'X'; return b }, 0},
		{"header flipped", func(b []byte) []byte { b[41] ^= 1; return b }, 0},
		{"reserved", rehead(func(h []byte) { h[57] = 1 }), 56},
		{"unknown kind", rehead(func(h []byte) { h[12] = 3 }), 12},
		{"no id", rehead(func(h []byte) { h[32] = 0 }), 32},
		{"base after batch", rehead(func(h []byte) { h[50] = 1 }), 48},
		{"snapshot with a base", rehead(func(h []byte) { h[12] = 1 }), 48},
		{"another header", rehead(func(h []byte) { h[40]++ }), int64(at[0] + 12)},

		{"nothing after the header", func(b []byte) []byte { return b[:headerBytes] }, headerBytes},
		{"block magic", func(b []byte) []byte { b[at[1]] ^= 1; return b }, int64(at[1])},
		{"block length grown", func(b []byte) []byte { b[at[1]+4]++; return b }, int64(at[1])},
		{"block length beyond the file", func(b []byte) []byte { b[at[1]+6] = 0xff; return b }, int64(len(whole))},
		{"block length beyond the limits", func(b []byte) []byte { b[at[1]+7] = 0xff; return b }, int64(at[1] + 4)},
		{"block without rows", func(b []byte) []byte { clear(b[at[1]+4 : at[1]+8]); return b }, int64(at[1] + 4)},
		{"rows flipped", func(b []byte) []byte { b[at[2]+25] ^= 1; return b }, int64(at[2])},
		{"block missing", func(b []byte) []byte { return slices.Delete(b, at[1], at[2]) }, int64(at[1] + 12)},
		{"block twice", func(b []byte) []byte { return slices.Insert(b, at[1], b[at[0]:at[1]]...) }, int64(at[1] + 12)},
		{"cut before a block", func(b []byte) []byte { return b[:at[2]] }, int64(at[2])},
		{"cut before the footer", func(b []byte) []byte { return b[:at[3]] }, int64(at[3])},
		{"cut inside the footer", func(b []byte) []byte { return b[:len(b)-1] }, int64(len(whole) - 1)},
		{"grown", func(b []byte) []byte { return append(b, 0) }, int64(len(whole))},
		{"footer twice", func(b []byte) []byte { return append(b, b[at[3]:]...) }, int64(len(whole))},
		{"footer flipped", func(b []byte) []byte { b[at[3]+9] ^= 1; return b }, int64(at[3])},

		// Right checksums: a faulty program wrote these, or somebody forged them.
		{"footer reserved", refoot(func(f []byte) { f[4] = 1 }), int64(at[3] + 4)},
		{"footer totals", refoot(func(f []byte) { f[8]++ }), int64(at[3] + 8)},
		{"footer of another file", refoot(func(f []byte) { f[40]++ }), int64(at[3] + 40)},
		{"claimed rows", func(b []byte) []byte { b[at[0]+8]++; return reblock(b, at, 0, slices.Clone) }, int64(at[0] + 8)},
		{"id zero", rows(0, func(r []byte) []byte { r[0] = 0; return r }), first},
		{"long id", rows(0, func(r []byte) []byte { return append([]byte{0x83, 0}, r[1:]...) }), first},
		{"endless id", rows(0, func([]byte) []byte { return bytes.Repeat([]byte{0xff}, 20) }), first},
		{"id overflows", rows(2, func([]byte) []byte { return append(binary.AppendUvarint(nil, 1<<64-1), 0) }), int64(at[2] + blockHeaderBytes)},
		{"id alone", rows(0, func([]byte) []byte { return []byte{1} }), first + 1},
		{"long length", rows(0, func(r []byte) []byte { return []byte{3, 0x81, 0} }), first + 1},
		{"length beyond the block", rows(0, func(r []byte) []byte { return []byte{3, 4, 'a', 'b'} }), first + 1},
		{"huge length", rows(0, func(r []byte) []byte { return binary.AppendUvarint([]byte{3}, 1<<64-1) }), first + 1},
		{"mark in a snapshot", func(b []byte) []byte {
			b = rehead(func(h []byte) { h[12] = 1; clear(h[48:56]) })(b)
			copy(b[at[0]+12:], b[60:64])
			return reblock(b, at, 0, slices.Clone)
		}, first + 8},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, _, _, err := read(c.damage(slices.Clone(whole)))
			wantCorrupt(t, err, c.offset)
		})
	}
	b := slices.Clone(whole)
	b[8] = 2
	var ve *VersionError
	if _, _, _, err := read(b); !errors.As(err, &ve) || ve.Found != 2 || ve.Want != formatVersion {
		t.Errorf("another version: %v", err)
	}
	if _, _, _, err := read(reblock(whole, at, 0, slices.Clone)); err != nil {
		t.Errorf("the harness itself damages: %v", err)
	}
}

func TestEveryFlipIsDetected(t *testing.T) {
	seed := testSeed(t)
	rng := rand.New(rand.NewPCG(seed, 8))
	b := write(t, deltaHeader, randomLines(rng, deltaHeader, 60))
	for off := range b {
		mask := byte(1) << rng.IntN(8)
		b[off] ^= mask
		_, _, _, err := read(b)
		b[off] ^= mask
		var ce *frame.CorruptError
		var ve *VersionError
		if !errors.As(err, &ce) && !errors.As(err, &ve) {
			t.Fatalf("-checkpoint.seed=%d: byte %d of %d: bit %#x was flipped: %v", seed, off, len(b), mask, err)
		}
	}
}

func TestEveryTruncationIsDetected(t *testing.T) {
	b := write(t, deltaHeader, randomLines(rand.New(rand.NewPCG(3, 4)), deltaHeader, 60))
	for n := range b {
		_, _, _, err := read(b[:n])
		wantCorrupt(t, err, -1)
	}
}
