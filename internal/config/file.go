package config

import (
	"fmt"
	"os"
	"path/filepath"
)

// readFile sets what the file says, and returns what is wrong with it.
func (c *Config) readFile() []error {
	if c.File == "" {
		return nil
	}
	text, err := readBounded(c.File)
	if err != nil {
		return []error{fmt.Errorf("--config: %w", err)}
	}
	f := &faults{file: c.File}
	t, ok := parseTOML(string(text), f)
	if !ok {
		return f.errors()
	}
	c.setFromTable(t)
	c.tables = make(map[string]*projectTable)
	all := t.table("project")
	for _, name := range all.keys() {
		c.tables[name] = readProject(all.table(name), name, c.relative)
	}
	t.done()
	return f.errors()
}

// setFromTable sets what has a flag too.
func (c *Config) setFromTable(t *table) {
	for _, key := range t.keys() {
		s := c.byName[key]
		if s == nil || s.noFile {
			continue
		}
		v, _ := t.take(key)
		if err := s.setFromFile(v); err != nil {
			t.bad(key, "%w", err)
			continue
		}
		s.Source, s.Line = File, t.at(key)
		if s.path && s.Value() != "" {
			s.flag.Value.Set(c.relative(s.Value()))
		}
	}
}

// relative is a path that the file names, beginning where the file is.
func (c *Config) relative(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(c.File), path)
}

// fileBytesMax is more than any of the files has that are read here.
const fileBytesMax = 16 << 20

// readBounded reads a file that a mistake may have made endless.
func readBounded(name string) ([]byte, error) {
	info, err := os.Stat(name) // to open a pipe could wait for ever
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > fileBytesMax {
		return nil, fmt.Errorf("%s is no file, or longer than %s", name, formatSize(fileBytesMax))
	}
	return os.ReadFile(name)
}
