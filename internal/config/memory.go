package config

import "fmt"

// Shares is what --memory-bytes is divided into, in bytes. They are limits: a
// part that is not used is free for the others.
type Shares struct {
	Streams    int64 // the table of streams, with their producers and names
	Frames     int64 // appends that are in no segment yet
	Staged     int64 // those of them that wait for a sync
	BlockCache int64 // decoded blocks of segments
	Bodies     int64 // of requests, while they arrive
	Responses  int64 // that were put together, until they are taken
	Rest       int64 // connections, reads under way, verified tokens, garbage
}

// Most of what a share is unless it is set: more has no use.
const (
	stagedDefaultMax  = 64 << 20
	transitDefaultMax = 256 << 20
)

// Shares are the sizes that were set, and what the others come to. The table of
// streams has half: it cannot leave memory, so it is what the size of a server
// depends on. The rest is negative if the parts do not fit.
func (c *Config) Shares() Shares {
	or := func(set, otherwise int64) int64 {
		if set != 0 {
			return set
		}
		return otherwise
	}
	m := c.MemoryBytes
	s := Shares{
		Streams:    m / 2,
		Frames:     or(c.FrameBytes, m/16*3),
		BlockCache: or(c.BlockCacheBytes, m/16),
		Bodies:     or(c.BodiesBytes, max(c.BodyBytes, min(transitDefaultMax, m/16))),
		Responses:  or(c.ResponsesBytes, min(transitDefaultMax, m/16)),
	}
	s.Staged = or(c.StagedBytes, min(stagedDefaultMax, s.Frames/2))
	s.Rest = m - s.Streams - s.Frames - s.BlockCache - s.Bodies - s.Responses
	return s
}

// judgeMemory finds parts that do not fit into the whole, or into each other.
func (c *Config) judgeMemory(bad func(format string, args ...any)) {
	s := c.Shares()
	if s.Rest < 0 {
		bad("%s is %s, and its parts are more: %s for streams, --frame-bytes %s, --block-cache-bytes %s, --bodies-bytes %s (at least --body-bytes, %s), --responses-bytes %s",
			c.label("memory-bytes"), formatSize(c.MemoryBytes), formatSize(s.Streams), formatSize(s.Frames), formatSize(s.BlockCache),
			formatSize(s.Bodies), formatSize(c.BodyBytes), formatSize(s.Responses))
	}
	for _, pair := range []struct {
		part, whole string
		p, w        int64
	}{
		{"staged-bytes", "frame-bytes", s.Staged, s.Frames},
		{"flush-bytes", "frame-bytes", c.FlushBytes, s.Frames},
		{"body-bytes", "bodies-bytes", c.BodyBytes, s.Bodies},
	} {
		if pair.p > pair.w {
			bad("%s is %s, more than --%s, %s", c.label(pair.part), formatSize(pair.p), pair.whole, formatSize(pair.w))
		}
	}
}

// derived says what a setting comes to that is 0, or "".
func (c *Config) derived(name string) string {
	s := c.Shares()
	for _, d := range []struct {
		name string
		set  int64
		is   int64
	}{
		{"frame-bytes", c.FrameBytes, s.Frames}, {"staged-bytes", c.StagedBytes, s.Staged},
		{"block-cache-bytes", c.BlockCacheBytes, s.BlockCache}, {"bodies-bytes", c.BodiesBytes, s.Bodies},
		{"responses-bytes", c.ResponsesBytes, s.Responses},
	} {
		if d.name == name && d.set == 0 {
			return fmt.Sprintf("comes to %s", formatSize(d.is))
		}
	}
	return ""
}
