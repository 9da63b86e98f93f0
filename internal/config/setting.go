package config

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// EnvPrefix begins the names of our variables.
const EnvPrefix = "TAILRACE_"

// Source is where the value of a setting comes from.
type Source int

// Later ones win over earlier ones.
const (
	Default Source = iota
	File
	Environment
	Flag
)

var sourceNames = [...]string{"default", "file", "environment", "flag"}

func (s Source) String() string { return sourceNames[s] }

// Setting is one thing that can be set: the flag --name, the variable
// TAILRACE_NAME and, in the file, the key name.
type Setting struct {
	Name       string
	Group      string
	Help       string
	Reloadable bool // SIGHUP applies a change of it

	Source Source
	Line   int // of the file, if that is the source

	flag   *pflag.Flag
	path   bool         // of a file or directory
	judge  func() error // of its value alone; nil = any will do
	noFile bool         // it is no key of the file
}

// Env is the name of the setting's variable.
func (s *Setting) Env() string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
}

// Default is the value without any source, as a flag is given it.
func (s *Setting) Default() string { return s.flag.DefValue }

// Value is the value as a flag is given it.
func (s *Setting) Value() string { return s.flag.Value.String() }

// FlagOf is the flag of a variable.
func FlagOf(variable string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(variable, EnvPrefix)), "_", "-")
}

// reloads says that a change of the setting needs no restart.
func (s *Setting) reloads() *Setting { s.Reloadable = true; return s }

// flagOnly says that the setting cannot be in the file.
func (s *Setting) flagOnly() *Setting { s.noFile = true; return s }

// positive says that 0 and less make no sense.
func (s *Setting) positive() *Setting {
	return s.must(func() error {
		if s.sign() <= 0 {
			return errors.New("must be greater than zero")
		}
		return nil
	})
}

// notNegative says that 0 has a meaning, and less has none.
func (s *Setting) notNegative() *Setting {
	return s.must(func() error {
		if s.sign() < 0 {
			return errors.New("must not be negative")
		}
		return nil
	})
}

func (s *Setting) must(judge func() error) *Setting { s.judge = judge; return s }

// sign reads that of any kind of number, a time included.
func (s *Setting) sign() int {
	switch text := s.Value(); {
	case strings.HasPrefix(text, "-"):
		return -1
	case text == "0" || text == "0s":
		return 0
	}
	return 1
}

// declaration collects settings. The group is that of those that follow.
type declaration struct {
	group    string
	flags    *pflag.FlagSet
	settings []*Setting
}

func newDeclaration(name string) *declaration {
	f := pflag.NewFlagSet(name, pflag.ContinueOnError)
	f.SortFlags = false
	f.Usage = func() {}
	return &declaration{flags: f}
}

func (d *declaration) add(name, help string) *Setting {
	s := &Setting{Name: name, Group: d.group, Help: help, flag: d.flags.Lookup(name)}
	d.settings = append(d.settings, s)
	return s
}

func (d *declaration) text(p *string, name, value, help string) *Setting {
	d.flags.StringVar(p, name, value, help)
	return d.add(name, help)
}

// choice is a text of a few.
func (d *declaration) choice(p *string, name string, values []string, value, help string) *Setting {
	return d.text(p, name, value, help).must(func() error {
		for _, v := range values {
			if *p == v {
				return nil
			}
		}
		return fmt.Errorf("is %q, and not one of %s", *p, strings.Join(values, ", "))
	})
}

// file is a path. In the file it is relative to the directory of that.
func (d *declaration) file(p *string, name, value, help string) *Setting {
	s := d.text(p, name, value, help)
	s.path = true
	return s
}

func (d *declaration) toggle(p *bool, name, help string) *Setting {
	d.flags.BoolVar(p, name, false, help)
	return d.add(name, help)
}

func (d *declaration) count(p *int, name string, value int, help string) *Setting {
	d.flags.IntVar(p, name, value, help)
	return d.add(name, help)
}

func (d *declaration) size(p *int64, name string, value int64, help string) *Setting {
	*p = value
	d.flags.Var((*sizeValue)(p), name, help)
	return d.add(name, help)
}

func (d *declaration) duration(p *time.Duration, name string, value time.Duration, help string) *Setting {
	d.flags.DurationVar(p, name, value, help)
	return d.add(name, help)
}

func (d *declaration) mode(p *fs.FileMode, name string, value fs.FileMode, help string) *Setting {
	*p = value
	d.flags.Var((*modeValue)(p), name, help)
	return d.add(name, help)
}

func (d *declaration) list(p *[]string, name string, value []string, help string) *Setting {
	*p = value
	d.flags.Var((*listValue)(p), name, help)
	return d.add(name, help)
}
