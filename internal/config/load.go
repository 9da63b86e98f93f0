package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// ErrHelp means that the command line asks for help.
var ErrHelp = errors.New("help requested")

// serviceLink matches what Kubernetes adds to the environment of every pod when
// there is a service named tailrace. No flag has such a name.
var serviceLink = regexp.MustCompile(`^(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_.*)?)$`)

// Load reads the command line (without the name of the command), the environment
// and the file that one of them names, and the files that are named in turn. The
// error has everything that is wrong, a line for each.
func Load(args, env []string) (*Config, error) {
	c := newConfig(args, env)
	flags, err := c.fromFlags(args)
	if err != nil {
		return nil, err
	}
	variables, errs := c.fromEnv()
	assigned := append(variables, flags...) // later ones win
	for _, set := range assigned {
		if set.setting.Name == "config" {
			c.File = set.value
		}
	}
	errs = append(errs, c.readFile()...)
	errs = append(errs, assign(assigned)...)
	errs = append(errs, c.judge()...)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return c, nil
}

// newConfig has the defaults.
func newConfig(args, env []string) *Config {
	c := &Config{args: args, byName: make(map[string]*Setting)}
	for _, pair := range env { // the others may be credentials
		if strings.HasPrefix(pair, EnvPrefix) {
			c.env = append(c.env, pair)
		}
	}
	d := newDeclaration("tailrace serve")
	c.declare(d)
	c.flags, c.settings = d.flags, d.settings
	for _, s := range c.settings {
		c.byName[s.Name] = s
	}
	return c
}

// assignment is one flag or variable.
type assignment struct {
	setting *Setting
	source  Source
	name    string // as it was given
	value   string
}

// assign sets them in order.
func assign(all []assignment) (errs []error) {
	for _, a := range all {
		if err := a.setting.set(a.value); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", a.name, err))
			continue
		}
		a.setting.Source, a.setting.Line = a.source, 0
	}
	return errs
}

// fromFlags are the flags of a command line, unless its form is wrong.
func (c *Config) fromFlags(args []string) ([]assignment, error) {
	var all []assignment
	err := c.flags.ParseAll(args, func(flag *pflag.Flag, value string) error {
		all = append(all, assignment{c.byName[flag.Name], Flag, "--" + flag.Name, value})
		return nil
	})
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return nil, ErrHelp
	case err != nil:
		return nil, err
	case c.flags.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", c.flags.Arg(0))
	}
	return all, nil
}

// ofClients are the variables of commands that ask a server, which may well be set
// where one is started.
var ofClients = []string{"SERVER", "TOKEN"}

func (c *Config) fromEnv() (all []assignment, errs []error) {
	for _, pair := range c.env {
		name, value, _ := strings.Cut(pair, "=")
		rest, ours := strings.CutPrefix(name, EnvPrefix)
		if !ours || serviceLink.MatchString(rest) || slices.Contains(ofClients, rest) {
			continue
		}
		s := c.byName[FlagOf(name)]
		if s == nil {
			errs = append(errs, fmt.Errorf("unknown variable %s", name))
			continue
		}
		all = append(all, assignment{s, Environment, "variable " + name, value})
	}
	return all, errs
}
