package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
)

// unixPathMax is the longest name of a socket that Linux and macOS take.
const unixPathMax = 103

// SplitAddress says how package net calls what --listen and --admin-listen take:
// "tcp" and host:port, or "unix" and a path.
func SplitAddress(s string) (network, address string) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		return "unix", path
	}
	return "tcp", s
}

func judgeAddress(s string) error {
	network, address := SplitAddress(s)
	if network == "unix" {
		switch {
		case !filepath.IsAbs(address):
			return fmt.Errorf("is %q, which names no absolute path", s)
		case len(address) > unixPathMax:
			return fmt.Errorf("has a path longer than %d bytes", unixPathMax)
		}
		return nil
	}
	if _, port, err := net.SplitHostPort(address); err != nil {
		return fmt.Errorf("is %q, which is neither host:port nor unix:/path", s)
	} else if _, err := net.LookupPort("tcp", port); err != nil || port == "" {
		return fmt.Errorf("is %q, which has no valid port", s)
	}
	return nil
}

// onlyHere reports whether only processes of this machine reach an address. A
// name other than localhost may mean anything.
func onlyHere(s string) bool {
	network, address := SplitAddress(s)
	if network == "unix" {
		return true
	}
	host, _, _ := net.SplitHostPort(address)
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// Exposed names what is open to anyone who reaches an address, for the log.
func (c *Config) Exposed() []string {
	var all []string
	if !c.Auth && !onlyHere(c.Listen) {
		all = append(all, "listen")
	}
	if c.AdminListen != "" && !onlyHere(c.AdminListen) {
		all = append(all, "admin-listen")
	}
	return all
}

func (c *Config) judgeExposure() error {
	var errs []error
	for _, name := range c.Exposed() {
		switch {
		case name == "listen" && !c.OpenToAnyone:
			errs = append(errs, fmt.Errorf("%s is %s, which other machines reach, and anyone may read, write and delete: turn --auth on, or say --open-to-anyone", c.label(name), c.Listen))
		case name == "admin-listen" && !c.AdminOpenToAnyone:
			errs = append(errs, fmt.Errorf("%s is %s, which other machines reach, and anyone may do everything there: say --admin-open-to-anyone if that is meant", c.label(name), c.AdminListen))
		}
	}
	return errors.Join(errs...)
}
