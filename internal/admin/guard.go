package admin

import (
	"crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

var crossOrigin http.CrossOriginProtection

// serve answers one request, whatever it is.
func (a *API) serve(mux *http.ServeMux, x *exchange, checkHost bool) {
	began := a.now()
	x.id = x.req.Header.Get("X-Request-Id")
	if !validRequestID(x.id) {
		x.id = rand.Text()
	}
	h := x.Header()
	h.Set("X-Request-Id", x.id)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			a.opts.Logger.Error("admin request panicked", "request_id", x.id, "panic", p, "stack", string(debug.Stack()))
			if x.status == 0 {
				x.refuse(codeInternal)
			}
		}
		a.note(x, a.now().Sub(began))
	}()
	if c := a.check(x, checkHost); c != codeNone {
		x.refuse(c)
		return
	}
	mux.ServeHTTP(x, x.req)
}

// check refuses what no route takes.
func (a *API) check(x *exchange, checkHost bool) code {
	switch {
	case checkHost && !a.knowsHost(x.req):
		return codeUnknownHost
	case crossOrigin.Check(x.req) != nil:
		return codeCrossOrigin
	case !validPath(x.req.URL.EscapedPath(), x.req.URL.Path):
		return codeInvalidPath
	case x.req.ContentLength != 0 || len(x.req.TransferEncoding) > 0:
		// Where the body ends is not waited for.
		x.Header().Set("Connection", "close")
		return codeUnexpectedBody
	}
	return codeNone
}

// note counts and logs an answered request. Those that change something are told
// to everybody.
func (a *API) note(x *exchange, took time.Duration) {
	path := "none"
	if x.route != nil {
		path = x.route.Path
	}
	a.counts.request(x.req.Method, path, x.status)
	level := slog.LevelDebug
	switch x.req.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
	default:
		level = slog.LevelInfo
	}
	a.opts.Logger.Log(x.req.Context(), level, "admin request", "request_id", x.id, "method", x.req.Method, "route", path,
		"project", x.project, "status", x.status, "code", string(x.code), "took", took)
}

// validRequestID reports whether a client's id can be repeated in answers and in
// the log as it is. It takes what the server takes, whose answers have the id too.
func validRequestID(id string) bool {
	if id == "" || len(id) > requestIDBytesMax {
		return false
	}
	for _, c := range []byte(id) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-',
			c == ':', c == '/', c == '+', c == '=':
		default:
			return false
		}
	}
	return true
}

// validPath reports whether a path means the same to everybody. The mux would
// redirect from some of the others, and a proxy read them in its own way.
func validPath(escaped, decoded string) bool {
	if !strings.HasPrefix(decoded, "/") || strings.Contains(decoded, "//") || !plainText(decoded) ||
		strings.Contains(strings.ToLower(escaped), "%2f") {
		return false
	}
	for segment := range strings.SplitSeq(decoded, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

// plainText reports whether s is UTF-8 without control characters.
func plainText(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}

// knowsHost reports whether the client means this server by what it calls it. A
// browser that was told that a foreign name leads here still calls it by that name.
func (a *API) knowsHost(r *http.Request) bool {
	host := strings.ToLower(r.Host)
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(host, ".")
	if host == "" || host == "localhost" || slices.Contains(a.opts.Hosts, host) || slices.Contains(a.opts.Hosts, "*") {
		return true
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true // nobody else can make it resolve to something
	}
	if len(a.opts.Hosts) > 0 {
		return false
	}
	switch local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr); addr := local.(type) {
	case *net.TCPAddr:
		return !addr.IP.IsLoopback()
	case *net.UnixAddr:
		return true // no browser gets there
	}
	return false
}
