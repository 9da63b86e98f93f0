package stream

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

const goldenRecords = "testdata/records.txt"

// namedRecord is one record of the golden file.
type namedRecord struct {
	name   string
	record Record
}

// namedRecords are records with every field and every flag of every kind.
var namedRecords = []namedRecord{
	{"create, nothing optional", Record{Kind: KindCreate, ID: 1, At: 1700000000000, Path: "/a", ContentType: "text/plain", TTL: NoTTL}},
	{"create, closed with a body", Record{Kind: KindCreate, ID: 2, At: 1, Path: "/b", ContentType: "application/json", TTL: NoTTL, Closed: true, Body: []byte("1,2,")}},
	{"create, TTL", Record{Kind: KindCreate, ID: 300, At: 1, Path: "/c", ContentType: "a/b", TTL: 3600}},
	{"create, TTL of nothing", Record{Kind: KindCreate, ID: 4, At: 1, Path: "/c", ContentType: "a/b", TTL: 0}},
	{"create, longest TTL", Record{Kind: KindCreate, ID: 5, At: 1, Path: "/c", ContentType: "a/b", TTL: TTLMax}},
	{"create, expires", Record{Kind: KindCreate, ID: 6, At: 1, Path: "/d", ContentType: "a/b", TTL: NoTTL, ExpiresAt: 1800000000000, ExpiresText: "2027-01-15T08:00:00Z"}},
	{"create, expired long ago", Record{Kind: KindCreate, ID: 7, At: 1, Path: "/d", ContentType: "a/b", TTL: NoTTL, ExpiresAt: -1, ExpiresText: "1969-12-31T23:59:59.999Z"}},
	{"create, fork", Record{Kind: KindCreate, ID: 8, At: 1, Path: "/e", ContentType: "a/b", TTL: NoTTL, Source: 1, Base: 21, From: "/a"}},
	{"create, fork with a sub-offset and a body", Record{Kind: KindCreate, ID: 9, At: 1, Path: "/f", ContentType: "a/b", TTL: NoTTL, Source: 1, Base: 21, From: "/a", SubOffset: 3, Prefix: 3, Body: []byte("abcbody")}},
	{"create, fork with an inherited TTL", Record{Kind: KindCreate, ID: 10, At: 1, Path: "/g", ContentType: "a/b", TTL: 60, Source: 3, From: "/c", InheritedExpiry: true}},
	{"create, all flags", Record{Kind: KindCreate, ID: 11, At: 1, Path: "/h", ContentType: "a/b", Closed: true, TTL: 1, ExpiresAt: 2, ExpiresText: "x", Source: 3, Base: 4, From: "/c", SubOffset: 5, InheritedExpiry: true, Prefix: 1, Body: []byte("ab")}},
	{"append, body", Record{Kind: KindAppend, ID: 1, Start: 1000, Body: []byte("body")}},
	{"append, close", Record{Kind: KindAppend, ID: 1, Close: true}},
	{"append, use of a TTL", Record{Kind: KindAppend, ID: 1, Start: 5, At: 1700000000000, Body: []byte{0}}},
	{"append, producer", Record{Kind: KindAppend, ID: 1, Start: 5, Producer: Producer{"p", 0, 0}, Body: []byte("x")}},
	{"append, largest producer counters", Record{Kind: KindAppend, ID: 1, Start: 5, Producer: Producer{"p", CounterMax, CounterMax}, Body: []byte("x")}},
	{"append, sequence", Record{Kind: KindAppend, ID: 1, Start: 5, Seq: "0001", HasSeq: true, Body: []byte("x")}},
	{"append, empty sequence", Record{Kind: KindAppend, ID: 1, Start: 5, HasSeq: true, Body: []byte("x")}},
	{"append, all flags", Record{Kind: KindAppend, ID: math.MaxUint64, Start: offsetEnd - 1, At: 7, Close: true, Producer: Producer{"p", 1, 2}, Seq: "s", HasSeq: true, Body: []byte("x")}},
	{"delete", Record{Kind: KindDelete, ID: 128}},
	{"expire", Record{Kind: KindExpire, ID: 127}},
	{"touch", Record{Kind: KindTouch, ID: 1, At: 1700000000000}},
	{"touch at the epoch", Record{Kind: KindTouch, ID: 1}},
	{"create, policy", Record{Kind: KindCreate, ID: 12, At: 1, Path: "/i", ContentType: "a/b", TTL: NoTTL, KeepAge: 86400, KeepBytes: 1 << 30, Body: []byte("x")}},
	{"create, largest policy", Record{Kind: KindCreate, ID: 13, At: 1, Path: "/j", ContentType: "a/b", TTL: NoTTL, KeepAge: TTLMax, KeepBytes: RetentionBytesMax}},
	{"create, public", Record{Kind: KindCreate, ID: 14, At: 1, Path: "/k", ContentType: "a/b", TTL: NoTTL, Public: true}},
	{"create, public fork with all flags", Record{Kind: KindCreate, ID: 15, At: 1, Path: "/l", ContentType: "a/b", Public: true, Closed: true, TTL: 1, ExpiresAt: 2, ExpiresText: "x", Source: 3, Base: 4, From: "/c", SubOffset: 5, InheritedExpiry: true, Prefix: 1, KeepAge: 6, KeepBytes: 7, Body: []byte("ab")}},
	{"change, policy", Record{Kind: KindChange, ID: 1, At: 1700000000000, TTL: NoTTL, HasPolicy: true, KeepAge: 60}},
	{"change, no policy any more", Record{Kind: KindChange, ID: 1, At: 7, TTL: NoTTL, HasPolicy: true}},
	{"change, TTL", Record{Kind: KindChange, ID: 1, At: 7, TTL: 60, HasLife: true}},
	{"change, expires", Record{Kind: KindChange, ID: 1, At: 7, TTL: NoTTL, HasLife: true, ExpiresAt: 1800000000000, ExpiresText: "2027-01-15T08:00:00Z"}},
	{"change, no end any more", Record{Kind: KindChange, ID: 1, At: 7, TTL: NoTTL, HasLife: true}},
	{"change, everything", Record{Kind: KindChange, ID: 300, At: 7, Start: 1000, TTL: 5, HasLife: true, ExpiresAt: 2, ExpiresText: "x", HasPolicy: true, KeepAge: 1, KeepBytes: 2}},
	{"trim", Record{Kind: KindTrim, ID: 1, Start: 1000}},
}

