package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"tailrace/internal/project"
)

var tokenCommand = clientCommand{
	usage: []string{"token secret|key|sign|mint [flags]"},
	about: `Makes credentials:

  token secret        a random secret that signs tokens (HS256), for a file
  token key           a random API key, and what the configuration has of it
  token sign          a token, signed with a secret
  token mint NAME     a short-lived token for a URL, that reads one stream; the server
                      makes it for whoever may read it

Each has a --help of its own. None of them takes a secret from the command line.`,
	run: token,
}

var tokenCommands = map[string]clientCommand{
	"secret": {
		usage: []string{"token secret [flags]"},
		about: `Prints 32 random bytes in base64: a secret for tokens. Put it into a file that only
the server, and who signs tokens, can read, and name the file in the configuration.`,
		run: tokenSecret,
	},
	"key": {
		usage: []string{"token key [flags]"},
		about: `Makes an API key. The first line of standard output is the key: it is shown once, and
kept nowhere. After it comes what the configuration has of it, its SHA-256.`,
		run: tokenKey,
	},
	"sign": {
		usage: []string{"token sign --project P --scope S --secret-file F [flags]"},
		about: `Prints a token, signed with a secret (HS256).`,
		run:   tokenSign,
	},
	"mint": {
		usage: []string{"token mint NAME [flags]"},
		about: `Prints a short-lived token that reads one stream, for a URL or cookie of a browser. The
server makes it for a credential that may read the stream.`,
		run: tokenMint,
	},
}

func token(s *session, args []string) int {
	if len(args) > 0 {
		if sub, ok := tokenCommands[args[0]]; ok {
			s.command, s.name = sub, "token "+args[0]
			return sub.run(s, args[1:])
		}
	}
	_, code := s.parse(args, func() error {
		if s.flags.NArg() == 0 {
			return errors.New("token: which of secret, key, sign and mint?")
		}
		return fmt.Errorf("token: %q is none of secret, key, sign and mint", s.flags.Arg(0))
	})
	return code
}

func (s *session) none() error { return wants(s.flags, 0) }

// hs256Bytes is as much as the hash has: more adds nothing, less is refused.
const hs256Bytes = 32

func tokenSecret(s *session, args []string) int {
	s.jsonFlag()
	if _, code := s.parse(args, s.none); code >= 0 {
		return code
	}
	raw := make([]byte, hs256Bytes)
	rand.Read(raw) // never fails
	text := base64.StdEncoding.EncodeToString(raw)
	if s.json {
		return s.finish(s.printJSON(map[string]string{"secret": text}))
	}
	fmt.Fprintln(s.stdout, text)
	return exitOK
}

// grantFlags are those that say what a credential is good for.
type grantFlags struct {
	project, stream, prefix string
	scopes                  []string
}

func (g *grantFlags) add(f *pflag.FlagSet) {
	f.StringVar(&g.project, "project", "", "the project")
	f.StringSliceVar(&g.scopes, "scope", nil, "what it is for: some of read, append, manage, with commas")
	f.StringVar(&g.stream, "stream", "", "the only stream that it is for, by its whole name (default any of the project)")
	f.StringVar(&g.prefix, "prefix", "", "what the names of the streams begin with that it is for (default any of the project)")
}

func (g *grantFlags) judge() error {
	switch {
	case !project.ValidName(g.project):
		return fmt.Errorf("--project: no project can be named %q", g.project)
	case len(g.scopes) == 0:
		return errors.New("--scope: want some of read, append and manage")
	case g.stream != "" && g.prefix != "":
		return errors.New("--stream does not go with --prefix")
	case g.stream != "" && project.Of(g.stream) != g.project:
		return fmt.Errorf("--stream: %q is no stream of the project, whose names begin with %s/", g.stream, g.project)
	case g.prefix != "" && !strings.HasPrefix(g.prefix, g.project+"/"):
		return fmt.Errorf("--prefix: the streams of the project begin with %s/", g.project)
	}
	for _, scope := range g.scopes {
		if !slices.Contains([]string{"read", "append", "manage"}, scope) {
			return fmt.Errorf("--scope: %q is none of read, append and manage", scope)
		}
	}
	return nil
}

