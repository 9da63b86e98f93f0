package main

import (
	"encoding/base64"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tailrace/internal/auth"
	"tailrace/internal/project"
)

// TestCredentialsAreGood: what the commands make, a server takes.
func TestCredentialsAreGood(t *testing.T) {
	x := newShell(t, "http://127.0.0.1:1")
	text := strings.TrimSpace(x.ok("", "token", "secret"))
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	secret, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	key, sum, err := newAPIKey()
	if err != nil {
		t.Fatal(err)
	}
	ring, err := auth.NewKeyring([]project.Project{{
		Name:    "acme",
		Secrets: []project.Secret{{ID: "k1", Value: secret}},
		APIKeys: []project.APIKey{{ID: "ci", SHA256: sum, Scopes: []string{"read"}}},
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	guard, err := auth.New(auth.Options{Keyring: ring})
	if err != nil {
		t.Fatal(err)
	}
	from := func() netip.Addr { return netip.Addr{} }

	token := strings.TrimSpace(x.ok("", "token", "sign", "--project", "acme", "--scope", "read,append", "--prefix", "acme/chat/", "--secret-file", file, "--kid", "k1"))
	grant, refusal := guard.Bearer([]byte(token), "acme", from)
	if refusal != auth.None || !grant.Allows(auth.Append, "acme/chat/1") || grant.Allows(auth.Read, "acme/other") || grant.Allows(auth.Manage, "acme/chat/1") {
		t.Errorf("the token: %v, %+v", refusal, grant)
	}
	if grant, refusal = guard.Bearer([]byte(key), "acme", from); refusal != auth.None || !grant.Allows(auth.Read, "acme/x") || grant.Allows(auth.Append, "acme/x") {
		t.Errorf("the key: %v, %+v", refusal, grant)
	}

	var made struct{ Key, SHA256 string }
	if err := json.Unmarshal([]byte(x.ok("", "token", "key", "--project", "acme", "--scope", "read", "--json")), &made); err != nil {
		t.Fatal(err)
	}
	if _, ok := auth.ParseAPIKey([]byte(made.Key)); !ok || len(made.SHA256) != 64 || made.Key == key {
		t.Errorf("%+v", made)
	}
}
