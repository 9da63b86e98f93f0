package fuzz

import (
	"bytes"
	"math"

	"tailrace/internal/model"
)

// Few of everything, so that requests meet each other.
var (
	somePaths = []string{"a", "b", "c/d", "e", "f"}
	someTypes = []string{
		"application/json", "application/json", "text/plain", "application/octet-stream", "",
		"APPLICATION/JSON; charset=\"UTF-8\"", "text/plain;charset=utf-8", "text/plain; b=2; a=1",
		"text/plain;A=1;b=2", "text/plain; a=1; b=3", "application/json; charset=latin1",
	}
	someBodies = []string{
		"1", "[1]", "[1,2,3]", " [ {\"a\": 1} ,\n[2,\",]\"] ] ", "[]", "{", "\xff", "null", "[1,]", "plain",
		"\"\\\"\"", "[[]]", " ", "0123456789", "\r\ndata: x\r\n\r\n", "{\"a\":[1,{\"b\":\"]\"}]}", "[1e400,-0]", "",
	}
	someTTLs      = []int64{-1, -1, -1, -1, -1, -1, 20, 20, 5, 2, 1<<53 - 1, 0, 1}
	longTTLs      = []int64{-1, -1, -1, 1 << 40, 1<<53 - 1}
	someAges      = []int64{1, 2, 5, 20, 1000, 1<<53 - 1}
	someKept      = []int64{1, 10, 20, 50, 1000, 1<<53 - 1}
	someProducers = []string{"p", "q", "r"}
	someSeqs      = []string{"1", "10", "2", "a", "~", "A", "\xc3\xbf"}
	someSteps     = []int64{1, 1, 500, 999, 1000, 1001, 4000, 20_000}
)

// absent stands for an offset that the request does not give, pastAll for one that
// lies past every tail, and earliest for where a stream begins.
const (
	absent   = -1
	earliest = -1
	pastAll  = math.MaxInt64
)

// memory is what the requests so far have shown, for the next ones to aim at.
// It is learnt from answers only.
type memory struct {
	creates   []model.CreateRequest
	appends   []model.AppendRequest
	types     map[string]string
	ends      map[string][]int64
	producers map[string]model.Producer // by path and id: the newest known
}

func newMemory() memory {
	return memory{
		types: map[string]string{}, ends: map[string][]int64{}, producers: map[string]model.Producer{},
	}
}

// offset prefers the tails that the path had, and places next to them.
func (m *memory) offset(c *choices, path string) int64 {
	at := int64(0)
	if ends := m.ends[path]; len(ends) > 0 && !c.chance(6) {
		at = ends[c.below(len(ends))]
	}
	switch c.below(8) {
	case 0:
		at++
	case 1:
		at = max(at-1, 0)
	case 2:
		at += int64(c.below(24))
	case 3:
		if c.chance(4) {
			at = pastAll
		}
	}
	return at
}

// endsMax is how many tails of a path are remembered.
const endsMax = 16

func (m *memory) sawTail(path string, tail int64) {
	if tail < 0 {
		return
	}
	ends := append(m.ends[path], tail)
	m.ends[path] = ends[max(0, len(ends)-endsMax):]
}

// known prefers paths that were created.
func (m *memory) known(c *choices) string {
	path := pick(c, somePaths)
	if m.types[path] != "" || c.chance(4) {
		return path
	}
	for _, other := range somePaths {
		if m.types[other] != "" {
			return other
		}
	}
	return path
}

// free prefers paths that nothing was seen at.
func (m *memory) free(c *choices) string {
	path := pick(c, somePaths)
	if m.types[path] == "" || c.chance(4) {
		return path
	}
	for _, other := range somePaths {
		if m.types[other] == "" {
			return other
		}
	}
	return path
}

// body is one of the small bodies, now and then one of several pages.
func body(c *choices) []byte {
	if c.chance(24) {
		return bytes.Repeat([]byte{byte('a' + c.below(26))}, 1+c.below(5000))
	}
	return []byte(pick(c, someBodies))
}

