package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"tailrace/engine"
)

// A server takes orders of other processes of its user on a socket in the
// directory of the store. An order is a line of JSON, and so are the answers:
// how far it is, any number of times, and last the result.

const (
	controlName = "control.sock"

	// controlPathMax is the longest name of a socket that Linux and macOS take.
	controlPathMax = 103

	controlOrderMax = 64 << 10         // bytes
	controlTimeout  = 10 * time.Second // to send an order, and to take an answer
	controlEvery    = 200 * time.Millisecond
)

type controlOrder struct {
	Command string `json:"command"`      // "backup" or "status"
	To      string `json:"to,omitempty"` // of a backup; absolute
}

type controlAnswer struct {
	Done   int64                `json:"done,omitempty"` // bytes
	Total  int64                `json:"total,omitempty"`
	Report *engine.BackupReport `json:"report,omitempty"`
	Status *status              `json:"status,omitempty"`
	Error  string               `json:"error,omitempty"`
}

// control serves the socket.
type control struct {
	engine   *engine.Engine
	log      *slog.Logger
	listener net.Listener // nil = there is no socket
	ctx      context.Context
	cancel   context.CancelFunc
	orders   sync.WaitGroup
}

// startControl opens the socket, and begins to watch the bucket if there is one. The caller has the store open, so a socket that
// is there already is of a process that is gone. A server without one serves all
// the same.
func startControl(e *engine.Engine, data string, log *slog.Logger) *control {
	c := &control{engine: e, log: log}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if e.TierStats().Phase != engine.TierNone {
		c.orders.Go(func() { watchTier(c.ctx, e, log) })
	}
	name := filepath.Join(data, controlName)
	var err error
	if c.listener, err = listenControl(name); err != nil {
		log.Warn("no control socket: nobody can ask for its status, and a backup has to wait until it is stopped", "path", name, "error", err)
		return c
	}
	c.orders.Go(c.accept)
	return c
}

func listenControl(name string) (net.Listener, error) {
	if len(name) > controlPathMax {
		return nil, fmt.Errorf("the path is longer than %d bytes", controlPathMax)
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	// On Linux the mode of the socket is that of its file, from the first moment.
	private := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		return conn.Control(func(fd uintptr) { syscall.Fchmod(int(fd), 0o600) })
	}}
	listener, err := private.Listen(context.Background(), "unix", name)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(name, 0o600); err != nil {
		listener.Close()
		return nil, err
	}
	return listener, nil
}

// close ends what is under way and waits for that. Closing again does nothing.
func (c *control) close() {
	c.cancel()
	if c.listener != nil {
		c.listener.Close() // removes the name too
	}
	c.orders.Wait()
}

func (c *control) accept() {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			if c.ctx.Err() == nil {
				c.log.Error("control socket ended", "error", err)
			}
			return
		}
		c.orders.Go(func() {
			defer conn.Close()
			c.serve(conn)
		})
	}
}

// serve carries out the one order of a connection.
func (c *control) serve(conn net.Conn) {
	answer := func(a controlAnswer) error {
		conn.SetWriteDeadline(time.Now().Add(controlTimeout))
		return json.NewEncoder(conn).Encode(a)
	}
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	conn.SetReadDeadline(time.Now().Add(controlTimeout))
	// A server that ends waits for no order.
	defer context.AfterFunc(c.ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })()

	var order controlOrder
	if err := json.NewDecoder(io.LimitReader(conn, controlOrderMax)).Decode(&order); err != nil {
		answer(controlAnswer{Error: fmt.Sprintf("malformed order: %v", err)})
		return
	}
	if order == (controlOrder{Command: "status"}) {
		s := statusOf(c.engine)
		answer(controlAnswer{Status: &s})
		return
	}
	if order.Command != "backup" || !filepath.IsAbs(order.To) {
		answer(controlAnswer{Error: "the order is not one of this server's"})
		return
	}
	// Whoever gave the order and is gone does not want it any more.
	conn.SetReadDeadline(time.Time{})
	c.orders.Go(func() {
		io.Copy(io.Discard, conn)
		cancel()
	})
	var told time.Time
	report, err := c.engine.Backup(ctx, order.To, func(done, total int64) {
		if time.Since(told) < controlEvery {
			return
		}
		told = time.Now()
		if answer(controlAnswer{Done: done, Total: total}) != nil {
			cancel()
		}
	})
	if err != nil {
		c.log.Error("backup failed", "to", order.To, "error", err)
		answer(controlAnswer{Error: err.Error()})
		return
	}
	answer(controlAnswer{Report: &report})
}
