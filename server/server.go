package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"tailrace/engine"
)

// Options configures a server. The zero value works.
type Options struct {
	// LongPollTimeout is how long a long-poll waits for news; default 30 s.
	LongPollTimeout time.Duration

	// LiveTime is how long an SSE response lasts, give or take a tenth;
	// default 60 s. The client then connects again, which gives caches and
	// load balancers a say.
	LiveTime time.Duration

	// CommentInterval is how often an SSE response gets a comment; default
	// 15 s.
	CommentInterval time.Duration

	// SlowTimeout is how long an SSE reader may take nothing of what is sent
	// before it is given up; default 30 s.
	SlowTimeout time.Duration

	// ReadTimeout is the time for the headers and the start of the body of a
	// request; default 30 s. Larger bodies get more time by their size.
	ReadTimeout time.Duration

	// WriteTimeout is the time for sending a response; default 30 s. Larger
	// bodies get more time by their size.
	WriteTimeout time.Duration

	// IdleTimeout is how long a connection may wait for its next request;
	// default 120 s.
	IdleTimeout time.Duration

	// BodyBytesMax is the largest body of a request; default 16 MiB. It is to
	// be that of the engine.
	BodyBytesMax int

	// BodyBytesInFlight bounds the bytes of larger bodies that are being read
	// or handled; default 256 MiB. Beyond it they are refused unread.
	BodyBytesInFlight int64

	// LiveMax is how many live readers, by SSE and long-poll, may wait at the
	// same time; default 10,000. Each takes a goroutine and a connection.
	LiveMax int

	// ConnsMax is how many connections may be open; default 20,000. Each
	// takes a file descriptor, and most take a goroutine with buffers.
	ConnsMax int

	// TrustForwarded believes X-Forwarded-Proto and X-Forwarded-Host about
	// the URL that the client used. Only for a server behind a proxy that
	// sets them.
	TrustForwarded bool

	// DisableCORS leaves out every header that lets pages of other origins
	// use the server.
	DisableCORS bool

	// Logger gets what an operator should know; default none.
	Logger *slog.Logger

	// Rand is the source of jitter.
	Rand func() uint64
}

func (o Options) withDefaults() Options {
	setDefault(&o.LongPollTimeout, 30*time.Second)
	setDefault(&o.LiveTime, 60*time.Second)
	setDefault(&o.CommentInterval, 15*time.Second)
	setDefault(&o.SlowTimeout, 30*time.Second)
	setDefault(&o.ReadTimeout, 30*time.Second)
	setDefault(&o.WriteTimeout, 30*time.Second)
	setDefault(&o.IdleTimeout, 120*time.Second)
	setDefault(&o.BodyBytesMax, 16<<20)
	setDefault(&o.BodyBytesInFlight, 256<<20)
	setDefault(&o.LiveMax, 10_000)
	setDefault(&o.ConnsMax, 20_000)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Rand == nil {
		o.Rand = rand.Uint64
	}
	return o
}

func setDefault[T int | int64 | time.Duration](v *T, value T) {
	if *v == 0 {
		*v = value
	}
}

// validate names everything that is wrong with the options.
func (o Options) validate() error {
	var errs []error
	for _, v := range []struct {
		name  string
		value int64
	}{
		{"long-poll timeout", int64(o.LongPollTimeout)}, {"live time", int64(o.LiveTime)},
		{"comment interval", int64(o.CommentInterval)}, {"slow timeout", int64(o.SlowTimeout)},
		{"read timeout", int64(o.ReadTimeout)}, {"write timeout", int64(o.WriteTimeout)},
		{"idle timeout", int64(o.IdleTimeout)}, {"body bytes", int64(o.BodyBytesMax)},
		{"body bytes in flight", o.BodyBytesInFlight}, {"live readers", int64(o.LiveMax)},
		{"connections", int64(o.ConnsMax)},
	} {
		if v.value < 0 {
			errs = append(errs, fmt.Errorf("server: %s: %d is negative", v.name, v.value))
		}
	}
	if int64(o.BodyBytesMax) > o.BodyBytesInFlight {
		errs = append(errs, fmt.Errorf("server: bodies of %d bytes never fit %d bytes in flight", o.BodyBytesMax, o.BodyBytesInFlight))
	}
	return errors.Join(errs...)
}

