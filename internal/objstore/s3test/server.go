package s3test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"tailrace/internal/objstore"
	"tailrace/internal/objstore/s3"
)

// What a server is started with.
const (
	Bucket   = "tailrace-test"
	Region   = "us-east-1"
	KeyID    = "tailrace-test-id"
	Secret   = "tailrace-test-secret"
	loopback = "127.0.0.1"
)

// Server is an S3 server with one bucket.
type Server struct {
	Endpoint string // its URL
	Address  string // its host and port
	Dir      string // its files; those of the bucket are below its name

	process *process
}

// Start starts a server with an empty bucket, and kills it at the end of the
// test.
func Start(t testing.TB) *Server {
	t.Helper()
	path := versitygw.find(t)
	dir := t.TempDir()
	// A directory is all that a bucket is.
	if err := os.Mkdir(filepath.Join(dir, Bucket), 0o755); err != nil {
		t.Fatal(err)
	}
	process, address := serve(t, func(address string) *process {
		return &process{path: path, health: "http://" + address + "/health", args: []string{
			"--port", address, "--access", KeyID, "--secret", Secret, "--region", Region,
			"--health", "/health", "--quiet", "posix", dir,
		}}
	})
	return &Server{Endpoint: "http://" + address, Address: address, Dir: dir, process: process}
}

// Kill ends the server with SIGKILL. Its files stay.
func (s *Server) Kill() { s.process.kill() }

// Running reports whether the server was not killed, or was started again.
func (s *Server) Running() bool {
	select {
	case <-s.process.done:
		return false
	default:
		return true
	}
}

// Restart starts it again on the same port and files.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.process.kill()
	if err := s.process.start(); err != nil {
		t.Fatalf("s3test: %v", err)
	}
}

// Config is how to reach the bucket.
func (s *Server) Config() s3.Config {
	return s3.Config{Bucket: Bucket, Region: Region, Endpoint: s.Endpoint, PathStyle: true, AllowHTTP: true,
		Keys: s3.Keys{ID: KeyID, Secret: Secret}}
}

// Env is the environment from which another process gets the credentials.
func (s *Server) Env() []string {
	return []string{"AWS_ACCESS_KEY_ID=" + KeyID, "AWS_SECRET_ACCESS_KEY=" + Secret, "AWS_REGION=" + Region, "AWS_EC2_METADATA_DISABLED=true"}
}

// Open opens what c describes for the time of the test.
func Open(t testing.TB, c s3.Config) objstore.Bucket {
	t.Helper()
	b, err := s3.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := b.(io.Closer); ok {
		t.Cleanup(func() { _ = c.Close() }) // closing idle connections cannot fail
	}
	return b
}
