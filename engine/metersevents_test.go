package engine

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tailrace/internal/stream"
)

// eventAttributes are the names that attributes of events of log and engine have,
// each with one kind and one meaning everywhere.
var eventAttributes = map[string]slog.Kind{
	"batch":     slog.KindUint64, // newest batch in something
	"bytes":     slog.KindInt64,  // that were written
	"clean":     slog.KindBool,   // the process before closed the store
	"copied":    slog.KindInt64,  // bytes, not linked
	"dir":       slog.KindString, // of the store
	"epoch":     slog.KindUint64, // of the owner of a log or bucket
	"err":       slog.KindAny,
	"file":      slog.KindUint64, // number of a log file
	"files":     slog.KindInt64,
	"first":     slog.KindUint64, // log file that is needed
	"frames":    slog.KindUint64, // in the log
	"free":      slog.KindInt64,  // bytes of the disk
	"into":      slog.KindInt64,  // segments made of segments
	"kept":      slog.KindInt64,  // bytes, not compressed, that somebody shows
	"layers":    slog.KindInt64,
	"low":       slog.KindInt64,  // bytes that are to be free of the disk
	"resume":    slog.KindInt64,  // bytes that have to be free again
	"level":     slog.KindUint64, // of a segment
	"linked":    slog.KindInt64,  // files
	"objects":   slog.KindInt64,
	"offset":    slog.KindInt64, // in a file
	"own_epoch": slog.KindUint64,
	"owner":     slog.KindString,
	"path":      slog.KindString, // of a file
	"read":      slog.KindInt64,  // bytes, not compressed
	"ready":     slog.KindBool,   // the next log file was
	"reason":    slog.KindString,
	"records":   slog.KindUint64,
	"recycled":  slog.KindInt64, // files that wait to be used again
	"removed":   slog.KindInt64, // files
	"room":      slog.KindInt64, // files that segments may have open
	"segment":   slog.KindUint64,
	"segments":  slog.KindInt64,
	"seq":       slog.KindUint64, // of a frame of the log
	"snapshot":  slog.KindBool,   // a checkpoint of all streams
	"state":     slog.KindUint64, // published
	"streams":   slog.KindInt64,
	"to":        slog.KindString, // a directory
	"took":      slog.KindDuration,
}

// event is what a place in the source logs.
type event struct {
	level, message string
	keys           []string
}

func (e event) String() string {
	return fmt.Sprintf("%-14s%s: %s", e.level, e.message, strings.Join(e.keys, " "))
}

// eventsOf finds the events of a package. What is not written down there as it
// stands is an error: nobody could search for it.
func eventsOf(t *testing.T, dir string) (all []event) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	set := token.NewFileSet()
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if e, ok, err := eventOf(call); err != nil {
				t.Errorf("%v: %v", set.Position(call.Pos()), err)
			} else if ok {
				all = append(all, e)
			}
			return true
		})
	}
	return all
}

// eventOf is what a call logs, if it does.
func eventOf(call *ast.CallExpr) (e event, ok bool, err error) {
	f, is := call.Fun.(*ast.SelectorExpr)
	if !is || len(call.Args) == 0 {
		return e, false, nil
	}
	args := call.Args[1:]
	switch level := f.Sel.Name; {
	case level == "report": // Engine.report
		e.level, args = "debug or info", call.Args[3:]
	case isLogger(f.X) && slices.Contains([]string{"Debug", "Info", "Warn", "Error"}, level):
		e.level = strings.ToLower(level)
	default:
		return e, false, nil
	}
	if e.message, err = literalOf(call.Args[0]); err != nil {
		return e, false, err
	}
	for i := 0; i < len(args); i += 2 {
		key, err := literalOf(args[i])
		if err != nil {
			return e, false, err
		}
		e.keys = append(e.keys, key)
	}
	if e.level == "debug or info" {
		e.keys = append(e.keys, "bytes", "took")
	}
	return e, true, nil
}

func isLogger(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.SelectorExpr:
		return x.Sel.Name == "Logger"
	case *ast.Ident:
		return x.Name == "log"
	}
	return false
}

func literalOf(x ast.Expr) (string, error) {
	lit, ok := x.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", fmt.Errorf("an event has a message and names of attributes that are written out")
	}
	return strconv.Unquote(lit.Value)
}

