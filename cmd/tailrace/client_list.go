package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"tailrace/internal/client"
	"tailrace/internal/project"
)

var listCommand = clientCommand{
	usage: []string{"ls [PREFIX] [flags]", "ls --projects [flags]"},
	about: `Lists the streams of a project whose names begin with PREFIX, in the order in which
they were created. Needs the admin listener, or a token with the scope manage.

Without --project it is the one that PREFIX begins with if a token is sent, and that of
a server without authentication, default, if not.`,
	run: list,
}

// projectFlag adds --project. owner resolves what it leaves open.
func (s *session) projectFlag() *string {
	return s.flags.String("project", "", "the project whose streams they are")
}

// owner is the project that is meant.
func (s *session) owner(given, prefix string) (string, error) {
	if given != "" {
		return given, nil
	}
	token, err := s.token()
	if err != nil {
		return "", usageError{err}
	}
	if token == "" {
		return project.Default, nil
	}
	if name, _, found := strings.Cut(prefix, "/"); found && name != "" {
		return name, nil
	}
	return "", usageError{errors.New("--project is needed: with a token, and a prefix that does not begin with a project and a slash, it could be any")}
}

func list(s *session, args []string) int {
	owner := s.projectFlag()
	long := s.flags.BoolP("long", "l", false, "with bytes, state, and content type")
	projects := s.flags.Bool("projects", false, "list the projects instead, with what they use; on the admin listener only")
	s.reachFlags(patienceShort)
	rest, code := s.parse(args, func() error {
		switch {
		case s.flags.NArg() > 1:
			return fmt.Errorf("%d arguments, want one at most", s.flags.NArg())
		case *projects && (s.flags.NArg() > 0 || *owner != "" || *long):
			return errors.New("--projects takes no prefix, --project or --long")
		}
		return nil
	})
	if code >= 0 {
		return code
	}
	ctx, stop := s.interruptible()
	defer stop()
	if *projects {
		return s.finish(s.listProjects(ctx))
	}
	prefix := strings.Join(rest, "")
	of, err := s.owner(*owner, prefix)
	if err != nil {
		return s.fail(err)
	}
	c, err := s.connect("")
	if err != nil {
		return s.fail(err)
	}
	out := bufio.NewWriter(s.stdout)
	err = c.List(ctx, of, prefix, func(l *client.Listed) error {
		switch {
		case s.json:
			out.Write(l.Raw)
		case *long:
			fmt.Fprintf(out, "%12d  %-6s  %-24s  ", l.Bytes, stateOf(l), l.ContentType)
			fallthrough
		default:
			out.WriteString(l.Name)
		}
		return out.WriteByte('\n')
	})
	return s.finish(errors.Join(err, out.Flush()))
}

// stateOf is what is special about a stream, in a word.
func stateOf(l *client.Listed) string {
	switch {
	case l.Gone:
		return "gone"
	case l.Closed:
		return "closed"
	case l.Public:
		return "public"
	}
	return "-"
}

func (s *session) listProjects(ctx context.Context) error {
	c, err := s.connect("")
	if err != nil {
		return err
	}
	raw, err := c.Projects(ctx)
	if err != nil {
		return err
	}
	var all []json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return fmt.Errorf("the list of projects: %w", err)
	}
	for _, p := range all {
		if s.json {
			fmt.Fprintf(s.stdout, "%s\n", p)
			continue
		}
		var shown struct {
			Name string `json:"name"`
			Use  struct {
				Bytes   int64 `json:"stored_bytes"`
				Streams int   `json:"streams"`
				Readers int   `json:"live_readers"`
			} `json:"use"`
		}
		if err := json.Unmarshal(p, &shown); err != nil {
			return fmt.Errorf("the list of projects: %w", err)
		}
		fmt.Fprintf(s.stdout, "%s: %d streams, %d bytes, %d live readers\n", shown.Name, shown.Use.Streams, shown.Use.Bytes, shown.Use.Readers)
	}
	return nil
}

var inspectCommand = clientCommand{
	usage: []string{"inspect NAME [flags]", "inspect KIND FILE"},
	about: `With one argument: prints all that a server knows of a stream. Needs the admin
listener, or a token with the scope manage. NAME is the name of a stream or its URL.

With two: prints a file of a store, which needs no server. KIND is wal, segment,
manifest, checkpoint, bucket-head or bucket-state.`,
	run: inspectStream,
}

func inspectStream(s *session, args []string) int {
	s.reachFlags(patienceShort)
	rest, code := s.parse(args, func() error {
		if s.flags.NArg() == 2 && s.flags.NFlag() == 0 {
			return nil
		}
		if _, kind := dumps[s.flags.Arg(0)]; kind && s.flags.NArg() == 1 {
			return fmt.Errorf("inspect %s: which file? A stream with that name has to be given as a URL", s.flags.Arg(0))
		}
		return s.one()
	})
	if code >= 0 {
		return code
	}
	if len(rest) == 2 {
		return inspect(rest, s.stdout, s.stderr)
	}
	c, name, err := s.stream(rest[0])
	if err != nil {
		return s.fail(err)
	}
	ctx, stop := s.interruptible()
	defer stop()
	raw, err := c.Inspect(ctx, name)
	if err != nil {
		return s.fail(err)
	}
	if s.json {
		var b bytes.Buffer
		err = json.Compact(&b, raw)
		fmt.Fprintln(s.stdout, b.String())
		return s.finish(err)
	}
	return s.finish(printMembers(s.stdout, raw))
}
