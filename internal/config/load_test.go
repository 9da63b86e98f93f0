package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestLaterSourcesWin gives every setting in every source.
func TestLaterSourcesWin(t *testing.T) {
	values := func(s *Setting) [3]string { // good ones, other than the default
		switch s.flag.Value.Type() {
		case typeBool:
			return [3]string{"true", "true", "true"}
		case typeCount:
			return [3]string{"11", "12", "13"}
		case typeSize:
			return [3]string{"11KiB", "12KiB", "13KiB"}
		case typeDuration:
			return [3]string{"11s", "12s", "13s"}
		case typeList:
			return [3]string{"https://a", "https://b", "https://c,https://d"}
		case "mode":
			return [3]string{"0611", "0612", "0613"}
		}
		return [3]string{"a", "b", "c"}
	}
	for i, s := range Settings() {
		if s.noFile {
			continue
		}
		v := values(s)
		if s.path {
			v = [3]string{"/a", "/b", "/c"}
		}
		for n := range 4 { // how many sources have it
			c := newConfig(nil, nil)
			mine := c.settings[i]
			want, source := mine.Default(), Default
			if n >= 1 {
				mine.flag.Value.Set(v[0])
				text := pair(s.Name, mine.inFile())
				mine.flag.Value.Set(mine.Default())
				c.File = file(t, text)
				if errs := c.readFile(); len(errs) > 0 {
					t.Fatal(errs)
				}
				want, source = v[0], File
			}
			if n >= 2 {
				c.env = []string{s.Env() + "=" + v[1]}
				want, source = v[1], Environment
			}
			var args []string
			if n >= 3 {
				args = []string{"--" + s.Name + "=" + v[2]}
				want, source = v[2], Flag
			}
			flags, err := c.fromFlags(args)
			variables, errs := c.fromEnv()
			if err != nil || len(errs) > 0 {
				t.Fatal(err, errs)
			}
			for _, err := range assign(append(variables, flags...)) {
				t.Error(err)
			}
			if mine.Value() != want || mine.Source != source {
				t.Errorf("%s from %d sources: %s from %v, want %s from %v", s.Name, n, mine.Value(), mine.Source, want, source)
			}
		}
	}
}

