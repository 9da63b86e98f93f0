package stream

import (
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unsafe"
)

// TestApplyRefusesWhatDoesNotFollow holds that such a record leaves no trace.
func TestApplyRefusesWhatDoesNotFollow(t *testing.T) {
	for name, r := range map[string]Record{
		"unknown kind":                  {Kind: 9, ID: 1},
		"create of identity 0":          {Kind: KindCreate, Path: "/new", TTL: NoTTL},
		"create of a known identity":    {Kind: KindCreate, ID: 4, Path: "/new", TTL: NoTTL},
		"create of an older identity":   {Kind: KindCreate, ID: 1, Path: "/new", TTL: NoTTL},
		"create at a taken path":        {Kind: KindCreate, ID: 5, Path: "/open", TTL: NoTTL},
		"create at a gone path":         {Kind: KindCreate, ID: 5, Path: "/gone", TTL: NoTTL},
		"fork of nothing":               {Kind: KindCreate, ID: 5, Path: "/new", TTL: NoTTL, Source: 99, From: "/x"},
		"fork of itself":                {Kind: KindCreate, ID: 5, Path: "/new", TTL: NoTTL, Source: 5, From: "/new"},
		"fork past the tail":            {Kind: KindCreate, ID: 5, Path: "/new", TTL: NoTTL, Source: 1, Base: 11, From: "/open"},
		"append to nothing":             {Kind: KindAppend, ID: 99, Body: []byte("x")},
		"append before the tail":        {Kind: KindAppend, ID: 1, Start: 9, Body: []byte("x")},
		"append after the tail":         {Kind: KindAppend, ID: 1, Start: 11, Body: []byte("x"), Producer: Producer{"q", 1, 0}, Seq: "z", HasSeq: true},
		"append to a closed stream":     {Kind: KindAppend, ID: 2, Start: 10, Body: []byte("x")},
		"close of a closed stream":      {Kind: KindAppend, ID: 2, Start: 10, Close: true},
		"append to a gone stream":       {Kind: KindAppend, ID: 3, Body: []byte("x")},
		"delete of nothing":             {Kind: KindDelete, ID: 99},
		"delete of a gone stream":       {Kind: KindDelete, ID: 3},
		"expiry of a gone stream":       {Kind: KindExpire, ID: 3},
		"use of nothing":                {Kind: KindTouch, ID: 99, At: 5},
		"a record of the zero identity": {Kind: KindDelete},
	} {
		table := someStreams(t)
		before := states(table)
		if _, err := table.Apply(&r); err == nil {
			t.Errorf("%s applies", name)
		}
		if !reflect.DeepEqual(states(table), before) || table.lastID != 4 {
			t.Errorf("%s changed the table", name)
		}
		if err := checkTable(table); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestApplyReportsWhatLeaves deletes a chain of forks from its end.
func TestApplyReportsWhatLeaves(t *testing.T) {
	table := NewTable(Limits{})
	create := func(id, source ID, path string) Record {
		return Record{Kind: KindCreate, ID: id, Path: path, TTL: NoTTL, Source: source, From: "/source"}
	}
	mustApply(t, table, create(1, 0, "/a"), create(2, 1, "/b"), create(3, 2, "/c"), create(4, 2, "/d"))
	for _, c := range []struct {
		kind Kind
		id   ID
		want string
	}{
		{KindExpire, 1, ""}, {KindDelete, 2, ""}, {KindDelete, 3, "/c"}, {KindExpire, 4, "/d /b /a"},
	} {
		effect, err := table.Apply(&Record{Kind: c.kind, ID: c.id})
		if err != nil || effect.Stream.ID != c.id {
			t.Fatalf("end of %d: %+v, %v", c.id, effect, err)
		}
		var left []string
		for _, s := range effect.Removed {
			if !s.Removed() {
				t.Errorf("%s left the table and does not know it", s.Path)
			}
			left = append(left, s.Path)
		}
		if got := strings.Join(left, " "); got != c.want {
			t.Errorf("with %d went %q, want %q", c.id, got, c.want)
		}
		if err := checkTable(table); err != nil {
			t.Error(err)
		}
	}
	// The identities stay used.
	r := create(4, 0, "/a")
	if _, err := table.Apply(&r); err == nil || table.Len() != 0 {
		t.Errorf("identity 4 is used again (%v), %d streams", err, table.Len())
	}
}

// TestApplyCopiesStrings overwrites the memory of the records after they were
// applied: a request's strings are often views of a buffer that is used again.
func TestApplyCopiesStrings(t *testing.T) {
	var buffers [][]byte
	view := func(s string) string {
		b := []byte(s)
		buffers = append(buffers, b)
		return unsafe.String(&b[0], len(b))
	}
	build := func(view func(string) string) *Table {
		table := NewTable(Limits{})
		mustApply(t, table,
			Record{Kind: KindCreate, ID: 1, At: 1, Path: view("/path"), ContentType: view("text/plain"), TTL: NoTTL, ExpiresAt: 9, ExpiresText: view("later")},
			Record{Kind: KindCreate, ID: 2, At: 1, Path: view("/fork"), ContentType: view("text/plain"), TTL: NoTTL, Source: 1, From: view("/path")},
			Record{Kind: KindAppend, ID: 1, Producer: Producer{view("producer"), 0, 0}, Seq: view("seq1"), HasSeq: true, Body: []byte("x")},
			Record{Kind: KindAppend, ID: 1, Start: 6, Producer: Producer{view("producer"), 0, 1}, Seq: view("seq2"), HasSeq: true, Close: true},
		)
		return table
	}
	got, want := build(view), build(func(s string) string { return s })
	for _, b := range buffers {
		for i := range b {
			b[i] = '!'
		}
	}
	if !reflect.DeepEqual(states(got), states(want)) || !reflect.DeepEqual(got.types, want.types) {
		t.Errorf("table\n%+v\nwant\n%+v", states(got), states(want))
	}
	if err := checkTable(got); err != nil {
		t.Error(err)
	}
	if got.Lookup("/path") == nil || got.Lookup("/fork") == nil {
		t.Error("a path leads nowhere")
	}
}

func TestSharedTypesAreBounded(t *testing.T) {
	table := NewTable(Limits{})
	for i := range typesMax + 10 {
		r := Record{Kind: KindCreate, ID: ID(i + 1), Path: "/" + strconv.Itoa(i), ContentType: "text/x-" + strconv.Itoa(i), TTL: NoTTL}
		mustApply(t, table, r)
		if s := table.ByID(r.ID); s.ContentType != r.ContentType {
			t.Fatalf("stream %d has the content type %q", s.ID, s.ContentType)
		}
	}
	if len(table.types) != typesMax {
		t.Errorf("%d types are shared, the bound is %d", len(table.types), typesMax)
	}
}

func TestDeadline(t *testing.T) {
	for _, c := range []struct {
		name string
		r    *rare
		want int64
	}{
		{"nothing rare", nil, math.MaxInt64},
		{"none", &rare{ttl: NoTTL}, math.MaxInt64},
		{"TTL", &rare{ttl: 3, touched: 50}, 3050},
		{"TTL of nothing", &rare{ttl: 0, touched: 50}, 50},
		{"longest TTL", &rare{ttl: TTLMax, touched: 50}, TTLMax*1000 + 50},
		{"beyond counting", &rare{ttl: TTLMax, touched: math.MaxInt64 - TTLMax*1000 + 1000}, math.MaxInt64},
		{"absolute", &rare{ttl: NoTTL, expires: &expiry{at: 7}}, 7},
		{"before 1970", &rare{ttl: NoTTL, expires: &expiry{at: -7}}, -7},
	} {
		s := Stream{rare: c.r}
		if got := s.Deadline(); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
		if c.want != math.MaxInt64 && (s.Due(c.want-1) || !s.Due(c.want)) {
			t.Errorf("%s: due before %d or not then", c.name, c.want)
		}
		s.Gone = true
		if s.Due(math.MaxInt64) {
			t.Errorf("%s: due although gone", c.name)
		}
	}
}

func TestTouchSlack(t *testing.T) {
	for ttl, want := range map[int64]int64{0: 1000, 1: 1000, 16: 1000, 17: 1062, 3600: 225_000, TTLMax: TTLMax * 1000 / 16} {
		if got := (&Stream{rare: &rare{ttl: ttl}}).TouchSlack(); got != want {
			t.Errorf("slack of TTL %d is %d, want %d", ttl, got, want)
		}
	}
}

// TestUsesAreNotedWhereTheyCount holds that only a TTL has uses, and that they
// do not move back.
func TestUsesAreNotedWhereTheyCount(t *testing.T) {
	table := NewTable(Limits{})
	mustApply(t, table,
		Record{Kind: KindCreate, ID: 1, At: 5, Path: "/plain", TTL: NoTTL},
		Record{Kind: KindCreate, ID: 2, At: 5, Path: "/ttl", TTL: 60},
		Record{Kind: KindAppend, ID: 1, Body: []byte("x"), Producer: Producer{"p", 0, 0}}, // something rare
		Record{Kind: KindTouch, ID: 1, At: 7},
		Record{Kind: KindTouch, ID: 2, At: 7},
		Record{Kind: KindTouch, ID: 2, At: 6},
	)
	plain, ttl := table.ByID(1), table.ByID(2)
	plain.Touch(9)
	if plain.Touched() != 0 || plain.Logged() != 0 {
		t.Errorf("without a TTL it was used at %d, logged %d", plain.Touched(), plain.Logged())
	}
	ttl.Touch(9)
	ttl.Touch(8)
	if ttl.Touched() != 9 || ttl.Logged() != 7 {
		t.Errorf("with a TTL it was used at %d, logged %d; want 9, 7", ttl.Touched(), ttl.Logged())
	}
}

func TestCodesHaveNames(t *testing.T) {
	seen := make(map[string]Code)
	for c := None; c <= Failed; c++ {
		name := c.String()
		if other, ok := seen[name]; ok || name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "" {
			t.Errorf("code %d is named %q, like code %d", c, name, other)
		}
		seen[name] = c
		if c.Success() != (c >= Created && c <= OK) {
			t.Errorf("%s is a success: %t", c, c.Success())
		}
	}
}
