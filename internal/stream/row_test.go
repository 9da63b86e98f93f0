package stream

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const goldenRows = "testdata/rows.txt"

// namedRows are rows with every field and every flag.
var namedRows = []struct {
	name string
	row  Row
}{
	{"plain", Row{Path: "/a", ContentType: "text/plain", Tail: 1000, TTL: NoTTL}},
	{"nothing at all", Row{TTL: NoTTL}},
	{"closed", Row{Path: "/a", ContentType: "application/json", Closed: true, TTL: NoTTL}},
	{"gone", Row{Path: "/a", ContentType: "a/b", Gone: true, Tail: 6, TTL: NoTTL}},
	{"longest", Row{Path: "/a", ContentType: "a/b", Tail: offsetEnd - 1, TTL: NoTTL}},
	{"TTL", Row{Path: "/a", ContentType: "a/b", TTL: 3600, Logged: 1700000000000}},
	{"TTL of nothing, never used", Row{Path: "/a", ContentType: "a/b"}},
	{"longest TTL", Row{Path: "/a", ContentType: "a/b", TTL: TTLMax, Logged: math.MaxInt64}},
	{"expires", Row{Path: "/a", ContentType: "a/b", TTL: NoTTL, ExpiresAt: 1800000000000, ExpiresText: "2027-01-15T08:00:00Z"}},
	{"expired long ago", Row{Path: "/a", ContentType: "a/b", TTL: NoTTL, ExpiresAt: -1}},
	{"fork", Row{Path: "/b", ContentType: "a/b", Tail: 21, TTL: NoTTL, Source: 1, Base: 21, From: "/a"}},
	{"fork with a sub-offset", Row{Path: "/b", ContentType: "a/b", Tail: 31, TTL: NoTTL, Source: 300, Base: 21, From: "/a", SubOffset: 3}},
	{"fork with an inherited TTL", Row{Path: "/b", ContentType: "a/b", TTL: 60, Logged: 1, Source: 1, From: "/a", InheritedExpiry: true}},
	{"producer", Row{Path: "/a", ContentType: "a/b", TTL: NoTTL, Producers: []Producer{{"p", 0, 0}}}},
	{"producers", Row{Path: "/a", ContentType: "a/b", TTL: NoTTL, Producers: []Producer{{"P", CounterMax, CounterMax}, {"p", 1, 2}, {"pp", 300, 4}}}},
	{"Stream-Seq", Row{Path: "/a", ContentType: "a/b", TTL: NoTTL, Seq: "0001", HasSeq: true}},
	{"empty Stream-Seq", Row{Path: "/a", ContentType: "a/b", TTL: NoTTL, HasSeq: true}},
	{"start", Row{Path: "/a", ContentType: "a/b", Tail: 100, TTL: NoTTL, Start: 99}},
	{"bytes to keep", Row{Path: "/a", ContentType: "a/b", Tail: 100, TTL: NoTTL, KeepBytes: RetentionBytesMax}},
	{"age to keep", Row{Path: "/a", ContentType: "a/b", TTL: NoTTL, KeepAge: 60, AgeBegin: 1700000000000, AgeLast: 1700000000000}},
	{"marks", Row{Path: "/a", ContentType: "a/b", Tail: 300, TTL: NoTTL, Start: 10, KeepAge: TTLMax, AgeBegin: 7, AgeLast: 8, Marks: []Mark{{1, 11}, {1, 12}, {5, 300}}}},
	{"public", Row{Path: "/a", ContentType: "text/plain", Public: true, Tail: 1000, TTL: NoTTL}},
	{"public, gone, with a start", Row{Path: "/a", ContentType: "text/plain", Public: true, Gone: true, Tail: 1000, TTL: NoTTL, Start: 7}},
	{"everything of version 3", Row{
		Path: "/b", ContentType: "application/json", Closed: true, Gone: true, Public: true, Tail: 9, TTL: 5, Logged: 6, ExpiresAt: 7, ExpiresText: "t",
		Source: 1, Base: 8, From: "/a", SubOffset: 2, InheritedExpiry: true, Producers: []Producer{{"p", 1, 2}}, Seq: "s", HasSeq: true,
		Start: 3, KeepBytes: 4, KeepAge: 5, AgeBegin: 6, AgeLast: 7, Marks: []Mark{{6, 4}},
	}},
	{"everything of version 2", Row{
		Path: "/b", ContentType: "application/json", Closed: true, Gone: true, Tail: 9, TTL: 5, Logged: 6, ExpiresAt: 7, ExpiresText: "t",
		Source: 1, Base: 8, From: "/a", SubOffset: 2, InheritedExpiry: true, Producers: []Producer{{"p", 1, 2}}, Seq: "s", HasSeq: true,
		Start: 3, KeepBytes: 4, KeepAge: 5, AgeBegin: 6, AgeLast: 7, Marks: []Mark{{6, 4}},
	}},
	{"everything", Row{
		Path: "/b", ContentType: "application/json", Closed: true, Gone: true, Tail: 9, TTL: 5, Logged: 6, ExpiresAt: 7, ExpiresText: "t",
		Source: 1, Base: 8, From: "/a", SubOffset: 2, InheritedExpiry: true, Producers: []Producer{{"p", 1, 2}}, Seq: "s", HasSeq: true,
	}},
}

