package server

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The changes that are on their way to the log while others ask.
type change string

const (
	changeCreate change = "create"
	changeAppend change = "append"
	changeClose  change = "close"
	changeDelete change = "delete"
	changeEpoch  change = "epoch"
	changeTrim   change = "trim"
)

var changes = []change{changeCreate, changeAppend, changeClose, changeDelete, changeEpoch, changeTrim}

// prepare makes the durable state that the change meets: unless it is the
// create, a stream of 5 bytes with a Stream-Seq and a producer.
func (c change) prepare(f *fixture) {
	if c == changeCreate {
		return
	}
	f.create("a", "", text)
	f.do("POST", root+"a", "12345", append(producer("p", "3", "0"), "Stream-Seq: m")...).want(f.t, 200)
}

func (c change) request(f *fixture) (method, string) {
	switch c {
	case changeCreate:
		return methodPut, f.request("PUT", root+"a", "12345", text)
	case changeAppend:
		return methodPost, f.request("POST", root+"a", "new", text)
	case changeClose:
		return methodPost, f.request("POST", root+"a", "", "Stream-Closed: true")
	case changeTrim:
		return methodPatch, f.request("PATCH", root+"a", "", "Stream-Trim: now")
	case changeDelete:
		return methodDelete, f.request("DELETE", root+"a", "")
	default:
		return methodPost, f.request("POST", root+"a", "new", producer("p", "4", "0")...)
	}
}

// onlyAppends is for changes that leave readers with the state before them.
func (c change) onlyAppends() bool { return c == changeAppend || c == changeEpoch }

// probe is a request that meets a change, and its answer once the change is
// durable, by change in the order of changes.
type probe struct {
	name     string
	method   string
	path     string
	body     string
	headers  []string
	statuses [6]int

	// reads is for those that show durable state and nothing else: with only
	// an append on its way they need not wait.
	reads bool
}

var probes = []probe{
	{"create alike", "PUT", "a", "", []string{text}, [6]int{200, 200, 409, 201, 200, 200}, false},
	{"create otherwise", "PUT", "a", "", []string{jsonCT}, [6]int{409, 409, 409, 201, 409, 409}, false},
	{"append", "POST", "a", "x", []string{text}, [6]int{204, 204, 409, 404, 204, 204}, false},
	{"duplicate", "POST", "a", "x", producer("p", "3", "0"), [6]int{200, 204, 204, 404, 403, 204}, false},
	{"stale epoch", "POST", "a", "x", producer("p", "2", "0"), [6]int{200, 403, 403, 404, 403, 403}, false},
	{"gap", "POST", "a", "x", producer("p", "3", "9"), [6]int{409, 409, 409, 404, 403, 409}, false},
	{"new epoch amiss", "POST", "a", "x", producer("p", "9", "1"), [6]int{409, 400, 409, 404, 400, 400}, false},
	{"other content type", "POST", "a", "1", []string{jsonCT}, [6]int{409, 409, 409, 404, 409, 409}, false},
	{"invalid JSON", "POST", "a", "{", []string{jsonCT}, [6]int{409, 409, 409, 404, 409, 409}, false},
	{"Stream-Seq", "POST", "a", "x", []string{text, "Stream-Seq: a"}, [6]int{204, 409, 409, 404, 409, 409}, false},
	{"expected offset", "POST", "a", "x", []string{text, "Stream-Expected-Offset: " + token(10)}, [6]int{204, 409, 409, 404, 409, 204}, false},
	{"close", "POST", "a", "", []string{"Stream-Closed: true"}, [6]int{204, 204, 204, 404, 204, 204}, false},
	{"append and close", "POST", "a", "x", []string{text, "Stream-Closed: true"}, [6]int{204, 204, 409, 404, 204, 204}, false},
	{"empty", "POST", "a", "", []string{text}, [6]int{400, 400, 400, 404, 400, 400}, false},
	{"delete", "DELETE", "a", "", nil, [6]int{204, 204, 204, 404, 204, 204}, false},
	{"trim", "PATCH", "a", "", []string{"Stream-Trim: " + token(12)}, [6]int{400, 204, 400, 404, 204, 400}, false},
	{"fork of it", "PUT", "b", "", fork("a"), [6]int{201, 201, 201, 404, 201, 201}, false},
	{"fork of it with a body", "PUT", "b", "x", fork("a"), [6]int{201, 201, 201, 404, 201, 201}, false},
	{"fork inside it", "PUT", "b", "", fork("a", "Stream-Fork-Offset: "+token(0), "Stream-Fork-Sub-Offset: 2"), [6]int{201, 201, 201, 404, 201, 409}, false},
	{"fork at its tail", "PUT", "b", "", fork("a", "Stream-Fork-Offset: "+token(18)), [6]int{400, 201, 400, 404, 201, 400}, false},
	{"fork into it", "PUT", "a", "", fork("z"), [6]int{409, 409, 409, 201, 409, 409}, false},
	{"read", "GET", "a", "", nil, [6]int{200, 200, 200, 404, 200, 200}, true},
	{"read now", "GET", "a?offset=now", "", nil, [6]int{200, 200, 200, 404, 200, 200}, true},
	{"head", "HEAD", "a", "", nil, [6]int{200, 200, 200, 404, 200, 200}, true},
	{"long-poll", "GET", "a?offset=" + token(5) + "&live=long-poll", "", nil, [6]int{200, 200, 200, 404, 200, 410}, true},
	{"sse", "GET", "a?offset=-1&live=sse", "", nil, [6]int{200, 200, 200, 404, 200, 200}, true},
}

