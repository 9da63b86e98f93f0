package model

import "testing"

// TestPublicStreams: who may read public streams only finds no others, and
// asking for one changes nothing about it.
func TestPublicStreams(t *testing.T) {
	m := New()
	for _, r := range []CreateRequest{
		put("open", "x", forAll(true)), put("own", "x"), put("brief", "x", ttl(1)),
		fork("own fork", "open", -1, 0, ""), put("gone", "x", forAll(true)), fork("f", "gone", -1, 0, ""),
		put("own gone", "x"), fork("g", "own gone", -1, 0, ""),
	} {
		if got := m.Create(0, r).Code; got != Created {
			t.Fatalf("%s: %s", r.Path, got)
		}
	}
	public := fork("open fork", "own", -1, 0, "")
	public.Public = true
	if got := m.Create(0, public).Code; got != Created {
		t.Fatal(got)
	}
	m.Delete(0, "gone")
	m.Delete(0, "own gone")
	before := dump(m)
	for path, want := range map[string]Code{
		"open": OK, "own": NotFound, "brief": NotFound, "own fork": NotFound, "open fork": OK,
		"gone": Gone, "own gone": NotFound, "nowhere": NotFound,
	} {
		if got := m.HeadPublic(5000, path).Code; got != want {
			t.Errorf("head of %s: %s, want %s", path, got, want)
		}
		if got := m.ReadPublic(0, path, -1, 10).Code; got != want {
			t.Errorf("read of %s: %s, want %s", path, got, want)
		}
	}
	if after := dump(m); after != before {
		t.Errorf("the streams changed:\n%s\nto\n%s", before, after)
	}
	if got := m.Head(0, "open"); !got.Public {
		t.Error("a public stream does not say so")
	}
	for _, c := range []struct {
		path   string
		public bool
		want   Code
	}{{"open", true, Exists}, {"open", false, ConfigMismatch}, {"own", true, ConfigMismatch}, {"own", false, Exists}} {
		if got := m.Create(0, put(c.path, "", forAll(c.public))).Code; got != c.want {
			t.Errorf("create %s again, public %t: %s, want %s", c.path, c.public, got, c.want)
		}
	}
}
