package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/time/rate"

	"tailrace/engine"
)

// ErrClosed is returned by Serve on a server that was shut down before.
var ErrClosed = errors.New("server: closed")

// Server serves an engine over HTTP. It does not own the engine.
type Server struct {
	engine *engine.Engine
	reads  reader
	opts   Options
	http   *fasthttp.Server

	exchanges sync.Pool
	bodies    budget // of requests
	responses budget // what was put together to be sent
	conns     conns
	readers   readers
	loops     loops

	configuring sync.Mutex         // one call of Configure at a time
	tenants     map[string]*tenant // all there ever were; under configuring
	arranged    atomic.Pointer[arrangement]
	ids         requestIDs
	log         requestLog
	meters      meters

	stop chan struct{} // closed when the server is shutting down

	mu        sync.Mutex // guards what follows
	stopping  bool
	listeners []*listener
	handed    *handed        // nil: there are no loops
	serving   sync.WaitGroup // calls of Serve; Add only under mu

	internalErrors atomic.Int64
	corruptReads   atomic.Int64
	framesEncoded  atomic.Uint64
	framesSent     atomic.Uint64
	drops          drops
	hooks          hooks
}

// reader is the part of the engine that reads come from. Tests stand before it,
// to say what is in memory and what is damaged.
type reader interface {
	Read(engine.ReadRequest) (engine.ReadResult, engine.Ticket)
	ReadCold(engine.ReadRequest) (engine.ReadResult, engine.Ticket)
}

// hooks let tests see what cannot be seen from outside. They are not set
// otherwise.
type hooks struct {
	onWait func(m method, name string) // a request begins to wait for a ticket
	onPark func(m method, name string) // a live reader begins to wait for news
	onLook func(name string)           // a live reader has looked at its stream
}

func (h *hooks) waiting(m method, name string) {
	if h.onWait != nil {
		h.onWait(m, name)
	}
}

func (h *hooks) looked(name string) {
	if h.onLook != nil {
		h.onLook(name)
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
	if err := o.Validate(); err != nil {
		return nil, err
	}
	s := &Server{engine: e, reads: e, opts: o, stop: make(chan struct{}), tenants: make(map[string]*tenant)}
	s.bodies, s.responses = newBudget(o.BodyBytesInFlight), newBudget(o.ResponseBytesInFlight)
	s.readers.max = int64(o.LiveMax)
	s.drops.logger = o.Logger
	s.conns.max, s.conns.readers, s.conns.responses, s.conns.drops = o.ConnsMax, &s.readers, &s.responses, &s.drops
	s.conns.peers.connsMax, s.conns.peers.readersMax = o.ConnsPerAddressMax, o.LivePerAddressMax
	s.http = s.newHTTP()
	s.ids.base = rand.Uint64() // from the system, as Options.Rand may repeat itself
	s.log.pace = rate.NewLimiter(requestLinesMax, requestLinesMax)
	s.Configure(o.Settings)
	s.startMeters(o.Metrics)
	return s, nil
}

// Serve accepts connections until the server is shut down, and returns nil
// then. It may be called for several listeners.
func (s *Server) Serve(ln net.Listener) error {
	l := s.newListener(ln)
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		l.Close()
		return ErrClosed
	}
	if loopsExist && !s.opts.Portable {
		if err := s.startLoops(); err != nil {
			s.mu.Unlock()
			l.Close()
			return err
		}
	}
	s.listeners = append(s.listeners, l)
	s.serving.Add(1)
	s.mu.Unlock()
	defer s.serving.Done()

	ended := make(chan struct{})
	defer close(ended)
	go s.watchEngine(ended)
	serve := s.http.Serve
	if s.handed != nil {
		serve = s.serveLoops
	}
	if err := serve(l); err != nil {
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
		s.loops.wakeAll()
	case <-ended:
	}
}

// Shutdown stops accepting, ends live reads cleanly, lets the requests that are
// being handled be answered, and closes all connections. When the context ends
// first, what is left is closed as it is, and the context's error returned.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.stopAccepting()
	s.readers.stop()
	s.conns.stop()
	// fasthttp closes those that wait for a request, and waits for one that has
	// begun to arrive.
	arriving := time.AfterFunc(stopGrace, s.conns.abortArriving)
	defer arriving.Stop()
	err = errors.Join(err,
		s.stopLoops(ctx),
		waitGroup(ctx, &s.serving),
		s.stopHTTP(ctx),
		waitGroup(ctx, &s.readers.ended))
	s.conns.abort(func(*conn) bool { return true })
	if err != nil {
		return fmt.Errorf("server: shut down: %w", err)
	}
	return nil
}

// stopHTTP stops fasthttp, which looks at the context only between closing
// connections, and closing one can take long.
func (s *Server) stopHTTP(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() { ended <- s.http.ShutdownWithContext(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stopAccepting closes the listeners and tells everybody that the server is
// shutting down.
func (s *Server) stopAccepting() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopping {
		s.stopping = true
		close(s.stop)
	}
	var errs []error
	for _, l := range s.listeners {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// waitGroup waits for a group, or until the context ends.
func waitGroup(ctx context.Context, g *sync.WaitGroup) error {
	ended := make(chan struct{})
	go func() {
		g.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
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

// commentIn is how long an idle SSE reader waits for its next comment: up to an
// eighth less than the interval, so that those who came together spread.
func (s *Server) commentIn() time.Duration {
	d := s.opts.CommentInterval
	return d - time.Duration(s.opts.Rand()%uint64(d/8+1))
}

// InternalErrors is how often the server answered 500 internal or would have:
// faults of its own, never of a client or of the medium.
func (s *Server) InternalErrors() int64 { return s.internalErrors.Load() }

// CorruptReads is how often an answer or event could not be given because the
// stored bytes for it are damaged or cannot be read.
func (s *Server) CorruptReads() int64 { return s.corruptReads.Load() }

// LiveReaders is the number of live readers that wait.
func (s *Server) LiveReaders() int64 { return s.readers.count.Load() }

// Connections is the number of open connections.
func (s *Server) Connections() int { return s.conns.count() }

// panicked notes a panic that was contained, while an exchange was handled if it is
// not nil.
func (s *Server) panicked(v any, x *exchange) {
	id := ""
	if x != nil {
		id = string(s.identify(x))
	}
	s.opts.Logger.Error("panic while handling a request", "request_id", id, "panic", v, "stack", string(debug.Stack()))
}

// fastLogger passes on what fasthttp has to say.
type fastLogger struct{ logger *slog.Logger }

// Printf implements fasthttp.Logger. Its errors quote what a client has sent, which may
// be a credential in a line that is no header: of those the log has what comes before.
func (l fastLogger) Printf(format string, args ...any) {
	for i, arg := range args {
		if err, ok := arg.(error); ok {
			before, _, _ := strings.Cut(err.Error(), `"`)
			args[i] = strings.TrimRight(before, ": ")
		}
	}
	l.logger.Warn("http", "message", fmt.Sprintf(format, args...))
}