func encode(r *Record) []byte { return append(r.AppendHead(nil), r.Body...) }

// TestRecordsKeepTheirBytes compares the encoding with the golden file: what is
// in logs must stay readable.
func TestRecordsKeepTheirBytes(t *testing.T) {
	var b strings.Builder
	for _, c := range namedRecords {
		fmt.Fprintf(&b, "%s\n%s\n", c.name, hex.Dump(encode(&c.record)))
	}
	if *updateFlag {
		if err := os.WriteFile(goldenRecords, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(goldenRecords)
	if err != nil {
		t.Fatal(err)
	}
	gotParts, wantParts := strings.Split(b.String(), "\n\n"), strings.Split(string(want), "\n\n")
	for i := range max(len(gotParts), len(wantParts)) {
		var got, want string
		if i < len(gotParts) {
			got = gotParts[i]
		}
		if i < len(wantParts) {
			want = wantParts[i]
		}
		if got != want {
			t.Errorf("encoding changed:\n%s\nwant\n%s", got, want)
		}
	}
}

// TestRecordsComeBack encodes and decodes records of all kinds.
func TestRecordsComeBack(t *testing.T) {
	check := func(r Record) {
		t.Helper()
		b := encode(&r)
		got, err := DecodeRecord(b)
		if err != nil || !sameRecord(got, r) {
			t.Fatalf("%+v\nencodes to %x\nand decodes to %+v, %v", r, b, got, err)
		}
		if r.Kind != KindCreate && r.Kind != KindChange && got.TTL != NoTTL {
			t.Fatalf("%+v has a TTL of %d", got, got.TTL)
		}
		if len(got.Body) > 0 && &got.Body[0] != &b[len(b)-len(got.Body)] {
			t.Fatalf("the body of %+v is a copy", got)
		}
	}
	for _, c := range namedRecords {
		check(c.record)
	}
	r := newRand(newSeed(t))
	for range 20_000 {
		check(randomRecord(r))
	}
}

// randomRecord has any values in all the fields that its kind encodes.
func randomRecord(r *rand.Rand) Record {
	number := func() uint64 { return r.Uint64() >> r.IntN(64) }
	count := func() int64 { return int64(number() >> 1) }
	text := func() string { return string(randomBytes(r, r.IntN(1<<r.IntN(9)))) }
	rec := Record{Kind: Kind(1 + r.IntN(7)), ID: ID(number()), TTL: NoTTL}
	switch rec.Kind {
	case KindCreate:
		rec.At, rec.Path, rec.ContentType, rec.Closed = count(), text(), text(), r.IntN(2) == 0
		if r.IntN(2) == 0 {
			rec.TTL = count()
		}
		if r.IntN(2) == 0 {
			rec.ExpiresAt = int64(number()|1) * int64(1-2*r.IntN(2))
			rec.ExpiresText = text()
		}
		rec.InheritedExpiry = r.IntN(2) == 0
		rec.Public = r.IntN(2) == 0
		rec.Body = []byte(text())
		if r.IntN(2) == 0 {
			rec.Source, rec.Base, rec.From, rec.SubOffset = ID(number()|1), Offset(number()), text(), number()
			rec.Prefix = r.IntN(len(rec.Body) + 1)
		}
		if r.IntN(2) == 0 {
			rec.KeepAge, rec.KeepBytes = count(), count()
		}
	case KindAppend:
		rec.Start, rec.Close = Offset(number()), r.IntN(2) == 0
		if r.IntN(2) == 0 {
			rec.At = count()
		}
		if r.IntN(2) == 0 {
			rec.Producer = Producer{"p" + text(), count(), count()}
		}
		if r.IntN(2) == 0 {
			rec.Seq, rec.HasSeq = text(), true
		}
		rec.Body = []byte(text())
	case KindTouch:
		rec.At = count()
	case KindTrim:
		rec.Start = Offset(number())
	case KindChange:
		rec.At = count()
		if r.IntN(2) == 0 {
			rec.Start = Offset(number())
		}
		if rec.HasLife = r.IntN(2) == 0; rec.HasLife {
			rec.TTL = count()*int64(r.IntN(2)) - 1
			rec.ExpiresAt = int64(number()|1) * int64(r.IntN(2))
			if rec.ExpiresAt != 0 {
				rec.ExpiresText = text()
			}
		}
		if rec.HasPolicy = r.IntN(2) == 0; rec.HasPolicy {
			rec.KeepAge, rec.KeepBytes = count(), count()
		}
	}
	return rec
}

// TestDecodeRecordRejects holds every kind of fault against the decoder.
func TestDecodeRecordRejects(t *testing.T) {
	long := bytes.Repeat([]byte{0xff}, 10)
	u := func(v uint64) []byte { return binary.AppendUvarint(nil, v) }
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for name, b := range map[string][]byte{
		"nothing":                         {},
		"no identity":                     {byte(KindDelete), 0},
		"kind 0":                          {0, 0, 1},
		"kind 8":                          {8, 0, 1},
		"kind 255":                        {255, 0, 1},
		"unknown flag":                    {byte(KindAppend), 0x80, 1, 0},
		"delete with a flag":              {byte(KindDelete), flagClosed, 1},
		"delete with a body":              {byte(KindDelete), 0, 1, 0},
		"expire with a body":              {byte(KindExpire), 0, 1, 0},
		"touch with a body":               {byte(KindTouch), 0, 1, 1, 0},
		"touch with a flag":               {byte(KindTouch), flagTTL, 1, 1},
		"touch without a time":            {byte(KindTouch), 0, 1},
		"touch beyond an int64":           join([]byte{byte(KindTouch), 0, 1}, u(1<<63)),
		"trim with a body":                {byte(KindTrim), 0, 1, 1, 0},
		"trim with a flag":                {byte(KindTrim), flagTrim, 1, 1},
		"trim without a start":            {byte(KindTrim), 0, 1},
		"change without a time":           {byte(KindChange), 0, 1},
		"change with a body":              {byte(KindChange), 0, 1, 1, 0},
		"change to a TTL that is no life": {byte(KindChange), flagTTL, 1, 1, 5},
		"change that expires at no life":  {byte(KindChange), flagExpires, 1, 1, 5, 0},
		"change with a flag of creates":   {byte(KindChange), flagKeep, 1, 1, 5, 5},
		"change that makes public":        {byte(KindChange), flagPublic, 1, 1},
		"delete of what is public":        {byte(KindDelete), flagPublic, 1},
		"change to the start of nothing":  {byte(KindChange), flagTrim, 1, 1, 0},
		"change to half a policy":         {byte(KindChange), flagPolicy, 1, 1, 5},
		"create with no policy":           {byte(KindCreate), flagKeep, 1, 1, 0, 0, 0, 0},
		"identity without an end":         {byte(KindDelete), 0, 0x80},
		"identity of 11 bytes":            join([]byte{byte(KindDelete), 0}, long, []byte{1}),
		"identity beyond a uint64":        join([]byte{byte(KindDelete), 0}, long[:9], []byte{2}),
		"longer identity than need be":    {byte(KindDelete), 0, 0x81, 0},
		"longer zero than need be":        {byte(KindAppend), 0, 1, 0x80, 0},
		"longer string than need be":      {byte(KindAppend), flagSeq, 1, 0, 0x81, 0, 'x'},
		"append without a start":          {byte(KindAppend), 0, 1},
		"append at no time":               {byte(KindAppend), flagTTL, 1, 0, 0},
		"append by nobody":                {byte(KindAppend), flagProducer, 1, 0, 0, 0, 0},
		"append with a flag of creates":   {byte(KindAppend), flagExpires, 1, 0},
		"append with a cut producer":      {byte(KindAppend), flagProducer, 1, 0, 1, 'p', 0},
		"string past the end":             {byte(KindAppend), flagSeq, 1, 0, 2, 'x'},
		"string far past the end":         join([]byte{byte(KindAppend), flagSeq, 1, 0}, u(math.MaxUint64), []byte{'x'}),
		"epoch beyond an int64":           join([]byte{byte(KindAppend), flagProducer, 1, 0, 1, 'p'}, u(1<<63), []byte{0}),
		"create with a flag of appends":   {byte(KindCreate), flagSeq, 1, 1, 0, 0},
		"create that ends":                {byte(KindCreate), 0, 1, 1, 0},
		"create that expires at no time":  {byte(KindCreate), flagExpires, 1, 1, 0, 0, 0, 0},
		"create with a long way to say 1": {byte(KindCreate), flagExpires, 1, 1, 0, 0, 0x82, 0, 0},
		"fork of nothing":                 {byte(KindCreate), flagFork, 1, 1, 0, 0, 0, 0, 0, 0, 0},
		"fork with a prefix past the end": {byte(KindCreate), flagFork, 1, 1, 0, 0, 1, 0, 0, 1, 2, 'x'},
	} {
		if r, err := DecodeRecord(b); err == nil {
			t.Errorf("%s: %x decodes to %+v", name, b, r)
		}
	}
	// Cut heads are no records, whatever is missing.
	for _, c := range namedRecords {
		head := c.record.AppendHead(nil)
		for n := range head {
			if r, err := DecodeRecord(head[:n]); err == nil {
				t.Errorf("%s: the first %d bytes of %x decode to %+v", c.name, n, head, r)
			}
		}
	}
}

// FuzzRecord holds that bytes which decode are the encoding of what they decode
// to: one fact has one encoding.
func FuzzRecord(f *testing.F) {
	for _, c := range namedRecords {
		f.Add(encode(&c.record))
	}
	f.Add([]byte{byte(KindDelete), 0, 0x81, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := DecodeRecord(b)
		if err != nil {
			return
		}
		if again := encode(&r); !bytes.Equal(again, b) {
			t.Fatalf("%x decodes to %+v, which encodes to %x", b, r, again)
		}
		// The appends lie inside the body, one after the other.
		at := 0
		r.Appends(func(from, to int, _ Offset) {
			if from != at || to <= from || to > len(r.Body) {
				t.Fatalf("append of bytes %d to %d of %d, after %d", from, to, len(r.Body), at)
			}
			at = to
		})
		if at != len(r.Body) {
			t.Fatalf("%d of %d bytes are appends", at, len(r.Body))
		}
	})
}
