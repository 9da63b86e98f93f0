package fuzz

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tailrace/engine"
	"tailrace/internal/auth"
	"tailrace/internal/project"
	"tailrace/internal/stream"
	"tailrace/internal/vfs/memfs"
	"tailrace/server"
)

// accessStreams are there when a run begins. What the first two hold is the business
// of one project each, and no answer to others has it.
var accessStreams = []stream.Create{
	{Path: "acme/there", ContentType: "text/plain", TTL: stream.NoTTL, Body: []byte("hush of acme")},
	{Path: "globex/there", ContentType: "text/plain", TTL: stream.NoTTL, Body: []byte("hush of globex")},
	{Path: "acme/open", ContentType: "text/plain", TTL: stream.NoTTL, Body: []byte("for everybody"), Public: true},
}

// secured is a server with authentication, by one of the two drivers.
type secured struct {
	*driven
	guard    *auth.Guard
	keyrings [2]*auth.Keyring // of all projects, and without acme
	creds    *accessCredentials
	said401  map[string]string // the one answer to each kind of stranger
	runs     int

	mu    sync.Mutex
	asked []string // of the administration
	leaks []string // lines of the log
}

// secretIn is what no log may have.
var secretIn = regexp.MustCompile(`hush of|that-signs-for|trk_[a-z2-7]{20}|eyJ[\w-]{15,}\.eyJ`)

// Write implements io.Writer for the log.
func (s *secured) Write(p []byte) (int, error) {
	if secretIn.Match(p) {
		s.mu.Lock()
		s.leaks = append(s.leaks, string(p))
		s.mu.Unlock()
	}
	return len(p), nil
}

