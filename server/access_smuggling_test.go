package server

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"tailrace/internal/auth"
)

// forkSources are spellings of what a fork is made of, and what they name; "" is
// nothing.
var forkSources = map[string]string{
	"/v1/stream/acme/there":                          "acme/there",
	"/v1/stream/%61cme/%74here":                      "acme/there",
	"/v1/str%65am/acme/there":                        "acme/there",
	"/v1/stream/globex/there":                        "globex/there",
	"/v1/stream/%67lobex/there":                      "globex/there",
	"/v1/stream/globex/none":                         "globex/none",
	"/v1/stream/acme/open":                           "acme/open",
	"/v1/stream/acme/none":                           "acme/none",
	"/v1/stream/acme/gone":                           "acme/gone",
	"/v1/stream/unknown/there":                       "unknown/there",
	"/v1/stream/GLOBEX/there":                        "GLOBEX/there",
	"/v1/stream/acme\\..\\globex/there":              "acme\\..\\globex/there",
	"/v1/stream/acme/%252e%252e/globex/there":        "acme/%2e%2e/globex/there",
	"/v1/stream/acme;/../globex/there":               "",
	"/v1/stream/acme/../globex/there":                "",
	"/v1/stream/acme/%2e%2e/globex/there":            "",
	"/v1/stream/./globex/there":                      "",
	"/v1/stream/../stream/globex/there":              "",
	"/./v1/stream/globex/there":                      "",
	"//v1/stream/globex/there":                       "",
	"//x/v1/stream/globex/there":                     "",
	"http://x/v1/stream/globex/there":                "",
	"http:///v1/stream/globex/there":                 "",
	"/v1/stream/globex%2fthere":                      "",
	"/v1%2fstream/globex/there":                      "",
	"/v1/stream//globex/there":                       "",
	"/v1/stream/globex/there/":                       "",
	"/v1/stream/globex/there?":                       "",
	"/v1/stream/globex/there?x=y":                    "",
	"/v1/stream/globex/there#":                       "",
	"/v1/stream/globex/there%00":                     "",
	"/v1/stream/globex/%c0%ae%c0%ae/acme/there":      "",
	"/v1/stream/__ds/there":                          "",
	"/v1/token/globex/there":                         "",
	"/v1/admin/streams/globex/there":                 "",
	"/V1/STREAM/globex/there":                        "",
	"globex/there":                                   "",
	"globex":                                         "",
	"":                                               "",
	"/v1/stream/":                                    "",
	"/v1/stream/globex/there, /v1/stream/acme/there": "globex/there, /v1/stream/acme/there",
}

// A fork reads what it is made of, however that is spelled. Whether there is something
// is told to nobody who may not read it.
func TestForksTakeWhatMayBeRead(t *testing.T) {
	drivers(t, func(t *testing.T, driver func(*setup)) {
		a := startAccess(t, driver)
		refusals := map[string]string{}
		for _, name := range []string{"acme/new", "acme/thus", "globex/new"} {
			at := spot{target: root + name, root: root, name: name}
			for sent, source := range forkSources {
				for _, c := range append(a.keys.good(), a.keys.bad(t)[:8]...) {
					v := judge(&c, &at, "PUT")
					if v.status == 0 && source == "" {
						v.status, v.code = 400, "invalid_fork_source"
					} else if v.status == 0 && !c.header.rights.mayRead(source) {
						v.status, v.code = 403, "forbidden"
					}
					fork := c
					fork.headers = append([]string{"Stream-Forked-From: " + sent}, c.headers...)
					text := strings.Replace(requestOf(&fork, &at, "PUT", verdict{}), lacks["PUT"]+"\r\n", "", 1)
					r := a.batch("PUT", []string{text})[0]
					what := fmt.Sprintf("%s: a fork of %q at %s", c.name, sent, name)
					switch {
					case v.status == 0 && r.StatusCode == 201:
						a.settle(a.engine.Delete(name))
					case v.status == 0 && (r.StatusCode == 404 || r.StatusCode == 409):
					case r.StatusCode != v.status || !strings.Contains(r.body, `"`+v.code+`"`):
						t.Fatalf("%s is answered %d %s, want %d %s", what, r.StatusCode, r.body, v.status, v.code)
					default:
						key, said := fmt.Sprint(v), r.said()
						if first, ok := refusals[key]; ok && first != said {
							t.Fatalf("%s is answered otherwise:\n%s\n%s", what, said, first)
						}
						refusals[key] = said
					}
				}
				a.unchanged("a fork of " + sent)
			}
		}
	})
}

func (r *rights) mayRead(name string) bool {
	project, _, _ := strings.Cut(name, "/")
	return r.project == project && r.allow("read", &spot{name: name})
}

// conversation of one connection whose client says all at once and then no more.
func (a *access) hear(text string) string {
	a.t.Helper()
	c := a.dial()
	defer c.conn.Close()
	go func() {
		io.WriteString(c.conn, text) // fails if the server has had enough
		c.conn.(interface{ CloseWrite() error }).CloseWrite()
	}()
	all, err := io.ReadAll(c.conn)
	if err != nil && isTimeout(err) {
		a.t.Fatalf("no end after %q", clipped(text))
	}
	return string(all)
}

