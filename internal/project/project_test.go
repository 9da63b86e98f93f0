package project

import (
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"acme": true, "Acme-2.test_x": true, strings.Repeat("a", 64): true,
		"": false, ".": false, "..": false, "__ds": false, "a/b": false, "a b": false, "é": false, strings.Repeat("a", 65): false, "a\x00": false,
	} {
		if ValidName(name) != want {
			t.Errorf("ValidName(%q) is %t", name, !want)
		}
	}
}

func TestOf(t *testing.T) {
	for stream, want := range map[string]string{"acme/chat/1": "acme", "acme": "acme", "": ""} {
		if got := Of(stream); got != want {
			t.Errorf("Of(%q) = %q, want %q", stream, got, want)
		}
	}
}

func TestOrigins(t *testing.T) {
	for origin, want := range map[string]bool{
		"*": true, "https://app.example.com": true, "http://localhost:3000": true,
		"https://app.example.com/": false, "https://App.example.com": false, "app.example.com": false, "null": false, "": false,
		"https://": false, "ftp://a": false, "https://u@a": false, "https://a?b": false,
	} {
		if ValidOrigin(origin) != want {
			t.Errorf("ValidOrigin(%q) is %t", origin, !want)
		}
	}
}

func TestValidateNamesEverything(t *testing.T) {
	p := Project{Name: "a/b", Origins: []string{"nowhere"}, Limits: Limits{Streams: -1, BodyBytes: -2}}
	err := p.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{"a name has", "nowhere", "streams: -1", "body-bytes: -2"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is missing in:\n%v", part, err)
		}
	}
	if err := (&Project{Name: "acme", Origins: []string{"*"}}).Validate(); err != nil {
		t.Error(err)
	}
}