func openSecured(t testing.TB, portable bool) *secured {
	s := &secured{said401: map[string]string{}}
	projects, apiKey := accessProjects()
	for i, list := range [][]project.Project{projects, projects[1:]} {
		var err error
		if s.keyrings[i], err = auth.NewKeyring(list, nil); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if s.guard, err = auth.New(auth.Options{Keyring: s.keyrings[0], MintKey: authMintKey, FailureBurst: 1 << 30}); err != nil {
		t.Fatal(err)
	}
	s.creds = newAccessCredentials(s.guard, apiKey)
	options := smallStore(memfs.New(), newClock(), newRand(1).Uint64)
	options.Manual, options.LogFileBytes, options.FlushBytes, options.Projects = false, 64<<20, 128<<20, true
	options.BodyBytesMax = drivenBodyMax + 1
	e, err := engine.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	srv, err := server.New(e, server.Options{
		Portable: portable, BodyBytesMax: drivenBodyMax, LongPollTimeout: time.Millisecond, Rand: func() uint64 { return 1 },
		Auth: s.guard, Admin: s.administer, Logger: slog.New(slog.NewTextHandler(s, nil)),
		Settings: server.Settings{Projects: projects, URLTokens: true, LogRequests: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", fmt.Sprintf("@tailrace-access-%d-%d", os.Getpid(), sockets.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	s.driven = &driven{house: &house{engine: e, server: srv, ended: make(chan error, 1)}, addr: ln.Addr().String()}
	go func() { s.ended <- srv.Serve(ln) }()
	s.refurnish(t)
	return s
}

// administer stands for the administration.
func (s *secured) administer(of string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, of+" "+r.URL.Path)
		s.mu.Unlock()
		io.WriteString(w, "administered")
	})
}

// refurnish makes the streams anew, after all were deleted.
func (s *secured) refurnish(t testing.TB) {
	t.Helper()
	if names := s.listed(t); !s.clear(t, names) {
		t.Fatalf("there are streams besides %q", names)
	}
	var last engine.Ticket
	for i := range accessStreams {
		if last = s.engine.Create(&accessStreams[i]); last.Code != stream.Created || last.Retry {
			t.Fatalf("create: %s, retry %t", last.Code, last.Retry)
		}
	}
	if err := last.Wait(); err != nil {
		t.Fatal(err)
	}
}

// listed are the names of all streams.
func (s *secured) listed(t testing.TB) (names []string) {
	t.Helper()
	for after := (stream.ID)(0); ; {
		page, ticket := s.engine.List(engine.ListRequest{After: after, Limit: 1000})
		if err := ticket.Wait(); err != nil {
			t.Fatal(err)
		}
		for i := range page.Streams {
			names = append(names, page.Streams[i].Path)
		}
		if page.Done {
			return names
		}
		after = page.Next
	}
}

// written are the projects that somebody was let in to change, in a run.
type written map[string]bool

// run has one connection after another, and judges what is answered and what became of
// the streams.
func (s *secured) run(t testing.TB, in []byte) {
	t.Helper()
	c, done, removed := &choices{in}, written{}, false
	for conns := 0; c.left() && conns < 3; conns++ {
		if conns > 0 && c.chance(3) {
			removed = !removed
		}
		s.guard.SetKeyring(s.keyrings[b2i(removed)])
		s.talkTo(t, c, removed, done)
	}
	for i := range accessStreams {
		name, want := accessStreams[i].Path, accessStreams[i].Body
		if done[project.Of(name)] {
			continue
		}
		res, ticket := s.engine.Read(engine.ReadRequest{Path: name})
		if ticket.Code != stream.OK || !bytes.Equal(bytes.Join(res.Parts, nil), want) || res.Closed || res.Start != 0 || res.TTL != stream.NoTTL {
			t.Fatalf("%s was changed: %s, %q, %+v", name, ticket.Code, res.Parts, res.Info)
		}
	}
	if n := s.engine.Stats().Streams; len(done) > 0 || n != len(accessStreams) {
		for _, name := range s.listed(t) {
			if !done[project.Of(name)] && !slices.ContainsFunc(accessStreams, func(c stream.Create) bool { return c.Path == name }) {
				t.Fatalf("nobody was let in to make the stream %q", name)
			}
		}
		s.refurnish(t)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.leaks) > 0 {
		t.Fatalf("logged: %s", s.leaks)
	}
	s.check(t)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// talkTo has one connection.
func (s *secured) talkTo(t testing.TB, c *choices, removed bool, done written) {
	t.Helper()
	good := func(credential string) *grantOf {
		g := s.creds.good[credential]
		if g != nil && g.project == "acme" && removed {
			return nil
		}
		return g
	}
	var (
		requests []asked
		text     bytes.Buffer
		last     string
		bare     bool
	)
	for n := 1 + c.below(6); n > 0; n-- {
		r, one := s.creds.chooseAsked(c)
		requests = append(requests, r)
		text.WriteString(one)
		last = one
		if r.wild {
			break
		}
	}
	k := talk{pieces: [][]byte{text.Bytes()}, end: endsSide}
	if c.chance(4) {
		k.pieces = cut(text.Bytes(), c.take(6))
	}
	call := s.call(t, k)
	call.finish()
	fatal := func(format string, args ...any) {
		t.Helper()
		t.Fatalf("%s\nacme is removed: %t\nsent: %s\nsaid: %s", fmt.Sprintf(format, args...), removed, clip(text.Bytes()), clip(call.said))
	}
	if call.failed != nil {
		fatal("%v", call.failed)
	}
	if bytes.Contains(call.said, []byte("HTTP/1.1 500")) || bytes.Contains(call.said, []byte("HTTP/1.0 500")) {
		fatal("an answer is 500")
	}
	out := bufio.NewReader(bytes.NewReader(call.said))
	for i := range requests {
		r := &requests[i]
		if r.wild {
			// What this is to mean is for parsers to fight about. Nobody gets further
			// than the credentials that are in it.
			may := map[string]bool{}
			for text := range s.creds.good {
				if g := good(text); g != nil && !g.expired && strings.Contains(last, text) {
					may[g.project] = true
					if !g.byURL {
						done[g.project] = true
					}
				}
			}
			rest, _ := io.ReadAll(out)
			tells(rest, may, fatal)
			return
		}
		v := r.rule(good)
		a, err := readGuarded(out, r.method)
		if err == io.EOF && v.live && v.code == "" {
			return // who has left is not answered, nor is what follows
		}
		if err != nil {
			fatal("request %d, %s %q: %v", i, r.method, clip([]byte(r.target)), err)
		}
		if err := s.judge(r, &v, &a, done); err != nil {
			fatal("request %d, %s %q: %v", i, r.method, clip([]byte(r.target)), err)
		}
		if a.Close || a.Header.Get("Content-Type") == "text/event-stream" {
			bare = r.method == "HEAD" && a.StatusCode >= 400 // and may have a body, if it was not understood
			break
		}
	}
	if rest, _ := io.ReadAll(out); len(rest) > 0 && !bare {
		fatal("another answer: %s", clip(rest))
	}
}

// tells demands that contents are of projects that may be told only.
func tells(said []byte, may map[string]bool, fatal func(string, ...any)) {
	for _, of := range []string{"acme", "globex"} {
		if bytes.Contains(said, []byte("hush of "+of)) && !may[of] {
			fatal("what %s has is told", of)
		}
	}
}

// judge compares an answer with what the model says.
func (s *secured) judge(r *asked, v *ruling, a *answer, done written) error {
	may := map[string]bool{}
	if v.code == "" && v.owner != "" {
		may[v.owner] = true
		if v.writes {
			done[v.owner] = true
		}
	}
	var leak error
	tells(a.body, may, func(format string, args ...any) { leak = fmt.Errorf(format, args...) })
	for name, values := range a.Header {
		tells([]byte(name+strings.Join(values, " ")), may, func(format string, args ...any) { leak = fmt.Errorf(format, args...) })
	}
	if leak != nil {
		return leak
	}
	if v.malformed && (a.StatusCode == 400 && a.Close || a.code == "no_such_route") {
		return nil // a target without a slash is understood as nothing, in one way or another
	}
	code := v.code
	if code == "" {
		return s.judgeLetIn(r, v, a)
	}
	if a.StatusCode != catalogue[code] || r.method != "HEAD" && a.code != code {
		return fmt.Errorf("answered %d %s, want %s", a.StatusCode, a.code, code)
	}
	if code == "unauthorized" {
		return s.alike(r, v, a)
	}
	return nil
}

// judgeLetIn checks what has to hold for those who are let in.
func (s *secured) judgeLetIn(r *asked, v *ruling, a *answer) error {
	switch {
	case r.method == "OPTIONS":
		if a.StatusCode != 204 {
			return fmt.Errorf("answered %d", a.StatusCode)
		}
	case v.anonymous:
		// What is wrong with the query is told to everybody.
		if v.name != "acme/open" && a.StatusCode != 401 && a.StatusCode != 400 {
			return fmt.Errorf("a stranger is answered %d", a.StatusCode)
		}
		if a.StatusCode == 401 {
			return s.alike(r, v, a)
		}
	case a.StatusCode == 401 || a.StatusCode == 403:
		return fmt.Errorf("who may is answered %d %s", a.StatusCode, a.code)
	case v.root == "/v1/admin/":
		s.mu.Lock()
		defer s.mu.Unlock()
		want := v.owner + " /v1/admin/" + v.name
		if i := slices.Index(s.asked, want); i < 0 && a.StatusCode == 200 {
			return fmt.Errorf("the administration was asked for %q, not for %q", s.asked, want)
		}
		s.asked = nil
	}
	return nil
}

// alike demands that all strangers are told the same.
func (s *secured) alike(r *asked, v *ruling, a *answer) error {
	body := string(a.body)
	h := a.Header.Clone()
	for _, name := range []string{"Date", "Server-Timing"} {
		h.Del(name)
	}
	key := fmt.Sprint(r.method, " ", v.root, v.byURL, a.Close)
	said := fmt.Sprint(h, body)
	if first, ok := s.said401[key]; !ok {
		s.said401[key] = said
	} else if first != said {
		return fmt.Errorf("told %s, and others %s", said, first)
	}
	return nil
}

// readGuarded reads the next answer and checks what holds for each.
func readGuarded(r *bufio.Reader, method string) (a answer, err error) {
	for {
		if _, err := r.Peek(1); err != nil {
			return a, io.EOF
		}
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			return a, err
		}
		a = answer{Response: resp}
		a.body, err = io.ReadAll(resp.Body)
		if errors.Is(err, io.ErrUnexpectedEOF) && resp.Header.Get("Content-Type") == "text/event-stream" {
			err = nil
		}
		if err != nil {
			return a, fmt.Errorf("body: %w", err)
		}
		if a.StatusCode != 100 {
			break
		}
	}
	h := a.Header
	switch {
	case a.StatusCode < 200 || a.StatusCode == 500 || a.StatusCode > 505 && a.StatusCode != 507:
		return a, fmt.Errorf("status %d", a.StatusCode)
	case h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") == "":
		return a, fmt.Errorf("headers are missing: %v", h)
	case a.StatusCode < 400 || method == "HEAD":
		return a, nil
	}
	var envelope struct {
		Error struct {
			Code, Message string
			RequestID     string `json:"request_id"`
		}
	}
	strict := json.NewDecoder(bytes.NewReader(a.body))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&envelope); err != nil {
		return a, fmt.Errorf("error %d has the body %q: %w", a.StatusCode, a.body, err)
	}
	if a.code = envelope.Error.Code; catalogue[a.code] != a.StatusCode || envelope.Error.RequestID != h.Get("X-Request-Id") {
		return a, fmt.Errorf("error %d has the body %q", a.StatusCode, a.body)
	}
	return a, nil
}

