package auth

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestRecentTokensAreThoseThatCame(t *testing.T) {
	r := newRecent()
	now := time.Unix(1000, 0)
	grant := &Grant{Project: "acme", Expires: now.Add(time.Second)}
	token := []byte("token")
	at := func(t time.Time) func() time.Time { return func() time.Time { return t } }
	got, hash := r.get(token, "acme", at(now))
	if got != nil {
		t.Fatal("a token is known that never came")
	}
	r.add(token, hash, sum{}, grant)
	clear(token) // it is the memory of a request
	for _, c := range []struct {
		token, project string
		at             time.Time
		want           *Grant
	}{
		{"token", "acme", now, grant},
		{"token", "acme", now.Add(time.Second - 1), grant},
		{"token", "acme", now.Add(time.Second), nil},
		{"token", "globex", now, nil},
		{"tokem", "acme", now, nil},
		{"", "acme", now, nil},
	} {
		if got, _ := r.get([]byte(c.token), c.project, at(c.at)); got != c.want {
			t.Errorf("%q of %s at %v: %v, want %v", c.token, c.project, c.at, got, c.want)
		}
	}
	// Another token with the same hash, if there were one, is not taken for it.
	r.slots[hash%recentSlots].Store(&accepted{hash: hash, token: "other", grant: grant})
	if got, _ := r.get([]byte("token"), "acme", at(now)); got != nil {
		t.Error("a token is taken for another one of the same hash")
	}
	long := []byte(strings.Repeat("x", recentBytesMax+1))
	_, hash = r.get(long, "acme", at(now))
	r.add(long, hash, sum{}, grant)
	if got, _ := r.get(long, "acme", at(now)); got != nil {
		t.Error("a long token is kept")
	}
}

func TestRecentTokensDoNotGrow(t *testing.T) {
	g, _ := newGuard(t, Options{})
	for i := range 4 * recentSlots {
		token := good("sub", fmt.Sprint(i))
		wantGrant(t, g, token)
		wantGrant(t, g, token)
		if grant := wantGrant(t, g, token); grant.Subject != fmt.Sprint(i) {
			t.Fatalf("token %d has the grant of %s", i, grant.Subject)
		}
	}
}