func TestSourcesOfOneStart(t *testing.T) {
	name := file(t, "streams = 5\nconnections = 6\nmemory-bytes = \"2GiB\"\n")
	c, err := Load([]string{"--listen", "127.0.0.1:1", "--connections", "8"},
		[]string{"TAILRACE_CONFIG=" + name, "TAILRACE_LISTEN=127.0.0.1:2", "TAILRACE_LOG_FILE_BYTES=128MiB", "TAILRACE_CONNECTIONS=7", "HOME=/"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:1" || c.LogFileBytes != 128<<20 || c.LongPollTimeout != 30*time.Second || c.Streams != 5 || c.Connections != 8 || c.MemoryBytes != 2<<30 {
		t.Errorf("%+v", c)
	}
	// The command line names another file.
	if c := loadText(t, "streams = 9", "--log-level=warn"); c.Streams != 9 || c.LogLevel != "warn" {
		t.Errorf("%+v", c)
	}
}

func TestHelpIsAskedFor(t *testing.T) {
	if _, err := Load([]string{"--help"}, []string{"TAILRACE_BOGUS=1"}); !errors.Is(err, ErrHelp) {
		t.Error(err)
	}
}

// TestServiceLinksAreNoSettings: Kubernetes adds them for a service of our name.
func TestServiceLinksAreNoSettings(t *testing.T) {
	if _, err := Load(nil, []string{
		"TAILRACE_SERVICE_HOST=10.0.0.1", "TAILRACE_SERVICE_PORT=4437", "TAILRACE_SERVICE_PORT_HTTP=4437",
		"TAILRACE_PORT=tcp://10.0.0.1:4437", "TAILRACE_PORT_4437_TCP_ADDR=10.0.0.1",
	}); err != nil {
		t.Error(err)
	}
}

// TestEverythingWrongIsNamed: all of it in one go, with the lines of the file in
// their order.
func TestEverythingWrongIsNamed(t *testing.T) {
	name := file(t, `listen = "127.0.0.1:1"
bogus = 1
streams = "5"
flush-age = 5
log-file-bytes = -1
origins = ["https://a", 5]
no-cors = "yes"
config = "a"
merge-fan-in = 1
frame-bytes = 1.5

[project.acme]
secrets = [
  {id = "k1", value = "U2hvcnQ="},
  {id = "k1", value = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", z = 1},
]
bogus = 2
[project.acme.limits]
streams = -1
stored-bytes = true
moon = 1
[project."a/b"]
[more]
a = 1
`)
	got := refused(t, []string{"--config", name, "--connections", "0", "--streams=x"}, []string{"TAILRACE_BOGUS=1", "TAILRACE_LOG_LEVEL=loud", "TAILRACE_PPROF=2"})
	want := []string{
		"unknown variable TAILRACE_BOGUS",
		name + ":2: bogus: unknown key",
		name + ":3: streams: a text where a number has to be",
		name + ":4: flush-age: a whole number where",
		name + ":5: log-file-bytes: must not be negative",
		name + ":6: origins: a whole number in a list of texts",
		name + ":7: no-cors: a text where true or false has to be",
		name + ":8: config: unknown key",
		name + ":10: frame-bytes: a number with a fraction",
		name + ":13: project.acme.secrets[0].value: a secret of 5 bytes: at least 32",
		name + ":13: project.acme.secrets[1].z: unknown key",
		name + ":13: project.acme.secrets[1].id: \"k1\" is there twice",
		name + ":17: project.acme.bogus: unknown key",
		name + ":19: project.acme.limits.streams: -1 is no number",
		name + ":20: project.acme.limits.stored-bytes: true or false where a size has to be",
		name + ":21: project.acme.limits.moon: unknown key",
		name + ":22: project \"a/b\": a name has",
		name + ":23: more: unknown key",
		"variable TAILRACE_PPROF: ",
		"--streams: ",
		"--connections must be greater than zero",
		"--merge-fan-in (" + name + ":9) is 1: at least 2",
		"--log-level (TAILRACE_LOG_LEVEL) is \"loud\"",
		name + ":22: project.a/b: --auth is off",
		name + ":12: project.acme: --auth is off",
	}
	for _, w := range want {
		if i := slices.IndexFunc(got, func(g string) bool { return strings.HasPrefix(g, w) }); i < 0 {
			t.Errorf("missing: %s", w)
		} else {
			got = slices.Delete(got, i, i+1)
		}
	}
	if len(got) > 0 {
		t.Errorf("not expected:\n%s", strings.Join(got, "\n"))
	}
}

// TestWhatCannotWorkIsRefused gives one fault at a time.
func TestWhatCannotWorkIsRefused(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"a = ", ":1: "},
		{"\n\na = \"", ":3: "},
		{"a = 1\na = 2", ":2: "},
		{"\xff", ":1: "},
		{"streams = 99999999999999999999", ":1: "},
		{"listen = 5", ":1: listen: a whole number where a text has to be"},
		{"listen = \"\"", "--listen ("},
		{"listen = \"localhost\"", "neither host:port nor unix:/path"},
		{"listen = \"127.0.0.1:no-such-port\"", "no valid port"},
		{"listen = \"127.0.0.1:\"", "no valid port"},
		{"listen = \"unix:relative\"", "no absolute path"},
		{"listen = \"unix:/" + strings.Repeat("a", 110) + "\"", "longer than 103"},
		{"listen = \":4437\"", "--open-to-anyone"},
		{"listen = \"0.0.0.0:4437\"", "--open-to-anyone"},
		{"listen = \"[::]:4437\"", "--open-to-anyone"},
		{"listen = \"example.com:80\"", "--open-to-anyone"},
		{"listen = \"192.168.0.1:80\"", "turn --auth on"},
		{"admin-listen = \"0.0.0.0:1\"", "--admin-open-to-anyone"},
		{"admin-listen = \"127.0.0.1:4437\"", "the same address"},
		{"admin-open-to-anyone = true", "goes with --admin-listen"},
		{"pprof = true", "--pprof ("},
		{"listen-mode = \"0640\"", "unix:/path"},
		{"listen-mode = \"0999\"", "not a mode"},
		{"listen-mode = 0o600", "a whole number where a text"},
		{"tls-cert = \"/nowhere\"", "goes with --tls-key"},
		{"tls-key = \"/nowhere\"", "goes with --tls-cert"},
		{"tls-key = \"/nowhere\"\ntls-cert = \"/nowhere\"", "/nowhere"},
		{"auth = true", "needs a project"},
		{"url-tokens = true", "goes with --auth"},
		{"mint-key-file = \"a\"", "goes with --auth"},
		{"url-token-life = \"2h\"", "at most 1h"},
		{"url-token-life = \"0s\"", "more than zero"},
		{"origins = [\"app.example.com\"]", "not like https://host"},
		{"origins = [\"https://a\"]\nno-cors = true", "--no-cors"},
		{"no-cors = true\n[project.default]\norigins = [\"https://a\"]", "--no-cors"},
		{"origins = [\"https://a\"]\n[project.default]\norigins = [\"https://b\"]", "too"},
		{"disk-free-low = 2\ndisk-free-resume = 1", "--disk-free-resume"},
		{"disk-free-resume = 1", "--disk-free-low, which is 128MiB"},
		{"log-requests = -1", "--log-requests"},
		{"requests-per-second = -1", "must not be negative"},
		{"slow-request = \"-1s\"", "--slow-request"},
		{"frame-bytes = \"1MiB\"\nflush-bytes = \"2MiB\"", "--flush-bytes"},
		{"frame-bytes = \"1MiB\"\nstaged-bytes = \"2MiB\"", "--staged-bytes"},
		{"bodies-bytes = \"1MiB\"", "--body-bytes"},
		{"bucket-region = \"moon\"", "--bucket-region ("},
		{"bucket = \"s3://name\"\nbucket-endpoint = \"https://user:hidden@host\"", "--bucket-endpoint"},
		{"project = 1", ":1: project: a whole number where a table has to be"},
		{"[project]\nacme = 1", ":2: project.acme: a whole number where a table has to be"},
		{"[project.default]\nlimits = 1", ":2: project.default.limits: "},
		{"[project.default]\nsecrets = 1", ":2: project.default.secrets: "},
		{"[project.default]\nsecrets = [1]", "a whole number where a table like"},
		{"[project.default]\njwks-file = \"a\"", "has credentials, but --auth is off"},
		{"auth = true\norigins = [\"https://a\"]", "--origins ("},
		{"auth = true\n[project.acme]", "nobody could use it"},
		{"auth = true\n[project.acme]\njwks-file = \"nowhere.json\"", "nowhere.json"},
		{"auth = true\n[project.acme]\nsecrets = [{id = \"a\", file = \"nowhere\"}]", "nowhere"},
		{"auth = true\n[project.acme]\nsecrets = [{id = \"a\"}]", "either value or file"},
		{"auth = true\n[project.acme]\nsecrets = [{id = \"a\", value = \"a\", file = \"b\"}]", "either value or file"},
		{"auth = true\n[project.acme]\nsecrets = [{value = \"" + secret1 + "\"}]", "secrets[0].id: missing"},
		{"auth = true\n[project.acme]\nsecrets = [{id = \"a\", value = \"<set, 32 bytes>\"}]", "masked"},
		{"auth = true\n[project.acme]\nsecrets = [{id = \"a\", value = \"not base64!\"}]", "openssl rand -base64 32"},
		{"auth = true\n[project.acme]\norigins = [\"a\"]", "origin \"a\""},
		{key(`sha256 = "abc", scopes = ["read"]`), "64 hex digits"},
		{key(`sha256 = "` + hash1 + `"`), "scopes: missing"},
		{key(`sha256 = "` + hash1 + `", scopes = ["write"]`), "\"write\" is none of"},
		{key(`sha256 = "` + hash1 + `", scopes = ["read"], stream = "other/a"`), "begins with acme/"},
		{key(`sha256 = "` + hash1 + `", scopes = ["read"], prefix = "acmeother"`), "begins with acme/"},
		{key(`sha256 = "` + hash1 + `", scopes = ["read"], prefix = "acme/", stream = "acme/a"`), "goes not with stream"},
		{key(`sha256 = "` + hash1 + `", scope = ["read"]`), "scope: unknown key"},
	} {
		got := strings.Join(refused(t, []string{"--config", file(t, test.text)}, nil), "\n")
		if !strings.Contains(got, test.want) {
			t.Errorf("%s\nis refused without %q:\n%s", test.text, test.want, got)
		}
		for _, hidden := range []string{"hidden", secret1, "not base64!"} {
			if strings.Contains(got, hidden) {
				t.Errorf("%s: the error has a secret in it: %s", test.text, got)
			}
		}
	}
}

