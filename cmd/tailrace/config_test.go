package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestCommandLineWinsOverEnvironment(t *testing.T) {
	var c config
	err := c.parse([]string{"--listen", "127.0.0.1:1"}, []string{"TAILRACE_LISTEN=127.0.0.1:2", "TAILRACE_LOG_FILE_BYTES=1MiB", "HOME=/"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.listen != "127.0.0.1:1" || c.logFileBytes != 1<<20 || c.longPollTimeout != 30*time.Second {
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
		{[]string{"serve", "data"}, nil, "data"},
		{[]string{"bogus"}, nil, "bogus"},
		{nil, nil, "Usage"},
		{[]string{"check"}, nil, "usage"},
		{[]string{"inspect", "wal"}, nil, "usage"},
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
	for _, args := range [][]string{{"help"}, {"--help"}, {"serve", "--help"}, {"version"}} {
		var stdout, stderr bytes.Buffer
		if code := run(args, nil, &stdout, &stderr); code != exitOK || stdout.Len() == 0 || stderr.Len() != 0 {
			t.Errorf("%v: exit code %d, %d bytes out, %q", args, code, stdout.Len(), stderr.String())
		}
	}
}

func TestAnEngineThatCannotWorkIsRefused(t *testing.T) {
	var stdout, stderr bytes.Buffer
	args := []string{"serve", "--listen", "127.0.0.1:0", "--data", t.TempDir(), "--log-file-bytes", "1MiB", "--body-bytes", "16MiB"}
	if code := run(args, nil, &stdout, &stderr); code != exitFailed {
		t.Fatalf("exit code %d, want %d", code, exitFailed)
	}
	if !strings.Contains(stderr.String(), "body limit") {
		t.Fatalf("the message does not say why: %s", stderr.String())
	}
}
