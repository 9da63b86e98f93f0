package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"tailrace/internal/config"
)

// TestHangupReloads gives a server that somebody reads from a good file, a broken
// one, and one that needs a restart.
func TestHangupReloads(t *testing.T) {
	name := filepath.Join(t.TempDir(), "tailrace.toml")
	writeFile(t, name, "streams = 100\n")
	p := start(t, "--config", name, "--listen", "127.0.0.1:0")
	stream := p.url + "/v1/stream/a"
	reader := exercise(t, http.DefaultClient, stream)
	alive := func(text string) {
		t.Helper()
		do(t, http.DefaultClient, "POST", stream, text, 204).Body.Close()
		reader.want(text)
	}
	wantLine := func(line map[string]any, message, level, part string) {
		t.Helper()
		if line["msg"] != message || line["level"] != level || !strings.Contains(fmt.Sprint(line), part) {
			t.Errorf("%v, want %q at %s with %q", line, message, level, part)
		}
	}
	const stays = "configuration not reloaded: everything stays as it is"
	wantLine(p.hangup(), "configuration reloaded: nothing has changed", "INFO", name)
	writeFile(t, name, "streams = 100\nlog-level = \"debug\"\n[project.default.limits]\nstreams = 7\n")
	wantLine(p.hangup(), "configuration reloaded", "INFO", "[log-level project.default.limits]")
	alive("after a good file")
	writeFile(t, name, "streams = 100\nlog-level = \"debug\"\nstray\n")
	wantLine(p.hangup(), stays, "ERROR", name+":3")
	alive("after a broken file")
	writeFile(t, name, "streams = 200\nlog-level = \"error\"\n")
	wantLine(p.hangup(), stays, "ERROR", "--streams")
	alive("after one that needs a restart")
	writeFile(t, name, "streams = 100\nlog-level = \"info\"\n")
	wantLine(p.hangup(), "configuration reloaded", "INFO", "[log-level project.default.limits]")
	alive("after the next good file")
	p.end()
}

// TestRefusedReloadLeavesEverything: whoever works by the configuration may refuse
// it.
func TestRefusedReloadLeavesEverything(t *testing.T) {
	name := filepath.Join(t.TempDir(), "tailrace.toml")
	writeFile(t, name, "")
	c, err := load([]string{"--config", name}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	p := newProcess(c, &log)
	var given *config.Config
	refuse := errors.New("not like this")
	p.apply = func(c *config.Config) error {
		given = c
		return refuse
	}
	writeFile(t, name, "log-level = \"error\"")
	p.reload(new(certificate))
	if given == nil || given.LogLevel != "error" || p.Config != c || p.level.Level() != 0 || !strings.Contains(log.String(), "not like this") {
		t.Errorf("%+v, %v: %s", given, p.level, log.String())
	}
	refuse = nil
	p.reload(new(certificate))
	if p.Config != given || p.level.Level().String() != "ERROR" || !strings.Contains(log.String(), "level=INFO msg=\"configuration reloaded\"") {
		t.Errorf("%v: %s", p.level, log.String())
	}
}
