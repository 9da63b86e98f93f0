package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// faults collects what is wrong with a file.
type faults struct {
	file string
	all  []*fault
}

func (f *faults) add(line int, format string, args ...any) {
	f.all = append(f.all, &fault{f.file, line, fmt.Errorf(format, args...)})
}

// errors are in the order of the lines.
func (f *faults) errors() []error {
	slices.SortStableFunc(f.all, func(a, b *fault) int { return cmp.Compare(a.line, b.line) })
	errs := make([]error, len(f.all))
	for i, each := range f.all {
		errs[i] = each
	}
	return errs
}

// fault is one of them, with its place.
type fault struct {
	file string
	line int
	err  error
}

func (f *fault) Error() string { return fmt.Sprintf("%s:%d: %v", f.file, f.line, f.err) }
func (f *fault) Unwrap() error { return f.err }

// table is a table of the file. What is taken of it is checked, and what is left
// in the end is unknown.
type table struct {
	name   string // with a dot at its end; "" = the whole file
	values map[string]any
	lines  map[string]int // by the whole name of a key; one that is missing has the line of the table
	line   int
	taken  map[string]bool
	faults *faults
}

// parseTOML reads a file. Values are a string, int64, float64, bool, time.Time,
// []any, map[string]any or []map[string]any.
func parseTOML(text string, f *faults) (*table, bool) {
	var top map[string]toml.Primitive
	meta, err := toml.Decode(text, &top)
	if err != nil {
		if at := (toml.ParseError{}); errors.As(err, &at) {
			f.add(at.Position.Line, "%s", withoutText(at.Message))
		} else {
			f.add(1, "%w", err)
		}
		return nil, false
	}
	t := &table{values: make(map[string]any), lines: make(map[string]int), line: 1, taken: make(map[string]bool), faults: f}
	for key, p := range top {
		t.values[key] = locate(&meta, key, p, t.lines)
	}
	return t, true
}

// quotedText is what an error of the decoder repeats of a file.
var quotedText = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'[^']*'`)

// quotedMax is a character and its quotes, or three quotes and theirs.
const quotedMax = 5

// withoutText takes out of an error of the decoder what it repeats of the file: a
// secret that lacks its quotes is a mistake that people make. What is short is what
// was expected, or a character, and names of keys are no secrets.
func withoutText(message string) string {
	if strings.HasPrefix(message, "Key ") {
		return message
	}
	return quotedText.ReplaceAllStringFunc(message, func(quoted string) string {
		if len(quoted) <= quotedMax {
			return quoted
		}
		return "some text"
	})
}

// locate decodes a value, and notes the lines of the keys in it. The decoder says
// them in errors only, so it is given something to err about.
func locate(meta *toml.MetaData, name string, p toml.Primitive, lines map[string]int) any {
	if at := (toml.ParseError{}); errors.As(meta.PrimitiveDecode(p, new(nothing)), &at) && at.Position.Line > 0 {
		lines[name] = at.Position.Line
	}
	var v any
	if err := meta.PrimitiveDecode(p, &v); err != nil {
		return nil
	}
	if _, ok := v.(map[string]any); ok {
		var inner map[string]toml.Primitive
		if err := meta.PrimitiveDecode(p, &inner); err == nil {
			for key, p := range inner {
				locate(meta, name+"."+key, p, lines)
			}
		}
	}
	return v
}

// nothing refuses to be decoded.
type nothing struct{}

func (*nothing) UnmarshalTOML(any) error { return errors.New("not decoded") }

func (t *table) at(key string) int {
	if line, ok := t.lines[t.name+key]; ok {
		return line
	}
	return t.line
}

// bad says what is wrong with the value of a key. It does not say the value: it
// may be a secret.
func (t *table) bad(key, format string, args ...any) {
	t.faults.add(t.at(key), "%s%s: %w", t.name, key, fmt.Errorf(format, args...))
}

func (t *table) take(key string) (any, bool) {
	v, ok := t.values[key]
	t.taken[key] = true
	return v, ok
}

func (t *table) text(key string) string {
	v, ok := t.take(key)
	if !ok {
		return ""
	}
	text, isText := v.(string)
	if !isText {
		t.bad(key, "%s where a text has to be", kindOf(v))
	}
	return text
}

func (t *table) texts(key string) []string {
	v, ok := t.take(key)
	if !ok {
		return nil
	}
	all, err := textsOf(v)
	if err != nil {
		t.bad(key, "%w", err)
	}
	return all
}

func (t *table) size(key string) int64 {
	v, ok := t.take(key)
	if !ok {
		return 0
	}
	n, err := sizeOf(v)
	if err != nil {
		t.bad(key, "%w", err)
	}
	return n
}

func (t *table) count(key string) int {
	v, ok := t.take(key)
	if !ok {
		return 0
	}
	switch n, isNumber := v.(int64); {
	case !isNumber:
		t.bad(key, "%s where a number has to be", kindOf(v))
	case n < 0 || n > math.MaxInt32:
		t.bad(key, "%d is no number from 0 to %d", n, math.MaxInt32)
	default:
		return int(n)
	}
	return 0
}

// table is a table in the table; an empty one if there is none.
func (t *table) table(key string) *table {
	inner := &table{name: t.name + key + ".", lines: t.lines, line: t.at(key), taken: make(map[string]bool), faults: t.faults}
	v, ok := t.take(key)
	if !ok {
		return inner
	}
	if inner.values, ok = v.(map[string]any); !ok {
		t.bad(key, "%s where a table has to be", kindOf(v))
	}
	return inner
}

// tables is a list of tables. Those in it have the line where the list begins,
// and a number in their names.
func (t *table) tables(key string) []*table {
	v, ok := t.take(key)
	if !ok {
		return nil
	}
	var all []*table
	add := func(values map[string]any) {
		all = append(all, &table{name: fmt.Sprintf("%s%s[%d].", t.name, key, len(all)), values: values, line: t.at(key), taken: make(map[string]bool), faults: t.faults})
	}
	switch list := v.(type) {
	case []map[string]any:
		for _, values := range list {
			add(values)
		}
		return all
	case []any:
		for _, each := range list {
			values, isTable := each.(map[string]any)
			if !isTable {
				t.bad(key, "%s where a table like {id = \"...\"} has to be", kindOf(each))
				return nil
			}
			add(values)
		}
		return all
	}
	t.bad(key, "%s where a list of tables has to be", kindOf(v))
	return nil
}

// keys are the names of what is in the table, in order.
func (t *table) keys() []string { return slices.Sorted(maps.Keys(t.values)) }

// done says of every key that nobody took that it is unknown.
func (t *table) done() {
	for _, key := range t.keys() {
		if !t.taken[key] {
			t.bad(key, "unknown key")
		}
	}
}