// TestRowsKeepTheirBytes compares the encoding with the golden file: what is in
// checkpoints must stay readable.
func TestRowsKeepTheirBytes(t *testing.T) {
	var b strings.Builder
	for _, c := range namedRows {
		fmt.Fprintf(&b, "%s\n%s\n", c.name, hex.Dump(c.row.Append(nil)))
	}
	if *updateFlag {
		if err := os.WriteFile(goldenRows, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(goldenRows)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("encoding changed:\n%s\nwant\n%s", b.String(), want)
	}
}

// TestGoldenRowsAreRead holds that the bytes of the golden file mean the same
// for ever, whatever writing does.
func TestGoldenRowsAreRead(t *testing.T) {
	file, err := os.ReadFile(goldenRows)
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for i, part := range strings.Split(strings.TrimSpace(string(file)), "\n\n") {
		name, dump, _ := strings.Cut(part, "\n")
		var row []byte
		for line := range strings.Lines(dump) {
			_, line, _ = strings.Cut(line, "  ") // the place
			line, _, _ = strings.Cut(line, "|")  // the characters
			b, err := hex.DecodeString(strings.Join(strings.Fields(line), ""))
			if err != nil {
				t.Fatal(err)
			}
			row = append(row, b...)
		}
		got, err := DecodeRow(row)
		if err != nil || name != namedRows[i].name || !reflect.DeepEqual(got, namedRows[i].row) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		read++
	}
	if read != len(namedRows) {
		t.Errorf("the file holds %d rows of %d", read, len(namedRows))
	}
}

// TestRowsComeBack encodes and decodes, and takes the way through a stream.
func TestRowsComeBack(t *testing.T) {
	check := func(r Row) {
		t.Helper()
		b := r.Append([]byte("before"))
		if !bytes.HasPrefix(b, []byte("before")) {
			t.Fatal("Append overwrites what is there")
		}
		b = b[len("before"):]
		got, err := DecodeRow(b)
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Fatalf("%+v\nencodes to %x\nand decodes to %+v, %v", r, b, got, err)
		}
		table := NewTable(Limits{})
		if err := table.Restore(math.MaxUint64, b); err != nil {
			t.Fatal(err)
		}
		s := table.ByID(math.MaxUint64)
		if again := s.AppendRow(nil); !bytes.Equal(again, b) || !reflect.DeepEqual(s.Row(), r) {
			t.Fatalf("%+v\nis restored to %+v", r, s.Row())
		}
		if s.TextBytes() != textOf(s) {
			t.Fatalf("%+v has %d bytes of text", r, s.TextBytes())
		}
		for i := range b {
			b[i] = '!' // nothing may refer to it
		}
		if !reflect.DeepEqual(s.Row(), r) || !reflect.DeepEqual(got, r) {
			t.Fatalf("%+v\nkeeps a part of its encoding", r)
		}
	}
	for _, c := range namedRows {
		check(c.row)
	}
	r := newRand(newSeed(t))
	for range 20_000 {
		check(randomRow(r))
	}
}

