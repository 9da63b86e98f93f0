package main

import (
	"errors"
	"fmt"

	"github.com/VictoriaMetrics/metrics"

	"tailrace/engine"
	"tailrace/internal/auth"
	"tailrace/internal/config"
	"tailrace/server"
)

// newGuard makes who checks credentials, nil if nobody does. The error names what is
// wrong with keys.
func newGuard(c *config.Config, set *metrics.Set) (*auth.Guard, error) {
	if !c.Auth {
		return nil, nil
	}
	keys, err := keyring(c)
	if err != nil {
		return nil, err
	}
	return auth.New(auth.Options{Keyring: keys, MintKey: c.MintKey, CacheEntries: c.AuthCacheEntries, Metrics: set})
}

func keyring(c *config.Config) (*auth.Keyring, error) {
	return auth.NewKeyring(c.Projects, func(name string) ([]byte, error) {
		for _, p := range c.Projects {
			if p.JWKSFile == name {
				return c.JWKS(p.Name), nil // was read with the configuration
			}
		}
		return nil, fmt.Errorf("no project has the file %s", name)
	})
}

// settings are what of the configuration a server takes while it runs.
func settings(c *config.Config) server.Settings {
	return server.Settings{
		Projects: c.Projects, Origins: c.Origins,
		RequestsPerSecond: c.RequestsPerSecond, AppendBytesPerSecond: c.AppendBytesPerSecond,
		URLTokens: c.URLTokens, URLTokenLife: c.URLTokenLife,
		SlowRequest: c.SlowRequest, LogRequests: c.LogRequests,
	}
}

// limits are those of projects that the engine holds.
func limits(c *config.Config) map[string]engine.ProjectLimits {
	all := make(map[string]engine.ProjectLimits, len(c.Projects))
	for _, p := range c.Projects {
		all[p.Name] = engine.ProjectLimits{
			StoredBytes: p.Limits.StoredBytes, Streams: p.Limits.Streams, ProducersPerStream: p.Limits.ProducersPerStream,
		}
	}
	return all
}

// applyTo makes what puts a new configuration into effect, or fails before anything
// has changed.
func applyTo(e *engine.Engine, s *server.Server, guard *auth.Guard) func(*config.Config) error {
	return func(c *config.Config) error {
		if guard != nil {
			keys, err := keyring(c)
			if err != nil {
				return errors.Join(errors.New("the keys of the projects cannot be used"), err)
			}
			guard.SetKeyring(keys)
		}
		e.SetAllLimits(limits(c), c.StoredBytes)
		s.Configure(settings(c))
		return nil
	}
}
