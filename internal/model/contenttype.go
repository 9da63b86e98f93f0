package model

import (
	"slices"
	"strings"
)

// contentType is a content type in the form in which two are compared.
type contentType struct {
	media  string   // lower case
	params []string // name=value, sorted, without charset=utf-8
}

// sameContentType reports whether a and b mean the same. An absent one means
// nothing, and so differs from all that are there.
func sameContentType(a, b string) bool {
	x, y := parseContentType(a), parseContentType(b)
	return x.media == y.media && slices.Equal(x.params, y.params)
}

func parseContentType(text string) contentType {
	parts := splitParams(text)
	t := contentType{media: strings.ToLower(strings.TrimSpace(parts[0]))}
	for _, part := range parts[1:] {
		name, value, _ := strings.Cut(part, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		value = unquote(strings.TrimSpace(value))
		// UTF-8 is what everybody means who does not say it.
		if name == "" || name == "charset" && strings.EqualFold(value, "utf-8") {
			continue
		}
		t.params = append(t.params, name+"="+value)
	}
	slices.Sort(t.params)
	return t
}

// splitParams splits at every semicolon that is not inside quotes.
func splitParams(text string) []string {
	var parts []string
	start, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++ // whatever follows stands for itself
		case c == '"':
			quoted = !quoted
		case c == ';' && !quoted:
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	return append(parts, text[start:])
}

// unquote returns what a quoted value stands for: a value may come with quotes
// or without and is the same.
func unquote(value string) string {
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return value
	}
	var plain strings.Builder
	inner := value[1 : len(value)-1]
	for i := 0; i < len(inner); i++ {
		if inner[i] == '\\' && i+1 < len(inner) {
			i++
		}
		plain.WriteByte(inner[i])
	}
	return plain.String()
}
