package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"tailrace/engine"
	"tailrace/internal/frame"
	"tailrace/internal/manifest"
)

// offlineFlags makes the flags of a command. Its name goes on with what it
// takes.
func offlineFlags(name string) *pflag.FlagSet {
	f := pflag.NewFlagSet("tailrace "+name, pflag.ContinueOnError)
	f.SortFlags = false
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	return f
}

// parseOffline reads a command line with so many arguments beside the flags.
// code is the exit code if the command ends with that, and -1 if not.
func parseOffline(f *pflag.FlagSet, args []string, want int, stdout, stderr io.Writer) (rest []string, code int) {
	return parseWith(f, args, func() error { return wants(f, want) }, stdout, stderr)
}

func wants(f *pflag.FlagSet, want int) error {
	if f.NArg() != want {
		return fmt.Errorf("%d arguments, want %d", f.NArg(), want)
	}
	return nil
}

// parseWith is parseOffline with another judge of what was given.
func parseWith(f *pflag.FlagSet, args []string, judge func() error, stdout, stderr io.Writer) (rest []string, code int) {
	err := f.Parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintf(stdout, "Usage:\n  %s\n", f.Name())
		if f.HasFlags() {
			fmt.Fprintf(stdout, "\nFlags:\n%s", f.FlagUsages())
		}
		return nil, exitOK
	}
	if err == nil {
		err = judge()
	}
	if err != nil {
		fmt.Fprintf(stderr, "tailrace: %v\nusage: %s\n", err, f.Name())
		return nil, exitUsage
	}
	return f.Args(), -1
}

// check verifies a store that no server has open.
func check(args, env []string, stdout, stderr io.Writer) int {
	f := offlineFlags("check DIR [--repair] [--bucket URL]")
	var in place
	in.Flags(f)
	repair := f.Bool("repair", false, "finish what was interrupted and remove what it left; nothing is lost by that, and damage is refused")
	lose := f.String("lose-streams-in", "", "segment file that is damaged: delete the streams that may miss something, as --repair lists them, and keep the rest")
	rest, code := parseWith(f, args, func() error {
		if in.URL != "" && (*repair || *lose != "") {
			return errors.New("--bucket does not go with --repair or --lose-streams-in, which have to do with the disk alone")
		}
		return errors.Join(in.Complete(f, env), wants(f, 1))
	}, stdout, stderr)
	if code >= 0 {
		return code
	}
	if *lose != "" {
		return loseStreams(rest[0], *lose, stdout, stderr)
	}
	if *repair {
		return repairStore(rest[0], stdout, stderr)
	}
	report, err := engine.Check(engine.Options{Dir: rest[0]})
	if err != nil {
		return fail(stderr, err)
	}
	printReport(stdout, report)
	if in.URL == "" {
		return exitOK
	}
	return audit(rest[0], &in, stdout, stderr)
}

// audit compares a store with its bucket.
func audit(dir string, in *place, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	bucket, err := in.open(ctx)
	if err != nil {
		return misused(stderr, err)
	}
	a, err := engine.AuditBucket(ctx, engine.Options{Dir: dir, Tier: &engine.TierOptions{Bucket: bucket}})
	if err != nil {
		return failBucket(stderr, err)
	}
	fmt.Fprintf(stdout, "bucket: %d objects with %d bytes, %d more on their way, %d to be deleted\n", a.Objects, a.Bytes, a.Unsent, a.Doomed)
	for _, name := range a.Orphans {
		fmt.Fprintf(stdout, "orphan: %s\n", name)
	}
	if len(a.Orphans) > 0 {
		fmt.Fprintf(stdout, "%d objects in the bucket belong to nothing that this store knows: they cost space, and may be deleted unless another directory of the store uses the bucket\n", len(a.Orphans))
	}
	for _, why := range a.Lost {
		fmt.Fprintf(stderr, "lost: %s\n", why)
	}
	if len(a.Lost) > 0 {
		fmt.Fprintf(stderr, "tailrace: %d objects are not in the bucket as they should be\n", len(a.Lost))
		return exitFailed
	}
	fmt.Fprintln(stdout, "nothing lost in the bucket")
	return exitOK
}

