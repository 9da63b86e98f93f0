package config

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"

	"github.com/BurntSushi/toml"
)

// Show prints what is in effect as a file that Load takes, and of each setting
// where it comes from. Paths are absolute. Secrets are masked, and hashes of keys
// shortened: a file with them in it is refused until they are put in.
func (c *Config) Show(w io.Writer) error {
	var b bytes.Buffer
	if c.File != "" {
		fmt.Fprintf(&b, "# of the file %s\n", c.File)
	}
	group := ""
	for _, s := range c.settings {
		if s.noFile {
			continue
		}
		if s.Group != group {
			group = s.Group
			fmt.Fprintf(&b, "\n# %s\n", group)
		}
		from := s.Source.String()
		switch s.Source {
		case File:
			from += fmt.Sprintf(", line %d", s.Line)
		case Environment:
			from += " " + s.Env()
		}
		if comes := c.derived(s.Name); comes != "" {
			from += ", " + comes
		}
		value := s.inFile()
		if path, ok := value.(string); ok && s.path && path != "" {
			if abs, err := filepath.Abs(path); err == nil {
				value = abs
			}
		}
		fmt.Fprintf(&b, "%s # %s\n", pair(s.Name, value), from)
	}
	for _, name := range slices.Sorted(maps.Keys(c.tables)) {
		c.tables[name].show(&b)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (p *projectTable) show(b *bytes.Buffer) {
	fmt.Fprintf(b, "\n[%s]\n", toml.Key{"project", p.Name})
	absolute := func(path string) string {
		if abs, err := filepath.Abs(path); err == nil {
			return abs
		}
		return path
	}
	if len(p.Secrets) > 0 {
		fmt.Fprintln(b, "secrets = [")
		for _, s := range p.Secrets {
			value := pair("value", fmt.Sprintf("%s, %d bytes>", maskPrefix, len(s.Value)))
			if file := p.secretFile[s.ID]; file != "" {
				value = pair("file", absolute(file))
			}
			fmt.Fprintf(b, "  {%s, %s},\n", pair("id", s.ID), value)
		}
		fmt.Fprintln(b, "]")
	}
	if p.JWKSFile != "" {
		fmt.Fprintln(b, pair("jwks-file", absolute(p.JWKSFile)))
	}
	if len(p.APIKeys) > 0 {
		fmt.Fprintln(b, "api-keys = [")
		for _, k := range p.APIKeys {
			fmt.Fprintf(b, "  {%s, %s, %s", pair("id", k.ID), pair("sha256", fmt.Sprintf("%x...", k.SHA256[:4])), pair("scopes", k.Scopes))
			if k.Stream != "" {
				fmt.Fprintf(b, ", %s", pair("stream", k.Stream))
			}
			if k.Prefix != "" {
				fmt.Fprintf(b, ", %s", pair("prefix", k.Prefix))
			}
			fmt.Fprintln(b, "},")
		}
		fmt.Fprintln(b, "]")
	}
	if p.hasOrigins {
		fmt.Fprintln(b, pair("origins", append([]string{}, p.Origins...)))
	}
	header := fmt.Sprintf("\n[%s]\n", toml.Key{"project", p.Name, "limits"})
	for _, l := range limits {
		var value any
		if l.size != nil {
			if n := *l.size(&p.Limits); n != 0 {
				value = sizeInFile(n)
			}
		} else if n := *l.count(&p.Limits); n != 0 {
			value = n
		}
		if value != nil {
			fmt.Fprintf(b, "%s%s\n", header, pair(l.key, value))
			header = ""
		}
	}
}

// pair is a key and its value as TOML has them.
func pair(key string, value any) string {
	var b bytes.Buffer
	if err := toml.NewEncoder(&b).Encode(map[string]any{key: value}); err != nil {
		panic(fmt.Sprintf("config: encode %s: %v", key, err)) // values are texts, numbers and lists of texts
	}
	return string(bytes.TrimSpace(b.Bytes()))
}

// Summary is the configuration in a few pairs for the log, without any secret:
// what is not as it is by default, by name and source.
func (c *Config) Summary() []any {
	var set []string
	for _, s := range c.settings {
		if s.Source != Default {
			set = append(set, s.Name+"="+s.Value())
		}
	}
	return []any{"file", c.File, "auth", c.Auth, "projects", len(c.Projects), "tls", c.Certificate != nil, "memory", formatSize(c.MemoryBytes), "set", set}
}
