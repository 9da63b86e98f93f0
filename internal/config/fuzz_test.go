package config

import (
	"path/filepath"
	"strings"
	"testing"
)

// FuzzFile: whatever the file says, it is refused without a panic, or what is shown
// of it can be read back.
func FuzzFile(f *testing.F) {
	f.Add(whole)
	f.Add("streams = 5\norigins = [\"https://a\"]\nflush-age = \"5m\"\n[project.default.limits]\nstreams = 5")
	f.Add("[[project.acme.secrets]]\nid = 5\n[project.\"a.b\"]\napi-keys = [{id = \"a\"}]")
	f.Add("project = [{a = 1}, {b = 1979-05-27}]\nmemory-bytes = 1e400")
	f.Fuzz(func(t *testing.T, text string) {
		name := filepath.Join(t.TempDir(), "a.toml")
		write(t, name, text)
		c, err := Load([]string{"--config", name}, nil)
		if err != nil {
			return
		}
		again := shown(t, c)
		write(t, name, again)
		if _, err := Load([]string{"--config", name}, nil); err != nil && !strings.Contains(err.Error(), "masked") && !strings.Contains(err.Error(), "64 hex digits") {
			t.Errorf("%v\n%s", err, again)
		}
	})
}
