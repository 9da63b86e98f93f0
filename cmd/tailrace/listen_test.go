package main

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestCertificateIsExchangedUnderALiveReader also tries what is older than TLS 1.2,
// and newer than HTTP/1.1.
func TestCertificateIsExchangedUnderALiveReader(t *testing.T) {
	dir := t.TempDir()
	pool := newPair(t, dir, 1)
	p := start(t, "--listen", "127.0.0.1:0", "--tls-cert", filepath.Join(dir, "cert.pem"), "--tls-key", filepath.Join(dir, "key.pem"))
	addr, ok := strings.CutPrefix(p.url, "https://")
	if !ok {
		t.Fatal(p.url)
	}
	c := clientTLS(t, pool)
	stream := p.url + "/v1/stream/a"
	reader := exercise(t, c, stream)

	want := func(o *tls.Config, want string) {
		t.Helper()
		if got, err := serialOf(addr, o); err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	want(&tls.Config{}, "1 ")
	want(&tls.Config{NextProtos: []string{"h2", "http/1.1"}}, "1 http/1.1")
	want(&tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12}, "1 ")
	if _, err := serialOf(addr, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil || !strings.Contains(err.Error(), "version") {
		t.Errorf("TLS 1.1: %v", err)
	}
	if _, err := serialOf(addr, &tls.Config{NextProtos: []string{"h2"}}); err == nil {
		t.Error("h2 alone is spoken")
	}

	pool = newPair(t, dir, 2)
	if line := p.hangup(); line["msg"] != "configuration reloaded" {
		t.Fatal(line)
	}
	want(&tls.Config{}, "2 ")
	do(t, c, "POST", stream, "old connection", 204).Body.Close()
	reader.want("old connection")
	do(t, clientTLS(t, pool), "POST", stream, "new connection", 204).Body.Close()
	reader.want("new connection")

	// A key without its certificate changes nothing.
	writeFile(t, filepath.Join(dir, "cert.pem"), "none")
	if line := p.hangup(); line["level"] != "ERROR" {
		t.Error(line)
	}
	want(&tls.Config{}, "2 ")
	reader.t = t
	do(t, c, "POST", stream, "still there", 204).Body.Close()
	reader.want("still there")
	p.end()
}

func TestUnixSocketIsServed(t *testing.T) {
	socket := filepath.Join(shortDir(t), "s")
	for _, flags := range [][]string{nil, {"--portable"}, {"--listen-mode", "0666"}} {
		p := start(t, append([]string{"--listen", "unix:" + socket, "--connections-per-address", "1"}, flags...)...)
		if p.url != "unix:"+socket {
			t.Error(p.url)
		}
		want := os.FileMode(0o600)
		if len(flags) == 2 {
			want = 0o666
		}
		if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != want {
			t.Errorf("%v, %v, want %v", info, err, want)
		}
		exercise(t, clientUnix(t, socket), "http://localhost/v1/stream/a")
		p.end()
		if _, err := os.Lstat(socket); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket is left behind: %v", err)
		}
	}
}

// TestSocketIsTakenOverFromTheDeadOnly: not from somebody who answers, and no other
// file is removed.
func TestSocketIsTakenOverFromTheDeadOnly(t *testing.T) {
	dir := shortDir(t)
	name := filepath.Join(dir, "s")
	first, err := listen("unix:"+name, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := listen("unix:"+name, 0o600); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), name) {
		t.Errorf("%v", err)
	}
	// A process that is killed leaves it like this.
	first.(*net.UnixListener).SetUnlinkOnClose(false)
	first.Close()
	if _, err := os.Lstat(name); err != nil {
		t.Fatal(err)
	}
	second, err := listen("unix:"+name, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info, err)
	}

	other := filepath.Join(dir, "file")
	writeFile(t, other, "precious")
	if _, err := listen("unix:"+other, 0o600); err == nil || !strings.Contains(err.Error(), other) {
		t.Errorf("%v", err)
	}
	if b, err := os.ReadFile(other); err != nil || string(b) != "precious" {
		t.Errorf("%q, %v", b, err)
	}
}

// TestSocketSurvivesAKill: the next server takes the place of one that had no time
// to clean up.
func TestSocketSurvivesAKill(t *testing.T) {
	socket := filepath.Join(shortDir(t), "s")
	p := start(t, "--listen", "unix:"+socket)
	p.cmd.Process.Kill()
	<-p.ended
	if _, err := os.Lstat(socket); err != nil {
		t.Fatal(err)
	}
	p = start(t, "--listen", "unix:"+socket)
	exercise(t, clientUnix(t, socket), "http://localhost/v1/stream/a")
	p.end()
}

func TestOpenAddressIsWarnedOf(t *testing.T) {
	p := start(t, "--listen", "0.0.0.0:0", "--open-to-anyone")
	if line := p.await(0, "other machines"); line["level"] != "WARN" || line["setting"] != "listen" {
		t.Error(line)
	}
	if line := p.await(0, "configured"); line["auth"] != false {
		t.Error(line)
	}
	_, port, err := net.SplitHostPort(strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	exercise(t, http.DefaultClient, "http://127.0.0.1:"+port+"/v1/stream/a")
	p.end()
}