const (
	secret1 = "c2VjcmV0IG51bWJlciBvbmUsIHdoaWNoIGlzIGxvbmcgZW5vdWdo"
	secret2 = "c2VjcmV0IG51bWJlciB0d28sIHdoaWNoIGlzIGxvbmcgZW5vdWdo"
	hash1   = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
)

// key is a file with one API key.
func key(rest string) string {
	return fmt.Sprintf("auth = true\n[project.acme]\napi-keys = [{id = \"a\", %s}]", rest)
}

// TestOpenAddresses are those that need nothing said.
func TestOpenAddresses(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:1", "127.8.9.10:1", "[::1]:1", "localhost:1", "[::ffff:127.0.0.1]:1", "unix:/tmp/a"} {
		if c := load(t, "--listen", listen, "--admin-listen", "localhost:2"); len(c.Exposed()) > 0 {
			t.Errorf("%s: %v", listen, c.Exposed())
		}
	}
	c := load(t, "--listen", ":1", "--open-to-anyone", "--admin-listen", "0.0.0.0:2", "--admin-open-to-anyone")
	if got := c.Exposed(); !slices.Equal(got, []string{"listen", "admin-listen"}) {
		t.Errorf("%v", got)
	}
	c = loadText(t, key(`sha256 = "`+hash1+`", scopes = ["read"]`), "--listen", ":1")
	if len(c.Exposed()) > 0 {
		t.Errorf("with auth: %v", c.Exposed())
	}
}

