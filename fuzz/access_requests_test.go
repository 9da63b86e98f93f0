package fuzz

import (
	"fmt"
	"strings"
	"time"

	"tailrace/internal/auth"
	"tailrace/internal/project"
)

// accessCredentials are those that a client may come with, and what is made of them.
type accessCredentials struct {
	texts []string
	good  map[string]*grantOf
}

const everyScope = "read append manage"

// accessProjects are two projects and their keys.
func accessProjects() (all []project.Project, apiKey string) {
	apiKey, sum := auth.NewAPIKey(newSource())
	return []project.Project{
		{Name: "acme", Secrets: []project.Secret{{ID: "k", Value: authSecret}}, APIKeys: []project.APIKey{
			{ID: "robot", SHA256: sum, Scopes: strings.Fields(everyScope)},
		}},
		{Name: "globex", Secrets: []project.Secret{{ID: "k", Value: authForeign}}},
	}, apiKey
}

// newSource is the same bytes always: a key of the tests is no secret.
func newSource() *strings.Reader { return strings.NewReader(strings.Repeat("k", 32)) }

func newAccessCredentials(guard *auth.Guard, apiKey string) *accessCredentials {
	a := &accessCredentials{good: map[string]*grantOf{}}
	add := func(text string, g *grantOf) {
		a.texts = append(a.texts, text)
		if g != nil {
			a.good[text] = g
		}
	}
	now := time.Now()
	sign := func(secret []byte, g grantOf, expires time.Time) string {
		c := auth.Claims{Project: g.project, Stream: g.stream, Prefix: g.prefix, Expires: expires}
		var err error
		if c.Scopes, err = auth.ParseScopes(strings.Fields(g.scopes)); err != nil {
			panic(err)
		}
		text, err := auth.NewToken(project.Secret{ID: "k", Value: secret}, c)
		if err != nil {
			panic(err)
		}
		return text
	}
	later := now.Add(1000 * time.Hour)
	for _, g := range []grantOf{
		{project: "acme", scopes: everyScope}, {project: "acme", scopes: "read"}, {project: "acme", scopes: "append"},
		{project: "acme", scopes: "manage"}, {project: "acme", scopes: everyScope, stream: "acme/there"},
		{project: "acme", scopes: everyScope, prefix: "acme/th"},
	} {
		add(sign(authSecret, g, later), &g)
	}
	everything := a.texts[0]
	add(apiKey, &grantOf{project: "acme", scopes: everyScope})
	other := grantOf{project: "globex", scopes: everyScope}
	add(sign(authForeign, other, later), &other)
	add(sign(authSecret, grantOf{project: "acme", scopes: everyScope}, now.Add(-time.Hour)), &grantOf{project: "acme", expired: true})
	grant, refusal := guard.Bearer([]byte(everything), "acme", nil)
	if refusal != auth.None {
		panic(refusal)
	}
	for _, name := range []string{"acme/there", "acme/open"} {
		text, _, err := guard.Mint(grant, name, time.Hour)
		if err != nil {
			panic(err)
		}
		add(text, &grantOf{project: "acme", scopes: "read", stream: name, byURL: true})
	}
	claims := fmt.Appendf(nil, `{"project":"acme","scope":%q,"exp":%d}`, everyScope, later.Unix())
	for _, header := range []string{`{"alg":"none"}`, `{"alg":"HS512"}`, `{"alg":"HS256","kid":"x"}`, `{"alg":"HS256","typ":"tailrace-url+jwt"}`} {
		add(string(sealed(authSecret, []byte(header), claims)), nil)
	}
	add(sign(authForeign, grantOf{project: "acme", scopes: everyScope}, later), nil)
	add(sign(authSecret, grantOf{project: "globex", scopes: everyScope}, later), nil)
	add(string(sealed(authSecret, []byte(`{"alg":"HS256"}`), fmt.Appendf(nil, `{"project":"acme","scope":"read","exp":%d,"nbf":%d}`, later.Unix(), now.Add(500*time.Hour).Unix()))), nil)
	add("", nil)
	add(strings.Repeat("x", 9<<10), nil)
	return a
}

// choose takes a credential, as it is or spoilt.
func (a *accessCredentials) choose(c *choices) string {
	text := pick(c, a.texts)
	if !c.chance(6) || text == "" {
		return text
	}
	at := c.below(len(text))
	switch c.below(5) {
	case 0:
		return text[:at]
	case 1:
		return text[:at] + string(rune('!'+c.below(90))) + text[at+1:]
	case 2:
		return text + pick(c, []string{".", "=", " x", "\x80"})
	case 3:
		return text + "." + pick(c, a.texts)
	}
	return strings.ToUpper(text)
}