func tokenKey(s *session, args []string) int {
	var g grantFlags
	g.add(s.flags)
	id := s.flags.String("id", "", "how the log names the key (default the first digits of its SHA-256)")
	s.jsonFlag()
	_, code := s.parse(args, func() error {
		if err := s.none(); err != nil {
			return err
		}
		return g.judge()
	})
	if code >= 0 {
		return code
	}
	key, sum, err := newAPIKey()
	if err != nil {
		return s.fail(err)
	}
	hash := hex.EncodeToString(sum[:])
	if *id == "" {
		*id = hash[:8]
	}
	if s.json {
		return s.finish(s.printJSON(struct {
			Key    string   `json:"key"`
			ID     string   `json:"id"`
			SHA256 string   `json:"sha256"`
			Scopes []string `json:"scopes"`
		}{key, *id, hash, g.scopes}))
	}
	fmt.Fprintf(s.stdout, "%s\n\n[[project.%s.api-keys]]\nid = %q\nsha256 = %q\nscopes = [%s]\n", key, tomlKey(g.project), *id, hash, quoted(g.scopes))
	for name, value := range map[string]string{"stream": g.stream, "prefix": g.prefix} {
		if value != "" {
			fmt.Fprintf(s.stdout, "%s = %q\n", name, value)
		}
	}
	return exitOK
}

// tomlKey quotes the name of a project if it has a dot, which would make it two.
func tomlKey(name string) string {
	if strings.Contains(name, ".") {
		return `"` + name + `"`
	}
	return name
}

func quoted(words []string) string {
	var all []string
	for _, w := range words {
		all = append(all, fmt.Sprintf("%q", w))
	}
	return strings.Join(all, ", ")
}

func tokenSign(s *session, args []string) int {
	var g grantFlags
	g.add(s.flags)
	life := s.flags.Duration("life", time.Hour, "how long it is good for")
	file := s.flags.String("secret-file", "", "file with the secret, in base64 as token secret prints it")
	kid := s.flags.String("kid", "", "id of the secret in the configuration, if it has one")
	s.jsonFlag()
	_, code := s.parse(args, func() error {
		switch err := errors.Join(s.none(), g.judge()); {
		case err != nil:
			return err
		case *file == "":
			return errors.New("--secret-file: names the file with the secret")
		case *life < time.Second:
			return errors.New("--life: a second at least")
		}
		return nil
	})
	if code >= 0 {
		return code
	}
	secret, err := readSecretFile(*file)
	if err != nil {
		return s.fail(err)
	}
	now := time.Now()
	c := tokenClaims{project: g.project, scopes: g.scopes, stream: g.stream, prefix: g.prefix, issued: now, expires: now.Add(*life)}
	text, err := newToken(project.Secret{ID: *kid, Value: secret}, c)
	if err != nil {
		return s.fail(err)
	}
	return s.finish(s.printToken(text, c.expires))
}

// readSecretFile reads what token secret printed. No error has any of it.
func readSecretFile(name string) ([]byte, error) {
	b, err := readSmall(name)
	if err != nil {
		return nil, err
	}
	secret, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, fmt.Errorf("%s is not in base64", name)
	}
	if len(secret) < hs256Bytes {
		return nil, fmt.Errorf("%s: a secret of %d bytes, want at least %d", name, len(secret), hs256Bytes)
	}
	return secret, nil
}

func (s *session) printToken(text string, expires time.Time) error {
	if s.json {
		return s.printJSON(struct {
			Token     string    `json:"token"`
			ExpiresAt time.Time `json:"expires_at"`
		}{text, expires.UTC().Truncate(time.Second)})
	}
	_, err := fmt.Fprintln(s.stdout, text)
	return err
}

func tokenMint(s *session, args []string) int {
	life := s.flags.Duration("life", time.Minute, "how long it is to be good for, in whole seconds; the server may give less")
	s.reachFlags(patienceShort)
	rest, code := s.parse(args, func() error {
		if *life < time.Second || *life%time.Second != 0 {
			return fmt.Errorf("--life: %v is not a positive number of whole seconds", *life)
		}
		return s.one()
	})
	if code >= 0 {
		return code
	}
	c, name, err := s.stream(rest[0])
	if err != nil {
		return s.fail(err)
	}
	ctx, stop := s.interruptible()
	defer stop()
	t, err := c.MintToken(ctx, name, *life)
	if err != nil {
		return s.fail(err)
	}
	return s.finish(s.printToken(t.Token, t.ExpiresAt))
}
