package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"tailrace/internal/client"
)

var readCommand = clientCommand{
	usage: []string{"read NAME [flags]"},
	about: `Prints what a stream has, up to its tail: bytes as they were appended, and the
values of a JSON stream one a line. A connection that breaks is replaced, and what is
printed is whole: each byte is there once.`,
	run: readStream,
}

var tailCommand = clientCommand{
	usage: []string{"tail NAME [flags]"},
	about: `Follows a stream: prints what is appended to it from now on, as read does, until the
stream is closed or an interrupt comes. A connection that breaks is replaced by one
that goes on where it was.`,
	run: tailStream,
}

// reading is one run of read or tail.
type reading struct {
	*session
	from    string
	raw     bool
	offsets bool
	out     *bufio.Writer
	line    []byte
}

func (s *session) newReading(from string) *reading {
	r := &reading{session: s}
	f := s.flags
	f.StringVar(&r.from, "from", from, "where to begin: start, now, or an offset")
	f.BoolVar(&r.raw, "raw", false, "print a JSON stream as the server sends it, in arrays")
	f.BoolVar(&r.offsets, "offsets", false, "at the end, print the offset to go on from on standard error")
	return r
}

func (r *reading) judge() error {
	switch r.from {
	case "start":
		r.from = client.FromStart
	case "":
		return errors.New("--from: want start, now, or an offset")
	}
	if r.raw && r.json {
		return errors.New("--raw does not go with --json")
	}
	return r.one()
}

func readStream(s *session, args []string) int {
	r := s.newReading("start")
	toEnd := s.flags.Bool("to-end", false, "go on at the tail, and end when the stream is closed")
	s.reachFlags(patienceLong)
	rest, code := s.parse(args, r.judge)
	if code >= 0 {
		return code
	}
	return r.run(rest[0], false, func(ctx context.Context, c *client.Client, name string) (client.Position, error) {
		if *toEnd {
			return c.Tail(ctx, name, client.TailOptions{From: r.from}, r.print)
		}
		return c.Read(ctx, name, r.from, r.print)
	})
}

func tailStream(s *session, args []string) int {
	r := s.newReading("now")
	live := s.flags.String("live", "auto", "how to wait: sse, long-poll, or auto, which is sse but for texts, whose line ends an event does not keep")
	s.reachFlags(patienceLong)
	modes := map[string]client.Live{"auto": client.LiveAuto, "sse": client.LiveSSE, "long-poll": client.LiveLongPoll}
	rest, code := s.parse(args, func() error {
		if _, ok := modes[*live]; !ok {
			return fmt.Errorf("--live: %q is none of sse, long-poll and auto", *live)
		}
		return r.judge()
	})
	if code >= 0 {
		return code
	}
	return r.run(rest[0], true, func(ctx context.Context, c *client.Client, name string) (client.Position, error) {
		return c.Tail(ctx, name, client.TailOptions{From: r.from, Live: modes[*live]}, r.print)
	})
}

type readFunc func(context.Context, *client.Client, string) (client.Position, error)

// run reads. endless says that an interrupt is how it is meant to end.
func (r *reading) run(arg string, endless bool, read readFunc) int {
	c, name, err := r.stream(arg)
	if err != nil {
		return r.fail(err)
	}
	ctx, stop := r.interruptible()
	defer stop()
	r.out = bufio.NewWriterSize(r.stdout, 64<<10)
	at, err := read(ctx, c, name)
	if r.offsets {
		fmt.Fprintln(r.stderr, at.Next)
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		if endless {
			return exitOK
		}
		err = errors.New("interrupted before the tail was reached")
	}
	return r.finish(err)
}

// print writes a batch, and all of it: the position of the reader, which is
// printed at the end, counts what was written.
func (r *reading) print(b *client.Batch) error {
	err := r.write(b)
	if err == nil {
		err = r.out.Flush()
	}
	if err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}

func (r *reading) write(b *client.Batch) (err error) {
	switch {
	case r.json:
		return r.writeObject(b)
	case b.JSON && !r.raw:
		if r.line, err = client.AppendLines(r.line[:0], b.Data); err != nil {
			return err
		}
		_, err = r.out.Write(r.line)
	default:
		_, err = r.out.Write(b.Data)
	}
	return err
}

// writeObject prints a batch with the offset that follows it.
func (r *reading) writeObject(b *client.Batch) error {
	o := struct {
		Next   string          `json:"next_offset"`
		Values json.RawMessage `json:"values,omitempty"`
		Base64 []byte          `json:"base64,omitempty"`
	}{Next: b.Next}
	if b.JSON {
		o.Values = b.Data
	} else {
		o.Base64 = b.Data
	}
	line, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_, err = r.out.Write(append(line, '\n'))
	return err
}
