package server

import (
	"strings"
	"testing"
)

func TestPathRulesHold(t *testing.T) {
	f := start(t)
	for _, rule := range PathRules() {
		f.do("GET", rule.Example, "").wantError(t, rule.Status, rule.Code)
	}
}

// Nothing may be found under a path that a proxy or a library would have
// turned into another one.
func TestPathsAreNotNormalized(t *testing.T) {
	f := start(t)
	f.create("a", "12345", text)
	f.create("a/b", "12345", text)
	for path, code := range map[string]string{
		"/v1/stream/a/../a":       "invalid_path",
		"/v1/stream/./a":          "invalid_path",
		"/v1/stream/..":           "invalid_path",
		"/v1/stream/.":            "invalid_path",
		"/v1/stream/%2e/a":        "invalid_path",
		"/v1/stream/%2E%2e/a":     "invalid_path",
		"/v1/stream//a":           "invalid_path",
		"/v1/stream/a/":           "invalid_path",
		"/v1/stream/a%2fb":        "invalid_path",
		"/v1/stream%2Fa":          "invalid_path",
		"/v1/stream/a%":           "invalid_path",
		"/v1/stream/a%2":          "invalid_path",
		"/v1/stream/a%g0":         "invalid_path",
		"/v1/stream/a%0a":         "invalid_path",
		"/v1/stream/a%7f":         "invalid_path",
		"/v1/stream/a%c2%85":      "invalid_path",
		"/v1/stream/%c0%af":       "invalid_path",
		"/v1/stream/\xff":         "invalid_path",
		"/v1/stream/%ed%a0%80":    "invalid_path",
		"/v1/stream/a#":           "invalid_path",
		"/v1/stream/a?x#y":        "invalid_path",
		"/v1/stream":              "no_such_route",
		"/v1/stream?offset=-1":    "no_such_route",
		"/v1//stream/a":           "no_such_route",
		"//v1/stream/a":           "no_such_route",
		"/v1/./stream/a":          "no_such_route",
		"/x/../v1/stream/a":       "no_such_route",
		"/V1/stream/a":            "no_such_route",
		"/":                       "no_such_route",
		"/v1/stream/__ds":         "reserved",
		"/v1/stream/%5f_d%73/x/y": "reserved",
		"/v1/stream/__DS":         "not_found",
		"/v1/stream/x/__ds":       "not_found",
		"/v1/stream/A":            "not_found",
		"/v1/stream/a%252fb":      "not_found", // decoded once: a%2fb
		"/v1/stream/a+b":          "not_found",
	} {
		status := 400
		if code != "invalid_path" {
			status = 404
		}
		f.do("GET", path, "").wantError(t, status, code)
	}
}

func TestSpellingsOfAPathAreOneStream(t *testing.T) {
	f := start(t)
	f.create("d%C3%A9j%C3%A0/vu", "12345", text)
	for _, path := range []string{
		"/v1/stream/d\xc3\xa9j\xc3\xa0/vu",
		"/v1/stream/%64%c3%a9j%c3%a0/v%75",
		"/v1/str%65am/d%C3%A9j%C3%A0/vu",
		"http://" + f.addr + "/v1/stream/d%C3%A9j%C3%A0/vu",
		"HTTP://other.example:99/v1/stream/d%C3%A9j%C3%A0/vu?offset=-1",
	} {
		if r := f.do("GET", path, "").want(t, 200); r.body != "12345" {
			t.Errorf("%s reads %q", path, r.body)
		}
	}
	f.create(strings.Repeat("n", nameBytesMax), "")
	f.create(strings.Repeat("%6e", nameBytesMax-1), "")
	f.do("PUT", root+strings.Repeat("%6e", nameBytesMax+1), "").wantError(t, 400, "invalid_path")
}

// Every method goes by the same rules, and what is reserved stays so.
func TestReservedPathsAreNoStreams(t *testing.T) {
	f := start(t)
	for _, method := range []string{"GET", "PUT", "POST", "DELETE", "PATCH"} {
		f.do(method, root+"__ds/subscriptions/x", "x", text).wantError(t, 404, "reserved")
	}
	f.do("HEAD", root+"%5f%5fds/x", "").want(t, 404)
	f.do("OPTIONS", root+"__ds/x", "").want(t, 204)
}

func TestAsteriskFormIsRefused(t *testing.T) {
	f := start(t)
	f.do("OPTIONS", "*", "").wantError(t, 400, "invalid_path")
	f.do("GET", "*", "").want(t, 400)
	f.do("CONNECT", "example.com:443", "").want(t, 400)
}
