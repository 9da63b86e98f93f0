package fuzz

import (
	"flag"
	"slices"
	"strconv"
	"testing"
	"time"

	"tailrace/internal/model"
)

var modelTime = flag.Duration("fuzz.model-time", 4*time.Second, "how long TestModel goes on beyond its floor")

// opsMax bounds a run.
const opsMax = 200

// run lets data drive requests against the target and the model.
func (w *world) run(data []byte) {
	w.data = data
	c := &choices{data}
	restarts := c.chance(2)
	w.ages = someAges
	switch w.ttls = someTTLs; {
	case w.http:
		w.ttls, w.ages = httpTTLs, httpAges
	case restarts:
		// A life that counts from the last use may be longer after a restart, by
		// as much as the uses that no record tells of. Absolute ones may not.
		w.ttls = longTTLs
	}
	for ops := 0; c.left() && ops < opsMax; ops++ {
		switch c.below(23) {
		case 0, 1:
			w.request(c, w.chooseCreate(c))
		case 2, 3, 4:
			w.request(c, w.chooseFork(c))
		case 5: // a repetition, exact or not quite
			if len(w.memory.creates) > 0 {
				r := pick(c, w.memory.creates)
				w.changeCreate(c, &r)
				w.request(c, r)
			}
		case 6, 7, 8, 9, 10:
			r := w.chooseAppend(c)
			w.memory.appends = append(w.memory.appends, r)
			w.requestAppend(r)
		case 11:
			if len(w.memory.appends) > 0 {
				r := pick(c, w.memory.appends)
				if c.chance(2) {
					r.Body = body(c)
				}
				w.requestAppend(r)
			}
		case 12:
			w.delete(w.memory.known(c))
		case 13:
			w.clock.advance(time.Duration(pick(c, someSteps)) * time.Millisecond)
			w.note("time passes")
			w.target.passed()
		case 14, 15:
			path := w.memory.known(c)
			w.read(path, w.memory.offset(c, path), pick(c, []int{1, 7, 40, 1000, 1 << 20}))
		case 16:
			w.head(pick(c, somePaths))
		case 22:
			path := w.memory.known(c)
			w.publicly(path, w.memory.offset(c, path))
		case 17, 18:
			w.requestChange(w.chooseChange(c))
		default:
			w.step(c, restarts)
		}
	}
	w.checkAll()
	w.step(&choices{[]byte{4, byte(c.byte())}}, true)
	w.checkAll()
}

func (w *world) request(c *choices, r model.CreateRequest) {
	if w.http && !fitsHTTP(r) {
		return
	}
	w.memory.creates = append(w.memory.creates, r)
	w.create(r)
}

func (w *world) requestAppend(r model.AppendRequest) {
	if w.http && len(r.Body) > 0 && r.ContentType == "" {
		return // refused before there is a question for the model
	}
	w.append(r)
}

func (w *world) requestChange(r model.ChangeRequest) {
	if w.http && r == model.Nothing(r.Path) {
		return // refused before there is a question for the model
	}
	w.change(r)
}

// step does something that no client asked for.
func (w *world) step(c *choices, restarts bool) {
	g, ok := w.target.(*engineTarget)
	if !ok {
		return
	}
	switch c.below(5) {
	case 0:
		w.note("commit")
		g.settle()
	case 1:
		w.note("allocate")
		g.allocate()
	case 2:
		w.note("witness")
		g.witness()
	case 3:
		w.note("sweep")
		g.sweep()
		w.model.Sweep(w.now())
		w.dropOld(g)
	case 4:
		if how := c.below(4); restarts {
			w.note("restart %d", how)
			g.restart(how)
		}
	}
}

func newEngineWorld(t testing.TB, codes map[model.Code]int) *world {
	w := &world{t: t, clock: newClock(), model: model.New(), memory: newMemory(), codes: codes}
	w.target = newEngineTarget(w)
	return w
}

// everyCode is what the drivers have to get to.
var everyCode = []model.Code{
	model.Created, model.Exists, model.Appended, model.Duplicate, model.Closed, model.Deleted, model.OK,
	model.NotFound, model.Gone, model.PathBlocked, model.ConfigMismatch, model.StreamClosed,
	model.ContentTypeMismatch, model.StreamSeqRegression, model.OffsetMismatch, model.StaleEpoch,
	model.EpochStart, model.SequenceGap, model.ForkSourceNotFound, model.ForkSourceGone,
	model.ForkContentType, model.ForkOffsetBeyond, model.ForkSubOffset, model.InvalidJSON,
	model.EmptyArray, model.EmptyBody, model.Changed, model.OffsetTrimmed, model.ForkOffsetTrimmed, model.TrimBeyondTail,
}

// runMany calls run with random bytes: at least floor of them, and then
// until the time is over.
func runMany(t *testing.T, floor int, run func(data []byte, seen map[model.Code]int)) {
	seed := newSeed(t)
	r, began, runs := newRand(seed), time.Now(), 0
	seen := map[model.Code]int{}
	for ; runs < floor || time.Since(began) < *modelTime; runs++ {
		run(randomBytes(r, 100+r.IntN(1200)), seen)
	}
	t.Logf("%d runs: %v", runs, outcomeCounts(seen))
	// A driver that never gets to an outcome doesn't test it.
	for _, code := range everyCode {
		if runs >= 200 && seen[code] < runs/100 {
			t.Errorf("the driver got to %s only %d times in %d runs", code, seen[code], runs)
		}
	}
}

func outcomeCounts(seen map[model.Code]int) []string {
	var lines []string
	for code, n := range seen {
		lines = append(lines, string(code)+" "+strconv.Itoa(n))
	}
	slices.Sort(lines)
	return lines
}

// TestEngineDoesWhatTheModelDoes sends random requests to both.
func TestEngineDoesWhatTheModelDoes(t *testing.T) {
	runMany(t, 300, func(data []byte, seen map[model.Code]int) { newEngineWorld(t, seen).run(data) })
}

// FuzzModel is the same under the fuzzer.
func FuzzModel(f *testing.F) {
	r := newRand(1)
	for range 8 {
		f.Add(randomBytes(r, 300))
	}
	f.Fuzz(func(t *testing.T, data []byte) { newEngineWorld(t, map[model.Code]int{}).run(data) })
}
