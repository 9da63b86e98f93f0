package proxytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// startNginx serves by the documented file with other names and places in it.
func startNginx(t *testing.T, path, upstream string) *front {
	t.Helper()
	b, err := os.ReadFile("../../docs/front-ends/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	dir, port := t.TempDir(), freePort(t)
	cert, key := certificate(t, dir)
	text := string(b)
	for was, is := range map[string]string{
		"server 127.0.0.1:4437;":       "server " + upstream + ";",
		"listen 443 ":                  "listen 127.0.0.1:" + port + " ",
		"streams.example.com;":         "localhost;",
		"/etc/nginx/tls/fullchain.pem": cert,
		"/etc/nginx/tls/key.pem":       key,
		"http {\n": "http {\naccess_log off; client_body_temp_path body; proxy_temp_path proxy;\n" +
			"fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n",
	} {
		if strings.Count(text, was) != 1 {
			t.Fatalf("nginx.conf does not say %q once", was)
		}
		text = strings.Replace(text, was, is, 1)
	}
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// One process, as whoever is killed ends no other.
	p := launch(t, "nginx", nil, path, "-p", dir, "-c", config, "-e", "stderr", "-g",
		"daemon off; master_process off; pid nginx.pid; error_log stderr notice;")
	p.await(t, func(line string) bool { return strings.Contains(line, " event method") }) // it listens before
	return newFront(t, port, cert)
}

// certificate makes one for localhost that is its own authority.
func certificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	public, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: public}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
