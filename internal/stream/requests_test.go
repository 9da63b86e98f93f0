package stream

import (
	"math"

	"tailrace/internal/jsonmode"
	"tailrace/internal/model"
)

// Few of everything, so that requests meet each other.
var (
	somePaths = []string{"/a", "/b", "/c", "/d", "/e"}
	someTypes = []string{
		"application/json", "application/json", "text/plain", "", "APPLICATION/JSON; charset=\"UTF-8\"",
		"text/plain;charset=utf-8", "application/octet-stream", "text/plain; b=2; a=1", "text/plain;A=1;b=2", "text/plain; a=1; b=3",
		"application/json; charset=latin1",
	}
	someBodies = []string{
		"", "1", "[]", "[1]", "[1,2,3]", " [ {\"a\": 1} ,\n[2,\",]\"] ] ", "{", "\xff", "null", "[1,]", "plain", "\"\\\"\"", "[[]]", " ", "0123456789",
	}
	someTTLs      = []int64{NoTTL, NoTTL, NoTTL, NoTTL, NoTTL, NoTTL, 20, 20, 5, 2, TTLMax, 0, 1}
	someAges      = []int64{0, 0, 0, 0, 1, 5, 20, 32, TTLMax}
	someKept      = []int64{0, 0, 0, 0, 1, 10, 40, 100, RetentionBytesMax}
	someProducers = []string{"p", "q", "r"}
	someSeqs      = []string{"", "1", "10", "2", "a", "\xff"}
)

// createChoice is a create as a client means it; what the table and the model
// get follows from it.
type createChoice struct {
	Path, ContentType string
	TTL, ExpiresAt    int64
	Closed            bool
	From              string
	At                Offset
	HasAt             bool
	Sub               uint64
	Body              string
	KeepAge           int64
	KeepBytes         int64
	Public            bool
}

type appendChoice struct {
	Path, ContentType, Body string
	Close                   bool
	Producer                Producer
	Seq                     string
	HasSeq                  bool
	Expected                Offset
	HasExpected             bool
}

func (w *world) chooseCreate(c *choices) createChoice {
	r := createChoice{Path: pick(c, somePaths), ContentType: pick(c, someTypes), TTL: pick(c, someTTLs), Closed: c.chance(6)}
	if r.TTL == NoTTL && c.chance(6) {
		r.ExpiresAt = worldStart + int64(c.below(20)-1)*2000
	}
	r.Body = pick(c, someBodies)
	if c.chance(3) {
		r.KeepAge, r.KeepBytes = pick(c, someAges), pick(c, someKept)
	}
	r.Public = c.chance(3)
	return r
}

// chooseChange is one as the model gets it.
func (w *world) chooseChange(c *choices) model.ChangeRequest {
	r := model.Nothing(w.choosePath(c))
	if c.chance(3) {
		r.KeepAge = pick(c, someAges)
	}
	if c.chance(3) {
		r.KeepBytes = pick(c, someKept)
	}
	switch c.below(6) {
	case 0:
		r.TTL = pick(c, someTTLs)
	case 1:
		r.ExpiresAt = max(0, pick(c, []int64{0, 1})*(worldStart+int64(c.below(20)-1)*2000))
	}
	if c.chance(2) {
		r.Trim = modelOffset(w.chooseOffset(c, w.table.Lookup(r.Path)))
		r.Now = r.Trim == math.MaxInt64
	}
	return r
}

// change sends one change to both sides.
func (w *world) change(r model.ChangeRequest) {
	w.note("change %+v", r)
	w.gate(r.Path)
	req := Change{
		Path: r.Path, KeepAge: r.KeepAge, HasKeepAge: r.KeepAge >= 0, KeepBytes: r.KeepBytes, HasKeepBytes: r.KeepBytes >= 0,
		TTL: r.TTL, HasTTL: r.TTL >= -1, ExpiresAt: r.ExpiresAt, HasExpiresAt: r.ExpiresAt >= 0, HasTrim: r.Trim >= 0 || r.Now,
	}
	if r.ExpiresAt > 0 {
		req.ExpiresText = "as written"
	}
	if req.Trim = Offset(r.Trim); r.Now {
		req.Trim = OffsetMax
	}
	rec, out := w.table.DecideChange(&req, w.now)
	w.settle(r.Path, &rec, out)
	got, want := out, w.model.Change(w.now, r)
	if s := w.table.Lookup(r.Path); out.Code == Changed {
		got.Start = s.Start() // a trim may have followed
	}
	w.compare(got, want, false)
}

func (w *world) chooseFork(c *choices) createChoice {
	r := w.chooseCreate(c)
	r.From = w.choosePath(c)
	source := w.table.Lookup(r.From)
	if !c.chance(5) {
		r.ContentType = ""
		if source != nil && c.chance(4) {
			r.ContentType = source.ContentType
		}
	}
	if c.chance(3) {
		return r
	}
	r.At, r.HasAt = w.chooseOffset(c, source), true
	switch c.below(8) {
	case 0, 1, 2:
		r.Sub = uint64(c.below(5))
	case 3:
		r.Sub = uint64(c.below(32))
	case 4:
		r.Sub = []uint64{math.MaxUint64, 1 << 63, math.MaxInt64, 1 << 32}[c.below(4)]
	}
	return r
}

// choosePath prefers paths that lead somewhere.
func (w *world) choosePath(c *choices) string {
	path := pick(c, somePaths)
	if w.table.Lookup(path) != nil || c.chance(4) {
		return path
	}
	for _, other := range somePaths {
		if w.table.Lookup(other) != nil {
			return other
		}
	}
	return path
}

