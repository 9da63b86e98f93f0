package server

import (
	"strings"
	"testing"
)

// everyResponse is what all responses carry.
var everyResponse = []string{
	"X-Content-Type-Options: nosniff",
	"Cross-Origin-Resource-Policy: cross-origin",
	"Access-Control-Allow-Origin: *",
	"Access-Control-Expose-Headers: " + string(exposeHeaders),
	"Server:",
}

// requests are one of each kind that succeeds.
func (f *fixture) everyKind() map[string]*response {
	f.create("a", "12345", text)
	f.create("end", "", text, "Stream-Closed: true")
	tag := f.do("GET", root+"a", "").Header.Get("ETag")
	return map[string]*response{
		"create":               f.do("PUT", root+"new", ""),
		"exists":               f.do("PUT", root+"new", ""),
		"append":               f.do("POST", root+"a", "x", text),
		"producer":             f.do("POST", root+"a", "x", producer("p", "0", "0")...),
		"duplicate":            f.do("POST", root+"a", "x", producer("p", "0", "0")...),
		"read":                 f.do("GET", root+"a", ""),
		"now":                  f.do("GET", root+"a?offset=now", ""),
		"unchanged":            f.do("GET", root+"a", "", "If-None-Match: *"),
		"changed":              f.do("GET", root+"a", "", "If-None-Match: "+tag),
		"long-poll":            f.do("GET", root+"a?offset=-1&live=long-poll", ""),
		"long-poll at the end": f.do("GET", root+"end?offset=-1&live=long-poll", ""),
		"sse":                  f.do("GET", root+"end?offset=-1&live=sse", ""),
		"head":                 f.do("HEAD", root+"a", ""),
		"change":               f.do("PATCH", root+"a", "", "Stream-Retention-Age: 1000", "Stream-Retention-Bytes: 1000", "Stream-Trim: "+token(1)),
		"trimmed":              f.do("GET", root+"a?offset="+token(0), ""),
		"head of a policy":     f.do("HEAD", root+"a", ""),
		"preflight":            f.do("OPTIONS", root+"a", ""),
		"close":                f.do("POST", root+"a", "", "Stream-Closed: true"),
		"delete":               f.do("DELETE", root+"a", ""),
		"error":                f.do("GET", root+"none", ""),
		"bad":                  f.do("GET", root+"none", "", "X : y"),
	}
}

func TestEveryResponseHasTheSecurityHeaders(t *testing.T) {
	f := start(t)
	for name, r := range f.everyKind() {
		t.Run(name, func(t *testing.T) {
			r.wantHeaders(t, everyResponse...)
			if r.Header.Get("Date") == "" {
				t.Error("no date")
			}
		})
	}
}

func TestCORSCanBeTurnedOffAltogether(t *testing.T) {
	f := start(t, func(u *setup) { u.server.DisableCORS = true })
	for name, r := range f.everyKind() {
		for header := range r.Header {
			if strings.HasPrefix(header, "Access-Control-") {
				t.Errorf("%s has %s", name, header)
			}
		}
		r.wantHeaders(t, "X-Content-Type-Options: nosniff", "Cross-Origin-Resource-Policy: cross-origin")
	}
}

func TestPreflightAllowsWhatTheProtocolNeeds(t *testing.T) {
	f := start(t)
	r := f.do("OPTIONS", root+"does-not-exist", "", "Origin: https://app.example",
		"Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: if-none-match").want(t, 204)
	allowed := "," + strings.ToLower(strings.ReplaceAll(r.Header.Get("Access-Control-Allow-Headers"), " ", "")) + ","
	for f := range fields {
		name := fieldNames[f]
		wanted := strings.HasPrefix(name, "stream-") || strings.HasPrefix(name, "producer-") || strings.HasPrefix(name, "token-") ||
			f == fieldContentType || f == fieldIfNoneMatch || f == fieldLastEventID || f == fieldAuthorization || f == fieldRequestID
		if has := strings.Contains(allowed, ","+name+","); has != wanted {
			t.Errorf("%s allowed: %v, want %v", name, has, wanted)
		}
	}
	methods := r.Header.Get("Access-Control-Allow-Methods")
	for _, m := range []string{"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"} {
		if !strings.Contains(methods, m) {
			t.Errorf("%s is not allowed", m)
		}
	}
	r.wantHeaders(t, "Access-Control-Max-Age: 86400", "Allow: "+methodsAllowed)
	f.do("OPTIONS", "/elsewhere", "").wantError(t, 404, "no_such_route")
}

// What a page of another origin is to see of a response must be exposed.
func TestEveryOwnHeaderIsExposed(t *testing.T) {
	f := start(t)
	exposed := "," + strings.ToLower(strings.ReplaceAll(string(exposeHeaders), " ", "")) + ","
	f.create("b", "\x00", binary, "Stream-TTL: 60", "Stream-Closed: true")
	all := f.everyKind()
	all["ttl"] = f.do("HEAD", root+"b", "")
	all["binary"] = f.do("GET", root+"b?offset=-1&live=sse", "")
	all["gap"] = f.do("POST", root+"end", "x", producer("p", "0", "7")...)
	for name, r := range all {
		for header := range r.Header {
			own := strings.HasPrefix(header, "Stream-") || strings.HasPrefix(header, "Producer-") || header == "Etag" || header == "Location"
			if own && !strings.Contains(exposed, ","+strings.ToLower(header)+",") {
				t.Errorf("%s has %s, which is not exposed", name, header)
			}
		}
	}
}
