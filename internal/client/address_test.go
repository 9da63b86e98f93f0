package client

import (
	"strings"
	"testing"
)

func TestServers(t *testing.T) {
	for text, want := range map[string]address{
		"http://127.0.0.1:4437":     {root: "http://127.0.0.1:4437"},
		"https://host/":             {root: "https://host"},
		"https://host/tail%20race/": {root: "https://host/tail%20race"},
		"http://[::1]:4437":         {root: "http://[::1]:4437"},
		"unix:/run/tailrace.sock":   {socket: "/run/tailrace.sock", root: "http://localhost"},
		"unix:///run/tailrace.sock": {socket: "/run/tailrace.sock", root: "http://localhost"},
	} {
		if got, err := parseServer(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]bool{"http://127.0.0.1:1": true, "http://[::1]": true, "unix:/x": true, "https://localhost:1": true, "http://10.0.0.1": false, "https://host": false} {
		if a, err := parseServer(text); err != nil || a.local() != want {
			t.Errorf("%s is local: %t, %v", text, !want, err)
		}
	}
	for text, why := range map[string]string{
		"": "want http", "host": "want http", "host:4437": "want http", "ftp://host": "want http", "http://": "want http",
		"unix:relative": "want http", "http://me:secret@host": "token file", "http://host?x=1": "no query", "http://host#x": "no query",
		"http://secret@host:x": "invalid port",
	} {
		if _, err := New(Options{Server: text}); err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", text, err, why)
		}
	}
}

func TestURLsOfStreams(t *testing.T) {
	for text, want := range map[string][2]string{
		"http://h:1/v1/stream/acme/chat/1":     {"http://h:1", "acme/chat/1"},
		"https://h/sub/v1/stream/a%20b/%C3%BC": {"https://h/sub", "a b/ü"},
	} {
		server, name, err := SplitURL(text)
		if err != nil || server != want[0] || name != want[1] || !IsURL(text) {
			t.Errorf("%s: %s, %s, %v", text, server, name, err)
		}
	}
	for _, text := range []string{"http://h/", "http://h/v1/stream/", "http://h/v1/streams/a", "http://u@h/v1/stream/a", "http://h/v1/stream/a?offset=now"} {
		if _, _, err := SplitURL(text); err == nil {
			t.Errorf("%s is taken for a stream", text)
		}
	}
	if IsURL("acme/http://x") || IsURL("unix:/x") {
		t.Error("names are taken for URLs")
	}
	if got := streamPath("a b/ü%/?"); got != "/v1/stream/a%20b/%C3%BC%25/%3F" {
		t.Errorf("path %s", got)
	}
}
