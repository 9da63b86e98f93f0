// Package secretscan looks for credentials in what a program says. Tests that run
// the program scan its whole log, so that no path that anything takes can put one
// there without being noticed.
package secretscan

import (
	"regexp"
	"strings"
)

// forms are what credentials look like, whoever they belong to.
var forms = []struct {
	what string
	form *regexp.Regexp
}{
	{"an API key", regexp.MustCompile(`trk_[a-z2-7]{20,}`)},
	{"a token", regexp.MustCompile(`eyJ[\w-]{8,}\.[\w-]{4,}(\.[\w-]*)?`)},
	{"a token of a URL", regexp.MustCompile(`\btoken=[^\s&"';\\]{8,}`)},
	{"a cookie", regexp.MustCompile(`__Secure-tailrace=[^\s"';\\]+`)},
	{"an Authorization header", regexp.MustCompile(`(?i)\bauthorization["']?\s*[:=]\s*["']*\S+(\s+\S+)?|\b(bearer|basic)\s+[\w.~+/-]{8,}`)},
	{"a private key", regexp.MustCompile(`PRIVATE KEY-----`)},
}

// In names the credentials that are in a text, each with its line, of which nothing
// is left that looks like one. It is nil if there are none.
func In(text string) (found []string) {
	for line := range strings.Lines(text) {
		masked := line
		var names []string
		for _, f := range forms {
			if f.form.MatchString(line) {
				names = append(names, f.what)
				masked = f.form.ReplaceAllString(masked, "[…]")
			}
		}
		if names != nil {
			found = append(found, strings.Join(names, ", ")+" in: "+strings.TrimSpace(masked))
		}
	}
	return found
}