// randomRow has any values in all the fields that a stream can have.
func randomRow(r *rand.Rand) Row {
	number := func() uint64 { return r.Uint64() >> r.IntN(64) }
	count := func() int64 { return int64(number() >> 1) }
	text := func() string { return string(randomBytes(r, r.IntN(1<<r.IntN(9)))) }
	maybe := func() bool { return r.IntN(2) == 0 }
	row := Row{Path: text(), ContentType: text(), Closed: maybe(), Gone: maybe(), Public: maybe(), Tail: Offset(number() % offsetEnd), TTL: NoTTL}
	if maybe() {
		row.TTL, row.Logged = count(), count()
	}
	if maybe() {
		row.ExpiresAt, row.ExpiresText = int64(number()|1)*int64(1-2*r.IntN(2)), text()
	}
	if maybe() {
		row.Source, row.Base = ID(max(1, number()>>1)), Offset(r.Uint64N(uint64(row.Tail)+1))
		row.From, row.SubOffset, row.InheritedExpiry = text(), number(), maybe()
	}
	if maybe() {
		ids := map[string]bool{}
		for range 1 + r.IntN(20) {
			ids["p"+text()] = true
		}
		for id := range ids {
			row.Producers = append(row.Producers, Producer{id, count(), count()})
		}
		slices.SortFunc(row.Producers, func(a, b Producer) int { return strings.Compare(a.ID, b.ID) })
	}
	if maybe() {
		row.Seq, row.HasSeq = text(), true
	}
	if maybe() {
		row.Start = Offset(r.Uint64N(uint64(row.Tail) + 1))
	}
	if maybe() {
		row.KeepBytes = count()
	}
	if row.KeepAge = count() * int64(r.IntN(2)); row.KeepAge != 0 {
		row.AgeBegin, row.AgeLast = count(), count()
		for at := row.Start; row.Tail > at && len(row.Marks) < r.IntN(marksMax+1); {
			at += 1 + Offset(r.Uint64N(uint64(row.Tail-at)))
			row.Marks = append(row.Marks, Mark{count(), at})
		}
	}
	return row
}