// What belongs to a request is no request of its own, whoever signed it: neither the
// body of one that was refused, nor what a proxy might take for something else.
func TestNothingIsSmuggledPastTheGuard(t *testing.T) {
	drivers(t, func(t *testing.T, driver func(*setup)) {
		a := startAccess(t, driver)
		good := "Authorization: Bearer " + a.keys.apiKey
		hidden := "DELETE /v1/stream/acme/there HTTP/1.1\r\nHost: x\r\n" + good + "\r\n\r\n"
		long := hidden + strings.Repeat("x", 2*prefetchBytes)
		chunked := func(body, extension string) string {
			return fmt.Sprintf("%x%s\r\n%s\r\n0\r\n\r\n", len(body), extension, body)
		}
		length := func(body string) string { return fmt.Sprintf("Content-Length: %d\r\n", len(body)) }
		const te = "Transfer-Encoding: chunked\r\n"
		framings := map[string][2]string{ // headers and body
			"length":                {length(hidden), hidden},
			"long":                  {length(long), long},
			"too long":              {"Content-Length: 99999999\r\n", hidden},
			"beyond numbers":        {"Content-Length: 99999999999999999999\r\n", hidden},
			"expected":              {length(hidden) + "Expect: 100-continue\r\n", hidden},
			"long and expected":     {length(long) + "Expect: 100-continue\r\n", long},
			"expected otherwise":    {length(hidden) + "Expect: x\r\n", hidden},
			"chunked":               {te, chunked(hidden, "")},
			"chunked and long":      {te, chunked(long, "")},
			"chunked and expected":  {te + "Expect: 100-continue\r\n", chunked(hidden, "")},
			"chunk extension":       {te, chunked(hidden, ";x=y")},
			"quoted extension":      {te, chunked(hidden, ";x=\"\r\n\"")},
			"large extension":       {te, chunked(hidden, ";"+strings.Repeat("x", 9000))},
			"chunk of bad size":     {te, "zz\r\n" + hidden},
			"chunk of huge size":    {te, "ffffffffffffffff\r\n" + hidden},
			"negative chunk":        {te, "-1\r\n" + hidden},
			"lines end in LF":       {te, strings.ReplaceAll(chunked("x", ""), "\r\n", "\n")},
			"length and chunked":    {length("0\r\n\r\n"+hidden) + te, "0\r\n\r\n" + hidden},
			"chunked and length":    {te + length(hidden), chunked(hidden, "")},
			"two lengths":           {"Content-Length: 0\r\n" + length(hidden), hidden},
			"list of lengths":       {fmt.Sprintf("Content-Length: 0, %d\r\n", len(hidden)), hidden},
			"length with a sign":    {fmt.Sprintf("Content-Length: +%d\r\n", len(hidden)), hidden},
			"length in hex":         {fmt.Sprintf("Content-Length: 0x%x\r\n", len(hidden)), hidden},
			"length with a space":   {fmt.Sprintf("Content-Length : %d\r\n", len(hidden)), hidden},
			"length on a new line":  {fmt.Sprintf("Content-Length:\r\n %d\r\n", len(hidden)), hidden},
			"chunked, identity":     {"Transfer-Encoding: chunked, identity\r\n", chunked(hidden, "")},
			"identity, chunked":     {"Transfer-Encoding: identity, chunked\r\n", chunked(hidden, "")},
			"gzip, chunked":         {"Transfer-Encoding: gzip, chunked\r\n", chunked(hidden, "")},
			"chunked twice":         {te + te, chunked(hidden, "")},
			"chunked and identity":  {te + "Transfer-Encoding: identity\r\n" + length(hidden), chunked(hidden, "")},
			"xchunked":              {"Transfer-Encoding: xchunked\r\n" + length(hidden), hidden},
			"chunked behind a tab":  {"Transfer-Encoding:\tchunked\r\n", chunked(hidden, "")},
			"chunked behind a VT":   {"Transfer-Encoding: \vchunked\r\n" + length(hidden), hidden},
			"space before chunked:": {"Transfer-Encoding : chunked\r\n" + length(hidden), hidden},
			"underscore":            {"Transfer_Encoding: chunked\r\n" + length(hidden), hidden},
			"credentials behind":    {te, "1\r\nx\r\n0\r\n" + good + "\r\n\r\n"},
		}
		requests := []struct{ line, headers string }{
			{"PUT /v1/stream/acme/there", ""},
			{"POST /v1/stream/acme/there", ""},
			{"POST /v1/stream/acme/there", "Authorization: Bearer x\r\n"},
			{"POST /v1/stream/globex/there", good + "\r\n"},
			{"POST /v1/stream/acme/../there", good + "\r\n"},
			{"POST /v1/nothing", good + "\r\n"},
			{"POST /v1/token/acme/there", ""},
			{"POST /v1/token/acme/there", good + "\r\n"},
			{"PATCH /v1/stream/acme/there", good + "\r\n"},
			{"PATCH /v1/stream/acme/there", ""},
			{"DELETE /v1/stream/acme/there", ""},
			{"DELETE /v1/admin/streams/acme/there", ""},
			{"GET /v1/stream/acme/there", ""},
			{"GET /v1/stream/acme/open", ""},
			{"GET /v1/stream/acme/open?offset=-1&live=long-poll", ""},
			{"HEAD /v1/stream/acme/there", ""},
			{"OPTIONS /v1/stream/acme/there", ""},
			{"TRACE /v1/stream/acme/there", good + "\r\n"},
			{"GETX /v1/stream/acme/there", ""},
		}
		for name, framing := range framings {
			for _, r := range requests {
				for _, version := range []string{"HTTP/1.1", "HTTP/1.0\r\nConnection: keep-alive"} {
					text := r.line + " " + version + "\r\nHost: x\r\nContent-Type: text/plain\r\n" + r.headers + framing[0] + "\r\n" + framing[1]
					said := a.hear(text)
					what := name + " behind " + r.line
					if strings.Contains(said, "hush") || strings.Contains(said, "HTTP/1.1 5") && !strings.Contains(said, "HTTP/1.1 505") {
						t.Fatalf("%s is answered %q", what, said)
					}
					a.unchanged(what)
				}
			}
		}
	})
}

