package config

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// reloadAs writes another text to the file of a configuration and reloads it.
func reloadAs(t *testing.T, c *Config, text string) (*Config, []string, error) {
	t.Helper()
	write(t, c.File, text)
	return Reload(c)
}

func TestReloadTakesWhatMayChange(t *testing.T) {
	c := loadText(t, "streams = 5\n", "--connections=7")
	for _, step := range []struct {
		text    string
		changed []string
	}{
		{"streams = 5\n# a comment", nil},
		{"streams = 5\nlog-level = \"debug\"\nslow-request = \"5s\"", []string{"log-level", "slow-request"}},
		{"streams = 5\nstored-bytes = 7\nappend-bytes-per-second = 8\nrequests-per-second = 9\nlog-requests = 2", []string{"stored-bytes", "append-bytes-per-second", "requests-per-second", "log-level", "slow-request", "log-requests"}},
		{"streams = 5\norigins = [\"https://a\"]", []string{"origins", "stored-bytes", "append-bytes-per-second", "requests-per-second", "log-requests", "project.default.origins"}},
		{"streams = 5\n[project.default.limits]\nstreams = 5", []string{"origins", "project.default.origins", "project.default.limits"}},
		// The command line goes on to win.
		{"streams = 5\nconnections = 9\n[project.default.limits]\nstreams = 5", nil},
	} {
		next, changed, err := reloadAs(t, c, step.text)
		if err != nil || !slices.Equal(changed, step.changed) {
			t.Fatalf("%s: %v, %v, want %v", step.text, changed, err, step.changed)
		}
		c = next
	}
	if c.Connections != 7 || c.Projects[0].Limits.Streams != 5 {
		t.Errorf("%+v", c)
	}
}

// TestReloadRefusesTheRest: everything that needs a restart is named, and what was
// in effect stays as it is.
func TestReloadRefusesTheRest(t *testing.T) {
	c := loadText(t, "streams = 5\n")
	before := *c
	for text, want := range map[string][]string{
		"streams = 6\nlisten = \"127.0.0.1:1\"\nlog-level = \"debug\"": {"--streams (", "--listen ("},
		"": {"--streams has changed"},
		"streams = 5\nlog-level = \"loud\"\nbogus = 1": {"loud", "bogus: unknown key"},
		"streams = ": {":1: "},
		key(`sha256 = "`+hash1+`", scopes = ["read"]`) + "\nstreams = 5": {"streams: unknown key"},
		"streams = 5\n" + key(`sha256 = "`+hash1+`", scopes = ["read"]`): {"--auth ("},
	} {
		next, changed, err := reloadAs(t, c, text)
		if err == nil || next != nil || changed != nil {
			t.Errorf("%s: %v, %v", text, changed, err)
			continue
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: no %q in %v", text, w, err)
			}
		}
		if strings.Contains(err.Error(), "--log-level (") && strings.Contains(text, "debug") {
			t.Errorf("%s: names what may change: %v", text, err)
		}
	}
	if !reflect.DeepEqual(*c, before) {
		t.Error("the configuration in effect was changed")
	}
}

// TestEverySettingReloadsOrIsRefused gives each another value.
func TestEverySettingReloadsOrIsRefused(t *testing.T) {
	reloadable := []string{
		"tls-cert", "tls-key", "url-tokens", "url-token-life", "origins", "stored-bytes", "append-bytes-per-second",
		"requests-per-second", "log-level", "slow-request", "log-requests",
	}
	var got []string
	for _, s := range Settings() {
		if s.Reloadable {
			got = append(got, s.Name)
		}
	}
	if !slices.Equal(got, reloadable) {
		t.Errorf("reloadable are %v, want %v", got, reloadable)
	}
}

func TestReloadReadsTheFilesThatAreNamed(t *testing.T) {
	name := wholeFile(t)
	dir := filepath.Dir(name)
	writePair(t, dir)
	c := load(t, "--config", name, "--tls-cert", filepath.Join(dir, "cert.pem"), "--tls-key", filepath.Join(dir, "key.pem"))
	must := func(want ...string) {
		t.Helper()
		next, changed, err := Reload(c)
		if err != nil || !slices.Equal(changed, want) {
			t.Fatalf("%v, %v, want %v", changed, err, want)
		}
		c = next
	}
	must()
	writePair(t, dir)
	must("tls-cert", "tls-key")
	write(t, filepath.Join(dir, "acme.json"), jwks1+"\n")
	must("project.acme.jwks-file")
	text := strings.ReplaceAll(string(mustRead(t, name)), secret1, secret2)
	write(t, name, text)
	must("project.acme.secrets")
	write(t, name, strings.ReplaceAll(text, "project.sensors", "project.other")+"\n# ")
	if _, _, err := Reload(c); err == nil || !strings.Contains(err.Error(), "begins with other/") {
		t.Errorf("%v", err)
	}
	write(t, name, strings.ReplaceAll(text, "sensors", "other"))
	must("project.other (new)", "project.sensors (gone)")

	// A key that belongs to another certificate is no pair, and the mint key is for
	// as long as the process runs.
	cert := mustRead(t, filepath.Join(dir, "cert.pem"))
	writePair(t, dir)
	write(t, filepath.Join(dir, "cert.pem"), string(cert))
	if _, _, err := Reload(c); err == nil || !strings.Contains(err.Error(), "--tls-cert") {
		t.Errorf("%v", err)
	}
	writePair(t, dir)
	write(t, filepath.Join(dir, "mint.key"), secret1)
	if _, _, err := Reload(c); err == nil || !strings.Contains(err.Error(), "--mint-key-file") {
		t.Errorf("%v", err)
	}
}

// TestTLSIsNotTurnedOffByReload: the listener speaks it or not for good.
func TestTLSIsNotTurnedOffByReload(t *testing.T) {
	dir := t.TempDir()
	writePair(t, dir)
	const on = "tls-cert = \"cert.pem\"\ntls-key = \"key.pem\"\n"
	write(t, filepath.Join(dir, "a.toml"), on)
	c := load(t, "--config", filepath.Join(dir, "a.toml"))
	if _, _, err := reloadAs(t, c, ""); err == nil || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("%v", err)
	}
	c = load(t, "--config", filepath.Join(dir, "a.toml"))
	if _, _, err := reloadAs(t, c, on); err == nil || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("%v", err)
	}
}

func mustRead(t *testing.T, name string) []byte {
	t.Helper()
	b, err := readBounded(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
