package s3_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tailrace/internal/objstore"
	"tailrace/internal/objstore/s3"
	"tailrace/internal/objstore/s3test"
)

// TestRequestsSayWhatIsMeant looks at the requests themselves.
func TestRequestsSayWhatIsMeant(t *testing.T) {
	var got *http.Request
	var body string
	b := fake(t, func(w http.ResponseWriter, r *http.Request) {
		p, _ := io.ReadAll(r.Body)
		got, body = r, string(p)
		w.Header().Set("ETag", `"tag"`)
	})
	want := func(what, header, value string) {
		t.Helper()
		if got.Header.Get(header) != value {
			t.Errorf("%s: %s is %q, want %q", what, header, got.Header.Get(header), value)
		}
	}
	put := func(b objstore.Body, on objstore.Bucket, c objstore.Condition) {
		t.Helper()
		if _, err := on.Put(t.Context(), "a/k", b, c); err != nil {
			t.Fatal(err)
		}
	}
	small := objstore.Bytes([]byte("123456789")) // whose CRC-32C is well known
	put(small, b, objstore.Condition{Absent: true})
	if got.Method != http.MethodPut || got.URL.Path != "/bucket/a/k" || body != "123456789" || got.ContentLength != 9 {
		t.Errorf("%s %s with %d bytes %q", got.Method, got.URL.Path, got.ContentLength, body)
	}
	want("create", "If-None-Match", "*")
	want("create", "If-Match", "")
	want("create", "X-Amz-Checksum-Crc32c", "4waSgw==")
	want("create", "Expect", "")
	want("create", "Content-Encoding", "")
	if hash := got.Header.Get("X-Amz-Content-Sha256"); len(hash) != 64 {
		t.Errorf("over plain http the body is signed as %q", hash)
	}
	if auth := got.Header.Get("Authorization"); !strings.Contains(auth, "x-amz-checksum-crc32c") || strings.Contains(auth, secret) {
		t.Errorf("signed is %q", auth)
	}
	put(small, b, objstore.Condition{Match: `"tag"`})
	want("swap", "If-Match", `"tag"`)
	want("swap", "If-None-Match", "")
	put(objstore.Bytes(make([]byte, 2<<20)), b, objstore.Condition{})
	want("large body", "Expect", "100-continue")

	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := io.ReadAll(r.Body)
		got, body = r, string(p)
		w.Header().Set("ETag", `"tag"`)
	}))
	t.Cleanup(server.Close)
	trust(t, server)
	c := config(server.URL)
	c.AllowHTTP = false
	put(small, s3test.Open(t, c), objstore.Condition{})
	want("over TLS", "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	want("over TLS", "X-Amz-Checksum-Crc32c", "4waSgw==")
	want("over TLS", "Content-Encoding", "")
	if body != "123456789" {
		t.Errorf("over TLS the body is %q", body)
	}
}

// TestSDKDecidesNothing looks for what the SDK would do by itself.
func TestSDKDecidesNothing(t *testing.T) {
	t.Setenv("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_supported")
	t.Setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_supported")
	t.Setenv("AWS_MAX_ATTEMPTS", "9")
	var dates []time.Time
	b := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if mode := r.Header.Get("X-Amz-Checksum-Mode"); (mode != "") != (r.Method == http.MethodHead) {
			t.Errorf("%s with checksum mode %q", r.Method, mode)
		}
		date, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		if err != nil {
			t.Error(err)
		}
		dates = append(dates, date)
		w.Header().Set("Date", time.Now().Add(3*time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, xmlError("RequestTimeTooSkewed"))
	})
	for range 2 {
		for op, err := range calls(t.Context(), b) {
			if k := objstore.KindOf(err); k != objstore.KindSkewed && op != objstore.OpHead {
				t.Errorf("%s: %v, want clock skew", op, err)
			}
		}
	}
	if len(dates) != 10 {
		t.Errorf("%d requests of 10 calls", len(dates))
	}
	for _, date := range dates {
		if off := time.Since(date).Abs(); off > time.Hour {
			t.Errorf("a request is dated %v from now: the clock was corrected", off)
		}
	}
}

// trust makes the SDK's environment trust a test server.
func trust(t *testing.T, server *httptest.Server) {
	t.Helper()
	t.Setenv("AWS_CA_BUNDLE", writeCertificate(t, server))
}

