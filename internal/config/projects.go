package config

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"tailrace/internal/project"
)

// secretBytesMin is what HS256 asks for: as much as its hash has.
const secretBytesMin = 32

// scopes are what a key may be for.
var scopes = []string{"read", "append", "manage"}

// projectTable is what [project.NAME] of the file says.
type projectTable struct {
	project.Project
	line       int
	hasOrigins bool
	secretFile map[string]string // where the secret with that id was read; not those in the file itself
}

// readProject checks all that can be said of one project by itself. relative makes
// paths of its paths.
func readProject(t *table, name string, relative func(string) string) *projectTable {
	p := &projectTable{Project: project.Project{Name: name}, line: t.line, secretFile: make(map[string]string)}
	_, p.hasOrigins = t.values["origins"]
	p.Origins = t.texts("origins")
	p.JWKSFile = relative(t.text("jwks-file"))
	p.readSecrets(t, relative)
	p.readKeys(t)
	p.readLimits(t.table("limits"))
	t.done()
	if err := p.Validate(); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			t.faults.add(t.line, "%s", line)
		}
	}
	return p
}

func (p *projectTable) readSecrets(t *table, relative func(string) string) {
	for _, each := range t.tables("secrets") {
		s := project.Secret{ID: each.text("id")}
		value, file := each.text("value"), relative(each.text("file"))
		each.done()
		switch {
		case s.ID == "":
			each.bad("id", "missing: a token names it as its kid")
		case slices.ContainsFunc(p.Secrets, func(o project.Secret) bool { return o.ID == s.ID }):
			each.bad("id", "%q is there twice", s.ID)
		}
		key := "value"
		if (value == "") == (file == "") {
			each.bad(key, "either value or file has to be there")
			continue
		}
		var err error
		if file != "" {
			key, p.secretFile[s.ID] = "file", file
			s.Value, err = readSecret(file)
		} else {
			s.Value, err = parseSecret(value)
		}
		if err != nil {
			each.bad(key, "%w", err)
		}
		p.Secrets = append(p.Secrets, s)
	}
}

// maskPrefix begins what Show prints for a secret.
const maskPrefix = "<set"

// parseSecret decodes a secret. No error has any of it.
func parseSecret(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, maskPrefix) {
		return nil, fmt.Errorf("the secret is masked: put it in")
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("not base64 (openssl rand -base64 32 makes one)")
	}
	if len(b) < secretBytesMin {
		return nil, fmt.Errorf("a secret of %d bytes: at least %d", len(b), secretBytesMin)
	}
	return b, nil
}

func readSecret(file string) ([]byte, error) {
	text, err := readBounded(file)
	if err != nil {
		return nil, err
	}
	b, err := parseSecret(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return b, nil
}

func (p *projectTable) readKeys(t *table) {
	for _, each := range t.tables("api-keys") {
		k := project.APIKey{ID: each.text("id"), Scopes: each.texts("scopes"), Stream: each.text("stream"), Prefix: each.text("prefix")}
		sum := each.text("sha256")
		each.done()
		switch {
		case k.ID == "":
			each.bad("id", "missing: the log names keys by it")
		case slices.ContainsFunc(p.APIKeys, func(o project.APIKey) bool { return o.ID == k.ID }):
			each.bad("id", "%q is there twice", k.ID)
		}
		if b, err := hex.DecodeString(sum); err != nil || len(b) != sha256.Size {
			each.bad("sha256", "has to be the SHA-256 of the key: %d hex digits", 2*sha256.Size)
		} else {
			copy(k.SHA256[:], b)
		}
		if len(k.Scopes) == 0 {
			each.bad("scopes", "missing: some of %s", strings.Join(scopes, ", "))
		}
		for _, s := range k.Scopes {
			if !slices.Contains(scopes, s) {
				each.bad("scopes", "%q is none of %s", s, strings.Join(scopes, ", "))
			}
		}
		if k.Stream != "" && k.Prefix != "" {
			each.bad("prefix", "goes not with stream")
		}
		if k.Stream != "" && project.Of(k.Stream) != p.Name {
			each.bad("stream", "%q is no stream of the project: its name begins with %s/", k.Stream, p.Name)
		}
		if k.Prefix != "" && !strings.HasPrefix(k.Prefix, p.Name+"/") {
			each.bad("prefix", "%q is none of the project: it begins with %s/", k.Prefix, p.Name)
		}
		p.APIKeys = append(p.APIKeys, k)
	}
}

// limit is one of project.Limits by its key.
type limit struct {
	key   string
	size  func(*project.Limits) *int64 // nil = it is a count
	count func(*project.Limits) *int
}

var limits = []limit{
	{key: "stored-bytes", size: func(l *project.Limits) *int64 { return &l.StoredBytes }},
	{key: "streams", count: func(l *project.Limits) *int { return &l.Streams }},
	{key: "producers-per-stream", count: func(l *project.Limits) *int { return &l.ProducersPerStream }},
	{key: "append-bytes-per-second", size: func(l *project.Limits) *int64 { return &l.AppendBytesPerSecond }},
	{key: "requests-per-second", count: func(l *project.Limits) *int { return &l.RequestsPerSecond }},
	{key: "live-readers", count: func(l *project.Limits) *int { return &l.LiveReaders }},
	{key: "body-bytes", size: func(l *project.Limits) *int64 { return &l.BodyBytes }},
}

func (p *projectTable) readLimits(t *table) {
	for _, l := range limits {
		if l.size != nil {
			*l.size(&p.Limits) = t.size(l.key)
		} else {
			*l.count(&p.Limits) = t.count(l.key)
		}
	}
	t.done()
}