// The pieces that targets are made of. The first ones are what most are to have.
var (
	accessBegins = []string{
		"/v1/stream/", "/v1/stream/", "/v1/stream/", "/v1/stream/", "/v1/token/", "/v1/admin/streams/", "/v1/admin/projects/", "/v1/str%65am/",
		"http://x/v1/stream/", "HTTP://a@b:1/v1/stream/", "http:///v1/stream/", "//v1/stream/", "/v1/stream//", "/./v1/stream/", "/v1/stream/../",
		"/v1%2fstream/", "/V1/stream/", "/v1/admin/", "/v1/stream", "", "/x/../v1/stream/", "/%2e%2e/v1/stream/", "*", "http://x?/v1/stream/",
		"/v1/stream;x/", "\\v1\\stream\\", "/v1/token/../stream/", "/v1/admin/status",
	}
	accessNames = []string{
		"acme/there", "acme/there", "acme/open", "acme/none", "globex/there", "acme", "unknown/x", "acme/new", "globex/new", "acme/thus",
		"%61cme/there", "acme/%74here", "acme/..", "acme/../globex/there", "acme/%2e%2e/globex/there", "acme%2fthere", "acme//there", "acme/there/",
		"acme%5cthere", "acme\\there", "acme;x/there", "acme/there;x", "acme/%c0%ae%c0%ae/there", "acme/%252e%252e/there", "ACME/there", "__ds/x",
		"%5f%5fds/x", "acme/there%00", "acme/there#", "acme/there%3f", "acme/.%2e/there", "acme/there%", "acme/\xff", "\xd0\xb0cme/there", "acme/\u202e",
	}
	accessPieces = []string{"/", "..", ".", "%2e", "%2F", "//", ";", "%5c", "%00", "\\", "?", "&", "=", "#", "%25", "acme", "globex", "there", "open", "__ds", ":", "@", "%ef%bc%8f", "%0d%0a", "+", "é"}
	accessParams = []string{
		"offset=-1", "offset=now&live=long-poll", "offset=-1&live=long-poll", "offset=-1&live=sse", "offset=now&live=sse", "%74oken=x", "token", "Token=x", "x;token=y", "prefix=acme/", "live=x", "all=true",
	}
	accessMethods = []string{"GET", "GET", "GET", "HEAD", "PUT", "PUT", "POST", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get", "CONNECT"}
	accessSchemes = []string{"Bearer ", "Bearer ", "Bearer ", "bearer  ", "BEARER ", "Basic ", "", "Bearer", "Bearer\t", "Bearer Bearer "}
	accessHeaders = []string{
		"Expect: 100-continue", "X-Forwarded-For: 127.0.0.1", "X-Original-URL: /v1/stream/acme/open", "Connection: Authorization", "X-HTTP-Method-Override: OPTIONS",
		"Stream-Timing: true", "Origin: https://x.example", "If-None-Match: *", "Token-Life: 30", "Token-Cookie: true", "Stream-Access: public-read", "Stream-Trim: now",
		"Stream-TTL: 0", "Stream-Closed: true", "Accept-Encoding: gzip, zstd", "Proxy-Authorization: Bearer x", "Authorization_: Bearer x", "Last-Event-ID: 0",
	}
)

// accessBreaks make one request two, or none.
var accessBreaks = []string{
	"\r\n", "\n", "\r", "\x00", "Transfer-Encoding: chunked\r\n", "\r\nContent-Length: 100\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"\r\n\r\nDELETE /v1/stream/acme/there HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n Authorization: Bearer x\r\n", " HTTP/1.1\r\nX: ", "HTTP/1.0",
}

// chooseName takes a name of a stream, or what looks like one.
func chooseName(c *choices) string {
	name := pick(c, accessNames)
	for c.chance(4) {
		piece := pick(c, accessPieces)
		if c.chance(4) {
			piece = string(c.take(1 + c.below(6)))
		}
		at := c.below(len(name) + 1)
		name = name[:at] + piece + name[at:]
	}
	return name
}

// seeds are runs of one request with one trick each.
func (a *accessCredentials) seeds() (all [][]byte) {
	each := func(n int, seed func(i byte) []byte) {
		for i := range n {
			all = append(all, append(seed(byte(i)), make([]byte, 12)...))
		}
	}
	const put, fresh, yes, theirs, nobody = 4, 7, 3, 7, 7
	each(len(accessBegins), func(i byte) []byte { return []byte{0, 0, i} })
	each(len(accessNames), func(i byte) []byte { return []byte{0, 0, 0, i} })
	each(len(accessMethods), func(i byte) []byte { return []byte{0, i} })
	each(len(accessMethods), func(i byte) []byte { return []byte{0, i, 0, 0, 0, nobody} })
	each(len(accessNames), func(i byte) []byte { return []byte{0, 0, 0, i, 0, nobody} })
	each(len(a.texts), func(i byte) []byte { return []byte{0, 0, 0, 0, 0, 0, 0, i} })
	each(len(a.texts), func(i byte) []byte { return []byte{0, 0, 0, 0, 0, 4, 0, i} })
	each(len(a.texts), func(i byte) []byte { return []byte{0, 0, 0, 0, 0, 5, 0, i} })
	each(len(accessSchemes), func(i byte) []byte { return []byte{0, 0, 0, 0, 0, 0, i} })
	each(len(accessParams), func(i byte) []byte { return []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, yes, i} })
	each(len(accessNames), func(i byte) []byte { return []byte{0, put, 0, fresh, 0, 0, 0, 0, 0, 0, 0, yes, 0, i} })
	each(len(accessHeaders), func(i byte) []byte { return []byte{0, 0, 0, 0, 0, 0, 0, theirs, 0, 0, 0, 0, yes, i} })
	each(len(accessBreaks), func(i byte) []byte { return []byte{0, put, 0, 0, 0, 0, 0, theirs, 0, 0, 0, 0, 0, 11, 0, 60, 0, i} })
	return all
}

