package s3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"

	"tailrace/internal/objstore"
)

// Config says which bucket, and how to get there.
type Config struct {
	Bucket string
	Prefix string // before every key: "" or with a slash at its end
	Region string // "" takes that of the environment, or us-east-1 with an Endpoint

	// Endpoint is the URL of a store that is not AWS: scheme, host and port.
	Endpoint string
	// PathStyle puts the bucket into the path instead of the name of the host.
	PathStyle bool
	// AllowHTTP allows an endpoint without TLS.
	AllowHTTP bool

	// Connections bounds the connections to the store. It should be more than
	// the policy's attempts at a time, or those wait where no count shows it.
	// Default 64.
	Connections int

	// Keys replace the default chain of credentials.
	Keys Keys

	// Dial makes connections in place of the network, for tests; nil is TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Keys are credentials.
type Keys struct{ ID, Secret, Token string }

// String keeps secrets out of whatever prints a Config.
func (k Keys) String() string {
	if k == (Keys{}) {
		return "of the default chain"
	}
	return "set"
}

// GoString is as String, for %#v.
func (k Keys) GoString() string { return k.String() }

const connectionsDefault = 64

// check names what is wrong by the setting that has to change.
func (c *Config) check() error {
	if c.Bucket == "" {
		return errors.New("bucket is empty")
	}
	if err := objstore.CheckPrefix(c.Prefix); err != nil {
		return fmt.Errorf("prefix: %w", err)
	}
	if c.Endpoint == "" {
		return nil
	}
	u, err := url.Parse(c.Endpoint)
	if err != nil {
		// The URL itself may have a password in it.
		return errors.New("endpoint is not a URL")
	}
	switch {
	case u.User != nil:
		return errors.New("endpoint has credentials in it: they belong into the environment")
	case u.Host == "" || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "":
		return errors.New("endpoint is not a scheme, a host and a port")
	case u.Scheme == "http" && !c.AllowHTTP:
		return errPlain
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("endpoint has a scheme other than https")
	}
	return nil
}

var errPlain = errors.New("endpoint is plain http, and allow-http is not set")
