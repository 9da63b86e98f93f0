package stream

import (
	"fmt"
	"reflect"
	"testing"
)

// fault is one thing wrong with a request. Faults of the same field can't come
// together.
type fault[R any] struct {
	name, field string
	code        Code
	make        func(*Table, *R)
}

// checkPrecedence decides requests with one fault and with two: of two, the earlier
// in the list must be told. It also holds that deciding changes nothing.
func checkPrecedence[R any](t *testing.T, faults []fault[R], decide func(*Table, *R) (Record, Outcome), start func() (*Table, *R)) {
	for i, first := range faults {
		for j, second := range faults[i:] {
			if j > 0 && first.field == second.field {
				continue
			}
			table, request := start()
			second.make(table, request)
			first.make(table, request)
			before := states(table)
			rec, out := decide(table, request)
			if out.Code != first.code || rec.Kind != 0 {
				t.Errorf("%s, %s: %s with a record of kind %d, want %s", first.name, second.name, out.Code, rec.Kind, first.code)
			}
			if !reflect.DeepEqual(states(table), before) {
				t.Errorf("%s, %s: deciding changed the table", first.name, second.name)
			}
		}
	}
	table, request := start()
	if rec, out := decide(table, request); rec.Kind == 0 {
		t.Errorf("the request without a fault is %s", out.Code)
	}
}

// mustApply applies records that must be legal.
func mustApply(t *testing.T, table *Table, records ...Record) {
	t.Helper()
	for _, r := range records {
		if _, err := table.Apply(&r); err != nil {
			t.Fatal(err)
		}
	}
}

// someStreams is a table of an open stream, a closed one, a gone one and the
// fork that keeps it. The open and the closed one know a producer at epoch 5,
// sequence 3, and the Stream-Seq "m".
func someStreams(t *testing.T) *Table {
	table := NewTable(Limits{Streams: 100, ProducersPerStream: 1})
	last := Producer{"p", 5, 3}
	mustApply(t, table,
		Record{Kind: KindCreate, ID: 1, At: 1, Path: "/open", ContentType: "text/plain", TTL: NoTTL},
		Record{Kind: KindAppend, ID: 1, Body: []byte("12345"), Producer: last, Seq: "m", HasSeq: true},
		Record{Kind: KindCreate, ID: 2, At: 1, Path: "/closed", ContentType: "text/plain", TTL: NoTTL},
		Record{Kind: KindAppend, ID: 2, Body: []byte("12345"), Producer: last, Seq: "m", HasSeq: true, Close: true},
		Record{Kind: KindCreate, ID: 3, At: 1, Path: "/gone", ContentType: "text/plain", TTL: NoTTL},
		Record{Kind: KindCreate, ID: 4, At: 1, Path: "/fork", ContentType: "text/plain", TTL: NoTTL, Source: 3, From: "/gone"},
		Record{Kind: KindDelete, ID: 3},
	)
	return table
}

