package main

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"tailrace/engine"
	"tailrace/internal/admin"
	"tailrace/internal/config"
	"tailrace/internal/project"
	"tailrace/server"
)

// adminSocketMode is for a socket of operators, which is the key to everything.
const adminSocketMode = 0o600

// adminCloseTimeout is how long the end of a process waits for deletes that jobs
// have begun.
const adminCloseTimeout = 5 * time.Second

// administration is what operators reach: a listener of their own, and for each
// project a part of it that the server offers.
type administration struct {
	api      *admin.API
	engine   *engine.Engine
	server   atomic.Pointer[server.Server] // nil until there is one
	config   atomic.Pointer[config.Config]
	started  time.Time
	draining atomic.Bool
	drain    chan struct{} // closed when an operator asks for the end

	cancel context.CancelFunc // nil: no listener was asked for
	served chan error
}

// newAdministration makes it. It serves nobody yet.
func newAdministration(p *process, e *engine.Engine) (*administration, error) {
	a := &administration{engine: e, started: time.Now(), drain: make(chan struct{})}
	a.config.Store(p.Config)
	options := admin.Options{
		Store: admin.NewEngineStore(e, admin.EngineOptions{
			Configured:  func() []project.Project { return a.config.Load().Projects },
			LiveReaders: a.liveReaders,
			Status:      a.status,
		}),
		Ready: a.ready, Metrics: []*metrics.Set{p.metrics}, Pprof: p.Pprof, Logger: p.log,
		Drain: func() {
			a.draining.Store(true)
			close(a.drain)
		},
	}
	if p.Auth {
		options.Owner = project.Of
	}
	var err error
	a.api, err = admin.New(options)
	return a, err
}

// serve answers on the listener, if there is one.
func (a *administration) serve(listener net.Listener, log *slog.Logger) {
	if listener == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel, a.served = cancel, make(chan error, 1)
	go func() {
		err := a.api.Serve(ctx, listener)
		if ctx.Err() == nil {
			log.Error("nobody serves operators any more", "err", err)
		}
		a.served <- err
	}()
}

// close ends what is under way. Closing again does nothing.
func (a *administration) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), adminCloseTimeout)
	defer cancel()
	err := a.api.Close(ctx)
	if a.cancel != nil {
		a.cancel()
		<-a.served
		a.cancel = nil
	}
	return err
}

func (a *administration) liveReaders(name string) int {
	if s := a.server.Load(); s != nil {
		return int(s.Tenant(name).LiveReaders)
	}
	return 0
}

func (a *administration) status(st *admin.Status) {
	st.Version, st.StartedAt, st.Draining = versionText(), a.started, a.draining.Load()
	if s := a.server.Load(); s != nil {
		st.Connections, st.LiveReaders = s.Connections(), s.LiveReaders()
	}
}

// ready tells whether the server can do its work.
func (a *administration) ready() []admin.Check {
	log := admin.Check{Name: "log", State: admin.CheckOK}
	if err := a.engine.Err(); err != nil {
		log.State, log.Detail = admin.CheckFailed, err.Error()
	}
	serving := admin.Check{Name: "serving", State: admin.CheckOK}
	switch {
	case a.draining.Load():
		serving.State, serving.Detail = admin.CheckFailed, "the server is shutting down"
	case a.server.Load() == nil:
		serving.State, serving.Detail = admin.CheckFailed, "the server is starting"
	}
	disk := admin.Check{Name: "disk", State: admin.CheckOK}
	if a.engine.Stats().DiskLow {
		disk.State, disk.Detail = admin.CheckDegraded, "the disk is nearly full: what grows is refused"
	}
	checks := []admin.Check{log, serving, disk}
	if t := a.engine.TierStats(); t.Phase != engine.TierNone {
		bucket := admin.Check{Name: "bucket", State: admin.CheckOK}
		if t.Phase != engine.TierReady {
			bucket.State, bucket.Detail = admin.CheckDegraded, "the bucket is "+t.Phase.String()
		}
		checks = append(checks, bucket)
	}
	return checks
}
