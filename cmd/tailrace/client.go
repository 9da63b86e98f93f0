package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"tailrace/internal/client"
)

// exitNotFound tells a script that a stream is not there from everything else
// that can fail. With authentication on, it may be there for others.
const exitNotFound = 3

// clientCommand is a command that speaks to a server.
type clientCommand struct {
	usage []string // what may follow "tailrace "
	about string   // lines of 78 columns at most
	run   func(s *session, args []string) int
}

var clientCommands = map[string]clientCommand{
	"create": createCommand,
	"append": appendCommand,
	"read":   readCommand,
	"tail":   tailCommand,
	"head":   headCommand,
	"close":  closeCommand,
	"delete": deleteCommand,
	"ls":     listCommand,
	"token":  tokenCommand,
}

// runClient runs a command that speaks to a server.
func runClient(name string, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return withSignals(newSession(name, clientCommands[name], env, stdin, stdout, stderr), args)
}

// inspectAny prints a file, or a stream of a server if there is only one argument.
func inspectAny(args, env []string, stdout, stderr io.Writer) int {
	return withSignals(newSession("inspect", inspectCommand, env, os.Stdin, stdout, stderr), args)
}

func withSignals(s *session, args []string) int {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	s.signals, s.release = signals, func() { signal.Stop(signals) }
	return s.run(args)
}

// session is one run of a client command.
type session struct {
	name    string
	command clientCommand
	env     []string
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer

	// The first signal asks the command to end in good order. After release, the
	// next one ends the process.
	signals <-chan os.Signal
	release func()

	sleep func(context.Context, time.Duration) error // nil but in tests

	flags     *pflag.FlagSet
	server    string
	tokenFile string
	caFile    string
	patience  time.Duration
	json      bool
}

func newSession(name string, c clientCommand, env []string, stdin io.Reader, stdout, stderr io.Writer) *session {
	s := &session{name: name, command: c, env: env, stdin: stdin, stdout: stdout, stderr: stderr, release: func() {}}
	s.flags = offlineFlags(name)
	return s
}

func (s *session) run(args []string) int { return s.command.run(s, args) }

func (s *session) jsonFlag() {
	s.flags.BoolVar(&s.json, "json", false, "print JSON, one value a line, errors too")
}

// parse reads the command line. code is the exit code if the command ends with
// that, and -1 if not.
func (s *session) parse(args []string, judge func() error) (rest []string, code int) {
	err := s.flags.Parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		fmt.Fprint(s.stdout, s.help())
		return nil, exitOK
	}
	if err == nil {
		err = judge()
	}
	if err != nil {
		return nil, s.misused(err)
	}
	return s.flags.Args(), -1
}

func (s *session) help() string {
	var b strings.Builder
	b.WriteString("Usage:\n")
	for _, u := range s.command.usage {
		fmt.Fprintf(&b, "  tailrace %s\n", u)
	}
	fmt.Fprintf(&b, "\n%s\n\nFlags:\n%s", s.command.about, s.flags.FlagUsages())
	return b.String()
}

// misused says what is wrong with the command line.
func (s *session) misused(err error) int {
	fmt.Fprintf(s.stderr, "tailrace: %v\n", err)
	for _, u := range s.command.usage {
		fmt.Fprintf(s.stderr, "usage: tailrace %s\n", u)
	}
	return exitUsage
}

// usageError is one that only shows when the arguments are looked at.
type usageError struct{ error }

// fail prints why the command failed, and returns how it ends.
func (s *session) fail(err error) int {
	if bad := (usageError{}); errors.As(err, &bad) {
		return s.misused(bad.error)
	}
	if !s.json {
		fmt.Fprintf(s.stderr, "tailrace: %v\n", err)
	} else {
		s.failJSON(err)
	}
	if client.IsNotFound(err) {
		return exitNotFound
	}
	return exitFailed
}

// failJSON prints an error in the form of the server. What is none of its own has
// the code "client".
func (s *session) failJSON(err error) {
	type shown struct {
		Code      string `json:"code"`
		Message   string `json:"message"`
		RequestID string `json:"request_id,omitempty"`
		Status    int    `json:"status,omitempty"`
	}
	e := shown{Code: "client", Message: err.Error()}
	if refused := (*client.Error)(nil); errors.As(err, &refused) && refused.Code != "" {
		e = shown{refused.Code, refused.Message, refused.RequestID, refused.Status}
	}
	b, _ := json.Marshal(map[string]shown{"error": e})
	fmt.Fprintf(s.stderr, "%s\n", b)
}

// printJSON prints a value on a line.
func (s *session) printJSON(v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		_, err = fmt.Fprintf(s.stdout, "%s\n", b)
	}
	return err
}

// finish ends a command that has nothing more to do.
func (s *session) finish(err error) int {
	if err != nil {
		return s.fail(err)
	}
	return exitOK
}

// interruptible is a context that the next signal ends.
func (s *session) interruptible() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		select {
		case <-s.signals:
			s.release()
			cancel()
		case <-done:
		}
	}()
	return ctx, func() {
		close(done)
		cancel()
	}
}

// one is the judge of a command that takes one argument.
func (s *session) one() error { return wants(s.flags, 1) }

// isTerminal reports whether somebody looks at a stream, or types into it.
func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
