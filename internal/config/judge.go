package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tailrace/internal/project"
)

// label names a setting in an error, with where it was given if that is not the
// command line.
func (c *Config) label(name string) string {
	switch s := c.byName[name]; s.Source {
	case File:
		return fmt.Sprintf("--%s (%s:%d)", name, c.File, s.Line)
	case Environment:
		return fmt.Sprintf("--%s (%s)", name, s.Env())
	}
	return "--" + name
}

// isSet reports whether somebody asks for something else than the default. What
// Show prints has all defaults in it, and has to be good where they are.
func (c *Config) isSet(name string) bool {
	s := c.byName[name]
	return s.Source != Default && s.Value() != s.Default()
}

// judge says what is wrong with the values, alone and together, and reads the
// files that they name.
func (c *Config) judge() []error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, s := range c.settings {
		if s.judge != nil {
			if err := s.judge(); err != nil {
				bad("%s %w", c.label(s.Name), err)
			}
		}
	}
	goesWith := func(name string, given bool, other string, ok bool) {
		if given && !ok {
			bad("%s goes with --%s, which is not given", c.label(name), other)
		}
	}
	goesWith("tls-cert", c.TLSCert != "", "tls-key", c.TLSKey != "")
	goesWith("tls-key", c.TLSKey != "", "tls-cert", c.TLSCert != "")
	goesWith("pprof", c.Pprof, "admin-listen", c.AdminListen != "")
	goesWith("admin-open-to-anyone", c.AdminOpenToAnyone, "admin-listen", c.AdminListen != "")
	goesWith("url-tokens", c.URLTokens, "auth", c.Auth)
	goesWith("mint-key-file", c.MintKeyFile != "", "auth", c.Auth)
	if c.AdminListen == c.Listen && !strings.HasSuffix(c.Listen, ":0") {
		bad("%s and %s are the same address", c.label("admin-listen"), c.label("listen"))
	}
	if network, _ := SplitAddress(c.Listen); network != "unix" && c.isSet("listen-mode") {
		bad("%s is for --listen unix:/path", c.label("listen-mode"))
	}
	if low := cmp.Or(c.DiskFreeLow, 2*c.LogFileBytes); c.DiskFreeResume != 0 && c.DiskFreeResume < low {
		bad("%s is less than --disk-free-low, which is %s", c.label("disk-free-resume"), formatSize(low))
	}
	if err := c.judgeExposure(); err != nil {
		errs = append(errs, err)
	}
	c.judgeMemory(bad)
	errs = append(errs, c.judgeBucket()...)
	errs = append(errs, c.judgeProjects()...)
	return append(errs, c.readNamed()...)
}

func (c *Config) judgeBucket() []error {
	if c.Bucket.URL != "" {
		if err := c.Bucket.Validate(); err != nil {
			return []error{err}
		}
		return nil
	}
	var errs []error
	for _, s := range c.settings {
		if needsBucket(s.Name) && c.isSet(s.Name) {
			errs = append(errs, errAlone(c.label(s.Name)))
		}
	}
	return errs
}

// judgeProjects makes Projects of what the file says.
func (c *Config) judgeProjects() []error {
	var errs []error
	bad := func(p *projectTable, format string, args ...any) {
		errs = append(errs, &fault{c.File, p.line, fmt.Errorf("project.%s: "+format, append([]any{p.Name}, args...)...)})
	}
	if c.NoCORS && c.isSet("origins") {
		errs = append(errs, fmt.Errorf("%s goes not with --no-cors", c.label("origins")))
	}
	names := slices.Sorted(maps.Keys(c.tables))
	for _, name := range names {
		if p := c.tables[name]; c.NoCORS && len(p.Origins) > 0 {
			bad(p, "origins go not with --no-cors")
		}
	}
	if !c.Auth {
		return append(errs, c.judgeDefault(names, bad)...)
	}
	if c.isSet("origins") {
		errs = append(errs, fmt.Errorf("%s is for a server without --auth: with it each project has its own", c.label("origins")))
	}
	if len(names) == 0 {
		errs = append(errs, fmt.Errorf("%s needs a project with a secret, key or JWKS file, in the file that --config names", c.label("auth")))
	}
	for _, name := range names {
		p := c.tables[name]
		if len(p.Secrets) == 0 && len(p.APIKeys) == 0 && p.JWKSFile == "" {
			bad(p, "no secrets, api-keys or jwks-file: nobody could use it")
		}
		c.Projects = append(c.Projects, p.Project)
	}
	return errs
}

// judgeDefault makes the one project of a server without authentication.
func (c *Config) judgeDefault(names []string, bad func(p *projectTable, format string, args ...any)) (errs []error) {
	all := project.Project{Name: project.Default, Origins: c.Origins}
	if c.NoCORS {
		all.Origins = nil
	}
	for _, name := range names {
		switch p := c.tables[name]; {
		case name != project.Default:
			bad(p, "--auth is off, and then everything belongs to project.%s", project.Default)
		case len(p.Secrets) > 0 || len(p.APIKeys) > 0 || p.JWKSFile != "":
			bad(p, "has credentials, but --auth is off")
		default:
			all.Limits = p.Limits
			if p.hasOrigins && c.isSet("origins") {
				bad(p, "origins are given, and %s too", c.label("origins"))
			}
			if p.hasOrigins {
				all.Origins = p.Origins
			}
		}
	}
	c.Projects = []project.Project{all}
	return errs
}
