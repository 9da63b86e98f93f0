package main

import (
	"errors"
	"fmt"
	"time"

	"tailrace/internal/client"
	"tailrace/internal/config"
)

// patienceShort is for commands that somebody waits for, patienceLong for those
// that have much to lose.
const (
	patienceShort = 5 * time.Second
	patienceLong  = 2 * time.Minute
)

var createCommand = clientCommand{
	usage: []string{"create NAME [flags]"},
	about: `Makes a stream. NAME is all of its name, such as acme/chat/1, or its URL. One that
exists with the same configuration is left as it is.`,
	run: create,
}

func create(s *session, args []string) int {
	var (
		o       client.CreateOptions
		keep    int64
		f       = s.flags
		sizeVar = config.SizeFlag(&keep, 0)
	)
	f.StringVar(&o.ContentType, "content-type", "", "type of what is appended; application/json makes a stream of JSON values (default application/octet-stream, or that of the stream to fork)")
	f.DurationVar(&o.TTL, "ttl", 0, "the stream is deleted when it is not used for that long")
	f.StringVar(&o.ExpiresAt, "expires-at", "", "the stream is deleted at this time, such as 2030-01-31T12:00:00Z")
	f.BoolVar(&o.Public, "public", false, "anybody may read it; cannot be changed later")
	f.StringVar(&o.From, "from", "", "make it a fork of the stream with this name, on the same server")
	f.StringVar(&o.FromOffset, "offset", "", "where the fork begins, as an offset of its source (default the tail)")
	f.DurationVar(&o.KeepAge, "keep-age", 0, "drop appends when they are older than that")
	f.Var(sizeVar, "keep-bytes", "drop the oldest appends when there are more bytes than that")
	f.BoolVar(&o.Closed, "closed", false, "create it closed: nothing can be appended")
	s.reachFlags(patienceShort)
	rest, code := s.parse(args, func() error {
		switch {
		case o.FromOffset != "" && o.From == "":
			return errors.New("--offset goes with --from")
		case o.TTL != 0 && o.ExpiresAt != "":
			return errors.New("--ttl does not go with --expires-at")
		}
		for name, d := range map[string]time.Duration{"ttl": o.TTL, "keep-age": o.KeepAge} {
			if f.Changed(name) && (d <= 0 || d%time.Second != 0) {
				return fmt.Errorf("--%s: %v is not a positive number of whole seconds", name, d)
			}
		}
		if f.Changed("keep-bytes") && keep == 0 {
			return errors.New("--keep-bytes: nothing would be kept")
		}
		return s.one()
	})
	if code >= 0 {
		return code
	}
	o.KeepBytes = keep
	c, name, err := s.stream(rest[0])
	if err != nil {
		return s.fail(err)
	}
	ctx, stop := s.interruptible()
	defer stop()
	made, err := c.Create(ctx, name, o)
	if err != nil {
		return s.fail(err)
	}
	if s.json {
		return s.finish(s.printJSON(struct {
			Name        string `json:"name"`
			Created     bool   `json:"created"`
			ContentType string `json:"content_type"`
			Next        string `json:"next_offset"`
		}{name, !made.Existed, made.ContentType, made.Next}))
	}
	what := "created"
	if made.Existed {
		what = "exists"
	}
	fmt.Fprintf(s.stdout, "%s %s, %s, next offset %s\n", what, name, made.ContentType, made.Next)
	return exitOK
}

var headCommand = clientCommand{
	usage: []string{"head NAME [flags]"},
	about: `Prints what a stream says of itself: its type, where its tail is, whether it is
closed, how long it lives and what it keeps. That does not count as a use of it.`,
	run: head,
}

func head(s *session, args []string) int {
	s.reachFlags(patienceShort)
	rest, code := s.parse(args, s.one)
	if code >= 0 {
		return code
	}
	c, name, err := s.stream(rest[0])
	if err != nil {
		return s.fail(err)
	}
	ctx, stop := s.interruptible()
	defer stop()
	info, err := c.Head(ctx, name)
	if err != nil {
		return s.fail(err)
	}
	if s.json {
		return s.finish(s.printJSON(&info))
	}
	for _, line := range []struct{ name, value string }{
		{"content type", info.ContentType}, {"next offset", info.Next}, {"earliest offset", info.Earliest},
		{"closed", fmt.Sprint(info.Closed)}, {"ttl", seconds(info.TTL)}, {"expires at", info.ExpiresAt},
		{"keeps for", seconds(info.KeepAge)}, {"keeps bytes", info.KeepBytes}, {"access", info.Access},
	} {
		if line.value != "" {
			fmt.Fprintf(s.stdout, "%-16s %s\n", line.name, line.value)
		}
	}
	return exitOK
}

func seconds(text string) string {
	if text == "" {
		return ""
	}
	return text + " s"
}

var closeCommand = clientCommand{
	usage: []string{"close NAME [flags]"},
	about: `Closes a stream: nothing can be appended any more, and its readers learn that they
have reached the end. A stream that is closed stays as it is.`,
	run: closeStream,
}

func closeStream(s *session, args []string) int {
	s.reachFlags(patienceShort)
	rest, code := s.parse(args, s.one)
	if code >= 0 {
		return code
	}
	c, name, err := s.stream(rest[0])
	if err != nil {
		return s.fail(err)
	}
	ctx, stop := s.interruptible()
	defer stop()
	next, err := c.CloseStream(ctx, name)
	if err != nil {
		return s.fail(err)
	}
	if s.json {
		return s.finish(s.printJSON(map[string]any{"name": name, "closed": true, "next_offset": next}))
	}
	fmt.Fprintf(s.stdout, "closed %s, at offset %s\n", name, next)
	return exitOK
}
