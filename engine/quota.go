package engine

import (
	"cmp"
	"slices"

	"tailrace/internal/stream"
)

// ProjectLimits bound what the streams of a project take together. 0 is no limit.
type ProjectLimits struct {
	// StoredBytes is of the appends that are kept, in units of the offset space: each
	// counts with its stored length and the gap of 5 after it. They count under the
	// stream that they were appended to for as long as it or a fork shows them.
	StoredBytes int64

	Streams            int // those that are kept for their forks included
	ProducersPerStream int
}

// Use is what a project has, staged writes included, and what it may have.
type Use struct {
	Streams     int
	StoredBytes int64 // as ProjectLimits counts
	Limits      ProjectLimits
}

// ProjectUse is the use of a project.
type ProjectUse struct {
	Project string
	Use
}

// SetLimits limits a project from now on. What it has beyond that it keeps; it
// may shrink, and not grow.
func (e *Engine) SetLimits(project string, l ProjectLimits) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.accounts.named[project] = l != ProjectLimits{} || e.accounts.named[project]
	e.setLimits(project, l)
}

// SetAllLimits limits these projects from now on, and no others, and all of them
// together as Options.StoredBytesMax does.
func (e *Engine) SetAllLimits(all map[string]ProjectLimits, storedBytesMax int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.opts.StoredBytesMax = storedBytesMax
	for name, own := range e.accounts.byName {
		own.limits = ProjectLimits{}
		e.accounts.tidy(name, own)
	}
	clear(e.accounts.named)
	for name, l := range all {
		e.accounts.named[name] = true
		e.setLimits(name, l)
	}
}

func (e *Engine) setLimits(name string, l ProjectLimits) {
	own := e.accounts.byName[name]
	if own == nil {
		own = e.accounts.open(name)
	}
	own.limits = l
	e.accounts.tidy(name, own)
}

// Use is what a project has. One that nobody knows has nothing and no limits.
func (e *Engine) Use(project string) Use {
	e.mu.Lock()
	defer e.mu.Unlock()
	if own := e.accounts.byName[project]; own != nil {
		return own.use()
	}
	return Use{}
}

// Projects is the use of every project that has a stream or a limit, by name.
func (e *Engine) Projects() []ProjectUse {
	e.mu.Lock()
	all := make([]ProjectUse, 0, len(e.accounts.byName))
	for name, own := range e.accounts.byName {
		all = append(all, ProjectUse{name, own.use()})
	}
	e.mu.Unlock()
	slices.SortFunc(all, func(a, b ProjectUse) int { return cmp.Compare(a.Project, b.Project) })
	return all
}

func (a *account) use() Use { return Use{Streams: a.streams, StoredBytes: a.stored, Limits: a.limits} }

// Admits tells what would refuse bytes that are appended at path, or created
// with it, as things are: QuotaBytes, DiskFull or None. It is for those who would
// not read a body only to refuse it. It promises nothing, and does not look for
// what would have another answer, such as a stream that is not there or a
// producer's repetition.
func (e *Engine) Admits(path string, bytes int64) stream.Code {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case bytes <= 0:
		return stream.None
	case e.disk.low:
		return stream.DiskFull
	}
	code, _ := e.quotaOf(path, e.table.Lookup(path), bytes+stream.AppendGap)
	return code
}

// quotaOf refuses what a stream may not grow by, or a new one at path if it is
// nil. It may be that the growth fits if the stream drops at once what it has
// beyond the bytes it is to keep, and not an eighth later; then squeeze is true.
// Engine.mu is held.
func (e *Engine) quotaOf(path string, s *stream.Stream, growth int64) (code stream.Code, squeeze bool) {
	own := e.accounts.of(path)
	fits := func(more int64) bool {
		limit := e.opts.StoredBytesMax
		if more > 0 && limit > 0 && e.accounts.stored > limit-more {
			return false
		}
		return more <= 0 || own == nil || own.limits.StoredBytes == 0 || own.stored <= own.limits.StoredBytes-more
	}
	switch {
	case fits(growth):
		return stream.None, false
	case s != nil && fits(growth-overhang(s, growth)):
		return stream.None, true
	}
	return stream.QuotaBytes, false
}

// overhang is what a stream has beyond the bytes that it is to keep, once it has
// grown. What forks may show of it does not go.
func overhang(s *stream.Stream, growth int64) int64 {
	keep := s.KeepBytes()
	if keep == 0 || s.Forks() > 0 {
		return 0
	}
	return max(0, int64(s.Tail-max(s.Start(), s.Base()))+growth-keep)
}

// mayCreate refuses a stream that is one too many for its project, or whose
// appends are. Engine.mu is held.
func (e *Engine) mayCreate(rec *stream.Record, tail stream.Offset) stream.Code {
	if own := e.accounts.of(rec.Path); own != nil && own.limits.Streams > 0 && own.streams >= own.limits.Streams {
		return stream.QuotaStreams
	}
	code, _ := e.quotaOf(rec.Path, nil, int64(tail-rec.Base))
	return code
}

// mayAppend refuses an append that is too much for the project of its stream, or
// comes from a producer too many. Engine.mu is held.
func (e *Engine) mayAppend(s *stream.Stream, rec *stream.Record, tail stream.Offset) (code stream.Code, squeeze bool) {
	if id := rec.Producer.ID; id != "" {
		own := e.accounts.of(s.Path)
		if own != nil && own.limits.ProducersPerStream > 0 && s.Producers() >= own.limits.ProducersPerStream && !s.Knows(id) {
			return stream.TooManyProducers, false
		}
	}
	return e.quotaOf(s.Path, s, int64(tail-s.Tail))
}

// drop trims a stream after it has grown: what is due, or all that goes.
// Engine.mu is held.
func (e *Engine) drop(s *stream.Stream, squeeze bool) {
	if keep := stream.Offset(s.KeepBytes()); squeeze && s.Tail > keep+s.Start() {
		e.trim(s, s.Tail-keep) // the log has room for what makes room, or the next append tries
		return
	}
	e.trimDue(s)
}
