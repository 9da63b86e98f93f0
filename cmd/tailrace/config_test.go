package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestCommandLineWinsOverEnvironment(t *testing.T) {
	var c config
	err := c.parse([]string{"--listen", "127.0.0.1:1"}, []string{"TAILRACE_LISTEN=127.0.0.1:2", "TAILRACE_LOG_FILE_BYTES=128MiB", "HOME=/"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.listen != "127.0.0.1:1" || c.logFileBytes != 128<<20 || c.longPollTimeout != 30*time.Second {
		t.Fatalf("listen %s, log files of %d bytes, long-poll %v", c.listen, c.logFileBytes, c.longPollTimeout)
	}
}

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
		{[]string{"serve", "--body-bytes", "8MiB", "--bodies-bytes", "1MiB"}, nil, "in flight"},
		{[]string{"serve", "--log-file-bytes", "5000"}, nil, "multiple of 4096"},
		{[]string{"serve", "--body-bytes", "32MiB"}, nil, "body limit"},
		{[]string{"serve", "data"}, nil, "data"},
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
		{[]string{"serve"}, []string{"TAILRACE_BUCKET_GRACE=1h"}, "--bucket-grace goes with --bucket"},
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
	for _, args := range [][]string{{"help"}, {"--help"}, {"serve", "--help"}, {"check", "--help"}, {"backup", "--help"}, {"status", "--help"}, {"restore", "--help"}, {"inspect", "--help"}, {"version"}} {
		var stdout, stderr bytes.Buffer
		if code := run(args, nil, &stdout, &stderr); code != exitOK || stdout.Len() == 0 || stderr.Len() != 0 {
			t.Errorf("%v: exit code %d, %d bytes out, %q", args, code, stdout.Len(), stderr.String())
		}
	}
}

// TestServiceLinksAreNoSettings: Kubernetes adds them for a service of our name.
func TestServiceLinksAreNoSettings(t *testing.T) {
	var c config
	if err := c.parse(nil, []string{
		"TAILRACE_SERVICE_HOST=10.0.0.1", "TAILRACE_SERVICE_PORT=4437", "TAILRACE_SERVICE_PORT_HTTP=4437",
		"TAILRACE_PORT=tcp://10.0.0.1:4437", "TAILRACE_PORT_4437_TCP_ADDR=10.0.0.1",
	}, nil); err != nil {
		t.Error(err)
	}
}
