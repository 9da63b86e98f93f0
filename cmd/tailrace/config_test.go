package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

// TestBadSettingsAreUsageErrors: exit code 2, and the message has the name.
func TestBadSettingsAreUsageErrors(t *testing.T) {
	for _, test := range []struct {
		args, env []string
		name      string
	}{
		{[]string{"serve", "--bogus"}, nil, "--bogus"},
		{[]string{"serve"}, []string{"TAILRACE_BOGUS=1"}, "TAILRACE_BOGUS"},
		{[]string{"serve"}, []string{"TAILRACE_STREAMS=many"}, "TAILRACE_STREAMS"},
		{[]string{"serve", "--memory-bytes", "lots"}, nil, "memory-bytes"},
		{[]string{"serve", "--memory-bytes", "0"}, nil, "--memory-bytes"},
		{[]string{"serve", "--streams", "-1", "--long-poll-timeout", "0s"}, nil, "--streams"},
		{[]string{"serve", "--log-level", "loud"}, nil, "loud"},
		{[]string{"serve", "--log-format", "xml"}, nil, "xml"},
		{[]string{"serve", "--body-bytes", "8MiB", "--bodies-bytes", "1MiB"}, nil, "--bodies-bytes"},
		{[]string{"serve", "--log-file-bytes", "5000"}, nil, "multiple of 4096"},
		{[]string{"serve", "--body-bytes", "32MiB"}, nil, "--body-bytes"},
		{[]string{"serve", "data"}, nil, "data"},
		{[]string{"serve", "--listen", "0.0.0.0:0"}, nil, "--open-to-anyone"},
		{[]string{"serve", "--config", "/nowhere/tailrace.toml"}, nil, "/nowhere/tailrace.toml"},
		{[]string{"config"}, nil, "Usage"},
		{[]string{"config", "explain"}, nil, "Usage"},
		{[]string{"config", "check", "--streams", "0", "--connections", "0"}, []string{"TAILRACE_LOG_LEVEL=loud"}, "--connections"},
		{[]string{"config", "show", "--log-file-bytes", "5000"}, nil, "multiple of 4096"},
		{[]string{"bogus"}, nil, "bogus"},
		{nil, nil, "Usage"},
		{[]string{"check"}, nil, "usage"},
		{[]string{"check", "--mend", "data"}, nil, "--mend"},
		{[]string{"inspect", "wal"}, nil, "usage"},
		{[]string{"inspect", "soup", "file"}, nil, "soup"},
		{[]string{"backup"}, nil, "usage"},
		{[]string{"restore", "backup"}, nil, "usage"},
		{[]string{"serve", "--scrub-every", "-1h"}, nil, "--scrub-every"},
		{[]string{"serve", "--reclaim-within", "0"}, nil, "--reclaim-within"},
		{[]string{"serve", "--bucket-region", "moon"}, nil, "--bucket-region goes with --bucket"},
		{[]string{"serve"}, []string{"TAILRACE_BUCKET_GRACE=1h"}, "--bucket-grace (TAILRACE_BUCKET_GRACE) goes with --bucket"},
		{[]string{"serve", "--bucket", "name"}, nil, "--bucket: "},
		{[]string{"serve", "--bucket", "s3:///prefix"}, nil, "names no bucket"},
		{[]string{"serve", "--bucket", "dir://relative/path"}, nil, "three slashes"},
		{[]string{"serve", "--bucket", "s3://id:secret@name"}, nil, "credentials belong into the environment"},
		{[]string{"serve", "--bucket", "dir:///path", "--bucket-path-style"}, nil, "--bucket-path-style means nothing"},
		{[]string{"serve", "--bucket", "s3://name", "--bucket-endpoint", "http://host"}, nil, "--bucket-allow-http"},
		{[]string{"serve", "--bucket", "s3://name", "--bucket-grace", "-1s"}, nil, "--bucket-grace"},
		{[]string{"serve", "--bucket", "s3://name", "--bucket-disk-bytes", "0"}, nil, "--bucket-disk-bytes"},
		{[]string{"serve", "--bucket", "s3://name", "--bucket-send-bytes", "0"}, nil, "--bucket-send-bytes"},
		{[]string{"serve", "--bucket", "s3://name", "--bucket-publish-every", "0s"}, nil, "--bucket-publish-every"},
		{[]string{"serve", "--bucket", "s3://name", "--bucket-read-timeout", "0s"}, nil, "--bucket-read-timeout"},
		{[]string{"restore", "--store", "0", "a", "b"}, nil, "--store goes with --bucket"},
		{[]string{"restore", "--bucket", "s3://name", "a", "b"}, nil, "2 arguments, want 1"},
		{[]string{"check", "--bucket-region", "moon", "data"}, nil, "--bucket-region goes with --bucket"},
		{[]string{"check", "--bucket", "s3://name", "--repair", "data"}, nil, "--repair"},
		{[]string{"status", "data"}, nil, "usage"},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(test.args, test.env, &stdout, &stderr); code != exitUsage {
			t.Errorf("%v %v: exit code %d, want %d", test.args, test.env, code, exitUsage)
		}
		if !strings.Contains(stderr.String(), test.name) {
			t.Errorf("%v %v: the message does not name %s: %s", test.args, test.env, test.name, stderr.String())
		}
	}
}

func TestHelpGoesToStandardOutput(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"--help"}, {"serve", "--help"}, {"check", "--help"}, {"backup", "--help"}, {"status", "--help"}, {"config", "--help"}, {"config", "check", "--help"}, {"restore", "--help"}, {"inspect", "--help"}, {"version"}} {
		var stdout, stderr bytes.Buffer
		if code := run(args, nil, &stdout, &stderr); code != exitOK || stdout.Len() == 0 || stderr.Len() != 0 {
			t.Errorf("%v: exit code %d, %d bytes out, %q", args, code, stdout.Len(), stderr.String())
		}
	}
}

// TestConfigCommands: a check says everything, and what is shown can be checked.
func TestConfigCommands(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "tailrace.toml")
	writeFile(t, name, "streams = 0\nlog-level = \"loud\"\ntls-cert = \"cert.pem\"\ntls-key = \"key.pem\"\nbogus = 1\n")
	demand(t, exitUsage, []string{"config", "check", "--config", name},
		"--streams ("+name+":1)", "--log-level ("+name+":2)", filepath.Join(dir, "cert.pem"), name+":5: bogus: unknown key")
	newPair(t, dir, 1)
	writeFile(t, name, "streams = 3\ntls-cert = \"cert.pem\"\ntls-key = \"key.pem\"\n")
	demand(t, exitOK, []string{"config", "check", "--config", name}, "can be used")
	shown := demand(t, exitOK, []string{"config", "show", "--config", name, "--connections=5"}, "streams = 3 # file, line 1", "connections = 5 # flag")
	again := filepath.Join(t.TempDir(), "again.toml")
	writeFile(t, again, shown)
	if text := demand(t, exitOK, []string{"config", "show", "--config", again}, "streams = 3 # file, line "); strings.Contains(text, "# default") {
		t.Errorf("something is not in the file:\n%s", text)
	}
}