// chooseAsked makes a request, and its text.
func (a *accessCredentials) chooseAsked(c *choices) (r asked, text string) {
	r = asked{method: pick(c, accessMethods), target: pick(c, accessBegins)}
	r.target += chooseName(c)
	var lines []string
	switch c.below(8) {
	case 0, 1, 2, 3:
		r.authorization = []string{pick(c, accessSchemes) + a.choose(c)}
	case 4:
		r.target += pick(c, []string{"?", "?", "?x=y&", "?&"}) + "token=" + a.choose(c)
	case 5:
		r.cookies = []string{pick(c, []string{"", "a=b; ", "__Secure-tailrace=x; "}) + "__Secure-tailrace=" + a.choose(c)}
	case 6:
		r.authorization = []string{"Bearer " + a.choose(c)}
		if c.chance(2) {
			r.authorization = append(r.authorization, "Bearer "+a.choose(c))
		} else {
			r.target += "?token=" + a.choose(c)
		}
	}
	if c.chance(4) {
		sep := "?"
		if strings.Contains(r.target, "?") {
			sep = "&"
		}
		r.target += sep + pick(c, accessParams)
	}
	for _, v := range r.authorization {
		lines = append(lines, pick(c, []string{"Authorization: ", "authorization:", "AUTHORIZATION: "})+v)
	}
	for _, v := range r.cookies {
		lines = append(lines, "Cookie: "+v)
	}
	if r.forks = c.chance(4); r.forks {
		r.from = pick(c, []string{"/v1/stream/", "/v1/stream/", "/v1/stream/", "http://x/v1/stream/", "//v1/stream/", "", "/v1/token/", "/v1/str%65am/"}) + chooseName(c)
		lines = append(lines, "Stream-Forked-From: "+r.from)
	}
	for c.chance(4) {
		line := pick(c, accessHeaders)
		name, _, _ := strings.Cut(line, ":")
		if !strings.Contains(strings.Join(lines, "\n"), name+":") {
			lines = append(lines, line)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: x\r\nX-Request-Id: same\r\nContent-Type: text/plain\r\n", r.method, r.target)
	for _, line := range lines {
		b.WriteString(line + "\r\n")
	}
	body := ""
	if r.method == "POST" || r.method == "PUT" {
		if body = "changed"; strings.Contains(r.target, "token/") || r.forks {
			body = ""
		}
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	text = b.String()
	head := r.method + r.target + strings.Join(lines, "")
	r.wild = len(text) > 14<<10 || strings.ContainsFunc(r.target, func(c rune) bool { return c <= ' ' || c == 0x7f }) ||
		strings.ContainsFunc(head, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f })
	if c.chance(12) {
		// Something is put into it, or taken away, so that it may be several, or none.
		r.wild = true
		at := c.below(len(text))
		if c.chance(2) {
			text = text[:at] + string(c.take(1+c.below(30))) + text[at:]
		} else {
			text = text[:at] + pick(c, accessBreaks) + text[at:]
		}
	}
	return r, text
}
