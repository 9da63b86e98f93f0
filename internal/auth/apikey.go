package auth

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// An API key is apiKeyPrefix and the base32 of:
//
//	offset  size  field
//	0       32    random
//	32      4     CRC-32 (IEEE) of them, big-endian
//
// The prefix and the checksum are for scanners that look for leaked secrets: they
// know one when they see it.
const (
	apiKeyPrefix = "trk_"
	apiKeyRandom = 32
	apiKeyBytes  = apiKeyRandom + 4
)

var (
	apiKeyText    = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
	apiKeySize    = len(apiKeyPrefix) + apiKeyText.EncodedLen(apiKeyBytes)
	apiKeyPattern = []byte(apiKeyPrefix)
)

// NewAPIKey makes a key, and its SHA-256, which is what a project lists. The key
// itself is kept by nobody but its user. A nil source is that of the system; one
// that fails is a panic.
func NewAPIKey(source io.Reader) (key string, sum [sha256.Size]byte) {
	if source == nil {
		source = rand.Reader
	}
	var raw [apiKeyBytes]byte
	if _, err := io.ReadFull(source, raw[:apiKeyRandom]); err != nil {
		panic(fmt.Errorf("auth: random bytes for a key: %w", err))
	}
	binary.BigEndian.PutUint32(raw[apiKeyRandom:], crc32.ChecksumIEEE(raw[:apiKeyRandom]))
	key = apiKeyPrefix + apiKeyText.EncodeToString(raw[:])
	return key, sha256.Sum256([]byte(key))
}

// ParseAPIKey is the SHA-256 of a key, if it has the form of one.
func ParseAPIKey(key []byte) (sum [sha256.Size]byte, ok bool) {
	if len(key) != apiKeySize || !bytes.HasPrefix(key, apiKeyPattern) {
		return sum, false
	}
	var raw [apiKeyBytes]byte
	n, err := apiKeyText.Decode(raw[:], key[len(apiKeyPrefix):])
	if err != nil || n != apiKeyBytes || binary.BigEndian.Uint32(raw[apiKeyRandom:]) != crc32.ChecksumIEEE(raw[:apiKeyRandom]) {
		return sum, false
	}
	return sha256.Sum256(key), true
}

// find looks an API key up. The time depends on bits of its hash, which nobody can
// choose, so it says nothing about the keys that there are.
func (k *Keyring) find(sum [sha256.Size]byte, project string) *Grant {
	var table map[[sha256.Size]byte]*Grant
	if own := k.projects[project]; own != nil {
		table = own.api
	}
	return table[sum]
}
