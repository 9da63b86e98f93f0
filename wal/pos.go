package wal

import (
	"cmp"
	"fmt"
)

// Pos is a physical place in the log: a file and a byte in it. Positions grow
// along the log. The zero Pos is before every frame.
type Pos struct {
	File   uint64 // number of the log file, from 1
	Offset int64  // bytes from the beginning of the file
}

// Compare is negative, zero or positive as p is before, at or after q.
func (p Pos) Compare(q Pos) int {
	return cmp.Or(cmp.Compare(p.File, q.File), cmp.Compare(p.Offset, q.Offset))
}

// String is "file:offset".
func (p Pos) String() string { return fmt.Sprintf("%d:%d", p.File, p.Offset) }

// FileName is the name of the log file, within the directory of log files.
func (p Pos) FileName() string { return fileName(p.File) }

// Place is where a frame is: its position, and its sequence, which grows by one
// from frame to frame through all files. The zero Place is before every frame.
type Place struct {
	Pos Pos
	Seq uint64
}
