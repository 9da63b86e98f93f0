package config

import (
	"encoding/hex"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"tailrace/internal/project"
)

const jwks1 = `{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`

func hash(t *testing.T, text string) (sum [32]byte) {
	t.Helper()
	if _, err := hex.Decode(sum[:], []byte(text)); err != nil {
		t.Fatal(err)
	}
	return sum
}

// whole is a file with everything that a project can have.
const whole = `
auth = true
listen = "0.0.0.0:4437"
url-tokens = true
mint-key-file = "mint.key"

[project.sensors]
api-keys = [
  {id = "g", sha256 = "` + hash1 + `", scopes = ["append", "read"], prefix = "sensors/hall/"},
  {id = "v", sha256 = "` + hash1 + `", scopes = ["manage"], stream = "sensors/one"},
]

[project.acme]
secrets = [
  {id = "new", file = "keys/acme.secret"},
  {id = "old", value = "` + secret1 + `"},
]
jwks-file = "acme.json"
origins = ["https://app.example.com", "http://localhost:3000"]

[project.acme.limits]
stored-bytes = "10GiB"
streams = 100
producers-per-stream = 5
append-bytes-per-second = 1_000_000
requests-per-second = 50
live-readers = 7
body-bytes = "1MiB"
`

// wholeFile writes it with the files it names, and returns its name.
func wholeFile(t *testing.T) string {
	t.Helper()
	dir := files(t, map[string]string{"tailrace.toml": whole, "acme.json": jwks1, "mint.key": secret2 + "\n"})
	keys := files(t, map[string]string{"acme.secret": secret2 + "\n"})
	text := whole
	relative, err := filepath.Rel(dir, keys)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "tailrace.toml"), replace(t, text, "keys/", relative+"/"))
	return filepath.Join(dir, "tailrace.toml")
}

func TestProjectsAreRead(t *testing.T) {
	c := load(t, "--config", wholeFile(t))
	want := []project.Project{{
		Name: "acme",
		Secrets: []project.Secret{
			{ID: "new", Value: []byte("secret number two, which is long enough")},
			{ID: "old", Value: []byte("secret number one, which is long enough")},
		},
		JWKSFile: filepath.Join(filepath.Dir(c.File), "acme.json"),
		Origins:  []string{"https://app.example.com", "http://localhost:3000"},
		Limits: project.Limits{
			StoredBytes: 10 << 30, Streams: 100, ProducersPerStream: 5, AppendBytesPerSecond: 1_000_000,
			RequestsPerSecond: 50, LiveReaders: 7, BodyBytes: 1 << 20,
		},
	}, {
		Name: "sensors",
		APIKeys: []project.APIKey{
			{ID: "g", SHA256: hash(t, hash1), Scopes: []string{"append", "read"}, Prefix: "sensors/hall/"},
			{ID: "v", SHA256: hash(t, hash1), Scopes: []string{"manage"}, Stream: "sensors/one"},
		},
	}}
	if !reflect.DeepEqual(c.Projects, want) {
		t.Errorf("%+v\nwant %+v", c.Projects, want)
	}
	if string(c.JWKS("acme")) != jwks1 || c.JWKS("sensors") != nil || string(c.MintKey) != "secret number two, which is long enough" {
		t.Errorf("key sets and keys are not those of the files: %q, %q", c.JWKS("acme"), c.MintKey)
	}
}

// TestArraysOfTablesAreListsToo: both forms of TOML mean the same.
func TestArraysOfTablesAreListsToo(t *testing.T) {
	c := loadText(t, "auth = true\n[[project.acme.secrets]]\nid = \"a\"\nvalue = \""+secret1+"\"\n[[project.acme.secrets]]\nid = \"b\"\nvalue = \""+secret2+"\"\n")
	if p := c.Projects[0]; len(p.Secrets) != 2 || p.Secrets[1].ID != "b" {
		t.Errorf("%+v", p)
	}
}

// TestOneProjectWithoutAuth: it is there whether the file has it or not.
func TestOneProjectWithoutAuth(t *testing.T) {
	limits := project.Limits{Streams: 5}
	for _, test := range []struct {
		text    string
		origins []string
		limits  project.Limits
	}{
		{"", []string{"*"}, project.Limits{}},
		{"no-cors = true", nil, project.Limits{}},
		{"origins = [\"https://a\"]\n[project.default.limits]\nstreams = 5", []string{"https://a"}, limits},
		{"[project.default]\norigins = [\"https://b\"]\nlimits = {streams = 5}", []string{"https://b"}, limits},
		{"[project.default]\norigins = []", []string{}, project.Limits{}},
	} {
		c := loadText(t, test.text)
		if p := c.Projects[0]; len(c.Projects) != 1 || p.Name != project.Default || !slices.Equal(p.Origins, test.origins) || p.Limits != test.limits {
			t.Errorf("%s: %+v", test.text, c.Projects)
		}
	}
}

// TestPathsBeginWhereTheFileIs: those of the file, and no others.
func TestPathsBeginWhereTheFileIs(t *testing.T) {
	c := loadText(t, "data = \"d\"")
	if c.Data != filepath.Join(filepath.Dir(c.File), "d") {
		t.Error(c.Data)
	}
	if c := loadText(t, "data = \"d\"", "--data=e"); c.Data != "e" {
		t.Error(c.Data)
	}
	if c := loadText(t, "data = \"/d\""); c.Data != "/d" {
		t.Error(c.Data)
	}
	if c := loadText(t, ""); c.Data != "./data" {
		t.Error(c.Data)
	}
}

func TestKeySetsOfOthersAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"[]": "not a JSON Web Key Set", "{}": "without keys", `{"keys": [{}]}`: "no kty", `{"keys": [{"kty": "oct", "k": "AAAA"}]}`: "shared secret",
	} {
		if err := judgeJWKS([]byte(text)); err == nil || !contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
