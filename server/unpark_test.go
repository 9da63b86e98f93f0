package server

import (
	"fmt"
	"testing"
	"time"

	"tailrace/internal/project"
)

// byEach runs a test with each driver.
func byEach(t *testing.T, test func(t *testing.T, driver func(*setup))) {
	t.Helper()
	for _, portable := range []bool{false, true} {
		t.Run(fmt.Sprint("portable=", portable), func(t *testing.T) {
			test(t, func(u *setup) { u.server.Portable = portable })
		})
	}
}

// pollAs begins a long-poll at the tail of acme/a, which waits.
func (f *fixture) pollAs(header string) chan *response {
	f.t.Helper()
	answer := make(chan *response, 1)
	go func() { answer <- f.do("GET", root+"acme/a?offset=now&live=long-poll", "", header) }()
	for await(f.t, "a long-poll that waits", f.parks).name != "acme/a" {
	}
	return answer
}

// A long-poll whose key is taken back gets no news, and one whose key stays does.
func TestLongPollsNeedTheirKeyWhenThereIsNews(t *testing.T) {
	byEach(t, func(t *testing.T, driver func(*setup)) {
		f, k := guarded(t, func(u *setup, _ *keys) { endless(u); driver(u) })
		all := k.token(t, everything)
		f.do("PUT", root+"acme/a", "", text, all).want(t, 201)
		before := k.acme
		k.acme = project.Secret{ID: "a2", Value: []byte("another secret of thirty-two byte")}

		waits := f.pollAs(all)
		k.all[0].Secrets = []project.Secret{before, k.acme}
		k.set(t)
		f.do("POST", root+"acme/a", "x", text, k.token(t, everything)).want(t, 204)
		await(t, "the answer", waits).want(t, 200)

		waits = f.pollAs(all)
		k.all[0].Secrets = []project.Secret{k.acme}
		k.set(t)
		f.do("POST", root+"acme/a", "secret", text, k.token(t, everything)).want(t, 204)
		await(t, "the answer", waits).wantError(t, 401, "unauthorized")
		waitFor(t, "the place", func() bool { return f.server.Tenants()[0].LiveReaders == 0 })
	})
}

// Waiting for news is no work: it is not in flight, and makes no request slow.
func TestLongPollsThatWaitAreNotUnderWay(t *testing.T) {
	byEach(t, func(t *testing.T, driver func(*setup)) {
		f, k := guarded(t, func(u *setup, _ *keys) { endless(u); driver(u) })
		all := k.token(t, everything)
		f.do("PUT", root+"acme/a", "", text, all).want(t, 201)
		waits := f.pollAs(all)
		waitFor(t, "no request under way", func() bool { return f.server.meters.inFlight.Load() == 0 })
		f.do("POST", root+"acme/a", "x", text, all).want(t, 204)
		await(t, "the answer", waits).want(t, 200)
		waitFor(t, "no request under way", func() bool { return f.server.meters.inFlight.Load() == 0 })

		now := time.Now()
		x := &exchange{began: now.Add(-time.Hour)}
		if fault := f.server.unpark(x, farAway); fault != faultNone || x.began.Before(now) {
			t.Errorf("an exchange that waited is refused for %d, and began at %v", fault, x.began)
		}
	})
}
