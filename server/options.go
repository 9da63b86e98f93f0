package server

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"tailrace/internal/auth"
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
	// or handled; default 256 MiB. It is taken as they arrive, and what does
	// not fit is refused.
	BodyBytesInFlight int64

	// ResponseBytesInFlight bounds the bytes of larger responses and events
	// that were put together and wait to be taken; default 256 MiB. What is
	// sent as it is stored does not count. Beyond it reads are refused, and
	// SSE readers wait. One that is larger is sent when it is alone.
	ResponseBytesInFlight int64

	// LiveMax is how many live readers, by SSE and long-poll, may wait at the
	// same time; default 20,000. Each takes a connection, and without event loops a
	// goroutine.
	LiveMax int

	// ConnsMax is how many connections may be open; default 20,000. Each
	// takes a file descriptor, and without event loops a goroutine with buffers.
	ConnsMax int

	// ConnsPerAddressMax and LivePerAddressMax are how many of these may come from
	// one address, which for IPv6 is a network of 64 bits; default 0, any. Behind a
	// proxy all clients have its address.
	ConnsPerAddressMax int
	LivePerAddressMax  int

	// Portable serves every connection by a goroutine of its own, as it is done
	// wherever there are no event loops.
	Portable bool

	// Instance tells this store from others whose streams clients may have
	// cached under the same URLs. It is part of every ETag, unless it is 0.
	Instance uint64

	// TrustForwarded believes X-Forwarded-Proto and X-Forwarded-Host about
	// the URL that the client used, and the last of X-Forwarded-For about where
	// bad credentials come from. Only for a server behind a proxy that sets all
	// three: what it passes on as the client wrote it lets one address try
	// credentials without end, in the name of others.
	TrustForwarded bool

	// Auth decides who may do what; nil = anybody may do everything. It is to know
	// the projects of Settings.
	Auth *auth.Guard

	// Admin answers what a project is asked about at /v1/admin/ by who has the scope
	// for that. It may block. nil = there is no such route, as without Auth.
	Admin func(project string) http.Handler

	// Settings are what Configure changes later.
	Settings Settings

	// Metrics gets the server's series; default a set that nobody sees.
	Metrics *metrics.Set

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
	setDefault(&o.ResponseBytesInFlight, 256<<20)
	setDefault(&o.LiveMax, 20_000)
	setDefault(&o.ConnsMax, 20_000)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = metrics.NewSet()
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

// Validate names everything that is wrong with the options. New does the same
// first.
func (o Options) Validate() error {
	o = o.withDefaults()
	var errs []error
	for _, v := range []struct {
		name  string
		value int64
	}{
		{"long-poll timeout", int64(o.LongPollTimeout)}, {"live time", int64(o.LiveTime)},
		{"comment interval", int64(o.CommentInterval)}, {"slow timeout", int64(o.SlowTimeout)},
		{"read timeout", int64(o.ReadTimeout)}, {"write timeout", int64(o.WriteTimeout)},
		{"idle timeout", int64(o.IdleTimeout)}, {"body bytes", int64(o.BodyBytesMax)},
		{"body bytes in flight", o.BodyBytesInFlight},
		{"response bytes in flight", o.ResponseBytesInFlight}, {"live readers", int64(o.LiveMax)},
		{"connections", int64(o.ConnsMax)},
		{"connections per address", int64(o.ConnsPerAddressMax)}, {"live readers per address", int64(o.LivePerAddressMax)},
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
