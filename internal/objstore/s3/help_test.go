package s3_test

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// writeCertificate writes that of a test server as a bundle.
func writeCertificate(t *testing.T, server *httptest.Server) (name string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "ca.pem")
	bundle := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(name, bundle, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
