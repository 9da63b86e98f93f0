package memfs

import (
	"bytes"
	"math/bits"
)

const (
	sectorSize = 512
	pageSize   = 4096

	// allSectors is the mask of a whole page. A mask has bit i for the sector
	// at byte i*sectorSize of the page.
	allSectors = 1<<(pageSize/sectorSize) - 1
)

type block [pageSize]byte

// page is 4 KiB of a file in both views. A nil block is zeros. seen and medium
// are the same pointer while the page is clean, and then the block is written
// by nobody.
type page struct {
	seen, medium *block

	// spare is a block of this page that fell out of use, so that a page
	// written and synced over and over needs no new memory.
	spare *block

	dirty    uint8 // sectors that the next sync writes
	stale    uint8 // sectors that a failed sync dropped: they differ, but no sync writes them
	shared   bool  // medium belongs to other file systems too
	reserved bool  // counts in FS.used
}

// writable returns the seen block as one that may be changed.
func (p *page) writable() *block {
	if p.seen != nil && p.seen != p.medium {
		return p.seen
	}
	b := p.spare
	p.spare = nil
	if p.seen == nil {
		if b == nil {
			b = new(block)
		} else {
			*b = block{}
		}
	} else {
		if b == nil {
			b = new(block)
		}
		*b = *p.seen
	}
	p.seen = b
	return b
}

// sectors is the mask of the sectors that bytes from..to-1 of a page touch.
func sectors(from, to int) uint8 {
	first, last := from/sectorSize, (to-1)/sectorSize
	return uint8(allSectors<<first) & uint8(allSectors>>(pageSize/sectorSize-1-last))
}

var zeros block

func (p *page) write(at int, data []byte) {
	// Logs fill new files with zeros; a hole that gets zeros stays one.
	if p.seen != nil || !bytes.Equal(data, zeros[:len(data)]) {
		copy(p.writable()[at:], data)
	}
	m := sectors(at, at+len(data))
	p.dirty |= m
	p.stale &^= m
}

func (p *page) read(at int, data []byte) {
	if p.seen == nil {
		clear(data)
		return
	}
	copy(data, p.seen[at:])
}

// cut drops the bytes at and after byte at of the seen view. The medium keeps
// its bytes until the file's length gets there.
func (p *page) cut(at int) {
	if at == 0 {
		if p.seen != p.medium && p.spare == nil {
			p.spare = p.seen
		}
		p.seen, p.dirty, p.stale = nil, 0, 0
		return
	}
	if p.seen != nil {
		clear(p.writable()[at:])
	}
	// The sector with the cut stays as it is: its front still has to be written.
	rest := uint8(allSectors << ((at + sectorSize - 1) / sectorSize))
	p.dirty &^= rest
	p.stale &^= rest
}

// sync brings the medium up to date; the file was cut to floor bytes of this
// page at some time since its last sync.
func (p *page) sync(floor int) {
	if p.seen == p.medium {
		p.dirty = 0
		return
	}
	if p.stale == 0 {
		if !p.shared && p.medium != nil {
			p.spare = p.medium
		}
		p.medium, p.shared, p.dirty = p.seen, false, 0
		return
	}
	p.medium, p.shared = p.mix(floor, p.dirty), false
	p.dirty = 0
}

// mix returns the block of the medium cut to floor bytes with the sectors of
// mask from the seen view.
func (p *page) mix(floor int, mask uint8) *block {
	b := new(block)
	if p.medium != nil {
		copy(b[:floor], p.medium[:floor])
	}
	for m := mask; m != 0; m &= m - 1 {
		at := bits.TrailingZeros8(m) * sectorSize
		if p.seen == nil {
			clear(b[at : at+sectorSize])
		} else {
			copy(b[at:at+sectorSize], p.seen[at:])
		}
	}
	return b
}
