package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// Options configures a client. All but Server may be left out.
type Options struct {
	// Server is where it is: http://host:port, https://host, with a path if a
	// proxy serves it under one, or unix:/path of a socket.
	Server string

	// Token is the credential sent with every request, a token or an API key;
	// default none.
	Token string

	// RootCAs are those that a server's certificate may be signed by; default
	// those of the system.
	RootCAs *x509.CertPool

	// Patience is for how long a request that fails is repeated, counted from
	// its first failure; default 2 min, negative never. A request under way is
	// not broken off by it.
	Patience time.Duration

	// Stall is after how long without a byte in either direction a connection
	// counts as broken; default 90 s.
	Stall time.Duration

	// BackoffMin and BackoffMax bound the wait before a request is repeated, which
	// is random below a bound that doubles; default 100 ms and 10 s.
	BackoffMin, BackoffMax time.Duration

	// Again is called before each wait with the error and how often in a row the
	// request, or reader, has failed; default nothing. Requests under way at the same
	// time may call it at the same time.
	Again func(err error, failed int)

	// Sleep waits, or returns early with the error of the context. Tests look at
	// what it is asked for.
	Sleep func(ctx context.Context, d time.Duration) error

	// Rand is the source of jitter, in [0, 1).
	Rand func() float64
}

func (o Options) withDefaults() Options {
	setDefault(&o.Patience, patienceDefault)
	setDefault(&o.Stall, stallDefault)
	setDefault(&o.BackoffMin, backoffMinDefault)
	setDefault(&o.BackoffMax, backoffMaxDefault)
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	return o
}

func setDefault(v *time.Duration, value time.Duration) {
	if *v == 0 {
		*v = value
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Client is a client of one server. It may be used by several goroutines.
type Client struct {
	opts Options
	base address
	http *http.Client
}

// New makes a client. It does not connect yet.
func New(o Options) (*Client, error) {
	o = o.withDefaults()
	base, err := parseServer(o.Server)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		TLSClientConfig:     &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 10 * time.Second,
		// Appends under way each have a connection.
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     30 * time.Second,
		// Over one HTTP/2 connection the bodies of several appends would share
		// what it carries, and arrive in any order.
		ForceAttemptHTTP2: false,
		// On the same machine it takes time and saves none.
		DisableCompression: base.local(),
	}
	if base.socket != "" {
		transport.Proxy = nil
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", base.socket)
		}
	}
	return &Client{opts: o, base: base, http: &http.Client{
		Transport: transport,
		// The protocol has no redirects, and one that is followed could take the
		// credential elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close ends the connections that are idle.
func (c *Client) Close() { c.http.CloseIdleConnections() }