func TestAppendChecksInOrder(t *testing.T) {
	producer := func(id string, epoch, seq int64) func(*Table, *Append) {
		return func(_ *Table, r *Append) { r.Producer = Producer{id, epoch, seq} }
	}
	path := func(path string) func(*Table, *Append) { return func(_ *Table, r *Append) { r.Path = path } }
	faults := []fault[Append]{
		{"no stream", "path", NotFound, path("/none")},
		{"gone", "path", Gone, path("/gone")},
		{"no body", "body", EmptyBody, func(_ *Table, r *Append) { r.Body = nil }},
		{"older epoch", "producer", StaleEpoch, producer("p", 4, 0)},
		{"older epoch and a gap", "producer", StaleEpoch, producer("p", 4, 9)},
		{"repetition of the last", "producer", Duplicate, producer("p", 5, 3)},
		{"repetition of an older one", "producer", Duplicate, producer("p", 5, 0)},
		{"closed", "path", StreamClosed, path("/closed")},
		{"new epoch in the middle", "producer", EpochStart, producer("p", 6, 1)},
		{"gap", "producer", SequenceGap, producer("p", 5, 5)},
		{"gap of an unknown producer", "producer", SequenceGap, producer("new", 7, 1)},
		{"other content type", "content type", ContentTypeMismatch, func(_ *Table, r *Append) { r.ContentType = "text/html" }},
		{"no content type", "content type", ContentTypeMismatch, func(_ *Table, r *Append) { r.ContentType = "" }},
		{"not the tail", "expected", OffsetMismatch, func(_ *Table, r *Append) { r.Expected, r.HasExpected = 9, true }},
		{"same Stream-Seq", "seq", StreamSeqRegression, func(_ *Table, r *Append) { r.Seq, r.HasSeq = "m", true }},
		{"lower Stream-Seq", "seq", StreamSeqRegression, func(_ *Table, r *Append) { r.Seq, r.HasSeq = "lz", true }},
		{"empty Stream-Seq", "seq", StreamSeqRegression, func(_ *Table, r *Append) { r.HasSeq = true }},
		{"no JSON", "body", InvalidJSON, func(_ *Table, r *Append) { r.Body, r.BodyErr = nil, InvalidJSON }},
		{"empty array", "body", EmptyArray, func(_ *Table, r *Append) { r.Body, r.BodyErr = nil, EmptyArray }},
		{"one producer more", "producer", TooManyProducers, producer("new", 0, 0)},
	}
	decide := func(table *Table, r *Append) (Record, Outcome) { return table.DecideAppend(r, 1) }
	checkPrecedence(t, faults, decide, func() (*Table, *Append) {
		return someStreams(t), &Append{Path: "/open", ContentType: "text/plain", Body: []byte("x")}
	})
}

// TestAppendOutcomes holds what each answer tells.
func TestAppendOutcomes(t *testing.T) {
	body := []byte("abc")
	for name, c := range map[string]struct {
		request Append
		want    Outcome
	}{
		"appended":                   {Append{Path: "/open", Body: body}, Outcome{Code: Appended, Tail: 18}},
		"appended by a producer":     {Append{Path: "/open", Body: body, Producer: Producer{"p", 5, 4}}, Outcome{Code: Appended, Tail: 18, Epoch: 5, Seq: 4}},
		"appended in a new epoch":    {Append{Path: "/open", Body: body, Producer: Producer{"p", 9, 0}}, Outcome{Code: Appended, Tail: 18, Epoch: 9}},
		"appended and closed":        {Append{Path: "/open", Body: body, Close: true}, Outcome{Code: Appended, Tail: 18, Closed: true}},
		"appended at the tail":       {Append{Path: "/open", Body: body, Expected: 10, HasExpected: true}, Outcome{Code: Appended, Tail: 18}},
		"closed":                     {Append{Path: "/open", Close: true}, Outcome{Code: Closed, Tail: 10, Closed: true}},
		"closed by a producer":       {Append{Path: "/open", Close: true, Producer: Producer{"p", 5, 4}}, Outcome{Code: Closed, Tail: 10, Closed: true, Epoch: 5, Seq: 4}},
		"closed before":              {Append{Path: "/closed", Close: true, Seq: "a", HasSeq: true, HasExpected: true}, Outcome{Code: Closed, Tail: 10, Closed: true}},
		"repeated":                   {Append{Path: "/open", Body: body, Producer: Producer{"p", 5, 1}}, Outcome{Code: Duplicate, Tail: 10, Epoch: 5, Seq: 3}},
		"repeated after the close":   {Append{Path: "/closed", Body: body, Producer: Producer{"p", 5, 1}}, Outcome{Code: Duplicate, Tail: 10, Closed: true, Epoch: 5, Seq: 3}},
		"the close repeated":         {Append{Path: "/closed", Close: true, Producer: Producer{"p", 5, 3}}, Outcome{Code: Duplicate, Tail: 10, Closed: true, Epoch: 5, Seq: 3}},
		"closed, close with data":    {Append{Path: "/closed", Body: body, Close: true}, Outcome{Code: StreamClosed, Tail: 10, Closed: true}},
		"closed, next of a producer": {Append{Path: "/closed", Close: true, Producer: Producer{"p", 5, 4}}, Outcome{Code: StreamClosed, Tail: 10, Closed: true, Epoch: 5, Seq: 4}},
		"stale epoch":                {Append{Path: "/open", Body: body, Producer: Producer{"p", 2, 0}}, Outcome{Code: StaleEpoch, Tail: 10, Epoch: 5, Seq: 3}},
		"stale epoch after a close":  {Append{Path: "/closed", Body: body, Producer: Producer{"p", 2, 0}}, Outcome{Code: StaleEpoch, Tail: 10, Closed: true, Epoch: 5, Seq: 3}},
		"gap":                        {Append{Path: "/open", Body: body, Producer: Producer{"p", 5, 8}}, Outcome{Code: SequenceGap, Tail: 10, Epoch: 5, Seq: 8, Expected: 4, Received: 8}},
		"gap of an unknown producer": {Append{Path: "/open", Body: body, Producer: Producer{"q", 5, 8}}, Outcome{Code: SequenceGap, Tail: 10, Epoch: 5, Seq: 8, Received: 8}},
		"not the tail":               {Append{Path: "/open", Body: body, Expected: 11, HasExpected: true}, Outcome{Code: OffsetMismatch, Tail: 10}},
		"Stream-Seq":                 {Append{Path: "/open", Body: body, Seq: "a", HasSeq: true}, Outcome{Code: StreamSeqRegression, Tail: 10}},
	} {
		c.request.ContentType = "text/plain"
		if _, out := someStreams(t).DecideAppend(&c.request, 1); out != c.want {
			t.Errorf("%s: %+v, want %+v", name, out, c.want)
		}
	}
}

