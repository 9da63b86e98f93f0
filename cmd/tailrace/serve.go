package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"tailrace/engine"
	"tailrace/internal/config"
	"tailrace/server"
)

// serve runs the server until a signal ends it or the log fails.
func serve(args, env []string, stdout, stderr io.Writer) int {
	c, err := load(args, env)
	switch {
	case errors.Is(err, config.ErrHelp):
		fmt.Fprintf(stdout, "Usage:\n  tailrace serve [flags]\n%s", config.Usage())
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "tailrace serve: %v\n", err)
		return exitUsage
	}
	p := newProcess(c, stderr)
	p.limitMemory(env)
	if c.Bucket.URL != "" {
		if p.bucket, err = (&place{c.Bucket}).open(context.Background()); err != nil {
			fmt.Fprintf(stderr, "tailrace serve: %v\n", err)
			return exitUsage
		}
	}
	err, unusable := explain(p.run())
	if err != nil {
		p.log.Error("server ended", "error", err)
	}
	switch {
	case unusable:
		return exitUsage
	case err != nil:
		return exitFailed
	}
	return exitOK
}

// What of --memory-bytes the collector may not use: pages of the program itself,
// which it does not count, and what it is late by when garbage comes fast.
const (
	programBytes    = 24 << 20
	lateGarbagePart = 32
)

// limitMemory makes the garbage collector work harder as the process comes near
// --memory-bytes. The limit is soft: caches and budgets keep the process below
// it, and a process that is over it all the same gets slow, not killed. Who sets
// GOMEMLIMIT knows better.
func (p *process) limitMemory(env []string) {
	for _, pair := range env {
		if strings.HasPrefix(pair, "GOMEMLIMIT=") {
			return
		}
	}
	debug.SetMemoryLimit(collectorLimit(p.MemoryBytes))
}

// collectorLimit leaves at least half, for a process that is given next to nothing.
func collectorLimit(memory int64) int64 {
	return max(memory/2, memory-programBytes-memory/lateGarbagePart)
}

func (p *process) run() error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	// Until the server serves, and when it drains, it is enough that a hangup does
	// not end the process.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)

	p.log.Info("configured", p.Summary()...)
	for _, name := range p.Exposed() {
		p.log.Warn("other machines reach this address, and it asks nobody who they are", "setting", name)
	}
	if err := p.fitDescriptors(p.log); err != nil {
		return err
	}
	// An address in use is found before the store is touched.
	listener, err := listen(p.Listen, p.ListenMode)
	if err != nil {
		return err
	}
	defer listener.Close()
	url := urlOf(listener, p.Certificate != nil)
	var cert certificate
	if p.Certificate != nil {
		cert.current.Store(p.Certificate)
		listener = cert.listener(listener)
	}
	var adminListener net.Listener
	if p.AdminListen != "" {
		if adminListener, err = listen(p.AdminListen, adminSocketMode); err != nil {
			return err
		}
		defer adminListener.Close()
	}
	guard, err := newGuard(p.Config, p.metrics)
	if err != nil {
		return err
	}
	e, err := engine.Open(p.engineOptions())
	if err != nil {
		return err
	}
	e.SetAllLimits(limits(p.Config), p.StoredBytes)
	control := startControl(e, p.Data, p.log)
	defer control.close()
	operators, err := newAdministration(p, e)
	if err != nil {
		control.close()
		return errors.Join(err, e.Close())
	}
	options := p.serverOptions()
	options.Instance, options.Auth, options.Admin = e.Identity(), guard, operators.api.ProjectHandler
	s, err := server.New(e, options)
	if err != nil {
		control.close()
		return errors.Join(err, operators.close(), e.Close())
	}
	p.apply = applyTo(e, s, guard)
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener) }()
	operators.server.Store(s)
	operators.serve(adminListener, p.log)
	p.log.Info("serving", "url", url, "version", versionText())
	if adminListener != nil {
		p.log.Info("serving operators", "url", urlOf(adminListener, false))
	}

	for {
		select {
		case <-hangups:
			p.reload(&cert)
			operators.config.Store(p.Config)
			continue
		case err = <-served:
			control.close()
			return errors.Join(err, operators.close(), e.Close())
		case <-e.Failed():
			// Whatever was not durable when the log failed may or may not be on
			// the medium. The process ends without saying anything about it.
			return fmt.Errorf("the log failed: %w", e.Err())
		case <-operators.drain:
			p.log.Info("shutting down", "reason", "an operator asked for it")
		case sig := <-signals:
			operators.draining.Store(true)
			p.log.Info("shutting down", "signal", sig.String())
		}
		control.close()
		return p.drain(s, operators, e, signals, served)
	}
}

// drain answers what is under way, ends live readers and closes the store. A
// second signal ends the process at once; the log is then recovered as after
// a crash.
func (p *process) drain(s *server.Server, operators *administration, e *engine.Engine, signals <-chan os.Signal, served <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), p.DrainTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(ctx) }()
	select {
	case err := <-done:
		if err != nil {
			return errors.Join(fmt.Errorf("drain: %w", err), operators.close(), closeStore(e, signals))
		}
	case <-e.Failed():
		return fmt.Errorf("the log failed: %w", e.Err())
	case sig := <-signals:
		return fmt.Errorf("second signal (%s) during shutdown", sig)
	}
	return errors.Join(<-served, operators.close(), closeStore(e, signals))
}

// closeStore makes durable what is staged and closes the log, unless a further
// signal asks for a quick end.
func closeStore(e *engine.Engine, signals <-chan os.Signal) error {
	closed := make(chan error, 1)
	go func() { closed <- e.Close() }()
	select {
	case err := <-closed:
		return err
	case sig := <-signals:
		return fmt.Errorf("second signal (%s) while the store was closing", sig)
	}
}
