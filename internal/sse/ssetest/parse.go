package ssetest

import "bytes"

// Parse returns all events of a whole stream.
func Parse(stream []byte) []Event {
	var events []Event
	r := NewReader(bytes.NewReader(stream))
	for {
		e, err := r.Next()
		if err != nil {
			return events
		}
		events = append(events, e)
	}
}

// ParseFields returns every line of a whole stream in order, also those that a
// client ignores: comments and unknown names. Tests use it to see that nothing
// was smuggled in.
func ParseFields(stream []byte) []Field {
	var fields []Field
	r := NewReader(bytes.NewReader(stream))
	for {
		line, err := r.readLine()
		if err != nil {
			return fields
		}
		fields = append(fields, parseField(line))
	}
}
