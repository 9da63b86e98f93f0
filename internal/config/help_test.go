package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// files writes files into a new directory, and returns it.
func files(t *testing.T, all map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range all {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// file writes a configuration file, and returns its name.
func file(t *testing.T, text string) string {
	t.Helper()
	return filepath.Join(files(t, map[string]string{"tailrace.toml": text}), "tailrace.toml")
}

func load(t *testing.T, args ...string) *Config {
	t.Helper()
	c, err := Load(args, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// loadText loads a file with this text.
func loadText(t *testing.T, text string, args ...string) *Config {
	t.Helper()
	return load(t, append([]string{"--config", file(t, text)}, args...)...)
}

// refused loads what is wrong, and returns a line for each fault.
func refused(t *testing.T, args, env []string) []string {
	t.Helper()
	_, err := Load(args, env)
	if err == nil || errors.Is(err, ErrHelp) {
		t.Fatalf("%q %q: %v", args, env, err)
	}
	return strings.Split(err.Error(), "\n")
}

func contains(text, part string) bool { return strings.Contains(text, part) }

// replace fails if there is nothing to replace.
func replace(t *testing.T, text, old, new string) string {
	t.Helper()
	if !strings.Contains(text, old) {
		t.Fatalf("no %q in the text", old)
	}
	return strings.ReplaceAll(text, old, new)
}

// writePair makes the files of a certificate and its key.
func writePair(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}
