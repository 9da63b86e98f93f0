package wal

import (
	"fmt"
	"strconv"
	"strings"
)

// Names on the medium, relative to the directory of the store.
const (
	lockName     = "LOCK"
	storeName    = "STORE"
	storeTmpName = "STORE.tmp"
	trimName     = "STORE.trim"
	ballastName  = "BALLAST"
	walDir       = "wal"
	nextName     = "next.tmp"
	rewriteName  = "rewrite.tmp"
	fileSuffix   = ".wal"
)

// fileName is the name of log file n inside walDir.
func fileName(n uint64) string { return fmt.Sprintf("%020d%s", n, fileSuffix) }

// parseFileName is the inverse of fileName. Other spellings of the same number
// are not names of log files.
func parseFileName(name string) (uint64, bool) {
	digits, found := strings.CutSuffix(name, fileSuffix)
	if !found || len(digits) != 20 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && n > 0 && fileName(n) == name
}

// paths builds the names of one store.
type paths struct{ dir string }

func (p paths) lock() string             { return p.dir + "/" + lockName }
func (p paths) store() string            { return p.dir + "/" + storeName }
func (p paths) storeTmp() string         { return p.dir + "/" + storeTmpName }
func (p paths) trim() string             { return p.dir + "/" + trimName }
func (p paths) ballast() string          { return p.dir + "/" + ballastName }
func (p paths) wal() string              { return p.dir + "/" + walDir }
func (p paths) next() string             { return p.wal() + "/" + nextName }
func (p paths) rewrite() string          { return p.wal() + "/" + rewriteName }
func (p paths) file(n uint64) string     { return p.wal() + "/" + fileName(n) }
func (p paths) inWAL(name string) string { return p.wal() + "/" + name }
