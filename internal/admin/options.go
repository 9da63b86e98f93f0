package admin

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"tailrace/internal/project"
)

// Options say what the interface is about and what it offers.
type Options struct {
	Store Store // needed

	// Owner is the project of a stream, by its name. Nil means that all streams
	// belong to project.Default.
	Owner func(stream string) string

	// Ready tells whether the server can do its work. Nil means that it always can.
	Ready func() []Check

	// Drain begins to shut the server down, and does not wait for the end. It is
	// called once. Without it there is no such route.
	Drain func()

	// Metrics are written by /metrics, those of this package and of the process
	// besides.
	Metrics []*metrics.Set

	// Pprof offers profiles of the process, under /debug/pprof/. They show what is in
	// memory, names of streams among it.
	Pprof bool

	// Hosts are names that a request may give in Host, besides localhost and IP
	// addresses; "*" is any. Without them any name will do, but on loopback, where it
	// has to be localhost: a page that a browser has open there could otherwise have
	// its own name resolved to the loopback address, and ask whatever it likes.
	Hosts []string

	// ListBudget is how long a request looks for streams before it answers with what
	// it has; default 250 ms.
	ListBudget time.Duration

	Logger *slog.Logger // nil = no log
}

func (o Options) withDefaults() Options {
	if o.Owner == nil {
		o.Owner = func(string) string { return project.Default }
	}
	if o.Ready == nil {
		o.Ready = func() []Check { return nil }
	}
	if o.ListBudget == 0 {
		o.ListBudget = listBudget
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o *Options) validate() error {
	var errs []error
	if o.Store == nil {
		errs = append(errs, errors.New("admin: Store is missing"))
	}
	if o.ListBudget < 0 {
		errs = append(errs, fmt.Errorf("admin: ListBudget %v is negative", o.ListBudget))
	}
	for _, h := range o.Hosts {
		if !ValidHost(h) {
			errs = append(errs, fmt.Errorf("admin: host %q is not a name in lower case without a port", h))
		}
	}
	return errors.Join(errs...)
}

// ValidHost reports whether h may be one of Options.Hosts.
func ValidHost(h string) bool {
	if h == "*" {
		return true
	}
	if _, err := netip.ParseAddr(h); err == nil || h == "" || len(h) > 253 {
		return false // addresses need not be listed
	}
	for label := range strings.SplitSeq(h, ".") {
		if label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}
