package livetest

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// listener listens to what engine and server log. Flushes and merges are told
// nowhere else, and nothing that an operator has to know may happen.
type listener struct {
	tally   *tally
	verdict *verdict
}

// Enabled implements slog.Handler.
func (*listener) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (l *listener) Handle(_ context.Context, r slog.Record) error {
	switch r.Message {
	case "flushed":
		l.tally.add(flushed)
	case "merged":
		l.tally.add(merged)
	}
	if r.Level >= slog.LevelError {
		var b strings.Builder
		r.Attrs(func(a slog.Attr) bool {
			fmt.Fprintf(&b, " %v", a)
			return true
		})
		l.verdict.add(refused, "logged: %s%s", r.Message, b.String())
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (l *listener) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup implements slog.Handler.
func (l *listener) WithGroup(string) slog.Handler { return l }