// TestHostsAndPaths: where the bucket stands in the URL, for AWS and for others.
func TestHostsAndPaths(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("ETag", fmt.Sprintf("%q", r.Host+r.URL.Path))
	}))
	t.Cleanup(server.Close)
	for _, h := range []struct {
		endpoint string
		path     bool
		prefix   string
		want     string
	}{
		{"http://store.example:7000", true, "", "store.example:7000/bucket/a/k"},
		{"http://store.example:7000", false, "", "bucket.store.example:7000/a/k"},
		{"http://store.example:7000/", false, "pre/fix/", "bucket.store.example:7000/pre/fix/a/k"},
	} {
		c := config(h.endpoint)
		c.PathStyle, c.Prefix = h.path, h.prefix
		// Every name leads to the server.
		c.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
		}
		etag, err := s3test.Open(t, c).Put(t.Context(), "a/k", objstore.Bytes(nil), objstore.Condition{})
		if err != nil || etag != fmt.Sprintf("%q", h.want) {
			t.Errorf("%s, path style %v: asked %s, %v; want %s", h.endpoint, h.path, etag, err, h.want)
		}
	}
	// AWS itself, of which only the name is asked.
	var dialed string
	c := s3.Config{Bucket: "bucket", Region: "eu-central-1", Keys: s3.Keys{ID: "id", Secret: secret}}
	c.Dial = func(_ context.Context, _, address string) (net.Conn, error) {
		dialed = address
		return nil, io.ErrUnexpectedEOF
	}
	if _, err := s3test.Open(t, c).Head(t.Context(), "k"); objstore.KindOf(err) != objstore.KindTemporary || dialed != "bucket.s3.eu-central-1.amazonaws.com:443" {
		t.Errorf("asked %s, %v", dialed, err)
	}
}

func TestConfigsAreChecked(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*s3.Config)
		want   string
	}{
		"plain http":  {func(c *s3.Config) { c.AllowHTTP = false }, "allow-http"},
		"no bucket":   {func(c *s3.Config) { c.Bucket = "" }, "bucket"},
		"prefix":      {func(c *s3.Config) { c.Prefix = "a" }, "prefix"},
		"credentials": {func(c *s3.Config) { c.Endpoint = "https://id:" + secret + "@host" }, "endpoint"},
		"no URL":      {func(c *s3.Config) { c.Endpoint = "https://id:" + secret + "@host:port" }, "endpoint"},
		"path":        {func(c *s3.Config) { c.Endpoint = "https://host/path" }, "endpoint"},
		"scheme":      {func(c *s3.Config) { c.Endpoint = "ftp://host" }, "endpoint"},
		"no host":     {func(c *s3.Config) { c.Endpoint = "host" }, "endpoint"},
	} {
		config := config("http://host")
		c.change(&config)
		_, err := s3.Open(t.Context(), config)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v, want something about %s", name, err, c.want)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v", config(""), config(""), config("")); strings.Contains(text, secret) {
		t.Errorf("printed: %s", text)
	}
}

// TestEnvironmentCannotTurnTLSOff: the SDK knows endpoints of its own.
func TestEnvironmentCannotTurnTLSOff(t *testing.T) {
	reached := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	c := config("")
	c.AllowHTTP = false
	for op, err := range calls(t.Context(), s3test.Open(t, c)) {
		if objstore.KindOf(err) != objstore.KindInvalid || !strings.Contains(err.Error(), "allow-http") {
			t.Errorf("%s: %v", op, err)
		}
	}
	if reached {
		t.Error("a request went out in plain text")
	}
}

// TestCredentialsOfTheEnvironment: the default chain, with and without any.
func TestCredentialsOfTheEnvironment(t *testing.T) {
	var auth string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		auth = r.Header.Get("Authorization")
		w.Header().Set("Content-Length", "0")
	}))
	t.Cleanup(server.Close)
	nowhere := filepath.Join(t.TempDir(), "none")
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", nowhere)
	t.Setenv("AWS_CONFIG_FILE", nowhere)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	c := config(server.URL)
	c.Keys = s3.Keys{}
	for op, err := range calls(t.Context(), s3test.Open(t, c)) {
		if objstore.KindOf(err) != objstore.KindDenied || !strings.Contains(err.Error(), "no credentials") {
			t.Errorf("%s without credentials: %v, want denied", op, err)
		}
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "of-the-environment")
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	if _, err := s3test.Open(t, c).Head(t.Context(), "k"); err != nil || !strings.Contains(auth, "Credential=of-the-environment/") {
		t.Errorf("with those of the environment: %v, signed %q", err, auth)
	}
}
