package main

import (
	"fmt"
	"io"

	"tailrace/internal/bucket"
	"tailrace/internal/checkpoint"
	"tailrace/internal/manifest"
	"tailrace/internal/vfs"
	"tailrace/segment"
	"tailrace/wal"
)

// dumps print the files of a store by kind. They need nothing but the file.
var dumps = map[string]func(w io.Writer, r io.ReaderAt, size int64) error{
	"wal":          wal.Dump,
	"segment":      segment.Dump,
	"index":        segment.DumpEnds,
	"checkpoint":   checkpoint.Dump,
	"manifest":     whole(manifest.Dump),
	"bucket-head":  whole(bucket.DumpHead),
	"bucket-state": whole(dumpBucketState),
}

// inspect prints the parts of a file of ours.
func inspect(args []string, stdout, stderr io.Writer) int {
	f := offlineFlags("inspect KIND FILE")
	rest, code := parseOffline(f, args, 2, stdout, stderr)
	if code >= 0 {
		return code
	}
	dump, ok := dumps[rest[0]]
	if !ok {
		fmt.Fprintf(stderr, "tailrace: unknown kind %q: want wal, segment, index, manifest, checkpoint, bucket-head or bucket-state\nusage: %s\n", rest[0], f.Name())
		return exitUsage
	}
	if err := inspectFile(rest[1], stdout, dump); err != nil {
		fmt.Fprintln(stderr, "tailrace:", err)
		return exitFailed
	}
	return exitOK
}

func inspectFile(name string, stdout io.Writer, dump func(w io.Writer, r io.ReaderAt, size int64) error) error {
	f, err := vfs.OS.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return err
	}
	return dump(stdout, f, size)
}

// wholeBytesMax is longer than any file that is written of those that are read
// whole.
const wholeBytesMax = 1 << 30

// whole makes a dump of one that takes all of a file.
func whole(dump func(w io.Writer, b []byte) error) func(w io.Writer, r io.ReaderAt, size int64) error {
	return func(w io.Writer, r io.ReaderAt, size int64) error {
		if size > wholeBytesMax {
			return fmt.Errorf("a file of %d bytes is none of that kind", size)
		}
		b, err := io.ReadAll(io.NewSectionReader(r, 0, size))
		if err != nil {
			return err
		}
		return dump(w, b)
	}
}

// dumpBucketState prints a published state with what it says of the store.
func dumpBucketState(w io.Writer, b []byte) error {
	payload, err := bucket.DumpState(w, b)
	if err != nil {
		return err
	}
	state, err := manifest.DecodeState(payload)
	if err != nil {
		return err
	}
	return manifest.DumpState(w, &state)
}
