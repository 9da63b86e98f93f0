package stream

import (
	"maps"
	"mime"
	"strings"
)

// DefaultContentType is what a stream gets that was created without one
// (section 5.1).
const DefaultContentType = "application/octet-stream"

// ValidContentType reports whether s is a media type with well-formed
// parameters.
func ValidContentType(s string) bool {
	t, _, err := mime.ParseMediaType(s)
	return err == nil && strings.Contains(t, "/")
}

// SameContentType reports whether two content types name the same kind of
// content: type and subtype without regard to case, a charset of UTF-8 set
// aside because it is what is assumed anyway, and every other parameter
// compared, in any order.
func SameContentType(a, b string) bool {
	if a == b {
		return true
	}
	typeA, paramsA := typeAndParams(a)
	typeB, paramsB := typeAndParams(b)
	return typeA == typeB && maps.Equal(paramsA, paramsB)
}

// IsJSON reports whether a stream of this content type is in JSON mode
// (section 9.1).
func IsJSON(contentType string) bool {
	if contentType == "application/json" {
		return true
	}
	// Most of the others need no parser to tell.
	return strings.ContainsAny(contentType, "jJ") && mediaType(contentType) == "application/json"
}

// IsText reports whether events of this content type carry text as it is
// (section 5.8).
func IsText(contentType string) bool {
	return strings.HasPrefix(mediaType(contentType), "text/")
}

func mediaType(s string) string {
	s, _, _ = strings.Cut(s, ";")
	return strings.ToLower(strings.TrimSpace(s))
}

// typeAndParams splits a content type into what SameContentType compares. One
// that is not well formed is all type, and so the same only as itself.
func typeAndParams(s string) (string, map[string]string) {
	if !strings.Contains(s, ";") {
		return mediaType(s), nil
	}
	t, params, err := mime.ParseMediaType(s)
	if err != nil {
		return strings.ToLower(strings.TrimSpace(s)), nil
	}
	if strings.EqualFold(params["charset"], "utf-8") {
		delete(params, "charset")
	}
	return t, params
}
