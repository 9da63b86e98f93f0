package engine

import (
	"container/list"
	"sync"

	"tailrace/internal/remote"
	"tailrace/segment"
)

// blockKey names a block for ever: identities of segments are not used again.
type blockKey struct {
	segment  uint64
	position uint64
}

// blockCache keeps decoded blocks within a budget of bytes. Whoever asks for a
// block that another is loading waits for that one.
//
// A block that was asked for once is dropped before all that were asked for
// again, so that one long replay does not push out what everybody reads.
type blockCache struct {
	mu      sync.Mutex // guards everything below; held for no I/O
	max     int64
	bytes   int64
	entries map[blockKey]*list.Element
	once    *list.List // of *blockEntry, newest first
	again   *list.List
	held    int64 // bytes in again
	loading map[blockKey]*blockLoad

	hits, misses, joined, evicted uint64
}

type blockEntry struct {
	key   blockKey
	block *segment.Block
	size  int64
	again bool
}

type blockLoad struct {
	done  chan struct{}
	near  bool // it asks nothing of the bucket
	block *segment.Block
	err   error
}

// blockEntryCost is what an entry takes beside its block.
const blockEntryCost = 256

func newBlockCache(max int64) *blockCache {
	return &blockCache{
		max: max, entries: make(map[blockKey]*list.Element),
		once: list.New(), again: list.New(), loading: make(map[blockKey]*blockLoad),
	}
}

// get returns the block, and loads it if it is not there. Errors are not kept. Who
// is near does not wait for somebody who may have to wait for the bucket: that is
// remote.ErrNotCached.
func (c *blockCache) get(key blockKey, near bool, load func() (*segment.Block, error)) (*segment.Block, error) {
	c.mu.Lock()
	if at := c.entries[key]; at != nil {
		c.hits++
		block := c.hit(at)
		c.mu.Unlock()
		return block, nil
	}
	if l := c.loading[key]; l != nil {
		c.joined++
		c.mu.Unlock()
		if near && !l.near {
			return nil, remote.ErrNotCached
		}
		<-l.done
		return l.block, l.err
	}
	c.misses++
	l := &blockLoad{done: make(chan struct{}), near: near}
	c.loading[key] = l
	c.mu.Unlock()

	l.block, l.err = load()
	c.mu.Lock()
	delete(c.loading, key)
	if l.err == nil {
		c.add(key, l.block)
	}
	c.mu.Unlock()
	close(l.done)
	return l.block, l.err
}

// hit notes another use.
func (c *blockCache) hit(at *list.Element) *segment.Block {
	e := at.Value.(*blockEntry)
	if e.again {
		c.again.MoveToFront(at)
		return e.block
	}
	c.once.Remove(at)
	e.again = true
	c.entries[e.key] = c.again.PushFront(e)
	// Room for newcomers, or what was popular long ago stays for ever.
	for c.held += e.size; c.held > c.max/4*3; {
		last := c.again.Back()
		old := last.Value.(*blockEntry)
		c.again.Remove(last)
		c.held -= old.size
		old.again = false
		c.entries[old.key] = c.once.PushFront(old)
	}
	return e.block
}

func (c *blockCache) add(key blockKey, block *segment.Block) {
	e := &blockEntry{key: key, block: block, size: int64(block.Bytes()) + blockEntryCost}
	if e.size > c.max {
		return
	}
	c.entries[key] = c.once.PushFront(e)
	for c.bytes += e.size; c.bytes > c.max; {
		from := c.once
		if from.Len() == 0 {
			from = c.again
		}
		c.evicted++
		c.remove(from.Back())
	}
}

func (c *blockCache) remove(at *list.Element) {
	e := at.Value.(*blockEntry)
	if e.again {
		c.again.Remove(at)
		c.held -= e.size
	} else {
		c.once.Remove(at)
	}
	delete(c.entries, e.key)
	c.bytes -= e.size
}

// forget drops what there is of a segment that nobody reads any more.
func (c *blockCache) forget(segment uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, at := range c.entries {
		if key.segment == segment {
			c.remove(at)
		}
	}
}
