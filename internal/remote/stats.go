package remote

// Stats is what a cache did since it was opened, and what it holds.
type Stats struct {
	Hits      int64 // reads that waited for no request
	Misses    int64 // reads that did, those that gave up included
	HitBytes  int64 // that readers got from cells, or from memory on the way there
	MissBytes int64 // that readers waited for

	Requests     int64 // to the source
	FetchedBytes int64 // that requests brought

	Damaged    int64 // cells that did not verify, at the start or when they were read
	DiskErrors int64 // failed reads and writes of the disk

	Cells    int64 // held on the disk
	Bytes    int64 // in them
	Waiting  int64 // reads that wait now
	UnderWay int64 // requests under way now
}

// Stats counts.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Cells, s.Bytes = int64(c.slots.cells), c.slots.bytes
	s.Waiting, s.UnderWay = int64(c.blocked), int64(len(c.tokens))
	return s
}
