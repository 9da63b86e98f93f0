package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// printMembers prints the members of a JSON object one a line, in their order.
// What is in lists and objects stays JSON.
func printMembers(w io.Writer, object []byte) error {
	in := json.NewDecoder(bytes.NewReader(object))
	if t, err := in.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("the answer is no object: %.60q", object)
	}
	for in.More() {
		name, err := in.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := in.Decode(&value); err != nil {
			return err
		}
		var text string
		if json.Unmarshal(value, &text) != nil {
			var b bytes.Buffer
			if err := json.Compact(&b, value); err != nil {
				return err
			}
			text = b.String()
		}
		if _, err := fmt.Fprintf(w, "%-24s %s\n", strings.ReplaceAll(fmt.Sprint(name), "_", " "), text); err != nil {
			return err
		}
	}
	return nil
}
