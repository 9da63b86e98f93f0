package docs

import (
	"fmt"
	"strings"
	"testing"

	"tailrace/internal/admin"
)

// TestAdminRoutesAreThoseOfTheTable compares the routes with the table that the
// admin interface is served from.
func TestAdminRoutesAreThoseOfTheTable(t *testing.T) {
	var actual, documented []string
	for _, r := range admin.Routes() {
		parameters := "none"
		if len(r.Parameters) > 0 {
			parameters = "`" + strings.Join(r.Parameters, "`, `") + "`"
		}
		actual = append(actual, fmt.Sprintf("%s %s, parameters %s, policy %v", r.Method, strings.TrimSuffix(r.Path, "{$}"), parameters, r.Policy))
	}
	for _, cells := range table(t, "admin.md", "Method", "Path", "Parameters", "Policy", "Does") {
		documented = append(documented, fmt.Sprintf("%s %s, parameters %s, policy %s", cells[0], literal(t, cells[1]), cells[2], cells[3]))
	}
	compare(t, "admin routes", documented, actual)
}

// TestAdminErrorsAreThoseOfTheCatalogue compares its codes and statuses.
func TestAdminErrorsAreThoseOfTheCatalogue(t *testing.T) {
	var actual, documented []string
	for _, e := range admin.Catalogue() {
		actual = append(actual, fmt.Sprintf("%s, %d", e.Code, e.Status))
		if (e.RetryAfter != "") != (e.Status == 429 || e.Status == 503) {
			t.Errorf("admin.md does not say that %s (%d) has Retry-After %q", e.Code, e.Status, e.RetryAfter)
		}
	}
	for _, cells := range table(t, "admin.md", "Code", "Status", "When") {
		documented = append(documented, literal(t, cells[0])+", "+cells[1])
	}
	compare(t, "admin errors", documented, actual)
}
