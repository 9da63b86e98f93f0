package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

type streamList struct {
	Streams []Stream `json:"streams"`
	Cursor  string   `json:"cursor,omitempty"` // none = the list ends here
}

// listStreams answers with a part of the streams of a project.
func (a *API) listStreams(x *exchange) {
	prefix := x.query["prefix"]
	if !validPrefix(prefix) {
		x.refuse(codeInvalidPrefix)
		return
	}
	limit := listDefault
	if text, given := x.query["limit"]; given {
		var ok bool
		if limit, ok = parseLimit(text); !ok {
			x.refuse(codeInvalidLimit)
			return
		}
	}
	var after uint64
	if text, given := x.query["cursor"]; given {
		var ok bool
		if after, ok = decodeCursor(x.project, prefix, text); !ok {
			x.refuse(codeInvalidCursor)
			return
		}
	}
	list := streamList{Streams: []Stream{}}
	for until := a.now().Add(a.opts.ListBudget); ; {
		p, err := a.page(x.req.Context(), x.project, prefix, after, limit-len(list.Streams))
		if err != nil {
			a.fault(x, err)
			return
		}
		list.Streams = append(list.Streams, p.Streams...)
		after = p.Next
		if !p.More {
			break
		}
		if len(list.Streams) == limit || !a.now().Before(until) || x.req.Context().Err() != nil {
			list.Cursor = encodeCursor(x.project, prefix, after)
			break
		}
	}
	x.answer(http.StatusOK, list)
}

// page asks the store, and holds it to what it promises. What is listed may be
// deleted next, so a stream of somebody else among it must not go unnoticed.
func (a *API) page(ctx context.Context, project, prefix string, after uint64, limit int) (Page, error) {
	p, err := a.opts.Store.List(ctx, project, prefix, after, limit)
	if err != nil {
		return Page{}, err
	}
	last := after
	for i := range p.Streams {
		s := &p.Streams[i]
		if s.ID <= last || !strings.HasPrefix(s.Name, prefix) || a.opts.Owner(s.Name) != project {
			return Page{}, fmt.Errorf("admin: stream %d %q was listed for project %s, prefix %q, after %d", s.ID, s.Name, project, prefix, last)
		}
		last = s.ID
	}
	if len(p.Streams) > limit || p.More && (p.Next <= after || p.Next < last) {
		return Page{}, fmt.Errorf("admin: a page of %d streams after %d, with a limit of %d, goes on after %d", len(p.Streams), after, limit, p.Next)
	}
	return p, nil
}

// fault answers a request for which the store did not do its part.
func (a *API) fault(x *exchange, err error) {
	var refused *CodeError
	if errors.As(err, &refused) && refused.Temporary {
		x.refuse(codeOverloaded)
		return
	}
	if x.req.Context().Err() == nil {
		a.opts.Logger.Error("admin request failed", "request_id", x.id, "error", err)
	}
	x.refuse(codeInternal)
}

// inspectStream answers with everything about one.
func (a *API) inspectStream(x *exchange) {
	d, err := a.opts.Store.Inspect(x.req.Context(), x.req.PathValue("name"))
	switch {
	case errors.Is(err, ErrNotFound):
		x.refuse(codeNotFound)
	case err != nil:
		a.fault(x, err)
	default:
		d.Project = x.project
		if f := d.ForkedFrom; f != nil && x.bound && a.opts.Owner(f.Name) != x.project {
			d.ForkedFrom = nil // whatever made such a fork, the source is none of the client's business
		}
		if d.Producers == nil {
			d.Producers = []Producer{}
		}
		if d.Runs == nil {
			d.Runs = []Run{}
		}
		x.answer(http.StatusOK, struct {
			Stream Detail `json:"stream"`
		}{d})
	}
}

// deleteStreams begins a job that deletes what has the prefix.
func (a *API) deleteStreams(x *exchange) {
	prefix, given := x.query["prefix"]
	all := false
	if text, ok := x.query["all"]; ok {
		if text != "true" || prefix != "" {
			x.refuse(codeInvalidParameter)
			return
		}
		all = true
	}
	switch {
	case !given || prefix == "" && !all:
		x.refuse(codePrefixRequired)
		return
	case !validPrefix(prefix):
		x.refuse(codeInvalidPrefix)
		return
	}
	job, c := a.jobs.start(x.project, prefix, x.id)
	if c != codeNone {
		x.refuse(c)
		return
	}
	x.Header().Set("Location", "/v1/admin/projects/"+x.project+"/jobs/"+job.ID)
	x.answer(http.StatusAccepted, jobAnswer{job})
}

func validPrefix(p string) bool { return len(p) <= nameBytesMax && plainText(p) }

func parseLimit(text string) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 1 && n <= listMax && strconv.Itoa(n) == text
}
