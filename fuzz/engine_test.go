package fuzz

import (
	"math/rand/v2"
	"time"

	"tailrace/engine"
	"tailrace/internal/model"
	"tailrace/internal/stream"
	"tailrace/internal/vfs/memfs"
)

// engineTarget is an engine without goroutines over files in memory. Writes
// stay staged until the run commits, or something waits for them.
type engineTarget struct {
	w       *world
	disk    *memfs.FS
	rng     *rand.Rand
	engine  *engine.Engine
	pending []engine.Ticket // decided and not yet seen durable

	restarted bool
	tune      func(*engine.Options) // nil = as they are

	ids  map[string]stream.ID // of what is at a path, once it was seen
	used map[stream.ID]bool
}

func newEngineTarget(w *world) *engineTarget {
	g := &engineTarget{
		w: w, disk: memfs.New(), rng: newRand(1),
		ids: map[string]stream.ID{}, used: map[stream.ID]bool{},
	}
	g.open()
	return g
}

func smallStore(disk *memfs.FS, c engine.Clock, random func() uint64) engine.Options {
	return engine.Options{
		FS: disk, Dir: "store", LogFileBytes: 64 << 10, BodyBytesMax: 8 << 10,
		Clock: c, Rand: random, Manual: true,
	}
}

func (g *engineTarget) options() engine.Options {
	o := smallStore(g.disk, g.w.clock, g.rng.Uint64)
	if g.tune != nil {
		g.tune(&o)
	}
	return o
}

func (g *engineTarget) open() {
	e, err := engine.Open(g.options())
	if err != nil {
		g.w.fail("open: %v", err)
	}
	g.engine = e
	if now := e.Now().UnixMilli(); now != g.w.now() {
		g.w.fail("engine's time is %d, the clock says %d", now, g.w.now())
	}
}

// settle makes everything that is staged durable.
func (g *engineTarget) settle() {
	for {
		more, err := g.engine.Commit()
		if err != nil {
			g.w.fail("commit: %v", err)
		}
		if !more {
			break
		}
	}
	// Uses are logged only if there is room, and nobody is told if there is none.
	g.allocate()
	for _, t := range g.pending {
		if !t.Ready() || t.Err() != nil {
			g.w.fail("everything is committed and %s is not told: ready %t, %v", t.Code, t.Ready(), t.Err())
		}
	}
	g.pending = g.pending[:0]
}

// do asks until it is decided.
func (g *engineTarget) do(ask func() engine.Ticket) stream.Outcome {
	for range 20 {
		t := ask()
		switch {
		case t.Retry:
			g.settle()
		case t.Code == stream.Overloaded || t.Code == stream.DiskFull:
			// The next log file is not there yet.
			g.settle()
			g.allocate()
		default:
			g.pending = append(g.pending, t)
			return t.Outcome
		}
	}
	g.w.fail("told to ask again for ever")
	return stream.Outcome{}
}

func (g *engineTarget) allocate() {
	if err := g.engine.Allocate(); err != nil {
		g.w.fail("allocate: %v", err)
	}
}

func (g *engineTarget) witness() {
	if err := g.engine.Witness(); err != nil {
		g.w.fail("witness: %v", err)
	}
}

// sweep expires everything that is due.
func (g *engineTarget) sweep() {
	for more := true; more; {
		g.settle()
		more = g.engine.Sweep()
	}
	g.settle()
}

// restart ends the engine and opens the store again. Everything was told, so
// nothing may be missing, whatever the crash leaves of the rest.
func (g *engineTarget) restart(how int) {
	g.settle()
	switch how {
	case 0:
		if err := g.engine.Close(); err != nil {
			g.w.fail("close: %v", err)
		}
	case 1:
		g.disk = g.disk.Crash(nil, memfs.KeepNone)
	case 2:
		g.disk = g.disk.Crash(nil, memfs.KeepAll)
	default:
		g.disk = g.disk.Crash(g.rng, memfs.KeepSome)
	}
	if _, err := engine.Check(g.options()); err != nil {
		g.w.fail("check: %v", err)
	}
	g.open()
	g.restarted = true
}

