package manifest

import (
	"fmt"
	"strconv"
	"strings"
)

// Names on the medium, relative to the directory of the store.
const (
	currentName    = "CURRENT"
	currentTmpName = "CURRENT.tmp"
	manifestDir    = "manifest"
	fileSuffix     = ".manifest"
)

// SegmentDir and MetaDir hold the files that a manifest lists, relative to the
// directory of the store.
const (
	SegmentDir = "seg"
	MetaDir    = "meta"
)

// fileName is the name of manifest file n inside manifestDir.
func fileName(n uint64) string { return fmt.Sprintf("%020d%s", n, fileSuffix) }

// parseFileName is the inverse of fileName. Other spellings of the same number
// are not names of manifest files.
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

func (p paths) current() string      { return p.dir + "/" + currentName }
func (p paths) currentTmp() string   { return p.dir + "/" + currentTmpName }
func (p paths) manifest() string     { return p.dir + "/" + manifestDir }
func (p paths) file(n uint64) string { return p.manifest() + "/" + fileName(n) }

// FileKind is what a listed file holds.
type FileKind uint8

const (
	FileSegment  FileKind = 1 // runs of streams
	FileSnapshot FileKind = 2 // the whole stream table
	FileDelta    FileKind = 3 // what changed in the stream table since another file
	FileIndex    FileKind = 4 // the end of a segment whose blocks are in the bucket
	FileState    FileKind = 5 // a published state; only in the bucket
)

// String is the name of the kind.
func (k FileKind) String() string {
	switch k {
	case FileSegment:
		return "segment"
	case FileSnapshot:
		return "snapshot"
	case FileDelta:
		return "delta"
	case FileIndex:
		return "index"
	case FileState:
		return "state"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// valid tells that it is a kind of file on the disk.
func (k FileKind) valid() bool { return k >= FileSegment && k <= FileIndex }

// File is a file that an act made or makes.
type File struct {
	ID   uint64
	Kind FileKind
}

// Path is where the file is, relative to the directory of the store.
func (f File) Path() string {
	switch f.Kind {
	case FileSegment:
		return fmt.Sprintf("%s/%020d.seg", SegmentDir, f.ID)
	case FileSnapshot:
		return fmt.Sprintf("%s/%020d.snap", MetaDir, f.ID)
	case FileDelta:
		return fmt.Sprintf("%s/%020d.delta", MetaDir, f.ID)
	case FileIndex:
		return fmt.Sprintf("%s/%020d.idx", SegmentDir, f.ID)
	}
	panic(fmt.Sprintf("manifest: file %d of %v has no path", f.ID, f.Kind))
}

// Dir is the directory that has to be synced for the file's name to last,
// relative to the directory of the store.
func (f File) Dir() string {
	if f.Kind == FileSegment || f.Kind == FileIndex {
		return SegmentDir
	}
	return MetaDir
}

func (f File) String() string { return fmt.Sprintf("%v %d", f.Kind, f.ID) }
