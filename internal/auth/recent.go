package auth

import (
	"hash/maphash"
	"sync/atomic"
	"time"
)

// recent are tokens and keys of one keyring that were accepted lately, as they came: finding
// one again costs a tenth of hashing it, and most requests come with a token that
// was there a moment ago. It is in front of the cache, and has much less.
//
// The hash is keyed, so that nobody can tell by the time it takes how much of a
// guess is right: tokens are compared only if their hashes are equal.
type recent struct {
	seed  maphash.Seed
	slots [recentSlots]atomic.Pointer[accepted]
}

// accepted is a token with what it grants.
type accepted struct {
	hash  uint64
	token string
	sum   sum // in the cache; of an API key none
	grant *Grant
}

const (
	recentSlots    = 256     // a power of two; more is memory, less makes tokens drive each other out
	recentBytesMax = 1 << 10 // of a token: memory is at most as much for each slot
)

func newRecent() *recent { return &recent{seed: maphash.MakeSeed()} }

// get is the grant of a token for a project, or nil if the token has to be looked
// for elsewhere. The hash is for add.
func (r *recent) get(token []byte, project string, now func() time.Time) (*Grant, uint64) {
	if len(token) > recentBytesMax {
		return nil, 0
	}
	hash := maphash.Bytes(r.seed, token)
	a := r.slots[hash%recentSlots].Load()
	if a == nil || a.hash != hash || a.token != string(token) || a.grant.Project != project {
		return nil, hash
	}
	if ends := a.grant.Expires; !ends.IsZero() && !now().Before(ends) {
		return nil, hash
	}
	return a.grant, hash
}

// add remembers a token, in place of the one that is returned, if there was one.
func (r *recent) add(token []byte, hash uint64, of sum, grant *Grant) (displaced *accepted) {
	if len(token) > recentBytesMax {
		return nil
	}
	return r.slots[hash%recentSlots].Swap(&accepted{hash, string(token), of, grant})
}