func (g *engineTarget) passed() {}

func (g *engineTarget) create(r model.CreateRequest) model.Result {
	req := stream.Create{
		Path: r.Path, ContentType: r.ContentType, TTL: r.TTL, ExpiresAt: r.ExpiresAt, Closed: r.Closed,
		KeepAge: r.KeepAge, KeepBytes: r.KeepBytes, Public: r.Public, From: r.From, SubOffset: r.Sub,
	}
	if r.ExpiresAt != 0 {
		req.ExpiresText = expiresText(r.ExpiresAt)
	}
	if r.From != "" && r.FromOffset != absent {
		req.FromOffset, req.HasFromOffset = engineOffset(r.FromOffset), true
	}
	effective := r.ContentType
	if effective == "" && r.From != "" {
		// Whoever takes the body needs to know the type that a fork inherits.
		effective = g.w.model.Head(g.w.now(), r.From).ContentType
	}
	if req.Body, req.BodyErr = storedForm(effective, r.Body); req.BodyErr == stream.EmptyArray {
		req.BodyErr = stream.None
	}
	out := g.do(func() engine.Ticket {
		t := g.engine.Create(&req)
		if t.Cold {
			t = g.engine.CreateCold(&req)
		}
		return t
	})
	if out.Code == stream.Created {
		g.staged(out.Code)
		delete(g.ids, r.Path)
	}
	return resultOf(out, false)
}

func (g *engineTarget) append(r model.AppendRequest) model.Result {
	req := stream.Append{
		Path: r.Path, ContentType: r.ContentType, Close: r.Close, Seq: r.Seq, HasSeq: r.HasSeq,
	}
	if r.Producer != nil {
		req.Producer = stream.Producer{ID: r.Producer.ID, Epoch: r.Producer.Epoch, Seq: r.Producer.Seq}
	}
	if r.Expected != absent {
		req.Expected, req.HasExpected = engineOffset(r.Expected), true
	}
	req.Body, req.BodyErr = storedForm(r.ContentType, r.Body)
	out := g.do(func() engine.Ticket { return g.engine.Append(&req) })
	if out.Code == stream.Appended {
		g.staged(out.Code)
	}
	return resultOf(out, r.Producer != nil)
}

func (g *engineTarget) change(r model.ChangeRequest) model.Result {
	req := stream.Change{
		Path: r.Path, KeepAge: r.KeepAge, HasKeepAge: r.KeepAge >= 0, KeepBytes: r.KeepBytes, HasKeepBytes: r.KeepBytes >= 0,
		TTL: r.TTL, HasTTL: r.TTL >= stream.NoTTL, ExpiresAt: r.ExpiresAt, HasExpiresAt: r.ExpiresAt >= 0,
		HasTrim: r.Now || r.Trim >= 0,
	}
	if r.ExpiresAt > 0 {
		req.ExpiresText = expiresText(r.ExpiresAt)
	}
	if req.Trim = stream.OffsetMax; !r.Now {
		req.Trim = min(engineOffset(r.Trim), stream.OffsetMax-1)
	}
	return resultOf(g.do(func() engine.Ticket { return g.engine.Change(&req) }), false)
}

func (g *engineTarget) delete(path string) model.Result {
	out := g.do(func() engine.Ticket { return g.engine.Delete(path) })
	if out.Code == stream.Deleted {
		g.staged(out.Code)
	}
	return resultOf(out, false)
}

// staged checks that nobody is told of the newest write before it is durable.
func (g *engineTarget) staged(code stream.Code) {
	if g.pending[len(g.pending)-1].Ready() {
		g.w.fail("%s may be told before any commit", code)
	}
}

func (g *engineTarget) head(path string) model.Result { return g.headAs(path, g.engine.Head) }

func (g *engineTarget) headPublic(path string) model.Result {
	return g.headAs(path, g.engine.HeadPublic)
}

