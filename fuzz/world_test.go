package fuzz

import (
	"bytes"
	"fmt"
	"testing"

	"tailrace/internal/model"
	"tailrace/internal/stream"
)

// target is what is compared with the model. Its answers have the form of the
// model's: fields that the answer does not tell are as in a model's Result.
type target interface {
	create(r model.CreateRequest) model.Result
	append(r model.AppendRequest) model.Result
	change(r model.ChangeRequest) model.Result
	delete(path string) model.Result
	head(path string) model.Result
	read(path string, from int64, sizeMax int) readAnswer

	// passed is told that time has passed.
	passed()
}

// readAnswer is a read as a target shows it. Over HTTP the appends come as one
// body, in which where each ends is not to be seen.
type readAnswer struct {
	model.ReadResult
	joined bool
	body   []byte
}

// world is a target and a model that get the same requests at the same time.
type world struct {
	t      testing.TB
	clock  *clock
	target target
	model  *model.Model
	memory memory
	ttls   []int64 // to choose from
	ages   []int64 // likewise, of what is kept
	http   bool    // some requests do not get through HTTP

	data  []byte // what drives the run
	trace []string
	codes map[model.Code]int // how often each outcome was seen
}

func (w *world) note(format string, args ...any) {
	line := fmt.Sprintf("%3d t=%d ", len(w.trace), w.now()-clockStart.UnixMilli()) + fmt.Sprintf(format, args...)
	w.trace = append(w.trace, line)
}

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	for _, line := range w.trace {
		w.t.Log(line)
	}
	w.t.Logf("data %x", w.data)
	w.t.Fatalf(format, args...)
}

func (w *world) now() int64 { return w.clock.unixMilli() }

func (w *world) create(r model.CreateRequest) {
	w.note("create %s", showCreate(r))
	// A create names its source as well, even when the path decides alone.
	w.model.Head(w.now(), r.Path)
	if r.From != "" {
		w.model.Head(w.now(), r.From)
	}
	want := w.model.Create(w.now(), r)
	w.compare(w.target.create(r), want)
	if want.Code == model.Created {
		w.memory.types[r.Path] = want.ContentType
		for _, id := range someProducers {
			delete(w.memory.producers, r.Path+" "+id)
		}
		w.memory.ends[r.Path] = append([]int64(nil), w.memory.ends[r.From]...)
	}
	w.memory.sawTail(r.Path, want.Tail)
	w.target.passed() // it may be due from the start
}

func (w *world) append(r model.AppendRequest) {
	w.note("append %s", showAppend(r))
	want := w.model.Append(w.now(), r)
	told := want
	if w.http && r.Producer != nil && want.Code == model.Closed {
		told.Code = model.Duplicate // 204 both
	}
	w.compare(w.target.append(r), told)
	w.memory.sawTail(r.Path, want.Tail)
	if r.Producer != nil && want.Epoch >= 0 && want.Seq >= 0 {
		w.memory.producers[r.Path+" "+r.Producer.ID] = model.Producer{Epoch: want.Epoch, Seq: want.Seq}
	}
}

func (w *world) change(r model.ChangeRequest) {
	w.note("change %+v", r)
	want := w.model.Change(w.now(), r)
	w.compare(w.target.change(r), want)
	w.target.passed() // it may be due from now on
}

// dropOld has the model drop what an engine dropped for its age in a sweep, if
// that was right, and says if it should have dropped more.
func (w *world) dropOld(g *engineTarget) {
	for _, path := range somePaths {
		info, t := g.engine.Head(path)
		want := w.model.Head(w.now(), path)
		if t.Code != stream.OK || want.Code != model.OK {
			continue
		}
		if start := int64(info.Start); start != want.Start {
			if err := w.model.DropOld(w.now(), path, start); err != nil {
				w.fail("%v", err)
			}
		}
		if err := w.model.Overdue(w.now(), path); err != nil {
			w.fail("%v", err)
		}
	}
}

func (w *world) delete(path string) {
	w.note("delete %s", path)
	w.compare(w.target.delete(path), w.model.Delete(w.now(), path))
	delete(w.memory.types, path)
}

func (w *world) head(path string) model.Result {
	w.note("head %s", path)
	got, want := w.target.head(path), w.model.Head(w.now(), path)
	w.codes[want.Code]++
	if want.Code == model.NotFound {
		delete(w.memory.types, path)
	}
	if got != want {
		w.fail("head %s is %+v, the model says %+v", path, got, want)
	}
	return want
}

