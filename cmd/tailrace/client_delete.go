package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"tailrace/internal/client"
)

var deleteCommand = clientCommand{
	usage: []string{"delete NAME [flags]", "delete --prefix P [flags]"},
	about: `Deletes a stream, or all streams of a project whose names begin with P. The second
form needs the admin listener, or a token with the scope manage; the server does it as
a job, and the command waits until it is done. An interrupt cancels the job: what it
has deleted until then is gone.`,
	run: deleteStreams,
}

func deleteStreams(s *session, args []string) int {
	prefix := s.flags.String("prefix", "", "delete all streams whose names begin with that")
	all := s.flags.Bool("all", false, "with --prefix, let that be empty: all streams of the project")
	owner := s.projectFlag()
	yes := s.flags.BoolP("yes", "y", false, "with --prefix, do not ask; needed if standard input is no terminal")
	s.reachFlags(patienceShort)
	rest, code := s.parse(args, func() error {
		if s.flags.Changed("prefix") {
			switch {
			case s.flags.NArg() > 0:
				return errors.New("--prefix takes the place of NAME")
			case *prefix == "" && !*all:
				return errors.New("--prefix is empty: say --all too if all streams of the project are to go")
			}
			return nil
		}
		if *owner != "" || *yes || *all {
			return errors.New("--project, --yes and --all go with --prefix")
		}
		return s.one()
	})
	if code >= 0 {
		return code
	}
	if len(rest) == 0 {
		return s.deletePrefix(*owner, *prefix, *yes)
	}
	c, name, err := s.stream(rest[0])
	if err != nil {
		return s.fail(err)
	}
	ctx, stop := s.interruptible()
	defer stop()
	if err := c.Delete(ctx, name); err != nil {
		return s.fail(err)
	}
	if s.json {
		return s.finish(s.printJSON(map[string]any{"name": name, "deleted": true}))
	}
	fmt.Fprintf(s.stdout, "deleted %s\n", name)
	return exitOK
}

// cancelPatience is for how long a job is asked to end that nobody waits for any
// more.
const cancelPatience = 5 * time.Second

func (s *session) deletePrefix(owner, prefix string, yes bool) int {
	owner, err := s.owner(owner, prefix)
	if err != nil {
		return s.fail(err)
	}
	c, err := s.connect("")
	if err != nil {
		return s.fail(err)
	}
	if !yes {
		if !isTerminal(s.stdin) {
			return s.misused(errors.New("--yes is needed where nobody can be asked"))
		}
		if !s.confirm(owner, prefix) {
			fmt.Fprintln(s.stderr, "tailrace: nothing was deleted")
			return exitFailed
		}
	}
	ctx, stop := s.interruptible()
	defer stop()
	var last atomic.Pointer[client.Job]
	var out io.Writer
	if isTerminal(s.stderr) && !s.json {
		out = s.stderr
	}
	p := showProgress(out, func(time.Duration) string {
		if j := last.Load(); j != nil {
			return fmt.Sprintf("deleted %d of %d", j.Deleted, j.Seen)
		}
		return "begun"
	})
	job, err := c.DeletePrefix(ctx, owner, prefix, func(j *client.Job) {
		seen := *j
		last.Store(&seen)
	})
	p.end()
	if err != nil && ctx.Err() != nil && job.ID != "" {
		limited, cancel := context.WithTimeout(context.Background(), cancelPatience)
		defer cancel()
		if failed := c.CancelJob(limited, owner, job.ID); failed != nil {
			return s.fail(fmt.Errorf("interrupted, and job %s goes on: %w", job.ID, failed))
		}
		err = fmt.Errorf("interrupted: job %s is cancelled, and has deleted %d streams or more", job.ID, job.Deleted)
	}
	if err != nil && ctx.Err() != nil && job.ID == "" {
		err = fmt.Errorf("interrupted: a job may have begun all the same: %w", err)
	}
	if err != nil {
		return s.fail(err)
	}
	return s.reportJob(&job)
}

func (s *session) reportJob(job *client.Job) int {
	if s.json {
		if err := s.printJSON(job.Raw); err != nil {
			return s.fail(err)
		}
	} else {
		fmt.Fprintf(s.stdout, "deleted %d streams", job.Deleted)
		if job.Skipped > 0 {
			fmt.Fprintf(s.stdout, ", %d were gone already", job.Skipped)
		}
		fmt.Fprintln(s.stdout)
		for _, e := range job.Errors {
			fmt.Fprintf(s.stderr, "tailrace: %s: %d streams, the first of them %q\n", e.Code, e.Count, e.Stream)
		}
	}
	if job.State != "done" {
		return s.fail(fmt.Errorf("job %s ended as %s: %d streams failed", job.ID, job.State, job.Failed))
	}
	return exitOK
}

// confirm asks whether it is meant.
func (s *session) confirm(owner, prefix string) bool {
	if prefix == "" {
		fmt.Fprintf(s.stderr, "Delete all streams of project %s? [y/N] ", owner)
	} else {
		fmt.Fprintf(s.stderr, "Delete all streams of project %s whose names begin with %q? [y/N] ", owner, prefix)
	}
	answer, _ := bufio.NewReader(s.stdin).ReadString('\n')
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}