// ErrClosed is returned by Serve on a server that was shut down before.
var ErrClosed = errors.New("server: closed")

// Server serves an engine over HTTP. It does not own the engine.
type Server struct {
	engine *engine.Engine
	opts   Options
	http   *fasthttp.Server

	exchanges sync.Pool
	bodies    budget
	conns     conns
	readers   readers

	stop     chan struct{} // closed when the server is shutting down
	stopOnce sync.Once
	serving  sync.WaitGroup

	internalErrors atomic.Int64
	hooks          hooks
}

// hooks let tests see what cannot be seen from outside. They are not set
// otherwise.
type hooks struct {
	onWait func(m method, name string) // a request begins to wait for a ticket
	onPark func(m method, name string) // a live reader begins to wait for news
}

func (h *hooks) waiting(m method, name string) {
	if h.onWait != nil {
		h.onWait(m, name)
	}
}

func (h *hooks) parked(m method, name string) {
	if h.onPark != nil {
		h.onPark(m, name)
	}
}

// New makes a server for an engine.
func New(e *engine.Engine, o Options) (*Server, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	s := &Server{engine: e, opts: o, stop: make(chan struct{})}
	s.bodies.max = o.BodyBytesInFlight
	s.readers.max = int64(o.LiveMax)
	s.conns.max, s.conns.readers = o.ConnsMax, &s.readers
	s.http = s.newHTTP()
	return s, nil
}

// Serve accepts connections until the server is shut down, and returns nil
// then. It may be called for several listeners.
func (s *Server) Serve(ln net.Listener) error {
	if s.stopped() {
		ln.Close()
		return ErrClosed
	}
	ended := make(chan struct{})
	defer close(ended)
	go s.watchEngine(ended)
	if err := s.http.Serve(s.newListener(ln)); err != nil {
		return fmt.Errorf("server: serve %s: %w", ln.Addr(), err)
	}
	return nil
}

// watchEngine ends the live readers when the log has failed, as there will be
// no news. Everybody else learns it by the ticket they wait for.
func (s *Server) watchEngine(ended <-chan struct{}) {
	select {
	case <-s.engine.Failed():
		s.readers.wakeAll()
	case <-ended:
	}
}

// Shutdown stops accepting, ends live reads cleanly, lets the requests that are
// being handled be answered, and closes all connections. When the context ends
// first, what is left is closed as it is, and the context's error returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopOnce.Do(func() { close(s.stop) })
	s.readers.stop()
	s.conns.stop()
	err := s.http.ShutdownWithContext(ctx)
	ended := make(chan struct{})
	go func() {
		s.readers.ended.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.conns.abort(func(*conn) bool { return true })
	if err != nil {
		return fmt.Errorf("server: shut down: %w", err)
	}
	return nil
}

func (s *Server) stopped() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// liveTime is how long the next SSE response lasts.
func (s *Server) liveTime() time.Duration {
	tenth := uint64(s.opts.LiveTime / 10)
	return s.opts.LiveTime - time.Duration(tenth) + time.Duration(s.opts.Rand()%(2*tenth+1))
}

// InternalErrors is how often the server answered 500 or would have: faults of
// its own, never of a client.
func (s *Server) InternalErrors() int64 { return s.internalErrors.Load() }

// LiveReaders is the number of live readers that wait.
func (s *Server) LiveReaders() int64 { return s.readers.count.Load() }

// Connections is the number of open connections.
func (s *Server) Connections() int { return s.conns.count() }

// panicked notes a panic that was contained.
func (s *Server) panicked(v any) {
	s.opts.Logger.Error("panic while handling a request", "panic", v, "stack", string(debug.Stack()))
}

// fastLogger passes on what fasthttp has to say.
type fastLogger struct{ logger *slog.Logger }

// Printf implements fasthttp.Logger.
func (l fastLogger) Printf(format string, args ...any) {
	l.logger.Warn("http", "message", fmt.Sprintf(format, args...))
}
