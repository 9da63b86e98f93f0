package stream

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"
	"unsafe"

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
	floors map[ID]Offset
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
		floors: make(map[ID]Offset),
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

// trimDue drops what a stream has too much of, as an engine does with whatever
// made it so.
func (w *world) trimDue(s *Stream) {
	if s == nil {
		return
	}
	if to, due := s.TooMuch(); due {
		w.commit(&Record{Kind: KindTrim, ID: s.ID, Start: to})
	}
	if to, due := s.TooMuch(); due {
		w.fail("stream %d is trimmed to %d, and should be again to %d", s.ID, s.Start(), to)
	}
}

// dropOld drops what is too old.
func (w *world) dropOld(path string) {
	s := w.table.Lookup(path)
	if s == nil || s.Gone {
		return
	}
	for {
		to, due := s.TooOld(w.now)
		if due != (s.KeepAge() > 0 && s.Start() < s.Tail && s.NextDue() <= w.now) {
			w.fail("stream %d: something is too old: %t, and next due at %d", s.ID, due, s.NextDue())
		}
		if !due {
			break
		}
		if err := w.model.DropOld(w.now, path, int64(to)); err != nil {
			w.fail("%v", err)
		}
		w.commit(&Record{Kind: KindTrim, ID: s.ID, Start: to})
	}
	if err := w.model.Overdue(w.now, path); err != nil {
		w.fail("%v", err)
	}
}

