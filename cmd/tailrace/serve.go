package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"tailrace/engine"
	"tailrace/server"
)

// serve runs the server until a signal ends it or the log fails.
func serve(args, env []string, stdout, stderr io.Writer) int {
	var c config
	switch err := c.parse(args, env, stdout); {
	case errors.Is(err, errHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "tailrace serve: %v\n", err)
		return exitUsage
	}
	log, err := c.logger(stderr)
	if err != nil {
		fmt.Fprintf(stderr, "tailrace serve: %v\n", err)
		return exitUsage
	}
	c.limitMemory(env)
	if c.place.url != "" {
		if c.bucket, err = c.place.open(context.Background()); err != nil {
			fmt.Fprintf(stderr, "tailrace serve: %v\n", err)
			return exitUsage
		}
	}
	err, unusable := explain(c.run(log))
	if err != nil {
		log.Error("server ended", "error", err)
	}
	switch {
	case unusable:
		return exitUsage
	case err != nil:
		return exitFailed
	}
	return exitOK
}

// limitMemory makes the garbage collector work harder as the process comes near
// --memory-bytes. The limit is soft: caches and budgets keep the process below
// it, and a process that is over it all the same gets slow, not killed. Who sets
// GOMEMLIMIT knows better.
func (c *config) limitMemory(env []string) {
	for _, pair := range env {
		if strings.HasPrefix(pair, "GOMEMLIMIT=") {
			return
		}
	}
	debug.SetMemoryLimit(c.memoryBytes)
}

func (c *config) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.logLevel)); err != nil {
		return nil, fmt.Errorf("--log-level: unknown level %q", c.logLevel)
	}
	options := &slog.HandlerOptions{Level: level}
	switch c.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	default:
		return nil, fmt.Errorf("--log-format: unknown format %q", c.logFormat)
	}
}

func (c *config) run(log *slog.Logger) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	if err := c.fitDescriptors(log); err != nil {
		return err
	}
	// An address in use is found before the store is touched.
	listener, err := net.Listen("tcp", c.listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	e, err := engine.Open(c.engineOptions(log))
	if err != nil {
		return err
	}
	control := startControl(e, c.data, log)
	defer control.close()
	options := c.serverOptions(log)
	options.Instance = e.Identity()
	s, err := server.New(e, options)
	if err != nil {
		control.close()
		return errors.Join(err, e.Close())
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener) }()
	log.Info("serving", "url", "http://"+listener.Addr().String(), "version", versionText())

	select {
	case err = <-served:
		control.close()
		return errors.Join(err, e.Close())
	case <-e.Failed():
		// Whatever was not durable when the log failed may or may not be on
		// the medium. The process ends without saying anything about it.
		return fmt.Errorf("the log failed: %w", e.Err())
	case sig := <-signals:
		log.Info("shutting down", "signal", sig.String())
	}
	control.close()
	return c.drain(s, e, signals, served)
}

// drain answers what is under way, ends live readers and closes the store. A
// second signal ends the process at once; the log is then recovered as after
// a crash.
func (c *config) drain(s *server.Server, e *engine.Engine, signals <-chan os.Signal, served <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.drainTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(ctx) }()
	select {
	case err := <-done:
		if err != nil {
			return errors.Join(fmt.Errorf("drain: %w", err), closeStore(e, signals))
		}
	case <-e.Failed():
		return fmt.Errorf("the log failed: %w", e.Err())
	case sig := <-signals:
		return fmt.Errorf("second signal (%s) during shutdown", sig)
	}
	return errors.Join(<-served, closeStore(e, signals))
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
