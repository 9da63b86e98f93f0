package model

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// entry is one append as stored.
type entry struct {
	body     []byte            // what reads return
	messages []json.RawMessage // JSON mode only: what body is made of
	end      int64             // set when a stream takes the entry
	at       int64             // unix milliseconds when it came
}

// jsonEntry puts one comma after every message.
func jsonEntry(messages []json.RawMessage) entry {
	e := entry{messages: messages}
	for _, message := range messages {
		e.body = append(e.body, message...)
		e.body = append(e.body, ',')
	}
	return e
}

// store returns what the stream keeps of a body that is not empty, with OK;
// or InvalidJSON or EmptyArray.
func (s *stream) store(body []byte) (entry, Code) {
	if !s.json() {
		return entry{body: bytes.Clone(body)}, OK
	}
	// encoding/json takes bytes that are not UTF-8 and replaces them.
	if !utf8.Valid(body) || !json.Valid(body) {
		return entry{}, InvalidJSON
	}
	text := bytes.Clone(bytes.Trim(body, " \t\r\n"))
	if text[0] != '[' {
		return jsonEntry([]json.RawMessage{text}), OK
	}
	// One level of the array goes. A RawMessage keeps its element as it came,
	// without the whitespace around it.
	var messages []json.RawMessage
	if err := json.Unmarshal(text, &messages); err != nil {
		panic("model: unmarshal valid array: " + err.Error())
	}
	if len(messages) == 0 {
		return entry{}, EmptyArray
	}
	return jsonEntry(messages), OK
}

// prefix returns the first n bytes, or in JSON mode messages, of the append
// after offset. It is false if there are not so many. After the tail there is
// nothing to count in, which also covers a sub-offset without an offset.
func (s *stream) prefix(offset int64, n uint64) (entry, bool) {
	for _, e := range s.entries() {
		switch {
		case e.end <= offset:
			continue
		case s.json() && n <= uint64(len(e.messages)):
			return jsonEntry(e.messages[:n]), true
		case !s.json() && n <= uint64(len(e.body)):
			return entry{body: bytes.Clone(e.body[:n])}, true
		}
		return entry{}, false
	}
	return entry{}, false
}