// checkFloors holds floors against what each reader needs, and drops what nobody
// does: whoever misses it will say so.
func (w *world) checkFloors() {
	floors := make(map[ID]Offset)
	for s := range w.table.All {
		floors[s.ID] = OffsetMax
	}
	for reader := range w.table.All {
		if reader.Gone {
			continue
		}
		for s, to := reader, OffsetMax; s != nil && reader.Start() < to; s, to = s.Source(), min(to, s.Base()) {
			floors[s.ID] = min(floors[s.ID], reader.Start())
			if s.Source() != nil && reader.Start() >= s.Base() {
				break
			}
		}
	}
	for s := range w.table.All {
		floor := w.table.Floor(s)
		if floor != floors[s.ID] || floor < w.floors[s.ID] {
			w.fail("the floor of stream %d is %d, was %d, and its readers need %d", s.ID, floor, w.floors[s.ID], floors[s.ID])
		}
		w.floors[s.ID] = floor
		kept, to := int64(0), s.Tail
		if s.Gone {
			to = w.table.ForkedTo(s)
		}
		if from := max(floor, s.Base()); from < to {
			kept = int64(to - from)
		}
		if got := w.table.Kept(s); got != kept {
			w.fail("%d of stream %d are kept, its floor and forks say %d", got, s.ID, kept)
		}
		w.stored[s.ID] = slices.DeleteFunc(w.stored[s.ID], func(a storedAppend) bool { return a.end <= floor })
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
	if s.TTL() == NoTTL {
		return
	}
	s.Touch(w.now)
	if w.now-s.Logged() >= s.TouchSlack() {
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
	} else if s.TTL() != NoTTL && (s.Touched() != w.now || s.Logged() != w.now) {
		w.fail("record %+v at %d left touched %d, logged %d", *rec, w.now, s.Touched(), s.Logged())
	}
	w.trimDue(s)
}

// visible is what a reader of s can see, through the chain of its sources.
func (w *world) visible(s *Stream) []storedAppend {
	var all []storedAppend
	if source := s.Source(); source != nil {
		if source.Removed() {
			w.fail("stream %d reads stream %d, which was removed", s.ID, source.ID)
		}
		for _, a := range w.visible(source) {
			if a.end <= s.Base() {
				all = append(all, a)
			}
		}
	}
	return append(all, w.stored[s.ID]...)
}

// shown is what a reader of s is given: what is visible and not dropped.
func (w *world) shown(s *Stream) []storedAppend {
	return slices.DeleteFunc(slices.Clone(w.visible(s)), func(a storedAppend) bool { return a.end <= s.Start() })
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
	Rare      rare
	Expiry    expiry
	Fork      fork
	Source    ID
	Forks     map[ID]bool
	Producers map[string]producer
	Seq       string
	Retention retention
}

// states takes down a table.
func states(t *Table) map[ID]state {
	all := make(map[ID]state)
	for s := range t.All {
		d := state{Stream: *s, Rare: rare{ttl: NoTTL}, Forks: map[ID]bool{}, Producers: map[string]producer{}}
		d.Stream.rare, d.Stream.Local = nil, nil
		if r := s.rare; r != nil {
			d.Rare = *r
			if r.expires != nil {
				d.Expiry = *r.expires
			}
			if r.fork != nil {
				d.Fork, d.Fork.source = *r.fork, nil
				d.Source = r.fork.source.ID
			}
			if r.seq != nil {
				d.Seq = "set " + *r.seq
			}
			for id := range r.forks {
				d.Forks[id] = true
			}
			for id, p := range r.producers {
				d.Producers[id] = *p
			}
			if r.retention != nil {
				d.Retention = *r.retention
				d.Retention.marks = append([]Mark(nil), r.retention.marks...)
			}
			d.Rare.retention = nil
			d.Rare.expires, d.Rare.fork, d.Rare.forks, d.Rare.producers, d.Rare.seq = nil, nil, nil, nil, nil
			d.Rare.touched = 0 // reads move it without a record
		}
		all[s.ID] = d
	}
	return all
}

// checkTable checks what holds for every table at any time.
func checkTable(t *Table) error {
	if err := checkOrder(&t.byID); err != nil {
		return err
	}
	if len(t.byPath) != t.Len() {
		return fmt.Errorf("%d paths, length %d", len(t.byPath), t.Len())
	}
	forks := make(map[ID]map[ID]struct{})
	for s := range t.All {
		f := s.fork()
		switch {
		case t.Lookup(s.Path) != s || t.ByID(s.ID) != s || s.ID == 0 || s.ID > t.LastID():
			return fmt.Errorf("stream %d is not where its path and identity lead", s.ID)
		case s.Removed() || s.Tail < s.Base() || s.JSON != IsJSON(s.ContentType):
			return fmt.Errorf("stream %d: removed %t, base %d, tail %d, json %t", s.ID, s.Removed(), s.Base(), s.Tail, s.JSON)
		case s.Gone && s.Forks() == 0:
			return fmt.Errorf("stream %d is gone and nothing keeps it", s.ID)
		case (s.Source() == nil) != (f == nil) || f != nil && (t.ByID(f.sourceID) != f.source || f.depth != f.source.depth()+1):
			return fmt.Errorf("stream %d has a source that is not in the table, or is not one below it", s.ID)
		case unsafe.StringData(s.ContentType) != unsafe.StringData(t.types[s.ContentType]) && len(t.types) < typesMax:
			return fmt.Errorf("stream %d has a content type of its own", s.ID)
		case s.Start() > s.Tail || s.retained() != nil && len(s.retained().marks) > marksMax:
			return fmt.Errorf("stream %d starts at %d, its tail is %d, and it has the marks %v", s.ID, s.Start(), s.Tail, s.retained())
		case s.TextBytes() != textOf(s):
			return fmt.Errorf("stream %d has %d bytes of text, its texts have %d", s.ID, s.TextBytes(), textOf(s))
		}
		if f != nil {
			if forks[f.sourceID] == nil {
				forks[f.sourceID] = make(map[ID]struct{})
			}
			forks[f.sourceID][s.ID] = struct{}{}
		}
	}
	for s := range t.All {
		if s.Forks() != len(forks[s.ID]) || s.Forks() > 0 && !reflect.DeepEqual(s.rare.forks, forks[s.ID]) {
			return fmt.Errorf("stream %d refers to %d forks, its forks are %v", s.ID, s.Forks(), forks[s.ID])
		}
	}
	return nil
}

// textOf counts what TextBytes tells.
func textOf(s *Stream) int {
	n := len(s.Path) + len(s.ContentType)
	_, text := s.ExpiresAt()
	n += len(text)
	if f := s.fork(); f != nil {
		n += len(f.from)
	}
	if s.rare != nil {
		for id := range s.rare.producers {
			n += len(id)
		}
	}
	seq, _ := s.lastSeq()
	return n + len(seq)
}

// sameRecord compares records, taking no body for an empty one.
func sameRecord(a, b Record) bool {
	if !bytes.Equal(a.Body, b.Body) {
		return false
	}
	a.Body, b.Body = nil, nil
	if a.Kind != KindCreate && a.Kind != KindChange { // TTL belongs to these
		a.TTL, b.TTL = 0, 0
	}
	return reflect.DeepEqual(a, b)
}
