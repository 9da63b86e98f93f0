package docs

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"tailrace/server"
)

// generated compares a page with what it would be if a part of it were written anew,
// and writes it with -update. A page has a part between two marks:
//
//	<!-- generated: NAME -->
//	<!-- end: NAME -->
func generated(t *testing.T, page, name, text string) {
	t.Helper()
	got := read(t, page)
	want := between(t, got, name, text)
	if got == want {
		return
	}
	if !*updateFlag {
		t.Fatalf("%s is not what the program says; go test ./docs -run Golden -update writes it", page)
	}
	if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestGoldenErrors has the table of errors made of the list that the server answers
// from, and of what people need to know besides.
func TestGoldenErrors(t *testing.T) {
	var b strings.Builder
	b.WriteString("| Code | Status | When |\n|---|---|---|\n")
	told := map[string]bool{}
	for _, e := range server.Catalogue() {
		if when[e.Code] == "" {
			t.Errorf("errors_test.go does not say when a request is refused with %s", e.Code)
		}
		told[e.Code] = true
		fmt.Fprintf(&b, "| `%s` | %d | %s |\n", e.Code, e.Status, when[e.Code])
	}
	for code := range when {
		if !told[code] {
			t.Errorf("errors_test.go explains %s, which the server does not answer with", code)
		}
	}
	if !t.Failed() {
		generated(t, "errors.md", "errors", b.String())
	}
}

// TestGoldenRules has the table of who may do what made of the rules that the server
// decides by.
func TestGoldenRules(t *testing.T) {
	what := map[string]string{
		"/v1/stream/": "`/v1/stream/{name}`", "/v1/token/": "`/v1/token/{name}`", "/v1/admin/": "`/v1/admin/…`",
	}
	var b strings.Builder
	b.WriteString("| Method | Path | Scope | Without credentials |\n|---|---|---|---|\n")
	for _, r := range server.RouteRules() {
		path, known := what[r.Root]
		if !known {
			t.Errorf("nobody has written about %s", r.Root)
		}
		scope, anybody := "`"+r.Scope+"`", "refused"
		switch {
		case r.Scope == "":
			scope, anybody = "none", "answered"
		case r.Public:
			anybody = "public streams"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.Method, path, scope, anybody)
	}
	if !t.Failed() {
		generated(t, "http.md", "rules", b.String())
	}
}
