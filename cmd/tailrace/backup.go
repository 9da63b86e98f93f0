package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"

	"tailrace/engine"
	"tailrace/internal/config"
	"tailrace/internal/vfs"
)

// backup copies a store: through the server that has it open, or by itself.
func backup(args, env []string, stdout, stderr io.Writer) int {
	data := dataOf(env)
	f := offlineFlags("backup DEST [--data DIR] [--bucket URL]")
	f.StringVar(&data, "data", data, "directory of the store")
	var in place
	in.Flags(f)
	rest, code := parseWith(f, args, func() error { return errors.Join(in.Complete(f, env), wants(f, 1)) }, stdout, stderr)
	if code >= 0 {
		return code
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report, err := backUp(ctx, data, rest[0], &in, progressTo(stderr, "backup"))
	if err != nil {
		return failBucket(stderr, err)
	}
	fmt.Fprintf(stdout, "backup of %s made in %s: %d files, %s, %d of them links to those of the store\n",
		data, rest[0], report.Files, humanize.IBytes(uint64(report.Bytes)), report.Linked)
	fmt.Fprintf(stdout, "it has all batches up to %d, of %s\n", report.Batch, time.UnixMilli(report.At).UTC().Format(time.RFC3339))
	return exitOK
}

// dataOf is the directory of the store for who names none.
func dataOf(env []string) string {
	data := "./data"
	for _, pair := range env {
		if value, ok := strings.CutPrefix(pair, config.EnvPrefix+"DATA="); ok {
			data = value
		}
	}
	return data
}

func backUp(ctx context.Context, data, to string, in *place, progress func(done, total int64)) (engine.BackupReport, error) {
	// A server that is asked has another working directory.
	to, err := filepath.Abs(to)
	if err != nil {
		return engine.BackupReport{}, err
	}
	name := filepath.Join(data, controlName)
	conn, err := net.Dial("unix", name)
	switch {
	case err == nil:
		return askForBackup(ctx, conn, to, progress)
	case len(name) > controlPathMax, errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return backUpOffline(ctx, data, to, in, progress) // nobody listens
	}
	return engine.BackupReport{}, fmt.Errorf("ask the server that has %s open: %w", data, err)
}

// askForBackup lets the server do it that is at the other end.
func askForBackup(ctx context.Context, conn net.Conn, to string, progress func(done, total int64)) (engine.BackupReport, error) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })() // the server then gives it up
	if err := json.NewEncoder(conn).Encode(controlOrder{Command: "backup", To: to}); err != nil {
		return engine.BackupReport{}, fmt.Errorf("ask the server: %w", err)
	}
	for answers := json.NewDecoder(conn); ; {
		var a controlAnswer
		err := answers.Decode(&a)
		switch {
		case ctx.Err() != nil:
			return engine.BackupReport{}, ctx.Err()
		case err != nil:
			return engine.BackupReport{}, fmt.Errorf("the server did not say how it went: %w", err)
		case a.Error != "":
			return engine.BackupReport{}, errors.New(a.Error)
		case a.Report != nil:
			return *a.Report, nil
		}
		progress(a.Done, a.Total)
	}
}

// backUpOffline opens the store itself, as a server that takes nothing.
func backUpOffline(ctx context.Context, data, to string, in *place, progress func(done, total int64)) (engine.BackupReport, error) {
	if _, err := os.Stat(filepath.Join(data, "STORE")); err != nil {
		return engine.BackupReport{}, fmt.Errorf("%s is no store: %w", data, err) // Open would make one
	}
	o := toolOptions(data)
	if in.URL != "" {
		bucket, err := in.open(ctx)
		if err != nil {
			return engine.BackupReport{}, err
		}
		o.Tier = &engine.TierOptions{Bucket: bucket}
	}
	e, err := engine.Open(o)
	if errors.Is(err, vfs.ErrLocked) {
		return engine.BackupReport{}, fmt.Errorf("a server has %s open, and takes no orders (its log says why): stop it first: %w", data, err)
	}
	if err != nil {
		return engine.BackupReport{}, err
	}
	report, err := e.Backup(ctx, to, progress)
	return report, errors.Join(err, e.Close())
}

// toolOptions opens a store for a moment, without work of its own. It takes no
// appends, so its log file need not be large.
func toolOptions(dir string) engine.Options {
	return engine.Options{Dir: dir, Manual: true, LogFileBytes: 1 << 20, BodyBytesMax: 64 << 10}
}

// restore makes a store of a backup, or of what is in a bucket.
func restore(args, env []string, stdout, stderr io.Writer) int {
	f := offlineFlags("restore SRC DIR, or restore --bucket URL [--store ID] DIR")
	var in place
	in.Flags(f)
	store := f.String("store", "", "which store of the bucket: 32 hex digits; needed if there are several under the prefix")
	rest, code := parseWith(f, args, func() error {
		switch {
		case in.URL != "":
			return errors.Join(in.Complete(f, env), wants(f, 1))
		case *store != "":
			return errors.New("--store goes with --bucket, which is not given")
		}
		return errors.Join(in.Complete(f, env), wants(f, 2))
	}, stdout, stderr)
	if code >= 0 {
		return code
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if in.URL != "" {
		return restoreFromBucket(ctx, &in, *store, rest[0], stdout, stderr)
	}
	report, err := engine.Restore(ctx, vfs.OS, rest[0], rest[1], progressTo(stderr, "restore"))
	if err != nil {
		return fail(stderr, err)
	}
	printReport(stdout, report)
	return exitOK
}

func restoreFromBucket(ctx context.Context, in *place, store, to string, stdout, stderr io.Writer) int {
	bucket, err := in.open(ctx)
	if err != nil {
		return misused(stderr, err)
	}
	told := time.Now()
	r, err := engine.RestoreFromBucket(ctx, engine.BucketRestore{To: to, Bucket: bucket, Store: store, Progress: func(done, total int) {
		if time.Since(told) >= time.Second {
			told = time.Now()
			fmt.Fprintf(stderr, "restore: %d objects of %d\n", done, total)
		}
	}})
	if err != nil {
		return failBucket(stderr, err)
	}
	printReport(stdout, r.Report)
	date := func(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
	fmt.Fprintf(stdout, "restored state %d of store %s, published at %s, %v ago: %d objects with %s\n", r.State, r.Store, date(r.Written),
		time.Since(time.UnixMilli(r.Written)).Round(time.Second), r.Objects, humanize.IBytes(uint64(r.Bytes)))
	fmt.Fprintf(stdout, "it has everything up to %s; what was appended later is lost\n", date(r.At))
	fmt.Fprintln(stdout, "the bucket still belongs to the directory that published this: serve the new one with --bucket-takeover, once, and the old one never again")
	return exitOK
}

// progressTo says how far long work is, about once a second.
func progressTo(w io.Writer, what string) func(done, total int64) {
	told := time.Now()
	return func(done, total int64) {
		if time.Since(told) < time.Second {
			return
		}
		told = time.Now()
		fmt.Fprintf(w, "%s: %s of %s\n", what, humanize.IBytes(uint64(done)), humanize.IBytes(uint64(total)))
	}
}
