package admin

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
)

// drainer sees to it that a server is told once.
type drainer struct {
	begin func()
	once  sync.Once
}

// startDrain has the server end.
func (a *API) startDrain(x *exchange) {
	a.drain.once.Do(a.drain.begin)
	x.answer(http.StatusAccepted, struct {
		Draining bool `json:"draining"`
	}{true})
}

// showStatus answers with the numbers of the server.
func (a *API) showStatus(x *exchange) {
	x.answer(http.StatusOK, struct {
		Status Status `json:"status"`
	}{a.opts.Store.Status()})
}

// Serve answers requests for everything at a listener until ctx ends. What is
// under way then may go on for 5 s. The listener is closed when Serve returns, nil
// if it was ctx that ended.
func (a *API) Serve(ctx context.Context, listener net.Listener) error {
	s := &http.Server{
		Handler:           a.Handler(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytes,
		ConnState:         newCrowd(ConnectionsMax).note,
		ErrorLog:          slog.NewLogLogger(a.opts.Logger.Handler(), slog.LevelDebug), // of what clients send
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err := s.Shutdown(grace)
	if err != nil {
		s.Close() // somebody who reads slowly, or records a profile
	}
	<-served
	return nil
}
