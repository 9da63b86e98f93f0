package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"tailrace/internal/client"
	"tailrace/internal/config"
)

var appendCommand = clientCommand{
	usage: []string{"append NAME [flags]"},
	about: `Appends what comes on standard input, or what is in a file, in appends of --chunk
bytes; of a JSON stream, and with --lines, in appends of whole lines. Several are
under way at a time. They have a producer, so that none is appended twice however
often it has to be sent. An interrupt ends it when what was sent is acknowledged, and
tells how much that is.

A line of a JSON stream is one JSON value, and empty lines are passed over.

The same input can be appended again with the same --producer and --chunk: what the
stream has of it already is not appended a second time.`,
	run: appendInput,
}

// appending is one run of append.
type appending struct {
	*session
	contentType string
	file        string
	lines       bool
	chunk       int64
	inFlight    int
	producer    client.Producer
	progress    bool

	interrupted, aborted atomic.Bool
}

// chunkMax is far above what a server takes, and below what a slip would allocate.
const chunkMax = 256 << 20

func appendInput(s *session, args []string) int {
	a := &appending{session: s}
	f := s.flags
	f.StringVar(&a.contentType, "content-type", "", "type of the stream (default: the server is asked)")
	f.StringVarP(&a.file, "file", "f", "", "append this file instead of standard input")
	f.BoolVar(&a.lines, "lines", false, "append whole lines, each as soon as it is there")
	f.Var(config.SizeFlag(&a.chunk, 1<<20), "chunk", "bytes of an append; with --lines, and of a JSON stream, the most")
	f.IntVar(&a.inFlight, "in-flight", 4, "appends that may be under way")
	f.StringVar(&a.producer.ID, "producer", "", "id of the producer; batches of lines are then always filled (default a random one)")
	f.Uint64Var(&a.producer.Epoch, "epoch", 0, "epoch of the producer: a later one shuts out those before it")
	f.BoolVar(&a.progress, "progress", false, "show bytes and rate on standard error (default if that is a terminal)")
	s.reachFlags(patienceLong)
	rest, code := s.parse(args, func() error {
		switch {
		case a.chunk < 1 || a.chunk > chunkMax:
			return fmt.Errorf("--chunk: from 1 to %d bytes", int64(chunkMax))
		case a.inFlight < 1 || a.inFlight > 64:
			return errors.New("--in-flight: from 1 to 64")
		case f.Changed("epoch") && a.producer.ID == "":
			return errors.New("--epoch goes with --producer")
		case f.Changed("producer") && a.producer.ID == "":
			return errors.New("--producer: the id is not empty")
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
	in := s.stdin
	if a.file != "" {
		file, err := os.Open(a.file)
		if err != nil {
			return s.fail(err)
		}
		defer file.Close()
		in = file
	}
	return a.run(c, name, in)
}

func (a *appending) run(c *client.Client, name string, in io.Reader) int {
	if a.contentType == "" {
		ctx, stop := a.interruptible()
		info, err := c.Head(ctx, name)
		stop()
		if err != nil {
			return a.fail(err)
		}
		a.contentType = info.ContentType
	}
	asked := a.producer.ID
	if asked == "" {
		a.producer.ID = "tailrace-" + rand.Text()
	}
	source := a.cut(in, asked == "")
	w := c.NewWriter(context.Background(), name, client.WriterOptions{
		ContentType: a.contentType, Producer: a.producer, InFlight: a.inFlight,
	})

	var out io.Writer
	if a.progress || isTerminal(a.stderr) && !a.json {
		out = a.stderr
	}
	p := showProgress(out, func(elapsed time.Duration) string { return "acknowledged " + rate(w.Progress().Bytes, elapsed) })
	err := a.feed(w, source)
	done, failed := w.Wait()
	p.end()
	if failed != nil {
		err = failed
	}
	return a.report(name, done, err)
}

// cut chooses how the input is cut. A producer that was named has to cut the same
// input in the same way each time, so it does not look at when lines come.
func (a *appending) cut(in io.Reader, eager bool) input {
	size := int(a.chunk)
	if t, _, _ := mime.ParseMediaType(a.contentType); t == "application/json" {
		a.lines = true
		return &valueInput{lines: newLineInput(in, size, eager)}
	}
	if a.lines {
		return newLineInput(in, size, eager)
	}
	return &chunkInput{in: in, size: size}
}

// feed appends until the input ends, the writer does, or a signal comes.
func (a *appending) feed(w *client.Writer, source input) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go a.watch(w, cancel)
	// A read of the input cannot be ended, so it is not waited for. What it returns
	// then is too late to be appended.
	var mu sync.Mutex
	late := false
	fed := make(chan error, 1)
	go func() {
		fed <- func() error {
			for {
				b, err := w.Buffer(ctx)
				if err != nil {
					return err
				}
				body, records, err := source.next(b)
				mu.Lock()
				if len(body) > 0 && !late {
					w.Append(body, records)
				}
				mu.Unlock()
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err != nil {
					return err
				}
			}
		}()
	}()
	var err error
	select {
	case err = <-fed:
	case <-w.Ended():
	case <-ctx.Done():
	}
	mu.Lock()
	late = true
	mu.Unlock()
	return err
}

// watch ends the input at the first signal, and what is under way at the second.
func (a *appending) watch(w *client.Writer, end func()) {
	select {
	case <-a.signals:
	case <-w.Ended():
		return
	}
	a.interrupted.Store(true)
	end()
	select {
	case <-a.signals:
		a.release()
		a.aborted.Store(true)
		w.Abort()
	case <-w.Ended():
	}
}

// report tells how much is acknowledged. If that is not all, it is the main thing
// to know.
func (a *appending) report(name string, done client.Progress, err error) int {
	interrupted := a.interrupted.Load()
	if a.json {
		if printed := a.printJSON(struct {
			Name        string `json:"name"`
			Bytes       int64  `json:"bytes"`
			Records     int64  `json:"records"`
			Appends     int64  `json:"appends"`
			Next        string `json:"next_offset,omitempty"`
			Producer    string `json:"producer"`
			Epoch       uint64 `json:"epoch"`
			Seq         uint64 `json:"next_seq"`
			Interrupted bool   `json:"interrupted"`
		}{name, done.Bytes, done.Records, done.Appends, done.Next, a.producer.ID, a.producer.Epoch, done.Seq, interrupted}); printed != nil {
			return a.fail(printed)
		}
	}
	text := fmt.Sprintf("%d bytes in %d appends", done.Bytes, done.Appends)
	if a.lines {
		text = fmt.Sprintf("%d lines, %s", done.Records, text)
	}
	if done.Next != "" {
		text += ", next offset " + done.Next
	}
	if err == nil && !interrupted {
		if !a.json {
			fmt.Fprintf(a.stdout, "appended %s\n", text)
		}
		return exitOK
	}
	if !a.json {
		fmt.Fprintf(a.stderr, "tailrace: acknowledged %s\n", text)
	}
	switch {
	case a.aborted.Load():
		err = errors.New("aborted: whether what was under way is appended is unknown")
	case err == nil || errors.Is(err, context.Canceled):
		err = errors.New("interrupted: the rest of the input was not appended")
	}
	return a.fail(err)
}
