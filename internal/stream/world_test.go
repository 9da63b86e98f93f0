package stream

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"

	"tailrace/internal/jsonmode"
	"tailrace/internal/model"
)

// world is a table and a model that get the same requests, with just so much of
// an engine around the table as the rules need: the bytes of the appends, the
// expiry of what a request names, and the renewal of lifetimes.
type world struct {
	t     *testing.T
	table *Table
	model *model.Model
	now   int64

	stored map[ID][]storedAppend // of every stream in the table
	log    [][]byte              // the encoded records
	marks  []mark
	data   []byte // what drives the run
	trace  []string
	codes  map[Code]int // how often each outcome was seen
}

// storedAppend is one append of a stream itself, without what it inherits.
type storedAppend struct {
	body []byte
	end  Offset
}

// mark is what the table held when the log was so many records long.
type mark struct {
	records int
	state   map[ID]state
}

// worldStart leaves room before it for absolute expiries in the past.
const worldStart = 1_000_000

func newWorld(t *testing.T) *world {
	return &world{
		t:      t,
		table:  NewTable(Limits{Streams: math.MaxInt, ProducersPerStream: math.MaxInt}),
		model:  model.New(),
		now:    worldStart,
		stored: make(map[ID][]storedAppend),
		codes:  make(map[Code]int),
	}
}

func (w *world) note(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf("%3d t=%d ", len(w.trace), w.now-worldStart)+fmt.Sprintf(format, args...))
}

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	for _, line := range w.trace {
		w.t.Log(line)
	}
	w.t.Logf("data %x", w.data)
	w.t.Fatalf(format, args...)
}

// commit takes a record into the log and the table.
func (w *world) commit(rec *Record) {
	w.t.Helper()
	encoded := append(rec.AppendHead(nil), rec.Body...)
	decoded, err := DecodeRecord(encoded)
	if err != nil || !sameRecord(decoded, *rec) {
		w.fail("record %+v decodes to %+v, %v", *rec, decoded, err)
	}
	w.log = append(w.log, encoded)
	effect, err := w.table.Apply(rec)
	if err != nil {
		w.fail("decided record %+v does not apply: %v", *rec, err)
	}
	rec.Appends(func(from, to int, end Offset) {
		w.stored[rec.ID] = append(w.stored[rec.ID], storedAppend{bytes.Clone(rec.Body[from:to]), end})
	})
	for _, s := range effect.Removed {
		delete(w.stored, s.ID)
	}
}

// gate expires the stream at path if it is due, as naming it does.
func (w *world) gate(path string) *Stream {
	s := w.table.Lookup(path)
	if s != nil && s.Due(w.now) {
		w.commit(&Record{Kind: KindExpire, ID: s.ID})
	}
	return w.table.Lookup(path)
}

// touch notes a use of the stream, and logs it if the log lags too far behind.
func (w *world) touch(s *Stream) {
	if s.TTL == NoTTL {
		return
	}
	s.Touched = max(s.Touched, w.now)
	if w.now-s.Logged >= s.TouchSlack() {
		w.commit(&Record{Kind: KindTouch, ID: s.ID, At: w.now})
	}
}

// settle does what follows a decision: the record, or the use of the stream.
func (w *world) settle(path string, rec *Record, out Outcome) {
	w.codes[out.Code]++
	if rec.Kind != 0 {
		w.commit(rec)
	}
	s := w.table.Lookup(path)
	if s == nil || !out.Code.Success() || out.Code == Deleted {
		return
	}
	if rec.Kind == 0 {
		w.touch(s)
	} else if s.TTL != NoTTL && (s.Touched != w.now || s.Logged != w.now) {
		w.fail("record %+v at %d left touched %d, logged %d", *rec, w.now, s.Touched, s.Logged)
	}
}

// visible is what a reader of s can see, through the chain of its sources.
func (w *world) visible(s *Stream) []storedAppend {
	var all []storedAppend
	if s.Source != nil {
		if s.Source.Removed {
			w.fail("stream %d reads stream %d, which was removed", s.ID, s.Source.ID)
		}
		for _, a := range w.visible(s.Source) {
			if a.end <= s.Base {
				all = append(all, a)
			}
		}
	}
	return append(all, w.stored[s.ID]...)
}

