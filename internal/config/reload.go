package config

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"tailrace/internal/project"
)

// Reload loads what old was loaded of again, and returns the new configuration and
// the names of what changed: settings, and projects by what of them did. old does
// not change, and stays what is in effect when there is an error: something is
// wrong with the file, or what changed needs a restart, and is named.
func Reload(old *Config) (c *Config, changed []string, err error) {
	c, err = Load(old.args, old.env)
	if err != nil {
		return nil, nil, err
	}
	var fixed []error
	for _, s := range c.settings {
		before := old.byName[s.Name]
		if s.Value() == before.Value() && !c.contentChanged(old, s.Name) {
			continue
		}
		changed = append(changed, s.Name)
		if !s.Reloadable {
			fixed = append(fixed, fmt.Errorf("%s has changed, which needs a restart", c.label(s.Name)))
		}
	}
	if (c.Certificate == nil) != (old.Certificate == nil) {
		fixed = append(fixed, errors.New("TLS was turned on or off by --tls-cert and --tls-key, which needs a restart"))
	}
	if len(fixed) > 0 {
		return nil, nil, errors.Join(fixed...)
	}
	return c, append(changed, c.changedProjects(old)...), nil
}

// contentChanged reports whether what changed is in the file that a setting names.
func (c *Config) contentChanged(old *Config, name string) bool {
	switch name {
	case "tls-cert":
		return c.Certificate != nil && old.Certificate != nil && !reflect.DeepEqual(c.Certificate.Certificate, old.Certificate.Certificate)
	case "tls-key":
		return c.Certificate != nil && old.Certificate != nil && !reflect.DeepEqual(c.Certificate.PrivateKey, old.Certificate.PrivateKey)
	case "mint-key-file":
		return !bytes.Equal(c.MintKey, old.MintKey)
	}
	return false
}

// changedProjects names what is another in projects than it was in old.
func (c *Config) changedProjects(old *Config) []string {
	var changed []string
	for _, p := range c.Projects {
		name := "project." + p.Name
		i := slices.IndexFunc(old.Projects, func(o project.Project) bool { return o.Name == p.Name })
		if i < 0 {
			changed = append(changed, name+" (new)")
			continue
		}
		before := old.Projects[i]
		for _, part := range []struct {
			key  string
			same bool
		}{
			{"secrets", reflect.DeepEqual(p.Secrets, before.Secrets)},
			{"jwks-file", p.JWKSFile == before.JWKSFile && bytes.Equal(c.jwks[p.Name], old.jwks[p.Name])},
			{"api-keys", reflect.DeepEqual(p.APIKeys, before.APIKeys)},
			{"origins", slices.Equal(p.Origins, before.Origins)},
			{"limits", p.Limits == before.Limits},
		} {
			if !part.same {
				changed = append(changed, name+"."+part.key)
			}
		}
	}
	for _, o := range old.Projects {
		if !slices.ContainsFunc(c.Projects, func(p project.Project) bool { return p.Name == o.Name }) {
			changed = append(changed, "project."+o.Name+" (gone)")
		}
	}
	return changed
}