// TestDecodeRowRejects holds every kind of fault against the decoder.
func TestDecodeRowRejects(t *testing.T) {
	u := func(v uint64) string { return string(binary.AppendUvarint(nil, v)) }
	row := func(flags byte, fields ...string) string {
		return string([]byte{rowVersion, flags}) + strings.Join(fields, "")
	}
	const plain = "\x02/a\x03a/b\x06"
	for name, b := range map[string]string{
		"nothing":                           "",
		"a version alone":                   "\x01",
		"version 0":                         "\x00\x00" + plain,
		"version 4":                         "\x04\x00" + plain,
		"version 3 cut short":               "\x03\x00",
		"version 3 of nothing new":          "\x03\x00\x00" + plain,
		"version 3 of a row of version 2":   "\x03\x00\x01" + plain + "\x01",
		"public in version 2":               "\x02\x00\x08" + plain,
		"an unknown flag of version 3":      "\x03\x00\x18" + plain,
		"version 2 cut short":               "\x02\x00",
		"version 2 of nothing new":          "\x02\x00\x00" + plain,
		"an unknown flag of version 2":      "\x02\x00\x10" + plain,
		"a start of nothing":                "\x02\x00\x01" + plain + "\x00",
		"a start beyond the tail":           "\x02\x00\x01" + plain + "\x07",
		"no bytes to keep":                  "\x02\x00\x02" + plain + "\x00",
		"no age to keep":                    "\x02\x00\x04" + plain + "\x00\x00\x00\x00",
		"an age without its marks":          "\x02\x00\x04" + plain + "\x01\x00\x00",
		"fewer marks than announced":        "\x02\x00\x04" + plain + "\x01\x00\x00\x02\x00\x01",
		"more marks than there may be":      "\x02\x00\x04" + plain + "\x01\x00\x00\x13" + strings.Repeat("\x00\x01", 19),
		"a mark beyond the tail":            "\x02\x00\x04" + plain + "\x01\x00\x00\x01\x00\x07",
		"a mark before the start":           "\x02\x00\x05" + plain + "\x02\x01\x00\x00\x01\x00\x02",
		"marks that do not grow":            "\x02\x00\x04" + plain + "\x01\x00\x00\x02\x00\x02\x00\x02",
		"nothing but flags":                 row(0),
		"no content type":                   row(0, "\x02/a"),
		"no tail":                           row(0, "\x02/a\x03a/b"),
		"a path past the end":               row(0, "\x7f/a\x03a/b\x06"),
		"a path far past the end":           row(0, u(math.MaxUint64), "/a\x03a/b\x06"),
		"a longer length than need be":      row(0, "\x82\x00/a\x03a/b\x06"),
		"a longer tail than need be":        row(0, "\x02/a\x03a/b\x86\x00"),
		"a tail without an end":             row(0, "\x02/a\x03a/b\x86"),
		"a tail without a token":            row(0, "\x02/a\x03a/b", u(offsetEnd)),
		"a tail of 11 bytes":                row(0, "\x02/a\x03a/b", strings.Repeat("\xff", 10), "\x01"),
		"something after it":                row(0, plain, "\x00"),
		"a TTL without a use":               row(rowTTL, plain, "\x05"),
		"a TTL beyond an int64":             row(rowTTL, plain, u(1<<63), "\x00"),
		"a use beyond an int64":             row(rowTTL, plain, "\x05", u(1<<63)),
		"expires at no time":                row(rowExpires, plain, "\x00\x00"),
		"expires without a text":            row(rowExpires, plain, "\x02"),
		"a longer time than need be":        row(rowExpires, plain, "\x82\x00\x00"),
		"a fork of nothing":                 row(rowFork, plain, "\x00\x00\x00\x00"),
		"a fork that begins past its tail":  row(rowFork, plain, "\x01\x07\x00\x00"),
		"a fork that ends":                  row(rowFork, plain, "\x01\x06\x00"),
		"inherited by no fork":              row(rowInherited, plain),
		"producers, but none":               row(rowProducers, plain, "\x00"),
		"a producer without a name":         row(rowProducers, plain, "\x01\x00\x00\x00\x00"),
		"a producer that ends":              row(rowProducers, plain, "\x01\x01p\x00"),
		"fewer producers than announced":    row(rowProducers, plain, "\x02\x01p\x00\x00"),
		"far more producers than fit":       row(rowProducers, plain, u(math.MaxUint64), "\x01p\x00\x00"),
		"a producer twice":                  row(rowProducers, plain, "\x02\x01p\x00\x00\x01p\x00\x00"),
		"producers out of order":            row(rowProducers, plain, "\x02\x01q\x00\x00\x01p\x00\x00"),
		"an epoch beyond an int64":          row(rowProducers, plain, "\x01\x01p", u(1<<63), "\x00"),
		"a sequence beyond an int64":        row(rowProducers, plain, "\x01\x01p\x00", u(1<<63)),
		"a Stream-Seq that is not there":    row(rowSeq, plain),
		"a Stream-Seq past the end":         row(rowSeq, plain, "\x02s"),
		"all flags of one without anything": row(0xff, plain),
	} {
		if r, err := DecodeRow([]byte(b)); err == nil {
			t.Errorf("%s: %x decodes to %+v", name, b, r)
		}
	}
	// The base of these is a row.
	if _, err := DecodeRow([]byte(row(0, plain))); err != nil {
		t.Error(err)
	}
	// Cut rows are no rows, whatever is missing.
	for _, c := range namedRows {
		b := c.row.Append(nil)
		for n := range b {
			if r, err := DecodeRow(b[:n]); err == nil {
				t.Errorf("%s: the first %d bytes of %x decode to %+v", c.name, n, b, r)
			}
		}
	}
}

// TestDamagedRowsHaveOneEncoding changes one byte of a row in every way. What
// still decodes must be the encoding of what it decodes to.
func TestDamagedRowsHaveOneEncoding(t *testing.T) {
	for _, c := range namedRows {
		b := c.row.Append(nil)
		for i := range b {
			for v := range 256 {
				damaged := bytes.Clone(b)
				damaged[i] = byte(v)
				if r, err := DecodeRow(damaged); err == nil && !bytes.Equal(r.Append(nil), damaged) {
					t.Fatalf("%x decodes to %+v, which encodes to %x", damaged, r, r.Append(nil))
				}
			}
		}
	}
}

// TestRowsOfOneStreamAreEqual holds that the order in which producers came, or
// a map gives them, is not to be seen.
func TestRowsOfOneStreamAreEqual(t *testing.T) {
	var want []byte
	for range 20 {
		table := NewTable(Limits{})
		mustApply(t, table, Record{Kind: KindCreate, ID: 1, Path: "/a", TTL: NoTTL})
		for _, i := range rand.Perm(20) {
			r := Record{Kind: KindAppend, ID: 1, Start: table.ByID(1).Tail, Body: []byte("x"), Producer: Producer{fmt.Sprint(i), 1, 0}}
			mustApply(t, table, r)
		}
		got := table.ByID(1).AppendRow(nil)
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("row %x, and then %x", want, got)
		}
	}
}
