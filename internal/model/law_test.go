package model

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var seedFlag = flag.Uint64("model.seed", 0, "seed of the random tests; 0 picks one")

// TestRandomRequestsKeepTheLaws checks what holds for every stream whatever
// happened: a rejected request changes nothing, what was readable stays at its
// offset, and reading in pieces gives what reading at once gives.
func TestRandomRequestsKeepTheLaws(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	pick := func(from ...string) string { return from[rng.IntN(len(from))] }
	seen := map[Code]int{}
	for range 60 {
		m := New()
		for range 200 {
			path := pick("a", "b", "c", "d")
			before, old := dump(m), map[*stream][]entry{}
			for _, s := range m.streams {
				old[s] = s.entries()
			}
			var r Result
			// Mostly the type that fits, or hardly a request gets past its check.
			kind := map[string]string{"a": "text/plain", "b": "text/plain", "c": "application/json", "d": "application/json"}[path]
			if s := m.streams[path]; s != nil {
				kind = s.contentType
			}
			if rng.IntN(20) == 0 {
				kind = pick("text/plain", "application/json")
			}
			switch rng.IntN(13) {
			case 0:
				r = m.Create(0, put(path, pick("", "x", "1", "[1,2]", "[]"), media(kind), keeping(int64(rng.IntN(2))*30), forAll(rng.IntN(3) == 0)))
			case 12:
				change := Nothing(path)
				change.Trim = rng.Int64N(40) - 1
				change.Now = rng.IntN(8) == 0
				if rng.IntN(4) == 0 {
					change.KeepBytes = int64(rng.IntN(2)) * 20
				}
				r = m.Change(0, change)
			case 1, 2, 3:
				r = m.Create(0, fork(path, pick("a", "b", "c", "d"), max(-1, rng.Int64N(40)-20), uint64(rng.IntN(3)), pick("", "7", "[8]")))
			case 4:
				r = m.Delete(0, path)
			default:
				p := post(path, pick("", "1", "[2, 3]", "{", "[]"), mediaOf(kind))
				p.Close = rng.IntN(20) == 0
				if rng.IntN(2) == 0 {
					p.Producer = &Producer{ID: pick("p", "q"), Epoch: rng.Int64N(2), Seq: rng.Int64N(2)}
				}
				if rng.IntN(3) == 0 {
					p.Seq, p.HasSeq = pick("1", "10", "2"), true
				}
				if rng.IntN(6) == 0 {
					p.Expected = rng.Int64N(20)
				}
				r = m.Append(0, p)
			}
			seen[r.Code]++
			switch r.Code {
			case Created, Appended, Closed, Deleted, Changed:
			default:
				if after := dump(m); after != before {
					t.Fatalf("%s changed the streams:\n%s\nto\n%s", r.Code, before, after)
				}
			}
			for _, path := range slices.Sorted(maps.Keys(m.streams)) {
				checkStream(t, m, path, old)
			}
		}
	}
	for _, code := range []Code{
		Created, Exists, Appended, Duplicate, Closed, Deleted, NotFound, Gone, PathBlocked, ConfigMismatch, StreamClosed,
		ContentTypeMismatch, StreamSeqRegression, OffsetMismatch, StaleEpoch, EpochStart, SequenceGap, ForkSourceNotFound,
		ForkSourceGone, ForkOffsetBeyond, ForkOffsetTrimmed, TrimBeyondTail, Changed, ForkSubOffset, InvalidJSON, EmptyArray, EmptyBody,
	} {
		if seen[code] == 0 {
			t.Errorf("no request ended with %s: the test has lost its reach", code)
		}
	}
}

func checkStream(t *testing.T, m *Model, path string, old map[*stream][]entry) {
	t.Helper()
	s := m.streams[path]
	all := s.entries()
	if s.start > s.tail || len(all) > 0 && all[0].end <= s.start {
		t.Fatalf("%s: keeps %d to %d", path, s.start, s.tail)
	}
	before := old[s]
	for len(before) > 0 && before[0].end <= s.start {
		before = before[1:] // dropped
	}
	for i, e := range before {
		if i >= len(all) || string(all[i].body) != string(e.body) || all[i].end != e.end {
			t.Fatalf("%s: append %d was %q@%d and is not any more: %v", path, i, e.body, e.end, all)
		}
	}
	end := int64(0)
	for _, e := range all {
		if e.end < end+int64(len(e.body))+5 || e.end > s.tail {
			t.Fatalf("%s: append %q ends at %d, after %d, tail %d", path, e.body, e.end, end, s.tail)
		}
		end = e.end
	}
	if s.hidden {
		if !m.hasForks(s) {
			t.Fatalf("%s: hidden and without forks", path)
		}
		return
	}
	if s.source != nil && m.streams[s.source.path] != s.source {
		t.Fatalf("%s: its source %s is gone", path, s.source.path)
	}
	if public := m.ReadPublic(0, path, -1, 1<<20); (public.Code == OK) != s.public || public.Code != OK && public.Code != NotFound {
		t.Fatalf("%s: public %t, and a reader who may read nothing else gets %s", path, s.public, public.Code)
	}
	for _, sizeMax := range []int{0, 6} {
		n, from := 0, int64(-1)
		for range len(all) + 2 {
			r := m.Read(0, path, from, sizeMax)
			for i, body := range r.Appends {
				if n >= len(all) || string(body) != string(all[n].body) || r.Ends[i] != all[n].end {
					t.Fatalf("%s: read %q@%d as append %d of %v", path, body, r.Ends[i], n, all)
				}
				n++
			}
			from = r.Next
		}
		if n != len(all) || from != s.tail {
			t.Fatalf("%s: pieces of %d ended after %d of %d appends at %d, tail %d", path, sizeMax, n, len(all), from, s.tail)
		}
	}
}

// dump is the whole state as text.
func dump(m *Model) string {
	text := ""
	for _, path := range slices.Sorted(maps.Keys(m.streams)) {
		s := *m.streams[path]
		lastSeq := "none"
		if s.lastSeq != nil {
			lastSeq = *s.lastSeq
		}
		text += fmt.Sprintf("%s: source %p, last seq %s, producers %v, ", path, s.source, lastSeq, s.producers)
		s.source, s.lastSeq, s.producers = nil, nil, nil
		text += fmt.Sprintf("%+v\n", s)
	}
	return text
}
