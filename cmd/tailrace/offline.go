package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"tailrace/engine"
	"tailrace/internal/frame"
	"tailrace/internal/vfs"
	"tailrace/wal"
)

// check verifies a store that no server has open.
func check(args []string, stdout, stderr io.Writer) int {
	if len(args) != 1 {
		fmt.Fprintln(stderr, "usage: tailrace check DIR")
		return exitUsage
	}
	report, err := engine.Check(engine.Options{Dir: args[0]})
	if err != nil {
		fmt.Fprintln(stderr, "tailrace:", err)
		if c := (*frame.CorruptError)(nil); errors.As(err, &c) {
			fmt.Fprintf(stderr, "first fault: %s at byte %d: %s\n", c.Path, c.Offset, c.Reason)
		}
		return exitFailed
	}
	printReport(stdout, report)
	return exitOK
}

func printReport(w io.Writer, r engine.Report) {
	at := func(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
	fmt.Fprintf(w, "store %s, created %s\n", r.Store, at(r.Created))
	fmt.Fprintf(w, "%d log files, %d frames, %d records, the last at %s\n", r.Files, r.Frames, r.Records, at(r.LastAt))
	fmt.Fprintf(w, "%d streams, %d appends\n", r.Streams, r.Appends)
	if r.Torn != nil {
		fmt.Fprintf(w, "torn tail in %s at byte %d (%s): nobody was told of it, and the next start cuts it\n",
			r.Torn.Pos.FileName(), r.Torn.Pos.Offset, r.Torn.Reason)
	}
	if r.Clean {
		fmt.Fprintln(w, "closed cleanly")
	} else {
		fmt.Fprintln(w, "not closed cleanly: the next start recovers it")
	}
	fmt.Fprintln(w, "no fault found")
}

// inspect prints the parts of a file of ours.
func inspect(args []string, stdout, stderr io.Writer) int {
	if len(args) != 2 || args[0] != "wal" {
		fmt.Fprintln(stderr, "usage: tailrace inspect wal FILE")
		return exitUsage
	}
	if err := inspectWAL(args[1], stdout); err != nil {
		fmt.Fprintln(stderr, "tailrace:", err)
		return exitFailed
	}
	return exitOK
}

func inspectWAL(name string, stdout io.Writer) error {
	f, err := vfs.OS.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return err
	}
	w := bufio.NewWriter(stdout)
	if err := wal.Dump(w, f, size); err != nil {
		return errors.Join(err, w.Flush())
	}
	return w.Flush()
}