// TestErrorsRepeatNoSecret: a secret that is written wrongly does not get into the
// log by that, however the file is wrong.
func TestErrorsRepeatNoSecret(t *testing.T) {
	for _, value := range []string{
		"S3sameSauce", "SesameSauce", "12S3sameSauce", "1.2.S3sameSauce", "0xS3sameSauce", "+0xS3sameSauce", "1979-05-27S3sameSauce",
		"\"S3sameSauce\\q\"", "\"S3sameSauce\\u12\"", "\"S3sameSauce", "'S3sameSauce", "\"\"\"S3sameSauce",
		"\"S3sameSauce\" S3sameSauce", "[S3sameSauce]", "{S3sameSauce}", "{a=S3sameSauce}", "S3same\\\"Sauce",
		"true_S3sameSauce", "inf_S3sameSauce", "\"S3sameSauce\"", "'S3sameSauce'",
	} {
		name := file(t, "auth = true\n[project.acme]\nsecrets = [{id = \"k\", value = "+value+"}]\n")
		_, err := Load([]string{"--config", name}, nil)
		if err == nil {
			t.Errorf("value = %s: taken", value)
			continue
		}
		for _, part := range []string{"S3same", "Sesame", "Sauce"} {
			if strings.Contains(err.Error(), part) {
				t.Errorf("value = %s: %v", value, err)
			}
		}
	}
}
