package engine

import (
	"strings"

	"tailrace/internal/stream"
)

// Bounds of a page of a list.
const (
	listLimit    = 100
	listLimitMax = 1000

	// listHoldStreams is how many streams are looked at without letting go of the
	// engine's mutex: how long writes wait for it. listHolds is how often that is
	// done for one page: how long who asks waits where little is to be listed.
	listHoldStreams = 2048
	listHolds       = 16
)

// ListRequest asks for streams in the order of their identities, which is that of
// their creation.
type ListRequest struct {
	Project string    // "" = of all
	Prefix  string    // of their paths, the project included
	After   stream.ID // ListPage.Next of the page before; 0 = from the first
	Limit   int       // streams on the page, at most 1000; default 100
}

// ListPage is a part of a list. It may be short, or empty, and not be the last.
type ListPage struct {
	Streams []Listed
	Next    stream.ID // where the next page goes on
	Done    bool      // there is no next page
}

// Listed is a stream on a list.
type Listed struct {
	Path string
	Info
	Gone        bool // deleted or expired, and kept for its forks
	Forks       int
	StoredBytes int64 // as ProjectLimits counts
}

// List returns streams, those that are kept for their forks included. It shows
// what is staged, so the page may be told when its ticket is ready. Pages that
// follow each other show every stream that is there all the time once. One past
// its deadline may be shown until the next sweep.
func (e *Engine) List(r ListRequest) (ListPage, Ticket) {
	if r.Limit <= 0 {
		r.Limit = listLimit
	}
	r.Limit = min(r.Limit, listLimitMax)
	page, t := ListPage{Next: r.After}, Ticket{Outcome: stream.Outcome{Code: stream.OK}}
	for range listHolds {
		e.mu.Lock()
		e.listMore(&r, &page)
		t.batch = e.batch(e.newest())
		e.mu.Unlock()
		if page.Done || len(page.Streams) >= r.Limit {
			break
		}
	}
	return page, t
}

// listMore goes on with a page for a while. Engine.mu is held.
func (e *Engine) listMore(r *ListRequest, page *ListPage) {
	if own := e.accounts.byName[r.Project]; r.Project != "" && (own == nil || own.streams == 0) {
		page.Done = true
		return
	}
	for seen := 0; seen < listHoldStreams && len(page.Streams) < r.Limit; seen++ {
		s := e.table.Next(page.Next)
		if s == nil {
			page.Done = true
			return
		}
		page.Next = s.ID
		if !strings.HasPrefix(s.Path, r.Prefix) || r.Project != "" && e.accounts.nameOf(s.Path) != r.Project {
			continue
		}
		page.Streams = append(page.Streams, Listed{
			Path: s.Path, Info: e.stagedInfo(s), Gone: s.Gone, Forks: s.Forks(), StoredBytes: e.table.Kept(s),
		})
		seen += s.Forks() // what is kept takes a look at them
	}
	page.Done = e.table.Next(page.Next) == nil
}

// stagedInfo is durableInfo of what is staged, for those who wait for it.
func (e *Engine) stagedInfo(s *stream.Stream) Info {
	info := e.durableInfo(s)
	info.Tail = s.Tail
	return info
}
