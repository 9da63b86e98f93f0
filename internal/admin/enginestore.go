package admin

import (
	"cmp"
	"context"
	"slices"
	"time"

	"tailrace/engine"
	"tailrace/internal/project"
	"tailrace/internal/stream"
)

// EngineOptions are what an engine does not know of its server. All may be left
// out.
type EngineOptions struct {
	// Configured are the projects that there are by configuration, as it is now.
	// Others exist as long as they have streams.
	Configured func() []project.Project

	// LiveReaders are those of a project.
	LiveReaders func(project string) int

	// Status adds the numbers of the server.
	Status func(*Status)
}

// engineStore is an engine as a Store.
type engineStore struct {
	engine *engine.Engine
	opts   EngineOptions
}

// NewEngineStore is the Store of an engine.
func NewEngineStore(e *engine.Engine, o EngineOptions) Store {
	if o.Configured == nil {
		o.Configured = func() []project.Project { return []project.Project{{Name: project.Default}} }
	}
	if o.LiveReaders == nil {
		o.LiveReaders = func(string) int { return 0 }
	}
	if o.Status == nil {
		o.Status = func(*Status) {}
	}
	return &engineStore{e, o}
}

func (s *engineStore) Projects() []Project {
	var all []Project
	configured := make(map[string]bool)
	for _, c := range s.opts.Configured() {
		configured[c.Name] = true
		all = append(all, s.project(&c, s.engine.Use(c.Name)))
	}
	for _, u := range s.engine.Projects() { // maybe as many as there are streams
		if u.Streams > 0 && !configured[u.Project] {
			all = append(all, s.project(&project.Project{Name: u.Project}, u.Use))
		}
	}
	slices.SortFunc(all, func(a, b Project) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

func (s *engineStore) Project(name string) (Project, bool) {
	configured := s.opts.Configured()
	use := s.engine.Use(name)
	i := slices.IndexFunc(configured, func(p project.Project) bool { return p.Name == name })
	switch {
	case i >= 0:
		return s.project(&configured[i], use), true
	case use.Streams > 0:
		return s.project(&project.Project{Name: name}, use), true
	}
	return Project{}, false
}

func (s *engineStore) project(c *project.Project, use engine.Use) Project {
	return Project{
		Name:   c.Name,
		Use:    Use{StoredBytes: use.StoredBytes, Streams: use.Streams, LiveReaders: s.opts.LiveReaders(c.Name)},
		Limits: Limits(c.Limits),
	}
}

func (s *engineStore) List(ctx context.Context, of, prefix string, after uint64, limit int) (Page, error) {
	p, t := s.engine.List(engine.ListRequest{Project: of, Prefix: prefix, After: stream.ID(after), Limit: limit})
	if err := settled(ctx, t); err != nil {
		return Page{}, err
	}
	page := Page{More: !p.Done, Next: uint64(p.Next), Streams: make([]Stream, len(p.Streams))}
	for i := range p.Streams {
		l := &p.Streams[i]
		page.Streams[i] = listed(l.Path, &l.Info, l.Gone, l.StoredBytes)
	}
	return page, nil
}

func (s *engineStore) Inspect(ctx context.Context, name string) (Detail, error) {
	for {
		i, t := s.engine.Inspect(name)
		if err := settled(ctx, t); err != nil {
			return Detail{}, err
		}
		switch {
		case t.Retry:
			continue
		case t.Code == stream.OK:
			return detail(&i), nil
		}
		return Detail{}, refusal(t.Code)
	}
}

func (s *engineStore) Delete(ctx context.Context, name string) error {
	for {
		t := s.engine.Delete(name)
		if err := settled(ctx, t); err != nil {
			return err
		}
		switch {
		case t.Retry:
			continue
		case t.Code.Success():
			return nil
		}
		return refusal(t.Code)
	}
}

func (s *engineStore) Status() Status {
	n := s.engine.Stats()
	st := Status{
		Projects: len(s.Projects()), Streams: n.Streams, LiveReaders: int64(n.Watchers),
		StoredBytes: n.StoredBytes, Segments: n.Segments, SegmentBytes: n.SegmentBytes, Layers: n.Layers,
		MemoryBytes: n.MemoryBytes, FrameBytes: n.FrameBytes, StagedOps: n.StagedOps, Batches: n.Batches, DamagedReads: n.Damage,
	}
	if t := s.engine.TierStats(); t.Phase != engine.TierNone {
		st.Bucket = &t
	}
	s.opts.Status(&st)
	return st
}

// settled waits until what a ticket says may be told.
func settled(ctx context.Context, t engine.Ticket) error {
	if !t.Ready() {
		select {
		case <-t.Done():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if t.Err() != nil {
		return &CodeError{Code: stream.Failed.String()}
	}
	return nil
}

// refusal is a code of the engine as an error.
func refusal(c stream.Code) error {
	switch c {
	case stream.NotFound, stream.Gone:
		return ErrNotFound
	}
	return &CodeError{Code: c.String(), Temporary: c == stream.Overloaded || c == stream.Unavailable}
}

func listed(name string, info *engine.Info, gone bool, bytes int64) Stream {
	s := Stream{
		Name: name, ID: uint64(info.ID), ContentType: info.ContentType, Tail: token(info.Tail), Start: token(info.Start),
		Closed: info.Closed, Gone: gone, Public: info.Public, Bytes: bytes,
	}
	if info.TTL != stream.NoTTL {
		s.TTLSeconds = &info.TTL
	}
	if info.ExpiresAt != 0 {
		s.ExpiresAt = time.UnixMilli(info.ExpiresAt).UTC()
	}
	return s
}

func detail(i *engine.Inspection) Detail {
	d := Detail{
		Stream: listed(i.Path, &i.Info, i.Gone, i.StoredBytes), Project: i.Project,
		RetentionAgeSeconds: i.KeepAge, RetentionBytes: i.KeepBytes,
		Forks: i.Forks, ProducerCount: i.ProducersTotal, LiveReaders: i.Watchers,
		AppendsInMemory: i.MemoryAppends, BytesInMemory: i.MemoryBytes,
	}
	if i.SourceID != 0 {
		d.ForkedFrom = &ForkedFrom{Name: i.Source, ID: uint64(i.SourceID), Offset: token(i.Base)}
	}
	for _, p := range i.Producers {
		d.Producers = append(d.Producers, Producer{ID: p.ID, Epoch: p.Epoch, Seq: p.Seq})
	}
	for _, r := range i.Runs {
		d.Runs = append(d.Runs, Run{
			Segment: r.Segment, Level: r.Level, From: token(r.From), To: token(r.To), Appends: r.Appends,
			BytesRaw: r.Raw, BytesCompressed: r.Stored, Disk: r.Disk, Bucket: r.Bucket,
		})
		d.AppendsInRuns += r.Appends
		d.BytesRaw += r.Raw
		d.BytesCompressed += r.Stored
	}
	return d
}

func token(o stream.Offset) string { return string(o.Append(nil)) }
