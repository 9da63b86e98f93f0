package config

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/pflag"
)

// Settings are all settings in the order of their declaration, with their
// defaults.
func Settings() []*Setting {
	d := newDeclaration("")
	new(Config).declare(d)
	return d.settings
}

// Usage is the help on the flags, by group.
func Usage() string {
	var b strings.Builder
	for i, all := 0, Settings(); i < len(all); {
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		f.SortFlags = false
		group := all[i].Group
		for ; i < len(all) && all[i].Group == group; i++ {
			f.AddFlag(all[i].flag)
		}
		if group == "" {
			group = "Flags"
		}
		fmt.Fprintf(&b, "\n%s:\n%s", group, f.FlagUsages())
	}
	return b.String()
}

// flagInText is a flag as help texts mention it.
var flagInText = regexp.MustCompile(`--[a-z][a-z-]*( unix:/path)?`)

// Tables are the tables of docs/configuration.md, each below a heading.
func Tables() string {
	var b strings.Builder
	group := "none yet"
	for _, s := range Settings() {
		if s.Group != group {
			group = s.Group
			if group != "" {
				fmt.Fprintf(&b, "\n### %s\n", group)
			}
			b.WriteString("\n| Flag | Default | Environment | Meaning | Reload |\n|---|---|---|---|---|\n")
		}
		value, reload := s.Default(), ""
		if value == "" {
			value = "none"
		}
		if s.Reloadable {
			reload = "yes"
		}
		fmt.Fprintf(&b, "| `--%s` | `%s` | `%s` | %s | %s |\n", s.Name, value, s.Env(), flagInText.ReplaceAllString(s.Help, "`$0`"), reload)
	}
	return b.String()
}
