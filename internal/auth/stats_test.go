package auth

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// TestSeriesAreBounded: nothing of a request becomes a label, and every series is
// there before the first request.
func TestSeriesAreBounded(t *testing.T) {
	set := metrics.NewSet()
	g, _ := newGuard(t, Options{Metrics: set})
	before := set.ListMetricNames()
	for i := range 20 {
		g.Bearer([]byte(good("sub", fmt.Sprint(i), "x", "\"\n")), fmt.Sprintf("project-%d\"}", i), from(fmt.Sprintf("192.0.2.%d", i)))
		g.Bearer([]byte(raw(fmt.Sprintf(`{"alg":"A%d","kid":"k%d"}`, i, i), "{}")), "acme", nil)
		g.URLToken([]byte(good("sub", fmt.Sprint(i))), fmt.Sprintf("acme/%d", i), nil)
	}
	if after := set.ListMetricNames(); !slices.Equal(before, after) {
		t.Errorf("series came:\n%s", strings.Join(after, "\n"))
	}
	for _, name := range before {
		if !strings.HasPrefix(name, "tailrace_auth_") {
			t.Errorf("%s", name)
		}
	}
	if len(before) != 30 {
		t.Errorf("there are %d series:\n%s", len(before), strings.Join(before, "\n"))
	}
}

func TestStatsCount(t *testing.T) {
	set := metrics.NewSet()
	g, _ := newGuard(t, Options{Metrics: set, FailureBurst: 2})
	token := good()
	wantGrant(t, g, token)
	wantGrant(t, g, token)
	wantGrant(t, g, apiKeyText1)
	g.URLToken([]byte(mint(t, g, token, "acme/a", time.Minute)), "acme/a", nil)
	p := pairs()
	for _, credential := range []string{
		tokenOf("RS256", p.rsaForeign, "", members()), good("exp", 1), good("sub", "not asked"),
	} {
		g.Bearer([]byte(credential), "acme", from("192.0.2.1"))
	}
	g.Bearer(nil, "acme", from("192.0.2.1"))
	got := g.Stats()
	want := []Verifications{
		{"HS256", "ok", 1}, {"HS256", "expired", 1}, {"RS256", "signature", 1}, {"api_key", "ok", 1}, {"url_token", "ok", 1},
	}
	if !slices.Equal(got.Verifications, want) {
		t.Errorf("%+v", got.Verifications)
	}
	if got.CacheHits != 2 || got.CacheMisses != 4 || got.CacheEntries != 2 || got.CacheBytes < 2*entryBytes ||
		got.Limited != 1 || got.Addresses != 1 || got.Minted != 1 {
		t.Errorf("%+v", got)
	}
	if r := fmt.Sprint(got.Refused); r != "map[expired:1 too_many_failures:1 unauthorized:2]" {
		t.Error(r)
	}
	var text bytes.Buffer
	set.WritePrometheus(&text)
	for _, line := range []string{
		`tailrace_auth_cache_requests_total{result="hit"} 2`, `tailrace_auth_cache_entries 2`, `tailrace_auth_projects 2`, `tailrace_auth_failing_addresses 1`,
		`tailrace_auth_verifications_total{algorithm="RS256",result="signature"} 1`, `tailrace_auth_refused_total{reason="expired"} 1`,
	} {
		if !strings.Contains(text.String(), line+"\n") {
			t.Errorf("%q is missing in:\n%s", line, text.String())
		}
	}
}
