package main

import (
	"crypto/sha256"
	"errors"
	"time"

	"tailrace/internal/project"
)

// tokenClaims are what a token is to say.
type tokenClaims struct {
	project        string
	scopes         []string
	stream, prefix string
	expires        time.Time
	issued         time.Time
}

var errNoAuth = errors.New("this build cannot make credentials")

// newToken signs a token, and newAPIKey makes an API key. Both are of internal/auth.
var (
	newToken  = func(project.Secret, tokenClaims) (string, error) { return "", errNoAuth }
	newAPIKey = func() (key string, sum [sha256.Size]byte, err error) { return "", sum, errNoAuth }
)