// heldChange starts a server on which the change is on its way to the log, and
// stays there until release.
func heldChange(t *testing.T, c change, fails bool) (f *fixture, changer *client, m method, release func()) {
	f = start(t, silent, func(u *setup) {
		u.engine.LogFileBytes, u.engine.BodyBytesMax = 1<<20, 64<<10
		u.server.BodyBytesMax, u.server.LiveTime = 64<<10, time.Hour
	})
	f.create("z", "12345", text)
	c.prepare(f)
	held, release := f.holdCommits(fails)
	m, raw := c.request(f)
	changer = f.dial().send(raw)
	f.awaitWait("a", m)
	await(t, "a commit", held)
	return f, changer, m, release
}

// wantNothing demands that nothing has arrived.
func (c *client) wantNothing() {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	if b, err := c.in.Peek(1); err == nil {
		rest, _ := c.in.Peek(c.in.Buffered())
		c.t.Fatalf("%q arrived before it may: %q", b, rest)
	} else if !isTimeout(err) {
		c.t.Fatalf("the connection ended early: %v", err)
	}
	c.conn.SetReadDeadline(time.Now().Add(patience))
}

// No answer leaves before everything it depends on is durable, whatever is
// asked and whatever is on its way.
func TestAnswersWaitForWhatTheyDependOn(t *testing.T) {
	for i, c := range changes {
		for _, p := range probes {
			t.Run(string(c)+"/"+p.name, func(t *testing.T) {
				f, changer, m, release := heldChange(t, c, false)
				asked := f.dial().send(f.request(p.method, root+p.path, p.body, p.headers...))
				if p.reads && c.onlyAppends() {
					p.wantDurable(t, asked)
					release()
				} else {
					f.awaitWait(strings.SplitN(p.path, "?", 2)[0], methodOf([]byte(p.method)))
					asked.wantNothing()
					changer.wantNothing()
					release()
					if p.name != "sse" || p.statuses[i] != 200 {
						asked.read(p.method).want(t, p.statuses[i])
					} else {
						asked.sse()
					}
				}
				changer.read(methodName(m))
			})
		}
	}
}

// wantDurable demands an answer at once that shows the state before the change.
func (p *probe) wantDurable(t *testing.T, c *client) {
	t.Helper()
	if p.name == "sse" {
		if data, _, ctl := c.sse().next(); data != "12345" || ctl.Next != token(10) || !ctl.UpToDate {
			t.Fatalf("shows %q up to %s", data, ctl.Next)
		}
		return
	}
	r := c.read(p.method).want(t, 200).wantHeaders(t, "Stream-Next-Offset: "+token(10))
	if p.method == "GET" && r.body != "12345" && r.body != "" {
		t.Fatalf("shows %q", r.body)
	}
}

// When the log fails, nobody has seen the change, and who waited is told
// nothing.
func TestFailedSyncShowsNothing(t *testing.T) {
	for _, c := range changes {
		for _, p := range probes {
			t.Run(string(c)+"/"+p.name, func(t *testing.T) {
				f, changer, _, release := heldChange(t, c, true)
				asked := f.dial().send(f.request(p.method, root+p.path, p.body, p.headers...))
				if p.reads && c.onlyAppends() {
					p.wantDurable(t, asked)
					release()
				} else {
					f.awaitWait(strings.SplitN(p.path, "?", 2)[0], methodOf([]byte(p.method)))
					release()
					asked.wantClosed()
				}
				changer.wantClosed()
				await(t, "the engine's failure", f.engine.Failed())
				// Asked again, it is not shown either. There is no live reading.
				again := f.dial().send(f.request(p.method, root+p.path, p.body, p.headers...))
				if p.reads && c.onlyAppends() && p.name != "sse" {
					p.wantDurable(t, again)
				} else if r, err := again.tryRead(p.method); err == nil {
					t.Errorf("after the failure the answer is %d %s", r.StatusCode, r.body)
				}
			})
		}
	}
}

// Live readers at the tail get a change when it is durable, and a connection
// that breaks when it never will be.
func TestLiveReadersSeeOnlyWhatIsDurable(t *testing.T) {
	for _, c := range []change{changeAppend, changeClose, changeDelete, changeEpoch} {
		for _, fails := range []bool{false, true} {
			name := string(c) + "/durable"
			if fails {
				name = string(c) + "/failed"
			}
			t.Run(name, func(t *testing.T) {
				f := start(t, silent, endless)
				c.prepare(f)
				s := f.follow("a?offset=-1")
				s.next()
				f.awaitPark("a")
				p := f.poll("a?offset=now")
				f.awaitPark("a")
				held, release := f.holdCommits(fails)
				m, raw := c.request(f)
				changer := f.dial().send(raw)
				f.awaitWait("a", m)
				await(t, "a commit", held)
				s.wantNothing()
				p.wantNothing()
				if fails {
					release()
					p.wantClosed()
					changer.wantClosed()
					if e, err := s.events.Next(); err != io.ErrUnexpectedEOF {
						t.Errorf("the reader got %+v, %v, want a broken connection", e, err)
					}
					return
				}
				release()
				changer.read(methodName(m))
				switch c {
				case changeAppend, changeEpoch:
					if data, _, _ := s.next(); data != "new" {
						t.Errorf("got %q", data)
					}
					if r := p.read("GET").want(t, 200); r.body != "new" {
						t.Errorf("got %q", r.body)
					}
				case changeClose:
					if _, _, ctl := s.next(); !ctl.Closed {
						t.Errorf("got %+v", ctl)
					}
					s.wantEnd()
					p.read("GET").want(t, 204).wantHeaders(t, "Stream-Closed: true")
				case changeDelete:
					s.wantEnd()
					p.read("GET").wantError(t, 404, "not_found")
				}
			})
		}
	}
}

func methodName(m method) string {
	for _, name := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodPatch, http.MethodDelete} {
		if methodOf([]byte(name)) == m {
			return name
		}
	}
	return ""
}
