package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"

	"tailrace/internal/objstore"
)

// Times of a connection. The whole of a request is bounded by its context.
const (
	dialTime      = 10 * time.Second
	handshakeTime = 10 * time.Second
	// From the end of the request to the first byte of the answer: a store may
	// write a large body to its disks in between.
	answerTime   = time.Minute
	continueTime = time.Second
	idleTime     = 90 * time.Second
)

// expectBytes is the size from which a body waits for permission.
const expectBytes = 2 << 20

// Open returns the bucket that c describes. It makes no request to the store:
// objstore.Probe tells whether it is there and sound. What it returns is also an
// io.Closer, which lets go of idle connections.
func Open(ctx context.Context, c Config) (objstore.Bucket, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("s3: %w", err)
	}
	load := []func(*config.LoadOptions) error{config.WithLogger(logging.Nop{})}
	if c.Region != "" {
		load = append(load, config.WithRegion(c.Region))
	} else if c.Endpoint != "" {
		load = append(load, config.WithDefaultRegion("us-east-1")) // stores without regions take this name
	}
	if c.Keys != (Keys{}) {
		load = append(load, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(c.Keys.ID, c.Keys.Secret, c.Keys.Token)))
	}
	base, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, fmt.Errorf("s3: environment: %w", err)
	}
	if base.Region == "" {
		return nil, errors.New("s3: region is empty, and the environment has none")
	}
	web := newClient(c, base.HTTPClient)
	client := s3.NewFromConfig(base, func(o *s3.Options) {
		o.Retryer = aws.NopRetryer{}
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		o.DisableClockSkewCorrection = true
		o.ContinueHeaderThresholdBytes = expectBytes
		o.UsePathStyle = c.PathStyle
		if c.Endpoint != "" {
			o.BaseEndpoint = aws.String(c.Endpoint)
		}
		if o.Credentials != nil {
			o.Credentials = chain{o.Credentials}
		}
		o.HTTPClient = web
	})
	// With an endpoint of the environment only the guard knows the scheme.
	return objstore.WithPrefix(&bucket{client: client, http: web, name: c.Bucket, tls: !c.AllowHTTP || strings.HasPrefix(c.Endpoint, "https:")}, c.Prefix)
}

// newClient is the HTTP client of one bucket. What the environment says about
// certificates is in the SDK's own.
func newClient(c Config, sdk aws.HTTPClient) *http.Client {
	var roots *tls.Config
	if b, ok := sdk.(*awshttp.BuildableClient); ok {
		roots = b.GetTransport().TLSClientConfig
	}
	dial := c.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTime}).DialContext
	}
	connections := c.Connections
	if connections <= 0 {
		connections = connectionsDefault
	}
	return &http.Client{
		Transport: guard{allowHTTP: c.AllowHTTP, base: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           dial,
			TLSClientConfig:       roots,
			TLSHandshakeTimeout:   handshakeTime,
			ResponseHeaderTimeout: answerTime,
			ExpectContinueTimeout: continueTime,
			IdleConnTimeout:       idleTime,
			MaxConnsPerHost:       connections,
			MaxIdleConns:          connections,
			MaxIdleConnsPerHost:   connections,
			DisableCompression:    true, // ranges are of the bytes that were put
		}},
		// A redirect would repeat the request where its signature is wrong.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// guard refuses plain HTTP also when the endpoint came from the environment.
type guard struct {
	allowHTTP bool
	base      *http.Transport
}

func (g guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !g.allowHTTP {
		return nil, errPlain
	}
	return g.base.RoundTrip(r)
}

// CloseIdleConnections is how http.Client reaches the transport.
func (g guard) CloseIdleConnections() { g.base.CloseIdleConnections() }

// chain marks the errors of the credentials, which otherwise look like those of
// a request.
type chain struct{ aws.CredentialsProvider }

func (c chain) Retrieve(ctx context.Context) (aws.Credentials, error) {
	creds, err := c.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		err = &credentialsError{err}
	}
	return creds, err
}

type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return "no credentials: " + e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }

// unsigned leaves the body out of the signature, over TLS only.
func unsigned(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
}
