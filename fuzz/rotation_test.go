package fuzz

import (
	"testing"
	"time"

	"tailrace/engine"
	"tailrace/internal/model"
)

// rotationTarget is an engine whose content moves: into segments, from segment
// to segment, and through crashes. It has small segments and many of them.
type rotationTarget struct{ *engineTarget }

func newRotationWorld(t testing.TB, codes map[model.Code]int) *world {
	w := &world{t: t, clock: newClock(), model: model.New(), memory: newMemory(), codes: codes, ttls: longTTLs, ages: someAges}
	g := newEngineTarget(w)
	g.tune = func(o *engine.Options) {
		o.MergeFanIn, o.SoloMinBytes, o.BlockCacheBytes = 2, 60, 8<<10
	}
	g.restart(0) // with these options
	w.target = &rotationTarget{g}
	return w
}

// read puts together what comes from segments and from memory until it has what
// one read of the model has.
func (g *rotationTarget) read(path string, from int64, sizeMax int) readAnswer {
	g.settle()
	var a readAnswer
	left := sizeMax
	first := engine.ReadRequest{Path: path, From: engineOffset(from), Touch: true}
	if from == earliest {
		first.From, first.Earliest = 0, true
	}
	for r := first; ; {
		r.BytesMax = max(left, 1)
		var res engine.ReadResult
		out := g.do(func() engine.Ticket {
			var t engine.Ticket
			if res, t = g.engine.Read(r); res.Cold {
				res, t = g.engine.ReadCold(r)
			}
			return t
		})
		a.Code = model.Code(out.Code.String())
		if a.Code != model.OK {
			a.Start = int64(out.Start)
			return a
		}
		if len(a.Appends) == 0 {
			g.checkInfo(path, res.Info)
			g.checkLife(res)
		}
		if len(a.Appends) > 0 && len(res.Parts) > 0 && len(res.Parts[0]) > left {
			return a // this one would not have fitted
		}
		for _, part := range res.Parts {
			left -= len(part)
		}
		a.Appends = append(a.Appends, res.Parts...)
		a.ContentType, a.Start, a.Tail, a.Next = res.ContentType, int64(res.Start), int64(res.Tail), int64(res.Next)
		a.UpToDate, a.Closed = res.UpToDate, res.AtEnd
		if res.UpToDate {
			return a
		}
		if res.Next <= res.From {
			g.w.fail("a read from %d ends at %d, the tail is %d", res.From, res.Next, res.Tail)
		}
		r.From, r.Earliest = res.Next, false
	}
}

// rotate lets data drive requests and everything that moves content.
func (w *world) rotate(data []byte) {
	w.data = data
	c := &choices{data}
	g := w.target.(*rotationTarget)
	for ops := 0; c.left() && ops < opsMax; ops++ {
		switch c.below(18) {
		case 0:
			w.request(c, w.chooseCreate(c))
		case 1, 2:
			w.request(c, w.chooseFork(c))
		case 3, 4, 5, 6:
			w.requestAppend(w.chooseAppend(c))
		case 7:
			w.delete(w.memory.known(c))
		case 8, 9:
			path := w.memory.known(c)
			w.read(path, w.memory.offset(c, path), pick(c, []int{1, 7, 40, 1000, 1 << 20}))
		case 10:
			w.clock.advance(time.Duration(pick(c, someSteps)) * time.Millisecond)
			w.note("time passes")
			w.target.passed()
		case 11, 12:
			w.note("flush")
			g.settle()
			if err := g.engine.Flush(); err != nil {
				w.fail("flush: %v", err)
			}
		case 13:
			w.note("merge")
			g.settle()
			if err := g.engine.Merge(); err != nil {
				w.fail("merge: %v", err)
			}
		case 14:
			w.note("sweep")
			g.sweep()
			w.model.Sweep(w.now())
			w.dropOld(g.engineTarget)
		case 15, 16:
			w.requestChange(w.chooseChange(c))
		default:
			how := c.below(4)
			w.note("restart %d", how)
			g.restart(how)
		}
	}
	w.checkAll()
	g.restart(c.below(4))
	w.checkAll()
	if err := g.engine.Close(); err != nil {
		w.fail("close: %v", err)
	}
	if _, err := engine.Check(g.options()); err != nil {
		w.fail("check: %v", err)
	}
}

// TestRotationChangesNothing sends random requests while content moves.
func TestRotationChangesNothing(t *testing.T) {
	seed := newSeed(t)
	r, began, runs := newRand(seed), time.Now(), 0
	seen := map[model.Code]int{}
	for ; runs < 100 || time.Since(began) < *modelTime; runs++ {
		newRotationWorld(t, seen).rotate(randomBytes(r, 100+r.IntN(1200)))
	}
	t.Logf("%d runs: %v", runs, outcomeCounts(seen))
}

// FuzzRotation is the same under the fuzzer.
func FuzzRotation(f *testing.F) {
	r := newRand(2)
	for range 8 {
		f.Add(randomBytes(r, 300))
	}
	f.Fuzz(func(t *testing.T, data []byte) { newRotationWorld(t, map[model.Code]int{}).rotate(data) })
}