func repairStore(dir string, stdout, stderr io.Writer) int {
	r, err := engine.Repair(toolOptions(dir))
	if d := (*engine.DamageError)(nil); errors.As(err, &d) {
		fmt.Fprintf(stderr, "tailrace: %s is damaged; repairing it would lose something, so nothing was changed\n", dir)
		printDamage(stderr, d)
		return exitFailed
	}
	if err != nil {
		return fail(stderr, err)
	}
	if t := r.Before.Torn; t != nil {
		fmt.Fprintf(stdout, "cut a torn tail in %s at byte %d (%s): nobody was told of it\n", t.Pos.FileName(), t.Pos.Offset, t.Reason)
	}
	if r.Acts > 0 {
		fmt.Fprintf(stdout, "gave up %d flushes, merges or backups that were interrupted\n", r.Acts)
	}
	if r.Files > 0 {
		fmt.Fprintf(stdout, "removed %d files that nothing needs\n", r.Files)
	}
	if r.Before.Clean && r.Acts == 0 && r.Files == 0 {
		fmt.Fprintln(stdout, "nothing had to be repaired")
	}
	printReport(stdout, r.After)
	return exitOK
}

// loseStreams deletes what a damaged segment cost some of its streams.
func loseStreams(dir, segment string, stdout, stderr io.Writer) int {
	own := filepath.Join(dir, manifest.SegmentDir, filepath.Base(segment))
	is, err := os.Stat(segment)
	if err != nil {
		return fail(stderr, err)
	}
	if of, err := os.Stat(own); err != nil || !os.SameFile(is, of) {
		return fail(stderr, fmt.Errorf("%s is no segment of %s", segment, dir))
	}
	lost, report, err := engine.LoseStreamsIn(toolOptions(dir), own)
	if err != nil {
		return fail(stderr, err)
	}
	for _, path := range lost {
		fmt.Fprintf(stdout, "deleted stream %s\n", path)
	}
	printReport(stdout, report)
	return exitOK
}

// printDamage names every stream: it is what a lossy repair would delete.
func printDamage(w io.Writer, d *engine.DamageError) {
	for i := range d.Faults {
		f := &d.Faults[i]
		fmt.Fprintf(w, "%s: %v\n", f.Path, f.Err)
		if f.Bucket {
			fmt.Fprintln(w, "  of no stream: the segment is whole in the bucket, start the store with --bucket")
			continue
		}
		if f.All {
			fmt.Fprintln(w, "  any stream may miss something")
			continue
		}
		if len(f.Streams) == 0 {
			fmt.Fprintln(w, "  of no stream that is still there")
		}
		for _, path := range f.Streams {
			fmt.Fprintf(w, "  stream %s\n", path)
		}
	}
	fmt.Fprintln(w, "a backup has what is missing; without one, --lose-streams-in SEGMENT deletes the streams of one damaged segment that are named above")
}

// misused says what is wrong with a command line that could be read.
func misused(stderr io.Writer, err error) int {
	fmt.Fprintln(stderr, "tailrace:", err)
	return exitUsage
}

// failBucket is fail for what has to do with a bucket: one that cannot be used
// as it was given is a matter of the command line.
func failBucket(stderr io.Writer, err error) int {
	err, unusable := explain(err)
	if unusable {
		return misused(stderr, err)
	}
	return fail(stderr, err)
}

// fail says why a command failed, and where the first fault is if that is known.
func fail(stderr io.Writer, err error) int {
	fmt.Fprintln(stderr, "tailrace:", err)
	if c := (*frame.CorruptError)(nil); errors.As(err, &c) {
		fmt.Fprintf(stderr, "first fault: %s at byte %d: %s\n", c.Path, c.Offset, c.Reason)
	}
	return exitFailed
}

func printReport(w io.Writer, r engine.Report) {
	at := func(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
	fmt.Fprintf(w, "store %s, created %s\n", r.Store, at(r.Created))
	if r.Files > 0 {
		fmt.Fprintf(w, "%d log files, %d frames, %d records, the last at %s\n", r.Files, r.Frames, r.Records, at(r.LastAt))
	} else {
		fmt.Fprintln(w, "no log yet")
	}
	fmt.Fprintf(w, "%d segments in %d layers: %d runs of streams, %d of them dead, %d bytes of %d raw\n",
		r.Segments, r.Layers, r.Runs, r.Dead, r.Stored, r.Raw)
	if r.Remote > 0 {
		fmt.Fprintf(w, "%d of the segments have their blocks in the bucket, where they were not looked at\n", r.Remote)
	}
	fmt.Fprintf(w, "%d streams, %d appends in the log alone\n", r.Streams, r.Appends)
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
