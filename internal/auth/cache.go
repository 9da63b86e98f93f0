package auth

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// sum is the SHA-256 of a credential. The cache holds no credentials, so what
// leaks of it is of no use; those that came last are in recent.
type sum = [sha256.Size]byte

// kind keeps credentials for headers and those for URLs apart.
type kind uint8

const (
	kindBearer kind = iota
	kindURL
)

// entry is a verified credential.
type entry struct {
	kind  kind
	grant *Grant
}

// The cache is split so that event loops seldom meet at a lock. A shard is not made
// smaller than this for it.
const (
	cacheShards       = 16 // a power of two
	shardEntriesMin   = 64
	shardBytesMin     = 64 << 10
	entryBytes        = 384 // a grant without its texts, a node of the list, a share of the map; measured by a test
	cacheEntriesUsual = 1 << 16
	cacheBytesUsual   = 32 << 20
)

// cache holds verified credentials, the recently used ones, of one keyring: with
// another keyring comes another cache. What was verified with the old keys while
// the new ones came ends up in the old cache, which nobody asks any more.
type cache struct {
	shards []shard
	mask   byte
}

// shard is the part of the cache for some credentials.
type shard struct {
	mu    sync.Mutex
	lru   *simplelru.LRU[sum, entry]
	bytes int64 // that the entries take; at most bytesMax
	max   int64

	_ [64]byte // the next shard's lock is on another cache line
}

func newCache(entries int, bytes int64) *cache {
	n := cacheShards
	for n > 1 && (entries/n < shardEntriesMin || bytes/int64(n) < shardBytesMin) {
		n /= 2
	}
	c := &cache{shards: make([]shard, n), mask: byte(n - 1)}
	for i := range c.shards {
		s := &c.shards[i]
		s.max = bytes / int64(n)
		lru, err := simplelru.NewLRU(max(entries/n, 1), func(_ sum, e entry) { s.bytes -= e.size() })
		if err != nil {
			panic(err) // the size is positive
		}
		s.lru = lru
	}
	return c
}

// size is about what an entry occupies.
func (e entry) size() int64 {
	return entryBytes + int64(len(e.grant.Stream)+len(e.grant.Prefix)+len(e.grant.Subject))
}

func (c *cache) shard(of *sum) *shard { return &c.shards[of[0]&c.mask] }

// get is the grant of a credential that was verified, for this kind of use and for
// the project, and if it is one for URLs for the stream. It reports if that has
// expired, and forgets it.
func (c *cache) get(of *sum, k kind, project, stream string, now time.Time) (grant *Grant, expired bool) {
	s := c.shard(of)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.lru.Get(*of)
	if !ok || e.kind != k || e.grant.Project != project || k == kindURL && e.grant.Stream != stream {
		return nil, false
	}
	if now.Before(e.grant.Expires) {
		return e.grant, false
	}
	s.lru.Remove(*of)
	return nil, true
}

// add takes a grant with an expiry.
func (c *cache) add(of *sum, k kind, grant *Grant) {
	e := entry{k, grant}
	s := c.shard(of)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.size() > s.max {
		return
	}
	s.lru.Remove(*of) // two requests may have verified it at the same time
	s.bytes += e.size()
	s.lru.Add(*of, e)
	for s.bytes > s.max {
		s.lru.RemoveOldest()
	}
}

// use is how many entries there are, and what they occupy.
func (c *cache) use() (entries int, bytes int64) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		entries += s.lru.Len()
		bytes += s.bytes
		s.mu.Unlock()
	}
	return entries, bytes
}
