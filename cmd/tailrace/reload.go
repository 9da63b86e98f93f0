package main

import (
	"strings"

	"tailrace/internal/config"
)

// reload reads the configuration again and puts it into effect, as far as that
// can be done without a restart, or leaves everything as it is. No connection
// notices.
func (p *process) reload(cert *certificate) {
	c, changed, err := config.Reload(p.Config)
	if err == nil && len(changed) > 0 {
		err = p.apply(c)
	}
	if err != nil {
		p.log.Error("configuration not reloaded: everything stays as it is", "file", p.File, "errors", strings.Split(err.Error(), "\n"))
		return
	}
	p.Config = c
	cert.current.Store(c.Certificate)
	if len(changed) == 0 {
		p.log.Info("configuration reloaded: nothing has changed", "file", p.File)
		return
	}
	// It is said if either level lets it through.
	before := p.level.Level()
	p.setLevel()
	after := p.level.Level()
	p.level.Set(min(before, after))
	p.log.Info("configuration reloaded", "file", p.File, "changed", changed)
	p.level.Set(after)
}
