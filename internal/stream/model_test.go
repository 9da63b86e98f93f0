package stream

import (
	"slices"
	"strconv"
	"testing"
)

// opsMax bounds a run, because every check of a table looks at all of it.
const opsMax = 200

// run lets data drive requests against the table and the model.
func (w *world) run(data []byte) {
	w.data = data
	// The run takes all it gets, so what comes after it has a share of its own.
	share := min(8, len(data))
	after, c := &choices{data[:share]}, &choices{data[share:]}
	var lastCreate []createChoice
	var lastAppend []appendChoice
	for ops := 0; c.left() && ops < opsMax; ops++ {
		switch c.below(18) {
		case 0, 1:
			r := w.chooseCreate(c)
			w.create(r)
			lastCreate = append(lastCreate, r)
		case 2, 3, 4:
			r := w.chooseFork(c)
			w.create(r)
			lastCreate = append(lastCreate, r)
		case 5: // a repetition, exact or not quite
			if len(lastCreate) > 0 {
				r := pick(c, lastCreate)
				w.changeCreate(c, &r)
				w.create(r)
			}
		case 6, 7, 8, 9:
			r := w.chooseAppend(c)
			w.append(r)
			lastAppend = append(lastAppend, r)
		case 10:
			if len(lastAppend) > 0 {
				r := pick(c, lastAppend)
				r.Body = pick(c, []string{r.Body, "other", "\"other\""})
				w.append(r)
			}
		case 11:
			if c.chance(2) {
				w.delete(w.choosePath(c))
			}
		case 12:
			w.now += pick(c, []int64{1, 1, 500, 999, 1000, 1001, 4000, 20_000})
			w.note("time passes")
		case 13:
			path := w.choosePath(c)
			w.read(path, w.chooseOffset(c, w.table.Lookup(path)))
		case 14:
			path := pick(c, somePaths)
			w.note("head %s", path)
			w.head(path)
		case 16, 17:
			w.change(w.chooseChange(c))
		case 15:
			switch c.below(3) {
			case 1:
				w.restart()
			case 2:
				w.sweep()
			}
		}
		if err := checkTable(w.table); err != nil {
			w.fail("%v", err)
		}
		w.checkFloors()
		if ops%8 == 7 {
			w.mark()
		}
	}
	w.checkAll()
	w.checkReplay()
	w.checkCheckpoints(after)
	w.checkLoss(after)
}

// changeCreate changes one field, or none.
func (w *world) changeCreate(c *choices, r *createChoice) {
	switch c.below(14) {
	case 10:
		r.Public = !r.Public
	case 8:
		r.KeepAge, r.KeepBytes = pick(c, someAges), pick(c, someKept)
	case 9:
		if s := w.table.Lookup(r.Path); s != nil {
			r.KeepAge, r.KeepBytes = s.KeepAge(), s.KeepBytes()
		}
	case 0:
		r.ContentType = pick(c, someTypes)
	case 1:
		r.TTL, r.ExpiresAt = pick(c, someTTLs), 0
	case 2:
		r.TTL, r.ExpiresAt = NoTTL, worldStart+int64(c.below(20))*2000
	case 3:
		r.Closed = !r.Closed
	case 4:
		r.Sub = uint64(c.below(3))
	case 5:
		r.HasAt = !r.HasAt
	case 6:
		r.From = pick(c, append([]string{""}, somePaths...))
	case 7: // what it turned out to be
		if s := w.table.Lookup(r.Path); s != nil {
			r.ContentType, r.TTL = s.ContentType, s.TTL()
			r.ExpiresAt, _ = s.ExpiresAt()
		}
	}
}

// sweep expires all that is due, on both sides.
func (w *world) sweep() {
	w.note("sweep")
	for _, path := range somePaths {
		w.gate(path)
	}
	w.model.Sweep(w.now)
	for _, path := range somePaths {
		w.dropOld(path)
	}
}

// checkAll compares every path, reading from several offsets.
func (w *world) checkAll() {
	w.note("check all")
	for _, path := range somePaths {
		w.head(path)
		froms := []Offset{0, OffsetMax}
		if s := w.table.Lookup(path); s != nil {
			froms = append(froms, s.Base(), s.Base()+1, s.Tail, max(s.Tail, 1)-1)
			froms = append(froms, s.Start(), s.Start()+1)
			for _, a := range w.shown(s) {
				froms = append(froms, a.end-1, a.end, a.end+1)
			}
		}
		for _, from := range froms {
			w.read(path, from)
		}
	}
}

// TestTableDoesWhatTheModelDoes sends random requests to both.
func TestTableDoesWhatTheModelDoes(t *testing.T) {
	const runs = 2500
	r := newRand(newSeed(t))
	seen := make(map[Code]int)
	for range runs {
		data := randomBytes(r, 100+r.IntN(1200))
		w := newWorld(t)
		w.codes = seen
		w.run(data)
	}
	// A driver that never gets to an outcome doesn't test it.
	for _, code := range []Code{
		Created, Exists, Appended, Duplicate, Closed, Deleted,
		NotFound, Gone, PathBlocked, ConfigMismatch, StreamClosed, ContentTypeMismatch, StreamSeqRegression, OffsetMismatch,
		StaleEpoch, EpochStart, SequenceGap, ForkSourceNotFound, ForkSourceGone, ForkContentType, ForkOffsetBeyond, ForkSubOffset,
		Changed, ForkOffsetTrimmed, TrimBeyondTail,
		InvalidJSON, EmptyArray, EmptyBody,
	} {
		if seen[code] < runs/100 {
			t.Errorf("the driver got to %s only %d times in %d runs", code, seen[code], runs)
		}
	}
	t.Log(outcomeCounts(seen))
}

func outcomeCounts(seen map[Code]int) []string {
	var lines []string
	for code, n := range seen {
		lines = append(lines, code.String()+" "+strconv.Itoa(n))
	}
	slices.Sort(lines)
	return lines
}

// FuzzModel is the same driver under the fuzzer.
func FuzzModel(f *testing.F) {
	r := newRand(1)
	for range 16 {
		f.Add(randomBytes(r, 300))
	}
	f.Fuzz(func(t *testing.T, data []byte) { newWorld(t).run(data) })
}
