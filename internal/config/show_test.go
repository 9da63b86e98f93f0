package config

import (
	"bytes"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func shown(t *testing.T, c *Config) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.Show(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestWhatIsShownIsGoodToUse: without anything to mask, it is the same
// configuration again.
func TestWhatIsShownIsGoodToUse(t *testing.T) {
	for _, args := range [][]string{
		nil,
		{"--listen", "unix:/tmp/s", "--listen-mode", "0660", "--no-cors", "--log-requests=3", "--slow-request=0"},
		{"--bucket", "dir:///tmp/b", "--bucket-grace", "0s", "--memory-bytes", "1000000001", "--body-bytes=5"},
		{"--config", file(t, "origins = []\n[project.default.limits]\nstored-bytes = \"3TiB\"\nstreams = 7")},
		{"--config", file(t, "streams = 4\n[project.default]\norigins = [\"https://a\"]")},
		{"--data", "odd \"name\"\x01\t\\"},
	} {
		before := load(t, args...)
		text := shown(t, before)
		after := loadText(t, text)
		for _, s := range before.settings {
			if s.noFile {
				continue
			}
			want := s.Value()
			if s.path && want != "" {
				want, _ = filepath.Abs(want)
			}
			if got := after.byName[s.Name]; got.Value() != want || got.Source != File {
				t.Errorf("%q: %s is %s from %v, was %s", args, s.Name, got.Value(), got.Source, want)
			}
		}
		if !reflect.DeepEqual(before.Projects, after.Projects) {
			t.Errorf("%q: %+v, was %+v", args, after.Projects, before.Projects)
		}
	}
}

// TestShowSaysWhereFromAndHidesSecrets also holds the line of the log against
// them.
func TestShowSaysWhereFromAndHidesSecrets(t *testing.T) {
	name := wholeFile(t)
	c, err := Load([]string{"--config", name, "--connections=9"}, []string{"TAILRACE_STREAMS=8"})
	if err != nil {
		t.Fatal(err)
	}
	text := shown(t, c)
	for _, want := range []string{
		"auth = true # file, line 2\n", "connections = 9 # flag\n", "streams = 8 # environment TAILRACE_STREAMS\n",
		"log-level = \"info\" # default\n", "bodies-bytes = 0 # default, comes to 64MiB\n",
		`{id = "old", value = "<set, 39 bytes>"},`, `{id = "new", file = "/`, `sha256 = "9f86d081..."`, `prefix = "sensors/hall/"`, `stream = "sensors/one"`,
		"[project.acme.limits]\nstored-bytes = \"10GiB\"\n", `origins = ["https://app.example.com", "http://localhost:3000"]`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	var line strings.Builder
	for _, each := range c.Summary() {
		line.WriteString(strings.Trim(strings.Join(strings.Fields(pair("x", each)), " "), "\n"))
	}
	for _, secret := range []string{secret1, secret2, "long enough", hash1} {
		if strings.Contains(text+line.String(), secret) {
			t.Errorf("%q is shown", secret)
		}
	}
	// What is masked is told from a secret.
	if got := strings.Join(refused(t, []string{"--config", file(t, text)}, nil), "\n"); !strings.Contains(got, "masked") || !strings.Contains(got, "64 hex digits") {
		t.Error(got)
	}
}