func (g *engineTarget) headAs(path string, head func(string) (engine.Info, engine.Ticket)) model.Result {
	g.settle()
	var info engine.Info
	out := g.do(func() engine.Ticket {
		i, t := head(path)
		info = i
		return t
	})
	r := resultOf(out, false)
	if out.Code != stream.OK {
		return r
	}
	g.checkInfo(path, info)
	r.Tail, r.Closed, r.ContentType = int64(info.Tail), info.Closed, info.ContentType
	r.TTL, r.ExpiresAt = info.TTL, info.ExpiresAt
	r.KeepAge, r.KeepBytes, r.Start = info.KeepAge, info.KeepBytes, int64(info.Start)
	r.Public = info.Public
	return r
}

func (g *engineTarget) read(path string, from int64, sizeMax int) readAnswer {
	return g.readAs(path, from, sizeMax, false)
}

func (g *engineTarget) readPublic(path string, from int64, sizeMax int) readAnswer {
	return g.readAs(path, from, sizeMax, true)
}

func (g *engineTarget) readAs(path string, from int64, sizeMax int, public bool) readAnswer {
	g.settle()
	var res engine.ReadResult
	out := g.do(func() engine.Ticket {
		ask := engine.ReadRequest{Path: path, Earliest: from == earliest, BytesMax: sizeMax, Touch: true, PublicOnly: public}
		if !ask.Earliest {
			ask.From = engineOffset(from)
		}
		r, t := g.engine.Read(ask)
		res = r
		return t
	})
	a := readAnswer{ReadResult: model.ReadResult{Code: model.Code(out.Code.String())}}
	if out.Code != stream.OK {
		a.Start = int64(out.Start)
		return a
	}
	a.Start = int64(res.Start)
	g.checkInfo(path, res.Info)
	g.checkLife(res)
	begin := res.Start
	if from != earliest {
		begin = min(engineOffset(from), res.Tail)
	}
	if res.From != begin {
		g.w.fail("a read from %d begins at %d", from, res.From)
	}
	a.ContentType, a.Appends, a.Tail = res.ContentType, res.Parts, int64(res.Tail)
	a.Next, a.UpToDate, a.Closed = int64(res.Next), res.UpToDate, res.AtEnd
	return a
}

// checkLife checks what is left of the life of a stream that was just read.
func (g *engineTarget) checkLife(res engine.ReadResult) {
	least, slack := time.Duration(-1), time.Duration(0)
	switch {
	case res.ExpiresAt != 0:
		least = time.Duration(res.ExpiresAt-g.w.now()) * time.Millisecond
	case res.TTL >= ttlForever:
		return // more than a duration can say
	case res.TTL >= 0:
		least = time.Duration(res.TTL) * time.Second // the read renewed it
		if g.restarted {
			// A restart gives the benefit of the doubt about the last use.
			slack = max(time.Second, least/16) + time.Second // and the time between two sweeps
		}
	case res.ExpiresIn < 0:
		return
	}
	if res.ExpiresIn < least || res.ExpiresIn > least+slack {
		g.w.fail("%v are left of the life, and not %v to %v", res.ExpiresIn, least, least+slack)
	}
}

// ttlForever is a TTL in seconds beyond what a run can count.
const ttlForever = 1 << 32

// checkInfo checks what the model doesn't know of: identities never change and
// are never used again.
func (g *engineTarget) checkInfo(path string, info engine.Info) {
	known, ok := g.ids[path]
	switch {
	case ok && known != info.ID:
		g.w.fail("the stream at %q was %d and is %d", path, known, info.ID)
	case !ok && g.used[info.ID]:
		g.w.fail("identity %d is used again, for %q", info.ID, path)
	}
	g.ids[path] = info.ID
	g.used[info.ID] = true
	if info.ExpiresAt != 0 && info.ExpiresText != expiresText(info.ExpiresAt) {
		g.w.fail("expires at %d, written as %q", info.ExpiresAt, info.ExpiresText)
	}
	if info.JSON != stream.IsJSON(info.ContentType) {
		g.w.fail("content type %q, JSON %t", info.ContentType, info.JSON)
	}
}