// A header that may be taken for another one, or be there for one reader and not for
// the other, lets nobody in.
func TestHeadersThatMayMeanAnything(t *testing.T) {
	drivers(t, func(t *testing.T, driver func(*setup)) {
		a := startAccess(t, driver)
		good := "Bearer " + a.keys.apiKey
		for _, lines := range []string{
			"Authorization : " + good, "Authorization\t: " + good, " Authorization: " + good, "X: y\r\n Authorization: " + good,
			"X: y\r\n\tAuthorization: " + good, "Authorization: Bearer x\rAuthorization: " + good, "Authorization: x\r\n " + good, "Authorization:\r\n\t" + good,
			"Authorization\x00: " + good, "Authorization: \x00" + good, "Authorization: Bearer \x00" + good, "\x00Authorization: " + good,
			"Authorization= " + good, "Authorization; " + good, "X: y\x00\nAuthorization: " + good, "Authorization\r: " + good, "Author\r\nization: " + good,
			"Authorization: Bearer x\r\nAuthorization: " + good, "Authorization: " + good + "\r\nAUTHORIZATION: Bearer x", "Authorization: \r\nAuthorization: " + good,
			"Cookie: Authorization=" + good, "Host: y\r\nAuthorization: " + good, "Host: acme\r\nX-Authorization: " + good, "Trailer: Authorization",
			"Connection: close, Authorization", "X-Forwarded-User: acme", "X-Forwarded-Host: acme\r\nForwarded: for=127.0.0.1;by=acme",
			"Te: trailers", "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nConnection: Upgrade, HTTP2-Settings", "Upgrade: websocket\r\nConnection: Upgrade",
		} {
			for _, method := range []string{"GET", "DELETE", "HEAD"} {
				said := a.hear(method + " /v1/stream/acme/there HTTP/1.1\r\nHost: x\r\n" + lines + "\r\nContent-Length: 0\r\n\r\n")
				if !strings.HasPrefix(said, "HTTP/1.1 401 ") && !strings.HasPrefix(said, "HTTP/1.1 400 ") || strings.Contains(said, "hush") {
					t.Errorf("%s with %q is answered %q", method, lines, said)
				}
			}
			a.unchanged(lines)
		}
	})
}

// Who fails too often cannot say to be somebody else, unless a proxy is trusted.
func TestFailuresAreThoseOfTheConnection(t *testing.T) {
	drivers(t, func(t *testing.T, driver func(*setup)) {
		for _, trusted := range []bool{false, true} {
			f, _ := guarded(t, func(u *setup, k *keys) {
				driver(u)
				var err error
				if k.guard, err = auth.New(auth.Options{FailureBurst: 3, FailureEvery: time.Hour}); err != nil {
					t.Fatal(err)
				}
				u.server.Auth, u.server.TrustForwarded = k.guard, trusted
			})
			refused := 0
			for i := range 12 {
				r := f.do("GET", root+"acme/a", "", "Authorization: Bearer x", fmt.Sprintf("X-Forwarded-For: 10.0.0.%d", i), "Forwarded: for=10.0.0.1", "X-Real-IP: 10.0.0.9")
				if r.StatusCode == 429 {
					refused++
					r.wantError(t, 429, "too_many_failures")
				} else {
					r.wantError(t, 401, "unauthorized")
				}
			}
			if want := map[bool]int{false: 9, true: 0}[trusted]; refused != want {
				t.Errorf("proxies are trusted: %t, and %d attempts were refused, want %d", trusted, refused, want)
			}
		}
	})
}