// threeBytes is content with one append of three bytes after every offset.
type threeBytes struct{}

func (threeBytes) Prefix(_ *Stream, _ Offset, n uint64) ([]byte, bool) {
	if n > 3 {
		return nil, false
	}
	return []byte("abc")[:n], true
}

func TestCreateChecksInOrder(t *testing.T) {
	path := func(path string) func(*Table, *Create) { return func(_ *Table, r *Create) { r.Path = path } }
	from := func(from string) func(*Table, *Create) { return func(_ *Table, r *Create) { r.From = from } }
	faults := []fault[Create]{
		{"gone", "path", PathBlocked, path("/gone")},
		{"another stream", "path", ConfigMismatch, path("/closed")},
		{"no source", "from", ForkSourceNotFound, from("/none")},
		{"gone source", "from", ForkSourceGone, from("/gone")},
		{"other content type", "content type", ForkContentType, func(_ *Table, r *Create) { r.ContentType = "text/html" }},
		{"past the tail", "at", ForkOffsetBeyond, func(_ *Table, r *Create) { r.FromOffset = 11 }},
		{"past every tail", "at", ForkOffsetBeyond, func(_ *Table, r *Create) { r.FromOffset = OffsetMax }},
		{"past the end of the append", "sub", ForkSubOffset, func(_ *Table, r *Create) { r.SubOffset = 4 }},
		{"no JSON", "body", InvalidJSON, func(_ *Table, r *Create) { r.Body, r.BodyErr = nil, InvalidJSON }},
		{"one stream more", "limit", TooManyStreams, func(table *Table, _ *Create) { table.limits.Streams = table.Len() }},
	}
	decide := func(table *Table, r *Create) (Record, Outcome) { return table.DecideCreate(r, 1, threeBytes{}) }
	checkPrecedence(t, faults, decide, func() (*Table, *Create) {
		return someStreams(t), &Create{Path: "/new", ContentType: "text/plain", TTL: NoTTL, From: "/open", HasFromOffset: true, SubOffset: 3, Body: []byte("x")}
	})
}

