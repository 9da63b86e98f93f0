package auth

import (
	"fmt"
	"strings"
)

// Scope is a kind of operation, or a set of them.
type Scope uint8

// Manage is about streams as a whole and the project: listing, inspecting and
// deleting by prefix. It implies neither Read nor Append, so that who keeps house
// need not see what is in it.
const (
	Read Scope = 1 << iota
	Append
	Manage
)

// scopeWords are how scopes are written in tokens and in the configuration.
var scopeWords = []struct {
	word  string
	scope Scope
}{
	{"read", Read},
	{"append", Append},
	{"manage", Manage},
	// Older issuers of tokens know two words, of which write implies read.
	{"write", Read | Append},
}

// scopeOf is the scope behind a word, or 0. Words are compared by bytes.
func scopeOf(word string) Scope {
	for _, w := range scopeWords {
		if w.word == word {
			return w.scope
		}
	}
	return 0
}

// ParseScopes is the set that words name. A word that is not known is an error
// here, unlike in a token: in a configuration it is a mistake.
func ParseScopes(words []string) (Scope, error) {
	var set Scope
	for _, word := range words {
		s := scopeOf(word)
		if s == 0 {
			return 0, fmt.Errorf("auth: scope %q is none of read, append, manage, write", word)
		}
		set |= s
	}
	if set == 0 {
		return 0, fmt.Errorf("auth: no scope is given")
	}
	return set, nil
}

// Has reports whether all of want are in the set.
func (s Scope) Has(want Scope) bool { return want != 0 && s&want == want }

// String is the words of the set, in the order of the constants, as in a token.
func (s Scope) String() string {
	var words []string
	for _, w := range scopeWords[:3] {
		if s.Has(w.scope) {
			words = append(words, w.word)
		}
	}
	return strings.Join(words, " ")
}