func (w *world) chooseCreate(c *choices) model.CreateRequest {
	r := model.CreateRequest{
		Path: w.memory.free(c), ContentType: pick(c, someTypes), TTL: pick(c, w.ttls), FromOffset: absent,
		Closed: c.chance(6),
	}
	if r.TTL < 0 && c.chance(6) {
		r.ExpiresAt = clockStart.UnixMilli() + int64(c.below(20)-1)*2000
	}
	if c.chance(5) {
		r.KeepAge = pick(c, w.ages)
	}
	if c.chance(4) {
		r.KeepBytes = pick(c, someKept)
	}
	if !c.chance(3) {
		r.Body = body(c)
	}
	r.Public = !w.http && c.chance(3)
	return r
}

func (w *world) chooseChange(c *choices) model.ChangeRequest {
	r := model.Nothing(w.memory.known(c))
	switch c.below(8) {
	case 0:
		r.KeepAge = pick(c, append([]int64{0, 0}, w.ages...))
	case 1, 2:
		r.KeepBytes = pick(c, append([]int64{0, 0}, someKept...))
	case 3:
		r.TTL = pick(c, w.ttls)
	case 4:
		if r.ExpiresAt = 0; !c.chance(3) {
			r.ExpiresAt = clockStart.UnixMilli() + int64(c.below(20)-1)*2000
		}
	}
	switch c.below(4) {
	case 0, 1:
		r.Trim = w.memory.offset(c, r.Path)
	case 2:
		r.Now = c.chance(2)
	}
	return r
}

func (w *world) chooseFork(c *choices) model.CreateRequest {
	r := w.chooseCreate(c)
	r.From = w.memory.known(c)
	if !c.chance(5) {
		r.ContentType = ""
		if c.chance(4) {
			r.ContentType = w.memory.types[r.From]
		}
	}
	if c.chance(3) {
		return r
	}
	r.FromOffset = w.memory.offset(c, r.From)
	switch c.below(8) {
	case 0, 1, 2:
		r.Sub = uint64(c.below(5))
	case 3:
		r.Sub = uint64(c.below(32))
	case 4:
		r.Sub = []uint64{1<<53 - 1, 1 << 52, math.MaxInt32, 1 << 32}[c.below(4)]
	}
	return r
}

// changeCreate changes one field, or none.
func (w *world) changeCreate(c *choices, r *model.CreateRequest) {
	switch c.below(14) {
	case 7:
		r.KeepAge = pick(c, append([]int64{0}, w.ages...))
	case 9:
		r.Public = !w.http && !r.Public
	case 8:
		r.KeepBytes = pick(c, append([]int64{0}, someKept...))
	case 0:
		r.ContentType = pick(c, someTypes)
	case 1:
		r.TTL, r.ExpiresAt = pick(c, w.ttls), 0
	case 2:
		r.TTL, r.ExpiresAt = -1, clockStart.UnixMilli()+int64(c.below(20))*2000
	case 3:
		r.Closed = !r.Closed
	case 4:
		if r.FromOffset != absent {
			r.Sub = uint64(c.below(3))
		}
	case 5:
		if r.FromOffset = w.memory.offset(c, r.From); c.chance(2) {
			r.FromOffset, r.Sub = absent, 0
		}
	case 6:
		r.From = pick(c, append([]string{""}, somePaths...))
	}
}

func (w *world) chooseAppend(c *choices) model.AppendRequest {
	r := model.AppendRequest{Path: w.memory.known(c), Close: c.chance(12), Expected: absent}
	if !c.chance(10) {
		r.Body = body(c)
	}
	r.ContentType = w.memory.types[r.Path]
	if r.ContentType == "" || c.chance(5) {
		r.ContentType = pick(c, someTypes)
	}
	if c.chance(2) {
		p := model.Producer{ID: pick(c, someProducers)}
		last, known := w.memory.producers[r.Path+" "+p.ID]
		switch {
		case c.chance(4):
			p.Epoch, p.Seq = int64(c.below(3)), int64(c.below(3))
		case known && c.chance(3):
			p.Epoch = max(0, last.Epoch+pick(c, []int64{1, 1, -1, -1, 2}))
			p.Seq = int64(c.below(8) / 6)
		case !known:
			p.Epoch = int64(c.below(3))
		case known:
			p.Epoch, p.Seq = last.Epoch, max(0, last.Seq+pick(c, []int64{1, 1, 1, 0, 0, -1, 2}))
		}
		r.Producer = &p
	}
	if c.chance(3) {
		r.Seq, r.HasSeq = pick(c, someSeqs), true
	}
	if c.chance(4) {
		r.Expected = w.memory.offset(c, r.Path)
	}
	return r
}