// chooseOffset prefers the ends of what s shows, and places next to them.
func (w *world) chooseOffset(c *choices, s *Stream) Offset {
	ends := []Offset{0}
	if s != nil {
		for _, a := range w.visible(s) {
			ends = append(ends, a.end)
		}
		ends = append(ends, s.Base(), s.Tail)
	}
	at := pick(c, ends)
	switch c.below(8) {
	case 0:
		at++
	case 1:
		at = max(at, 1) - 1
	case 2:
		at += Offset(c.below(24))
	case 3:
		if c.chance(4) {
			at = OffsetMax
		}
	}
	return at
}

func (w *world) chooseAppend(c *choices) appendChoice {
	r := appendChoice{Path: w.choosePath(c), Body: pick(c, someBodies), Close: c.chance(12)}
	s := w.table.Lookup(r.Path)
	r.ContentType = pick(c, someTypes)
	if s != nil && !c.chance(5) {
		r.ContentType = s.ContentType
	}
	if c.chance(2) {
		r.Producer = Producer{ID: pick(c, someProducers), Epoch: int64(c.below(3)), Seq: int64(c.below(3))}
		var last *producer
		if s != nil {
			last = s.producer(r.Producer.ID)
		}
		if !c.chance(4) {
			r.Producer.Seq = 0
			if last != nil {
				r.Producer.Epoch, r.Producer.Seq = last.epoch, last.seq+pick(c, []int64{1, 1, 1, 0, 0, -1, 2})
				r.Producer.Seq = max(r.Producer.Seq, 0)
			}
		}
	}
	if c.chance(3) {
		r.Seq, r.HasSeq = pick(c, someSeqs), true
	}
	if c.chance(4) {
		r.Expected, r.HasExpected = w.chooseOffset(c, s), true
	}
	return r
}

// create sends one create to both sides.
func (w *world) create(r createChoice) {
	w.note("create %#v", r)
	w.gate(r.Path)
	w.model.Head(w.now, r.Path)
	effective := r.ContentType
	if r.From != "" {
		// Naming the source expires it, even when the path decides alone.
		source := w.gate(r.From)
		w.model.Head(w.now, r.From)
		if effective == "" && source != nil {
			effective = source.ContentType
		}
	}
	req := Create{
		Path: r.Path, ContentType: r.ContentType, TTL: r.TTL, ExpiresAt: r.ExpiresAt, Closed: r.Closed,
		From: r.From, FromOffset: r.At, HasFromOffset: r.HasAt, SubOffset: r.Sub,
		KeepAge: r.KeepAge, KeepBytes: r.KeepBytes, Public: r.Public,
	}
	if r.ExpiresAt != 0 {
		req.ExpiresText = "as written"
	}
	req.Body, req.BodyErr = storedForm(effective, r.Body)
	if req.BodyErr == EmptyArray {
		req.BodyErr = None
	}
	rec, out := w.table.DecideCreate(&req, w.now, w)
	w.settle(r.Path, &rec, out)

	want := model.CreateRequest{
		Path: r.Path, ContentType: r.ContentType, TTL: r.TTL, ExpiresAt: r.ExpiresAt, Closed: r.Closed,
		From: r.From, FromOffset: -1, Sub: r.Sub, Body: []byte(r.Body),
		KeepAge: r.KeepAge, KeepBytes: r.KeepBytes, Public: r.Public,
	}
	if r.HasAt {
		want.FromOffset = modelOffset(r.At)
	}
	w.compare(out, w.model.Create(w.now, want), false)
}

// append sends one append to both sides.
func (w *world) append(r appendChoice) {
	w.note("append %#v", r)
	w.gate(r.Path)
	req := Append{
		Path: r.Path, ContentType: r.ContentType, Close: r.Close, Producer: r.Producer,
		Seq: r.Seq, HasSeq: r.HasSeq, Expected: r.Expected, HasExpected: r.HasExpected,
	}
	req.Body, req.BodyErr = storedForm(r.ContentType, r.Body)
	rec, out := w.table.DecideAppend(&req, w.now)
	w.settle(r.Path, &rec, out)

	want := model.AppendRequest{
		Path: r.Path, ContentType: r.ContentType, Body: []byte(r.Body), Close: r.Close,
		Seq: r.Seq, HasSeq: r.HasSeq, Expected: -1,
	}
	if r.Producer.ID != "" {
		want.Producer = &model.Producer{ID: r.Producer.ID, Epoch: r.Producer.Epoch, Seq: r.Producer.Seq}
	}
	if r.HasExpected {
		want.Expected = modelOffset(r.Expected)
	}
	w.compare(out, w.model.Append(w.now, want), r.Producer.ID != "")
}

func (w *world) delete(path string) {
	w.note("delete %s", path)
	w.gate(path)
	rec, out := w.table.DecideDelete(path)
	w.settle(path, &rec, out)
	w.compare(out, w.model.Delete(w.now, path), false)
}

// storedForm is what whoever parses a request makes of its body.
func storedForm(contentType, body string) ([]byte, Code) {
	if body == "" || !IsJSON(contentType) {
		return []byte(body), None
	}
	stored, messages, err := jsonmode.Flatten(nil, []byte(body))
	switch {
	case err != nil:
		return nil, InvalidJSON
	case messages == 0:
		return nil, EmptyArray
	}
	return stored, None
}

func modelOffset(o Offset) int64 { return int64(min(o, math.MaxInt64)) }
