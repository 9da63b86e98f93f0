package config

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"
)

// Types of flags, as the help shows them, which say how TOML writes them too.
const (
	typeBool     = "bool"
	typeCount    = "int"
	typeSize     = "bytes"
	typeDuration = "duration"
	typeList     = "list"
)

// sizeValue is a flag that takes bytes, as a number or like 64MiB.
type sizeValue int64

func (s *sizeValue) Set(text string) error {
	n, err := parseSize(text)
	if err != nil {
		return err
	}
	*s = sizeValue(n)
	return nil
}

func (s *sizeValue) String() string { return formatSize(int64(*s)) }
func (s *sizeValue) Type() string   { return typeSize }

// SizeFlag is the value of a flag of another command that takes bytes as the settings
// do.
func SizeFlag(p *int64, value int64) pflag.Value {
	*p = value
	return (*sizeValue)(p)
}

func parseSize(text string) (int64, error) {
	n, err := humanize.ParseBytes(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a size like 64MiB", text)
	}
	if n > math.MaxInt64/2 {
		return 0, fmt.Errorf("%s is too large", text)
	}
	return int64(n), nil
}

// formatSize writes a size so that it can be read back exactly.
func formatSize(n int64) string {
	for _, unit := range []struct {
		shift uint
		name  string
	}{{40, "TiB"}, {30, "GiB"}, {20, "MiB"}, {10, "KiB"}} {
		if n != 0 && n%(1<<unit.shift) == 0 {
			return strconv.FormatInt(n>>unit.shift, 10) + unit.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// modeValue is a flag that takes the permissions of a file, in octal.
type modeValue fs.FileMode

func (m *modeValue) Set(text string) error {
	n, err := strconv.ParseUint(text, 8, 32)
	if err != nil || n > 0o777 {
		return fmt.Errorf("%q is not a mode like 0660", text)
	}
	*m = modeValue(n)
	return nil
}

func (m *modeValue) String() string { return fmt.Sprintf("%04o", uint32(*m)) }
func (m *modeValue) Type() string   { return "mode" }

// listValue is a flag that takes texts with commas between them. Given again, it
// begins anew: a source replaces what another one said.
type listValue []string

func (l *listValue) Set(text string) error {
	*l = nil
	if text == "" {
		return nil
	}
	for part := range strings.SplitSeq(text, ",") {
		*l = append(*l, strings.TrimSpace(part))
	}
	return nil
}

func (l *listValue) String() string { return strings.Join(*l, ",") }
func (l *listValue) Type() string   { return typeList }

// set keeps the value that was there if text is none. Types of pflag forget it,
// and a second error would be about a value that nobody gave.
func (s *Setting) set(text string) error {
	before := s.Value()
	err := s.flag.Value.Set(text)
	if err != nil {
		s.flag.Value.Set(before)
	}
	return err
}

// setFromFile sets what TOML has decoded. Its type has to be that of the
// setting: "5" is no number, and 5 no time.
func (s *Setting) setFromFile(v any) error {
	text, isText := v.(string)
	switch s.flag.Value.Type() {
	case typeBool:
		b, ok := v.(bool)
		if !ok {
			return fmt.Errorf("%s where true or false has to be", kindOf(v))
		}
		text = strconv.FormatBool(b)
	case typeCount:
		n, ok := v.(int64)
		if !ok {
			return fmt.Errorf("%s where a number has to be", kindOf(v))
		}
		text = strconv.FormatInt(n, 10)
	case typeSize:
		n, err := sizeOf(v)
		if err != nil {
			return err
		}
		text = strconv.FormatInt(n, 10)
	case typeList:
		texts, err := textsOf(v)
		if err != nil {
			return err
		}
		*s.flag.Value.(*listValue) = texts
		return nil
	case typeDuration:
		if !isText {
			return fmt.Errorf(`%s where a time like "5m" has to be`, kindOf(v))
		}
	default:
		if !isText {
			return fmt.Errorf("%s where a text has to be", kindOf(v))
		}
	}
	return s.set(text)
}

// inFile is the value as setFromFile takes it.
func (s *Setting) inFile() any {
	switch v := s.flag.Value; v.Type() {
	case typeBool:
		return v.String() == "true"
	case typeCount:
		n, _ := strconv.Atoi(v.String())
		return n
	case typeSize:
		return sizeInFile(int64(*v.(*sizeValue)))
	case typeList:
		return append([]string{}, *v.(*listValue)...)
	default:
		return v.String()
	}
}

func sizeInFile(n int64) any {
	if text := formatSize(n); text != strconv.FormatInt(n, 10) {
		return text
	}
	return n
}

func sizeOf(v any) (int64, error) {
	switch v := v.(type) {
	case string:
		return parseSize(v)
	case int64:
		if v < 0 {
			return 0, errors.New("must not be negative")
		}
		return v, nil
	}
	return 0, fmt.Errorf(`%s where a size has to be: a number, or a text like "64MiB"`, kindOf(v))
}

func textsOf(v any) ([]string, error) {
	all, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("%s where a list of texts has to be", kindOf(v))
	}
	texts := make([]string, len(all))
	for i, each := range all {
		if texts[i], ok = each.(string); !ok {
			return nil, fmt.Errorf("%s in a list of texts", kindOf(each))
		}
	}
	return texts, nil
}

// kindOf says what TOML has there.
func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "a text"
	case int64:
		return "a whole number"
	case float64:
		return "a number with a fraction"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	case []map[string]any:
		return "a list of tables"
	}
	return "a date"
}