// TestGoldenEvents holds what log and engine say about themselves: messages, levels
// and attributes. The names are of eventAttributes.
func TestGoldenEvents(t *testing.T) {
	var b strings.Builder
	for _, dir := range []string{"../wal", "."} {
		events := eventsOf(t, dir)
		slices.SortFunc(events, func(a, b event) int { return strings.Compare(a.message, b.message) })
		for _, e := range events {
			fmt.Fprintln(&b, e)
			for i, key := range e.keys {
				if _, known := eventAttributes[key]; !known || slices.Contains(e.keys[:i], key) {
					t.Errorf("%q: attribute %q is twice there, or on no list: is there another word for it?", e.message, key)
				}
			}
		}
	}
	golden(t, "events.txt", b.String())
}

// recorder is a handler that keeps what is logged.
type recorder struct {
	mu   sync.Mutex
	said []slog.Record
}

func (r *recorder) Enabled(context.Context, slog.Level) bool { return true }
func (r *recorder) WithAttrs([]slog.Attr) slog.Handler       { panic("nobody does") }
func (r *recorder) WithGroup(string) slog.Handler            { panic("nobody does") }
func (r *recorder) Handle(_ context.Context, rec slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, rec.Clone())
	return nil
}

// of is what was said with a message.
func (r *recorder) of(message string) (all []slog.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rec := range r.said {
		if rec.Message == message {
			all = append(all, rec)
		}
	}
	return all
}

// TestEventsAreAsDeclared runs a store through its life. Whatever it logs has the
// level, the attributes and the kinds of values that the lists say.
func TestEventsAreAsDeclared(t *testing.T) {
	heard := &recorder{}
	f := startTier(t, func(o *Options) { o.Logger = slog.New(heard) })
	f.fill(6, 20, 1500)
	f.drain()
	want(t, f.Engine, stream.Appended, appendTo("s1", "text/plain", "more"))
	f.drain()
	if _, err := f.Backup(t.Context(), "kept", nil); err != nil {
		t.Fatal(err)
	}
	f.clock.advance(8 * 24 * time.Hour)
	if f.Now(); !f.scrub() {
		t.Fatal("nothing was due")
	}
	f.restart()
	e, _, _ := openManual(t)
	e.opts.Logger = slog.New(heard)
	for range 2 {
		e.Create(&stream.Create{Path: "a", ContentType: "text/plain", TTL: stream.NoTTL})
		want(t, e, stream.Appended, appendTo("a", "text/plain", "x"))
		if err := e.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Merge(); err != nil {
		t.Fatal(err)
	}
	declared := map[string]event{}
	for _, dir := range []string{"../wal", "."} {
		for _, e := range eventsOf(t, dir) {
			declared[e.message] = e
		}
	}
	for _, message := range []string{"store opened", "bucket claimed", "wal: open", "wal: rotated", "wal: files given up", "flushed", "merged",
		"segment sent", "state published", "segments left the disk", "garbage removed", "objects deleted", "backup made", "segment verified"} {
		if len(heard.of(message)) == 0 {
			t.Errorf("%q was not to be heard", message)
		}
	}
	for _, rec := range heard.said {
		e, ok := declared[rec.Message]
		if !ok {
			if !strings.HasPrefix(rec.Message, "manifest: ") {
				t.Errorf("%q is not declared", rec.Message)
			}
			continue
		}
		if !strings.Contains(e.level, strings.ToLower(rec.Level.String())) {
			t.Errorf("%q has level %v, want %s", rec.Message, rec.Level, e.level)
		}
		var keys []string
		rec.Attrs(func(a slog.Attr) bool {
			keys = append(keys, a.Key)
			if want, got := eventAttributes[a.Key], a.Value.Kind(); got != want {
				t.Errorf("%q: %s is a %v, want a %v", rec.Message, a.Key, got, want)
			}
			return true
		})
		if !slices.Equal(keys, e.keys) {
			t.Errorf("%q has %v, want %v", rec.Message, keys, e.keys)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestMuchWorkIsToldEverybody: what took long or wrote much is no detail.
func TestMuchWorkIsToldEverybody(t *testing.T) {
	heard := &recorder{}
	o := Options{Logger: slog.New(heard)}
	e := newEngine(o.withDefaults())
	for _, c := range []struct {
		bytes int64
		took  time.Duration
		want  slog.Level
	}{
		{reportBytes - 1, reportTime - 1, slog.LevelDebug}, {reportBytes, 0, slog.LevelInfo}, {0, reportTime, slog.LevelInfo},
	} {
		e.report("done", c.bytes, c.took, "segments", 3)
		if last := heard.said[len(heard.said)-1]; last.Level != c.want || last.NumAttrs() != 3 {
			t.Errorf("%d bytes in %v: %v, want %v", c.bytes, c.took, last.Level, c.want)
		}
	}
}
