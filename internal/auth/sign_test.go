package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
)

// The tests sign by hand: a token of the library's own making is never wrong in the
// ways that matter.

func hmac256(key, input []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(input)
	return h.Sum(nil)
}

func hmac512(key, input []byte) []byte {
	h := hmac.New(sha512.New, key)
	h.Write(input)
	return h.Sum(nil)
}

func sha(input []byte) []byte {
	s := sha256.Sum256(input)
	return s[:]
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
