package server

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	bignum "math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// selfSigned is a certificate for a test.
func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: bignum.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// startTLS runs a server behind a TLS listener, and returns a dialer to it.
func startTLS(t *testing.T) (*fixture, func() *client) {
	f := start(t)
	ln := listen(t)
	served := make(chan error, 1)
	config := &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}
	go func() { served <- f.server.Serve(tls.NewListener(ln, config)) }()
	return f, func() *client {
		t.Helper()
		c, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(patience))
		return &client{t: t, conn: c, in: bufio.NewReader(c)}
	}
}

func TestTLSIsServedLikePlainConnections(t *testing.T) {
	f, dial := startTLS(t)
	c := dial()
	c.send(f.request("PUT", root+"a", "old", text)).read("PUT").want(t, 201).
		wantHeaders(t, "Location: https://"+f.addr+"/v1/stream/a")
	big := strings.Repeat("x", 100_000)
	c.send(f.request("POST", root+"a", big, text)).read("POST").want(t, 204)
	if r := c.send(f.request("GET", root+"a", "")).read("GET").want(t, 200); r.body != "old"+big {
		t.Errorf("read %d bytes", len(r.body))
	}
	// The answer before the body is not lost here either.
	early := dial().send(f.request("POST", root+"a", strings.Repeat("x", 4<<20), text))
	early.read("POST").wantError(t, 413, "body_too_large")
	// A body cut off is not taken for a whole one.
	cut := dial().send(chunkedA + "5\r\nhello\r\n")
	cut.conn.(*tls.Conn).CloseWrite()
	cut.read("POST").wantError(t, 400, "incomplete_body")
}

// Waking a reader interrupts its read again and again; its TLS session must
// survive that.
func TestSSEOverTLSIsWoken(t *testing.T) {
	f, dial := startTLS(t)
	f.create("a", "old", text)
	s := dial().send(f.request("GET", root+"a?offset=-1&live=sse", "")).sse()
	if data, _, _ := s.next(); data != "old" {
		t.Errorf("got %q", data)
	}
	for range 20 {
		f.awaitPark("a")
		f.append("a", "new", text)
		if data, _, _ := s.next(); data != "new" {
			t.Errorf("got %q", data)
		}
	}
	f.awaitPark("a")
	s.conn.Close()
	waitFor(t, "the reader to be gone", func() bool { return f.server.LiveReaders() == 0 })
}
