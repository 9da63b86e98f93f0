package server

import (
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"tailrace/internal/project"
)

// Settings are what can be changed while the server runs. The zero value has no
// limits and lets pages of every origin in.
type Settings struct {
	// Projects are those there are. Without authentication only project.Default
	// means something.
	Projects []project.Project

	// Origins are those whose pages may use a server without authentication; none
	// given is "*". With it, each project has its own.
	Origins []string

	// RequestsPerSecond and AppendBytesPerSecond are for all projects together, 0 =
	// no limit.
	RequestsPerSecond    int
	AppendBytesPerSecond int64

	// URLTokens takes tokens that the server has minted from the query and from
	// cookies, for at most URLTokenLife, which is 60 s if it is 0.
	URLTokens    bool
	URLTokenLife time.Duration

	// SlowRequest is how long a request may take before it is logged, 0 = as long as
	// it likes. What a live reader waits for news does not count.
	SlowRequest time.Duration

	// LogRequests logs one request of so many, 0 = none.
	LogRequests int
}

// tenant is a project as the server sees it. One that is configured anew stays the
// same tenant, so that what it has taken is not forgotten. A nil tenant has no
// limits: it is a project that is not configured.
type tenant struct {
	name  string
	live  atomic.Int64
	rules atomic.Pointer[rules]

	// Of what was answered, and of it refused because there was too much of it.
	requests, bytes, limited atomic.Uint64
}

// rules are what a tenant may do.
type rules struct {
	origins  origins
	requests *bucket // nil: as many as there are
	bytes    *bucket // the same, of appends
	liveMax  int64   // 0 = any number
	bodyMax  int     // likewise
}

// arrangement is the settings, made ready for use.
type arrangement struct {
	Settings
	tenants map[string]*tenant
	all     rules   // of all tenants together
	only    *tenant // without authentication
	origins origins // of who is not known
}

// Configure changes the settings. Requests that are under way keep what they were
// decided by.
func (s *Server) Configure(c Settings) {
	s.configuring.Lock()
	defer s.configuring.Unlock()
	old := s.arranged.Load()
	a := &arrangement{Settings: c, tenants: make(map[string]*tenant)}
	if a.URLTokenLife == 0 {
		a.URLTokenLife = 60 * time.Second
	}
	if len(a.Origins) == 0 {
		a.Origins = []string{"*"}
	}
	// One that comes back is the one it was: it may have readers still.
	known := func(name string) *tenant {
		t := s.tenants[name]
		if t == nil {
			t = &tenant{name: name}
			s.tenants[name] = t
		}
		return t
	}
	reflected := false
	for i := range c.Projects {
		p := &c.Projects[i]
		t := known(p.Name)
		t.rules.Store(s.rulesOf(p, t.rules.Load()))
		a.tenants[p.Name] = t
		reflected = reflected || len(p.Origins) > 0
	}
	if s.opts.Auth == nil {
		if a.only = a.tenants[project.Default]; a.only == nil {
			a.only = known(project.Default)
			a.only.rules.Store(s.rulesOf(&project.Project{Name: project.Default}, a.only.rules.Load()))
			a.tenants[project.Default] = a.only
		}
		r := *a.only.rules.Load()
		r.origins = s.originsOf(a.Origins)
		a.only.rules.Store(&r)
		a.origins = r.origins
	} else if reflected {
		// What is said to somebody unknown is the same for all projects and gives
		// nothing away, so every page may read it.
		a.origins = s.originsOf([]string{"*"})
	}
	var before rules
	if old != nil {
		before = old.all
	}
	a.all = rules{
		requests: newBucket(before.requests, float64(c.RequestsPerSecond), 0),
		bytes:    newBucket(before.bytes, float64(c.AppendBytesPerSecond), s.opts.BodyBytesMax),
	}
	s.arranged.Store(a)
}

func (s *Server) rulesOf(p *project.Project, old *rules) *rules {
	if old == nil {
		old = &rules{}
	}
	l := &p.Limits
	return &rules{
		origins:  s.originsOf(p.Origins),
		requests: newBucket(old.requests, float64(l.RequestsPerSecond), 0),
		bytes:    newBucket(old.bytes, float64(l.AppendBytesPerSecond), s.opts.BodyBytesMax),
		liveMax:  int64(l.LiveReaders),
		bodyMax:  int(min(l.BodyBytes, math.MaxInt)),
	}
}

// follow takes a place for a live reader of the tenant, if there is one.
func (t *tenant) follow() bool {
	if t == nil {
		return true
	}
	most := t.rules.Load().liveMax
	if t.live.Add(1) > most && most > 0 {
		t.live.Add(-1)
		return false
	}
	return true
}

// unfollow gives the place back.
func (t *tenant) unfollow() {
	if t != nil {
		t.live.Add(-1)
	}
}

// bodyMax is the largest body that the server takes for the exchange.
func (s *Server) bodyMax(x *exchange) int {
	if x.tenant != nil {
		if most := x.tenant.rules.Load().bodyMax; most > 0 {
			return min(most, s.opts.BodyBytesMax)
		}
	}
	return s.opts.BodyBytesMax
}

// note counts a request that was answered.
func (t *tenant) note(body int, f fault) {
	t.requests.Add(1)
	if body > 0 {
		t.bytes.Add(uint64(body))
	}
	if f == faultRateLimited || f == faultQuotaReaders {
		t.limited.Add(1)
	}
}

// TenantUse is what a project takes of the server.
type TenantUse struct {
	Project        string
	LiveReaders    int64
	LiveReadersMax int64 // 0 = any number

	// Since the server was made: requests that were answered, the bytes of their
	// bodies, and those that were refused by a rate or for too many live readers.
	Requests     uint64
	RequestBytes uint64
	Limited      uint64
}

// Tenant tells what a project takes, nothing if it is not configured.
func (s *Server) Tenant(name string) TenantUse {
	if t := s.arranged.Load().tenants[name]; t != nil {
		return t.use()
	}
	return TenantUse{Project: name}
}

func (t *tenant) use() TenantUse {
	return TenantUse{
		Project: t.name, LiveReaders: t.live.Load(), LiveReadersMax: t.rules.Load().liveMax,
		Requests: t.requests.Load(), RequestBytes: t.bytes.Load(), Limited: t.limited.Load(),
	}
}

// Tenants tells what the projects take, sorted by name.
func (s *Server) Tenants() []TenantUse {
	var all []TenantUse
	for _, t := range s.arranged.Load().tenants {
		all = append(all, t.use())
	}
	slices.SortFunc(all, func(a, b TenantUse) int { return strings.Compare(a.Project, b.Project) })
	return all
}