// Prefix implements Content.
func (w *world) Prefix(s *Stream, at Offset, n uint64) ([]byte, bool) {
	all := w.visible(s)
	i := slices.IndexFunc(all, func(a storedAppend) bool { return a.end > at })
	if i < 0 || n > uint64(len(all[i].body)) {
		return nil, false
	}
	if !s.JSON {
		return all[i].body[:n], true
	}
	prefix, have := jsonmode.Prefix(all[i].body, int(n))
	return prefix, have == int(n)
}

// state is a Stream in a form that can be compared, with its references as
// identities and without what Apply does not decide.
type state struct {
	Stream    Stream
	Source    ID
	Expiry    expiry
	Fork      forkConfig
	Forks     map[ID]bool
	Producers map[string]producer
	Seq       string
}

// states takes down a table.
func states(t *Table) map[ID]state {
	all := make(map[ID]state)
	for s := range t.All {
		d := state{Stream: *s, Forks: map[ID]bool{}, Producers: map[string]producer{}}
		if s.Source != nil {
			d.Source = s.Source.ID
		}
		if s.expires != nil {
			d.Expiry = *s.expires
		}
		if s.fork != nil {
			d.Fork = *s.fork
		}
		if s.seq != nil {
			d.Seq = "set " + *s.seq
		}
		for id := range s.forks {
			d.Forks[id] = true
		}
		for id, p := range s.producers {
			d.Producers[id] = *p
		}
		d.Stream.Source, d.Stream.expires, d.Stream.fork, d.Stream.forks = nil, nil, nil, nil
		d.Stream.producers, d.Stream.seq, d.Stream.Local = nil, nil, nil
		d.Stream.Touched = 0 // reads move it without a record
		all[s.ID] = d
	}
	return all
}

// checkTable checks what holds for every table at any time.
func checkTable(t *Table) error {
	if len(t.byPath) != len(t.byID) || t.Len() != len(t.byID) {
		return fmt.Errorf("%d paths, %d identities, length %d", len(t.byPath), len(t.byID), t.Len())
	}
	forks := make(map[ID]map[ID]struct{})
	for s := range t.All {
		switch {
		case t.Lookup(s.Path) != s || t.ByID(s.ID) != s || s.ID == 0 || s.ID > t.lastID:
			return fmt.Errorf("stream %d is not where its path and identity lead", s.ID)
		case s.Removed || s.Tail < s.Base || s.JSON != IsJSON(s.ContentType):
			return fmt.Errorf("stream %d: removed %t, base %d, tail %d, json %t", s.ID, s.Removed, s.Base, s.Tail, s.JSON)
		case s.Gone && s.Forks() == 0:
			return fmt.Errorf("stream %d is gone and nothing keeps it", s.ID)
		case (s.Source == nil) != (s.fork == nil) || s.Source != nil && t.ByID(s.Source.ID) != s.Source:
			return fmt.Errorf("stream %d has a source that is not in the table", s.ID)
		}
		if s.Source != nil {
			if forks[s.Source.ID] == nil {
				forks[s.Source.ID] = make(map[ID]struct{})
			}
			forks[s.Source.ID][s.ID] = struct{}{}
		}
	}
	for s := range t.All {
		if len(s.forks) != len(forks[s.ID]) || len(s.forks) > 0 && !reflect.DeepEqual(s.forks, forks[s.ID]) {
			return fmt.Errorf("stream %d refers to forks %v, its forks are %v", s.ID, s.forks, forks[s.ID])
		}
	}
	return nil
}

// sameRecord compares records, taking no body for an empty one.
func sameRecord(a, b Record) bool {
	if !bytes.Equal(a.Body, b.Body) {
		return false
	}
	a.Body, b.Body = nil, nil
	if a.Kind != KindCreate { // TTL belongs to creates alone
		a.TTL, b.TTL = 0, 0
	}
	return reflect.DeepEqual(a, b)
}
