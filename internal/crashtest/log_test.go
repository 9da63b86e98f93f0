package crashtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
)

// serverLog takes what a process writes to standard error. A line of JSON is a
// record of its log.
type serverLog struct {
	serving chan struct{} // closed when the server says that it serves

	mu      sync.Mutex
	partial []byte
	lines   []string
	records []map[string]any
}

func newServerLog() *serverLog { return &serverLog{serving: make(chan struct{})} }

// Write takes the next bytes, cut anywhere.
func (l *serverLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partial = append(l.partial, p...)
	for {
		line, rest, whole := bytes.Cut(l.partial, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		l.lines = append(l.lines, string(line))
		var record map[string]any
		if json.Unmarshal(line, &record) == nil {
			l.records = append(l.records, record)
			if record["msg"] == "serving" {
				close(l.serving)
			}
		}
		l.partial = rest
	}
}

// String is everything that was written.
func (l *serverLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(append(l.lines[:len(l.lines):len(l.lines)], string(l.partial)), "\n")
}

// value is a field of the record with a message, as text; empty without it.
func (l *serverLog) value(message, field string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, record := range l.records {
		if v, ok := record[field]; ok && record["msg"] == message {
			return fmt.Sprint(v)
		}
	}
	return ""
}

// trouble returns the lines that a server in health never writes: errors,
// panics, races.
func (l *serverLog) trouble() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []string
	for _, record := range l.records {
		if record["level"] == "ERROR" {
			lines = append(lines, fmt.Sprint(record))
		}
	}
	for _, line := range l.lines {
		if strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") || strings.Contains(line, "DATA RACE") {
			lines = append(lines, line)
		}
	}
	return lines
}
