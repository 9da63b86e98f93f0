package bench

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// project is that of all streams here: their names begin with it.
const project = "bench"

// access is a project with one secret.
type access struct {
	config string // file for the server
	secret []byte
}

// newAccess writes the file.
func newAccess(tb testing.TB) *access {
	tb.Helper()
	a := &access{config: filepath.Join(tb.TempDir(), "access.toml"), secret: []byte(strings.Repeat("not a secret at all ", 2))}
	text := fmt.Sprintf("auth = true\n[project.%s]\nsecrets = [{id = \"one\", value = %q}]\n",
		project, base64.StdEncoding.EncodeToString(a.secret))
	if err := os.WriteFile(a.config, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return a
}

// token is one that allows everything for a day.
func (a *access) token() string { return signed(a.secret, time.Now().Add(24*time.Hour)) }

// signed signs with HS256.
func signed(secret []byte, expires time.Time) string {
	encode := base64.RawURLEncoding.EncodeToString
	input := encode([]byte(`{"alg":"HS256","typ":"JWT","kid":"one"}`)) + "." +
		encode(fmt.Appendf(nil, `{"project":%q,"scope":"read append manage","sub":"somebody@example.com","exp":%d}`, project, expires.Unix()))
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(input))
	return input + "." + encode(h.Sum(nil))
}

// bearer is the header with a token.
func bearer(token string) string { return "Authorization: Bearer " + token + "\r\n" }
