package main

import (
	"crypto/sha256"
	"time"

	"tailrace/internal/auth"
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

// newToken signs a token, and newAPIKey makes an API key.
var (
	newToken = func(secret project.Secret, c tokenClaims) (string, error) {
		scopes, err := auth.ParseScopes(c.scopes)
		if err != nil {
			return "", err
		}
		return auth.NewToken(secret, auth.Claims{
			Project: c.project, Scopes: scopes, Stream: c.stream, Prefix: c.prefix, Expires: c.expires, IssuedAt: c.issued,
		})
	}
	newAPIKey = func() (key string, sum [sha256.Size]byte, err error) {
		key, sum = auth.NewAPIKey(nil)
		return key, sum, nil
	}
)
