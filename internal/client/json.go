package client

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// AppendLines appends the values of a JSON array to dst, each on a line of its
// own. Numbers, escapes and the order of keys stay as they are; space between
// them does not, as it could have line ends.
func AppendLines(dst, array []byte) ([]byte, error) {
	in := json.NewDecoder(bytes.NewReader(array))
	if t, err := in.Token(); err != nil || t != json.Delim('[') {
		return dst, fmt.Errorf("a JSON stream answers with %.40q, which is no array", array)
	}
	out := bytes.NewBuffer(dst)
	var value json.RawMessage
	for in.More() {
		if err := in.Decode(&value); err != nil {
			return dst, fmt.Errorf("a JSON stream answers with something else: %w", err)
		}
		if err := json.Compact(out, value); err != nil {
			return dst, err
		}
		out.WriteByte('\n')
	}
	if _, err := in.Token(); err != nil {
		return dst, fmt.Errorf("a JSON stream answers with something else: %w", err)
	}
	return out.Bytes(), nil
}
