package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tailrace/engine"
	"tailrace/internal/objstore"
	"tailrace/internal/objstore/s3test"
	"tailrace/internal/stream"
)

// command runs a command and returns how it ended, and all that it printed.
func command(env []string, args ...string) (code int, printed string) {
	var out bytes.Buffer
	code = run(args, env, &out, &out)
	return code, out.String()
}

// demand fails the test unless a command ends with a code and prints all of the
// texts.
func demand(t *testing.T, code int, args []string, texts ...string) string {
	t.Helper()
	got, printed := command(nil, args...)
	if got != code {
		t.Errorf("%q: exit code %d, want %d: %s", args, got, code, printed)
	}
	for _, text := range texts {
		if !strings.Contains(printed, text) {
			t.Errorf("%q does not print %q: %s", args, text, printed)
		}
	}
	return printed
}

// openWith opens a store as serve does that is started with these flags.
func openWith(t *testing.T, args ...string) (*engine.Engine, error) {
	t.Helper()
	c, err := load(append([]string{"--log-file-bytes", "64KiB", "--body-bytes", "8KiB"}, args...), nil)
	if err != nil {
		t.Fatal(err)
	}
	p := newProcess(c, io.Discard)
	if c.Bucket.URL != "" {
		if p.bucket, err = (&place{c.Bucket}).open(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return engine.Open(p.engineOptions())
}

// published makes a store in data of which a bucket has everything, and returns
// its status before it was closed.
func published(t *testing.T, data, url string) status {
	t.Helper()
	e, err := openWith(t, "--data", data, "--bucket", url, "--bucket-publish-every", "1ms", "--bucket-grace", "0s")
	if err != nil {
		t.Fatal(err)
	}
	c := startControl(e, data, slog.New(slog.DiscardHandler))
	ticket := e.Create(&stream.Create{Path: "s", ContentType: "text/plain", TTL: stream.NoTTL, Body: []byte("kept in the bucket")})
	if err := ticket.Wait(); err != nil || ticket.Code != stream.Created {
		t.Fatalf("%v, %v", ticket.Code, err)
	}
	if before, err := askForStatus(data); err != nil || before.Bucket == nil || before.Bucket.MissingBytes == 0 {
		t.Fatalf("status before the publication: %+v, %v", before.Bucket, err)
	}
	if err := errors.Join(e.Flush(), e.Tier()); err != nil {
		t.Fatal(err)
	}
	demand(t, exitOK, []string{"status", "--data", data}, "1 streams, 1 segments", "bucket ready", "a restore would lose nothing", "put: ")
	var s status
	if err := json.Unmarshal([]byte(demand(t, exitOK, []string{"status", "--data", data, "--json"})), &s); err != nil {
		t.Fatal(err)
	}
	c.close()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestLifeOfABucket goes through what an operator does with one.
func TestLifeOfABucket(t *testing.T) {
	dir := t.TempDir()
	data, again, root := filepath.Join(dir, "data"), filepath.Join(dir, "again"), filepath.Join(dir, "bucket")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	url := "dir://" + root
	if s := published(t, data, url); s.Bucket == nil || s.Bucket.Phase != engine.TierReady || s.Bucket.MissingSeconds != 0 || s.Bucket.BucketBytes == 0 {
		t.Errorf("status after the publication: %+v", s.Bucket)
	}
	demand(t, exitFailed, []string{"status", "--data", data}, "no server answers")
	demand(t, exitOK, []string{"check", data, "--bucket", url}, "no fault found", "nothing lost in the bucket")

	// An object that nothing refers to costs space only, one that is not there data.
	orphan := filepath.Join(filepath.Dir(only(t, root, "*", "head~")), "seg", "00", "orphan")
	segment := only(t, root, "*", "seg", "*", "*.seg~")
	copyFile(t, segment, orphan+"~")
	demand(t, exitOK, []string{"check", data, "--bucket", url}, "orphan: ", "/seg/00/orphan", "1 objects in the bucket belong to nothing", "nothing lost")
	if err := os.Remove(orphan + "~"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(segment, segment+".away"); err != nil {
		t.Fatal(err)
	}
	demand(t, exitFailed, []string{"check", data, "--bucket", url}, "lost: ", filepath.Base(strings.TrimSuffix(segment, "~")), "1 objects are not in the bucket")
	if err := os.Rename(segment+".away", segment); err != nil {
		t.Fatal(err)
	}

	// What a directory bucket puts before an object is 48 bytes.
	for kind, name := range map[string]string{"bucket-head": only(t, root, "*", "head~"), "bucket-state": only(t, root, "*", "meta", "*.state~")} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		object := filepath.Join(dir, kind)
		if err := os.WriteFile(object, b[48:], 0o644); err != nil {
			t.Fatal(err)
		}
		demand(t, exitOK, []string{"inspect", kind, object}, "version  1")
		if err := os.WriteFile(object, b[48:60], 0o644); err != nil {
			t.Fatal(err)
		}
		demand(t, exitFailed, []string{"inspect", kind, object})
	}

	demand(t, exitFailed, []string{"restore", "--bucket", url, "--store", strings.Repeat("0", 32), again}, "not found")
	demand(t, exitUsage, []string{"restore", "--bucket", "dir://" + root + "/missing", again}, "--bucket: ")
	demand(t, exitFailed, []string{"restore", "--bucket", url, data}, "not an empty directory")
	demand(t, exitOK, []string{"restore", "--bucket", url, again}, "1 streams", "restored state ", " ago: 2 objects", "it has everything up to ", "--bucket-takeover")
	ends := only(t, again, "seg", "*.idx")
	demand(t, exitOK, []string{"inspect", "index", ends}, "left out", "1 appends")
	demand(t, exitFailed, []string{"inspect", "segment", ends}, "does not fit into the file")
	demand(t, exitUsage, []string{"serve", "--data", again, "--listen", "127.0.0.1:0"}, "--bucket says where")
	demand(t, exitUsage, []string{"serve", "--data", again, "--listen", "127.0.0.1:0", "--bucket", url}, "--bucket-takeover takes it over")
	demand(t, exitUsage, []string{"backup", filepath.Join(dir, "backup"), "--data", again}, "--bucket says where")

	e, err := openWith(t, "--data", again, "--bucket", url, "--bucket-takeover")
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	demand(t, exitUsage, []string{"serve", "--data", data, "--listen", "127.0.0.1:0", "--bucket", url}, "--bucket-takeover")
	// The copy has everything on its own disk, and no bucket.
	demand(t, exitOK, []string{"backup", filepath.Join(dir, "backup"), "--data", again, "--bucket", url}, "backup of")
	demand(t, exitOK, []string{"check", filepath.Join(dir, "backup")}, "no fault found")
}

func only(t *testing.T, parts ...string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(parts...))
	if err != nil || len(found) != 1 {
		t.Fatalf("%v: %v, %v", parts, found, err)
	}
	return found[0]
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, b, 0o644))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestUnusableBucketsAreUsageErrors starts servers on a real store with every
// mistake that it can tell: the message says what to change.
func TestUnusableBucketsAreUsageErrors(t *testing.T) {
	server := s3test.Start(t)
	for _, pair := range server.Env() {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
	reach := []string{"--bucket-endpoint", server.Endpoint, "--bucket-path-style", "--bucket-allow-http"}
	for name, c := range map[string]struct {
		env  map[string]string
		args []string
		text string
	}{
		"plain http":            {nil, []string{"--bucket", "s3://" + s3test.Bucket, "--bucket-endpoint", server.Endpoint}, "--bucket-allow-http"},
		"plain http in the env": {map[string]string{"AWS_ENDPOINT_URL_S3": server.Endpoint}, []string{"--bucket", "s3://" + s3test.Bucket, "--bucket-path-style"}, "--bucket-allow-http"},
		"no such bucket":        {nil, append([]string{"--bucket", "s3://no-such-bucket"}, reach...), "--bucket names it"},
		"another secret":        {map[string]string{"AWS_SECRET_ACCESS_KEY": "wrong"}, append([]string{"--bucket", "s3://" + s3test.Bucket}, reach...), "AWS_SECRET_ACCESS_KEY"},
		"no credentials":        {map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": t.TempDir()}, append([]string{"--bucket", "s3://" + s3test.Bucket}, reach...), "AWS_ACCESS_KEY_ID"},
		"no region":             {map[string]string{"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "HOME": t.TempDir()}, []string{"--bucket", "s3://" + s3test.Bucket}, "--bucket-region"},
		"a path in the end":     {nil, []string{"--bucket", "s3://" + s3test.Bucket, "--bucket-endpoint", "https://host/path"}, "--bucket-endpoint"},
		"a prefix of dots":      {nil, append([]string{"--bucket", "s3://" + s3test.Bucket + "/a/../b"}, reach...), "--bucket: prefix"},
		"a missing directory":   {nil, []string{"--bucket", "dir:///no/such/directory"}, "--bucket: "},
	} {
		t.Run(name, func(t *testing.T) {
			for key, value := range c.env {
				t.Setenv(key, value)
			}
			demand(t, exitUsage, append([]string{"serve", "--data", filepath.Join(t.TempDir(), "data"), "--listen", "127.0.0.1:0"}, c.args...), c.text)
		})
	}
	// The same mistakes of the other commands.
	demand(t, exitUsage, append([]string{"restore", "--bucket", "s3://no-such-bucket", filepath.Join(t.TempDir(), "again")}, reach...), "--bucket names it")
}

// TestBucketErrorsAreExplained has those that a server for tests does not make.
func TestBucketErrorsAreExplained(t *testing.T) {
	skewed := &objstore.Error{Op: objstore.OpPut, Kind: objstore.KindSkewed}
	for _, c := range []struct {
		err  error
		text string
		ours bool
	}{
		{errors.New("the disk is broken"), "the disk is broken", false},
		{fmt.Errorf("%w: %w", engine.ErrBucket, skewed), "set the clock", true},
		{fmt.Errorf("%w: %w", engine.ErrBucket, &objstore.UnfitError{Property: "ignores If-Match"}), "conditions and checksums", true},
		{fmt.Errorf("%w: nothing of this store", engine.ErrBucket), "--bucket-region", true},
		{&objstore.Error{Op: objstore.OpPut, Kind: objstore.KindTimeout}, "timeout", false},
	} {
		err, ours := explain(c.err)
		if ours != c.ours || !strings.Contains(err.Error(), c.text) || !errors.Is(err, c.err) {
			t.Errorf("%v is explained as %v, %t", c.err, err, ours)
		}
	}
	if err, ours := explain(nil); err != nil || ours {
		t.Errorf("no error is explained as %v, %t", err, ours)
	}
}

// TestEnvironmentSaysHowToReachABucket: but not, to commands beside serve, which.
func TestEnvironmentSaysHowToReachABucket(t *testing.T) {
	env := []string{"TAILRACE_BUCKET=s3://other", "TAILRACE_BUCKET_REGION=moon", "TAILRACE_BUCKET_DISK_BYTES=1GiB", "TAILRACE_BUCKET_ENDPOINT=http://127.0.0.1:1"}
	if code, printed := command(env, "restore", "--bucket", "s3://name", filepath.Join(t.TempDir(), "again")); code != exitUsage || !strings.Contains(printed, "--bucket-allow-http") {
		t.Errorf("exit code %d: %s", code, printed)
	}
	if code, printed := command(env, "check", filepath.Join(t.TempDir(), "nothing")); code != exitFailed || strings.Contains(printed, "bucket") {
		t.Errorf("exit code %d: %s", code, printed)
	}
	c, err := load([]string{"--bucket-allow-http"}, env)
	if err != nil || c.Bucket.URL != "s3://other" || c.Bucket.Region != "moon" || c.BucketDiskBytes != 1<<30 {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestChangesOfTheBucketAreSaidOnce drives the watch through an outage.
func TestChangesOfTheBucketAreSaidOnce(t *testing.T) {
	var log bytes.Buffer
	w := tierWatch{log: slog.New(slog.NewTextHandler(&log, nil))}
	for _, s := range []struct {
		phase engine.TierPhase
		local int64
		want  string // in what is said, "" = nothing is
	}{
		{engine.TierStarting, 10, "WARN msg=\"bucket is starting\""},
		{engine.TierReady, 10, "INFO msg=\"bucket is ready\""},
		{engine.TierReady, 200, ""}, // a moment before they are sent
		{engine.TierFailing, 90, "WARN msg=\"bucket is failing\""},
		{engine.TierFailing, 100, ""},
		{engine.TierFailing, 101, "WARN msg=\"segments take more"},
		{engine.TierFailing, 100, ""},
		{engine.TierFailing, 101, ""},
		{engine.TierReady, 95, "bucket is ready"},
		{engine.TierReady, 88, "INFO msg=\"segments take no more"},
		{engine.TierReady, 80, ""},
		{engine.TierFenced, 80, "bucket is fenced"},
	} {
		log.Reset()
		w.look(engine.TierStats{Phase: s.phase, LocalBytes: s.local, LocalBytesMax: 100})
		if said := log.String(); !strings.Contains(said, s.want) || (s.want == "") != (said == "") || strings.Count(said, "\n") > 1 {
			t.Errorf("%v with %d bytes: said %q, want %q", s.phase, s.local, said, s.want)
		}
	}
}
