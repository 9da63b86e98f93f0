package engine

import (
	"math/rand/v2"
	"testing"
	"time"

	"tailrace/internal/stream"
)

func createPublic(path string, change ...func(*stream.Create)) func(*Engine) Ticket {
	return func(e *Engine) Ticket {
		r := stream.Create{Path: path, TTL: stream.NoTTL, Public: true, Body: []byte("x")}
		for _, c := range change {
			c(&r)
		}
		return e.Create(&r)
	}
}

func notPublic(r *stream.Create) { r.Public = false }

func forking(from string) func(*stream.Create) {
	return func(r *stream.Create) { r.From, r.Body = from, nil }
}

// TestPublicStreamsStayPublic: the flag is what creates have to match, a fork has
// its own, and it survives a replay and a checkpoint.
func TestPublicStreamsStayPublic(t *testing.T) {
	e, fs, clock := openManual(t)
	want(t, e, stream.Created, createPublic("open"))
	want(t, e, stream.Created, createPublic("own", notPublic))
	want(t, e, stream.Created, createPublic("own fork", notPublic, forking("open")))
	want(t, e, stream.Created, createPublic("open fork", forking("own")))
	check := func(e *Engine) {
		t.Helper()
		for path, public := range map[string]bool{"open": true, "own": false, "own fork": false, "open fork": true} {
			info, ticket := e.Head(path)
			if ticket.Code != stream.OK || info.Public != public {
				t.Errorf("%s: %s, public %t", path, ticket.Code, info.Public)
			}
			code := stream.NotFound
			if public {
				code = stream.OK
			}
			if _, ticket := e.HeadPublic(path); ticket.Code != code {
				t.Errorf("public head of %s: %s", path, ticket.Code)
			}
			res, ticket := e.ReadCold(ReadRequest{Path: path, Earliest: true, PublicOnly: true})
			if ticket.Code != code || public && len(res.Parts) != 1 {
				t.Errorf("public read of %s: %s, %d appends", path, ticket.Code, len(res.Parts))
			}
		}
	}
	check(e)
	want(t, e, stream.ConfigMismatch, createPublic("open", notPublic))
	want(t, e, stream.ConfigMismatch, createPublic("own"))
	want(t, e, stream.Exists, createPublic("open"))
	want(t, e, stream.ConfigMismatch, createPublic("own fork", forking("open")))
	for _, reopen := range []func(*Engine) error{func(*Engine) error { return nil }, (*Engine).Flush} {
		if err := reopen(e); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		e = mustOpen(t, manualOptions(fs, clock, rand.New(rand.NewPCG(3, 4))))
		check(e)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestPublicReadersSeeNothingElse: whatever is going on with a stream that is
// not public, who may only read public ones is told at once that there is none,
// and leaves no trace.
func TestPublicReadersSeeNothingElse(t *testing.T) {
	e, _, clock := openManual(t)
	ask := func(path string) (head, read Ticket) {
		_, head = e.HeadPublic(path)
		_, read = e.Read(ReadRequest{Path: path, From: stream.OffsetMax, PublicOnly: true, Touch: true})
		return head, read
	}
	is := func(path string, code stream.Code, retry bool) {
		t.Helper()
		staged := e.stagedOps
		for _, got := range [2]Ticket{first(ask(path)), second(ask(path))} {
			if got.Code != code || got.Retry != retry || got.Ready() == retry {
				t.Errorf("%s: %s, retry %t, ready %t; want %s, retry %t", path, got.Code, got.Retry, got.Ready(), code, retry)
			}
		}
		if e.stagedOps != staged {
			t.Errorf("asking for %s went to the log", path)
		}
	}
	brief := func(r *stream.Create) { r.TTL = 100 }
	for _, public := range []bool{false, true} {
		made := func(path string, change ...func(*stream.Create)) func(*Engine) Ticket {
			if !public {
				change = append(change, notPublic)
			}
			return createPublic(path, change...)
		}
		missing := stream.NotFound // and so is all that is not public
		there, gone := missing, missing
		if public {
			there, gone = stream.OK, stream.Gone
		}
		wait := stream.None // nothing is decided while the public stream is on its way
		if !public {
			wait = missing
		}
		made("p")(e)
		is("p", wait, public)
		settle(t, e)
		is("p", there, false)
		want(t, e, stream.Created, createPublic("fork", notPublic, forking("p")))
		e.Delete("p")
		is("p", wait, public)
		settle(t, e)
		is("p", gone, false)
		e.Delete("fork")
		is("p", wait, public)
		settle(t, e)
		is("p", missing, false)

		// Nobody's question ends a life, or renews it.
		want(t, e, stream.Created, made("brief", brief))
		clock.advance(90 * time.Second)
		if !public {
			is("brief", missing, false)
			if s := e.table.Lookup("brief"); s.Touched() != s.Logged() {
				t.Error("asking for a stream that is not public renewed its life")
			}
			clock.advance(20 * time.Second)
			is("brief", missing, false)
			if e.table.Lookup("brief") == nil {
				t.Error("asking for a stream that is not public ended it")
			}
		}
		clock.advance(200 * time.Second)
		want(t, e, stream.NotFound, func(e *Engine) Ticket { return e.Delete("brief") })
		is("brief", missing, false)
	}
	is("never", stream.NotFound, false)
}

func first(a, _ Ticket) Ticket  { return a }
func second(_, b Ticket) Ticket { return b }
