package main

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tailrace/internal/project"
)

func TestSecretsAreRandom(t *testing.T) {
	x := newShell(t, "http://127.0.0.1:1")
	one, two := x.ok("", "token", "secret"), x.ok("", "token", "secret")
	if b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(one)); err != nil || len(b) != 32 || one == two {
		t.Errorf("%q, %q, %v", one, two, err)
	}
	if got := x.ok("", "token", "secret", "--json"); !strings.HasPrefix(got, `{"secret":"`) {
		t.Errorf("prints %s", got)
	}
}

// replaced swaps a function for the time of a test.
func replaced[F any](t *testing.T, at *F, by F) {
	was := *at
	*at = by
	t.Cleanup(func() { *at = was })
}

func TestKeysAreShownOnce(t *testing.T) {
	replaced(t, &newAPIKey, func() (string, [sha256.Size]byte, error) { return "trk_x", sha256.Sum256([]byte("trk_x")), nil })
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("trk_x")))
	x := newShell(t, "http://127.0.0.1:1")
	want := "trk_x\n\n[[project.acme.api-keys]]\nid = \"" + sum[:8] + "\"\nsha256 = \"" + sum + "\"\nscopes = [\"read\", \"append\"]\nprefix = \"acme/chat/\"\n"
	if got := x.ok("", "token", "key", "--project", "acme", "--scope", "read,append", "--prefix", "acme/chat/"); got != want {
		t.Errorf("prints %s, want %s", got, want)
	}
	if got := x.ok("", "token", "key", "--project", "a.b", "--scope", "manage", "--id", "ci"); !strings.Contains(got, "[[project.\"a.b\".api-keys]]\nid = \"ci\"\n") {
		t.Errorf("prints %s", got)
	}
	if got := x.ok("", "token", "key", "--project", "acme", "--scope", "read", "--json"); got != `{"key":"trk_x","id":"`+sum[:8]+`","sha256":"`+sum+`","scopes":["read"]}`+"\n" {
		t.Errorf("prints %s", got)
	}
}

func TestTokensAreSignedWithTheSecretOfAFile(t *testing.T) {
	var with project.Secret
	var said tokenClaims
	replaced(t, &newToken, func(s project.Secret, c tokenClaims) (string, error) {
		with, said = s, c
		return "a.b.c", nil
	})
	x := newShell(t, "http://127.0.0.1:1")
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(x.ok("", "token", "secret")), 0o600); err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	if got := x.ok("", "token", "sign", "--project", "acme", "--scope", "read", "--scope", "append", "--stream", "acme/1", "--life", "2h", "--secret-file", file, "--kid", "k1"); got != "a.b.c\n" {
		t.Errorf("prints %s", got)
	}
	if len(with.Value) != 32 || with.ID != "k1" || said.project != "acme" || fmt.Sprint(said.scopes) != "[read append]" || said.stream != "acme/1" ||
		said.expires.Before(before.Add(2*time.Hour)) || said.issued.Before(before) {
		t.Errorf("signed with %s of %d bytes: %+v", with.ID, len(with.Value), said)
	}
	for text, why := range map[string]string{"not base64!": "base64", "c2hvcnQ=": "5 bytes"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, stderr := x.try("", "token", "sign", "--project", "acme", "--scope", "read", "--secret-file", file)
		if code != exitFailed || !strings.Contains(stderr, why) || strings.Contains(stderr, text) {
			t.Errorf("%q: exit code %d, %s", text, code, stderr)
		}
	}
}

func TestMintedTokensComeFromTheServer(t *testing.T) {
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"token":"%s for %s","expires_at":"2026-01-02T03:04:05Z"}`, r.URL.Path, r.Header.Get("Token-Life"))
	}))
	t.Cleanup(front.Close)
	x := newShell(t, front.URL)
	if got := x.ok("", "token", "mint", "acme/chat", "--life", "90s"); got != "/v1/token/acme/chat for 90\n" {
		t.Errorf("prints %s", got)
	}
	if got := x.ok("", "token", "mint", "acme/chat", "--json"); got != `{"token":"/v1/token/acme/chat for 60","expires_at":"2026-01-02T03:04:05Z"}`+"\n" {
		t.Errorf("prints %s", got)
	}
}
