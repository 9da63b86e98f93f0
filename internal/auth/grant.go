package auth

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tailrace/internal/project"
)

// Grant is what a credential allows. It is shared by all requests that come with
// the same credential: nobody changes it.
type Grant struct {
	Project string
	Scopes  Scope
	Stream  string    // the only stream it is for, by its whole name; "" = any of the project
	Prefix  string    // of the whole names it is for, compared by bytes; "" = any of the project
	Expires time.Time // the first moment at which it is void; zero = never
	Subject string    // for the log: the token's sub, or else the id of the key; printable, at most 128 bytes

	// keys are those that the project had when the credential was verified.
	// Grants without them were not made by a Guard.
	keys *keys
}

// subjectBytesMax bounds what a token puts into each line of the log.
const subjectBytesMax = 128

// Allows reports whether the grant is for scope on the stream of that whole name.
// It does not look at the clock.
//
// A prefix is compared by bytes and need not end a segment: "acme/chat" is for
// "acme/chat/1" and for "acme/chats", "acme/chat/" for the first only.
func (g *Grant) Allows(scope Scope, stream string) bool {
	switch {
	case !g.Scopes.Has(scope) || project.Of(stream) != g.Project:
		return false
	case g.Stream != "":
		return stream == g.Stream
	default:
		return strings.HasPrefix(stream, g.Prefix)
	}
}

// Covers reports whether the grant is for scope on every stream whose whole name
// begins with prefix. All streams of a project have the prefix "acme/", if one
// that is named like the project alone is left out.
func (g *Grant) Covers(scope Scope, prefix string) bool {
	name, _, whole := strings.Cut(prefix, "/")
	return whole && name == g.Project && g.Scopes.Has(scope) && g.Stream == "" && strings.HasPrefix(prefix, g.Prefix)
}

// bound checks what a credential is limited to. Nothing may point outside of the
// project that vouches for it.
func bound(of, stream, prefix string) error {
	switch {
	case !utf8.ValidString(stream) || !utf8.ValidString(prefix):
		return errors.New("a stream or prefix is not UTF-8, as all names are")
	case stream != "" && prefix != "":
		return errors.New("a stream and a prefix exclude each other")
	case stream != "" && project.Of(stream) != of:
		return fmt.Errorf("stream %q is not in the project %q", stream, of)
	case prefix != "" && project.Of(prefix) != of:
		return fmt.Errorf("prefix %q is not in the project %q", prefix, of)
	}
	return nil
}

// printable is s fit for a line of a log: what does not print, among it what turns
// the direction of text around, is a question mark.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = '?'
		}
		if b.Len()+utf8.RuneLen(r) > subjectBytesMax {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}