// vault holds the server of a worker, and makes another one when its log is long.
type vault struct{ now [2]*secured }

func (p *vault) take(t testing.TB) [2]*secured {
	for i, s := range p.now {
		if s != nil && s.runs < arenaRuns {
			continue
		}
		if s != nil {
			s.close(t)
		}
		p.now[i] = openSecured(t, i == 1)
	}
	for _, s := range p.now {
		s.runs++
	}
	return p.now
}

func (p *vault) drop(t testing.TB) {
	for i, s := range p.now {
		if s != nil {
			p.now[i] = nil
			s.close(t)
		}
	}
}

// both has the same run with both drivers.
func (p *vault) both(t testing.TB, in []byte) {
	t.Helper()
	defer func() {
		if t.Failed() {
			p.now = [2]*secured{} // what it has left is not worth looking at
		}
	}()
	for _, s := range p.take(t) {
		s.run(t, in)
	}
}

// TestNobodyGetsFurtherThanTheRules has runs by chance.
func TestNobodyGetsFurtherThanTheRules(t *testing.T) {
	r := newRand(newSeed(t))
	p := &vault{}
	defer p.drop(t)
	for range 1000 {
		p.both(t, randomBytes(r, 20+r.IntN(200)))
	}
}

// FuzzAccess has the fuzzer choose who asks for what.
func FuzzAccess(f *testing.F) {
	r, p := newRand(1), &vault{}
	f.Cleanup(func() { p.drop(f) })
	for n := range 40 {
		f.Add(randomBytes(r, 20+5*n))
	}
	for _, seed := range p.take(f)[0].creds.seeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in []byte) { p.both(t, in) })
}