// compare compares outcomes. The content type is part of a create's only.
func (w *world) compare(got, want model.Result) {
	w.t.Helper()
	w.codes[want.Code]++
	if want.Code != model.Created && want.Code != model.Exists {
		want.ContentType = ""
	}
	if got != want {
		w.fail("got %+v, the model says %+v", got, want)
	}
}

func (w *world) read(path string, from int64, sizeMax int) {
	if w.http {
		sizeMax = 1 << 20 // it can't be chosen
	}
	w.note("read %s from %d, %d bytes", path, from, sizeMax)
	want := w.model.Read(w.now(), path, from, sizeMax)
	w.compareRead(path, w.target.read(path, from, sizeMax), want)
}

// publicly asks as somebody who may read public streams only.
func (w *world) publicly(path string, from int64) {
	g, ok := w.target.(*engineTarget)
	if !ok {
		return
	}
	w.note("head and read %s from %d, if it is public", path, from)
	if got, want := g.headPublic(path), w.model.HeadPublic(w.now(), path); got != want {
		w.fail("public head %s is %+v, the model says %+v", path, got, want)
	}
	want := w.model.ReadPublic(w.now(), path, from, 40)
	w.compareRead(path, g.readPublic(path, from, 40), want)
}

func (w *world) compareRead(path string, got readAnswer, want model.ReadResult) {
	w.t.Helper()
	w.codes[want.Code]++
	if got.Code != want.Code {
		w.fail("read: %s, the model says %s", got.Code, want.Code)
	}
	if got.Start != want.Start {
		w.fail("read of a stream that begins at %d, the model says %d", got.Start, want.Start)
	}
	if want.Code != model.OK {
		return
	}
	if got.joined {
		if body := render(want); !bytes.Equal(got.body, body) {
			w.fail("read %q, the model says %q", got.body, body)
		}
	} else if len(got.Appends) != len(want.Appends) {
		w.fail("read %d appends %q, the model says %q", len(got.Appends), got.Appends, want.Appends)
	}
	for i := range got.Appends {
		if !bytes.Equal(got.Appends[i], want.Appends[i]) {
			w.fail("append %d is %q, the model says %q", i, got.Appends[i], want.Appends[i])
		}
	}
	if got.ContentType != want.ContentType || got.UpToDate != want.UpToDate || got.Closed != want.Closed {
		w.fail("read %+v, the model says %+v", got.ReadResult, want)
	}
	w.compareNext(path, got.ReadResult, want)
}

// compareNext compares where to read on. Between the last inherited append of
// a fork and the place where it begins there is nothing, so any place there
// goes on with the same append.
func (w *world) compareNext(path string, got, want model.ReadResult) {
	if got.Next == want.Next {
		return
	}
	if got.Next < want.Next || got.UpToDate {
		w.fail("read on from %d, the model says %d", got.Next, want.Next)
	}
	a := w.model.Read(w.now(), path, got.Next, 1)
	b := w.model.Read(w.now(), path, want.Next, 1)
	if len(a.Ends) != 1 || len(b.Ends) != 1 || a.Ends[0] != b.Ends[0] || got.Next >= a.Ends[0] {
		w.fail("read on from %d, the model says %d, and in between is an append", got.Next, want.Next)
	}
}

// checkAll compares every path, reading from all places that were seen.
func (w *world) checkAll() {
	w.note("check all")
	for _, path := range somePaths {
		if w.head(path).Code != model.OK {
			continue
		}
		w.read(path, 0, 1<<20)
		w.read(path, earliest, 1<<20)
		w.read(path, pastAll, 1<<20)
		for _, end := range w.memory.ends[path] {
			w.read(path, end, 40)
			w.read(path, max(end-1, 0), 1)
		}
	}
}

func showCreate(r model.CreateRequest) string {
	r.Body = shorten(r.Body)
	return fmt.Sprintf("%+q keeps %d s, %d bytes ttl %d expires %d offset %d sub %d closed %t body %q",
		[]string{r.Path, r.ContentType, r.From}, r.KeepAge, r.KeepBytes, r.TTL, r.ExpiresAt, r.FromOffset, r.Sub, r.Closed, r.Body)
}

func showAppend(r model.AppendRequest) string {
	p := "-"
	if r.Producer != nil {
		p = fmt.Sprintf("%+v", *r.Producer)
	}
	return fmt.Sprintf("%+q producer %s seq %q %t expected %d close %t body %q",
		[]string{r.Path, r.ContentType}, p, r.Seq, r.HasSeq, r.Expected, r.Close, shorten(r.Body))
}

func shorten(b []byte) []byte {
	if len(b) <= 64 {
		return b
	}
	return fmt.Appendf(nil, "%s and %d more", b[:16], len(b)-16)
}
