package crashtest

import (
	"net/http"
	"testing"
)

// The judges of the great test are judged here: a fault that they don't see is
// a fault that no number of rounds finds.

func TestTracksFindEveryFault(t *testing.T) {
	at := func(n int) place { return place{7, n} }
	for name, c := range map[string]struct {
		read []place
		next string
		want fault
	}{
		"lost":           {[]place{at(0), at(1)}, "2", lost},
		"lost inside":    {[]place{at(0), at(2)}, "3", lost},
		"doubled":        {[]place{at(0), at(1), at(1), at(2)}, "3", doubled},
		"reordered":      {[]place{at(0), at(2), at(1)}, "2", reordered},
		"never sent":     {[]place{at(0), at(1), at(2), at(4)}, "4", corrupt},
		"nobody's":       {[]place{at(0), at(1), at(2), {8, 0}}, "4", corrupt},
		"another offset": {[]place{at(0), at(1), at(2)}, "4", misplaced},
		"none":           {[]place{at(0), at(1), at(2)}, "3", faults},
		"one unanswered": {[]place{at(0), at(1), at(2), at(3)}, "4", faults},
	} {
		tr := newTrack("x", textKind)
		for n, end := range []string{"1", "2", "3"} {
			tr.begin(at(n))
			tr.ack(at(n), end)
		}
		tr.begin(at(3))
		var v verdict
		tr.take(&v, c.read, beginning, c.next)
		tr.settle(&v)
		if c.want == faults && v.guilty() || c.want != faults && v.count(c.want) == 0 {
			t.Errorf("%s: found %q", name, v.lines)
		}
	}
}

func TestFollowersFindWhatIsTakenBack(t *testing.T) {
	at := func(n int) place { return place{7, n} }
	for name, c := range map[string]struct {
		offset string // where the follower begins
		shown  []place
		glance []place // shown without an offset, after the others
		told   string  // the last offset
		want   fault
	}{
		"all":                    {beginning, []place{at(0), at(1), at(2)}, nil, "3", faults},
		"not all":                {beginning, []place{at(0)}, []place{at(1), at(2)}, "1", faults},
		"only a glimpse":         {"now", nil, []place{at(1)}, "", faults},
		"from the middle":        {"now", []place{at(1), at(2)}, nil, "3", faults},
		"nothing":                {"now", nil, nil, "3", faults},
		"the beginning left out": {beginning, []place{at(1), at(2)}, nil, "3", takenBack},
		"one left out":           {"now", []place{at(0), at(2)}, nil, "3", takenBack},
		"one twice":              {"now", []place{at(0), at(0)}, nil, "1", takenBack},
		"one that is gone":       {"now", []place{at(2), at(3)}, nil, "3", takenBack},
		"all gone":               {"now", []place{at(3)}, nil, "3", takenBack},
		"a glimpse is gone":      {beginning, []place{at(0)}, []place{at(1), at(3)}, "1", takenBack},
		"a tail that is gone":    {"now", nil, nil, "4", takenBack},
		"another offset":         {beginning, []place{at(0), at(1)}, nil, "3", misplaced},
	} {
		var v verdict
		tr := newTrack("x", textKind)
		for n, end := range []string{"1", "2", "3"} {
			tr.begin(at(n))
			tr.ack(at(n), end)
		}
		tr.take(&v, []place{at(0), at(1), at(2)}, beginning, "3")
		f := newFollower(tr, nil, true, c.offset)
		f.shown = c.shown
		if c.told != "" {
			f.told(c.told)
		}
		if c.glance != nil {
			f.glimpses = []glimpse{{f.total(), c.glance}}
		}
		f.check(&v)
		if c.want == faults && v.guilty() || c.want != faults && v.count(c.want) == 0 {
			t.Errorf("%s: found %q", name, v.lines)
		}
	}
}

func TestObjectsFindWhatIsUndone(t *testing.T) {
	newObject := func() *object {
		return &object{id: 1, name: "x", created: true, closed: true, own: []place{{1, 0}, {1, 1}}}
	}
	right := seen{status: http.StatusOK, closed: true, all: []place{{1, 0}, {1, 1}}}
	if problems := judge([]seen{{newObject(), right.status, right.all, right.closed}}); len(problems) > 0 {
		t.Errorf("found %q", problems)
	}
	for name, view := range map[string]seen{
		"gone":       {status: http.StatusNotFound},
		"open again": {status: http.StatusOK, all: right.all},
		"cut":        {status: http.StatusOK, closed: true, all: right.all[:1]},
		"doubled":    {status: http.StatusOK, closed: true, all: []place{{1, 0}, {1, 1}, {1, 1}}},
	} {
		view.o = newObject()
		if len(judge([]seen{view})) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
	deleted := newObject()
	deleted.deleted = true
	right.o = deleted
	if len(judge([]seen{right})) == 0 {
		t.Error("a delete that is undone: not found")
	}
	deleted.children = []*object{{created: true}}
	if problems := judge([]seen{{o: deleted, status: http.StatusGone}}); len(problems) > 0 {
		t.Errorf("a source kept for its fork: found %q", problems)
	}
}