// TestForkExpiryInheritance is the table of section 4.2.
func TestForkExpiryInheritance(t *testing.T) {
	type expiry struct{ ttl, at int64 }
	none, ttl, at, ownTTL, ownAt := expiry{NoTTL, 0}, expiry{60, 0}, expiry{NoTTL, 5000}, expiry{7, 0}, expiry{NoTTL, 9000}
	for _, c := range []struct{ source, request, fork expiry }{
		{none, none, none}, {none, ownTTL, ownTTL}, {none, ownAt, ownAt},
		{ttl, none, ttl}, {ttl, ownTTL, ownTTL}, {ttl, ownAt, ownAt},
		{at, none, at}, {at, ownTTL, ownTTL}, {at, ownAt, ownAt},
	} {
		table := NewTable(Limits{Streams: 9})
		source := Create{Path: "/s", TTL: c.source.ttl, ExpiresAt: c.source.at}
		rec, _ := table.DecideCreate(&source, 1, nil)
		mustApply(t, table, rec)
		fork := Create{Path: "/f", TTL: c.request.ttl, ExpiresAt: c.request.at, From: "/s"}
		rec, _ = table.DecideCreate(&fork, 2, nil)
		mustApply(t, table, rec)
		s := table.Lookup("/f")
		when, _ := s.ExpiresAt()
		if got := (expiry{s.TTL(), when}); got != c.fork || s.TTL() != NoTTL && s.Touched() != 2 {
			t.Errorf("source %v, request %v: fork has %v, used at %d; want %v", c.source, c.request, got, s.Touched(), c.fork)
		}
		if rec, out := table.DecideCreate(&fork, 3, nil); rec.Kind != 0 || out.Code != Exists {
			t.Errorf("source %v, request %v: repeated, it is %s", c.source, c.request, out.Code)
		}
	}
}

func TestForksOfForksAreBounded(t *testing.T) {
	table := NewTable(Limits{Streams: 1000})
	create := func(path, from string) Code {
		rec, out := table.DecideCreate(&Create{Path: path, TTL: NoTTL, From: from}, 1, nil)
		if rec.Kind != 0 {
			mustApply(t, table, rec)
		}
		return out.Code
	}
	name := func(i int) string { return fmt.Sprintf("/%d", i) }
	if code := create(name(0), ""); code != Created {
		t.Fatal(code)
	}
	for i := range forkDepthMax {
		if code := create(name(i+1), name(i)); code != Created {
			t.Fatalf("fork %d: %s", i, code)
		}
	}
	if code := create("/deep", name(forkDepthMax)); code != ForkTooDeep {
		t.Errorf("a fork too deep: %s", code)
	}
	if code := create("/beside", name(forkDepthMax-1)); code != Created {
		t.Errorf("another fork of the last but one: %s", code)
	}
}

func TestTextBytesFollowTheTexts(t *testing.T) {
	table := someStreams(t)
	s := table.Lookup("/open")
	base := len("/open") + len("text/plain") + len("m") + len("p")
	if got := s.TextBytes(); got != base {
		t.Fatalf("%d bytes, want %d", got, base)
	}
	mustApply(t, table, Record{
		Kind: KindAppend, ID: s.ID, Start: s.Tail, Body: []byte("x"),
		Producer: Producer{ID: "longer"}, Seq: "nnnn", HasSeq: true,
	})
	if got, want := s.TextBytes(), base+3+len("longer"); got != want {
		t.Errorf("%d bytes after a longer Stream-Seq and another producer, want %d", got, want)
	}
	if got, want := table.Lookup("/fork").TextBytes(), len("/fork")+len("text/plain")+len("/gone"); got != want {
		t.Errorf("a fork has %d bytes, want %d", got, want)
	}
}
