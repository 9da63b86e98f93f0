package index

import "testing"

func TestDropForgetsWholeBatches(t *testing.T) {
	for frame, want := range []int{0, 2, 3, 3, 5} {
		var x Index
		for i, in := range []uint64{1, 1, 2, 4, 4} {
			x.Add(Entry{End: uint64(i + 1), Frame: in})
		}
		if got := len(x.Through(uint64(frame))); got != want {
			t.Errorf("Through(%d) has %d appends, want %d", frame, got, want)
		}
		if got := x.Drop(uint64(frame)); got != want {
			t.Errorf("Drop(%d) = %d, want %d", frame, got, want)
		}
		if x.Len() != 5-want {
			t.Errorf("after Drop(%d) there are %d appends", frame, x.Len())
		}
		if x.Len() > 0 && x.All()[0].End != uint64(want+1) {
			t.Errorf("after Drop(%d) the first append ends at %d", frame, x.All()[0].End)
		}
		x.Add(Entry{End: 9, Frame: 9})
	}
}

func TestDropToForgetsWhatEndsThere(t *testing.T) {
	for end, want := range []int{0, 0, 1, 1, 2, 3, 3} {
		var x Index
		for i := range 3 {
			x.Add(Entry{End: uint64([]int{2, 4, 5}[i]), Frame: uint64(i)})
		}
		before := x.All()
		dropped := x.DropTo(uint64(end))
		if len(dropped) != want || x.Len() != 3-want {
			t.Errorf("DropTo(%d) returns %v and leaves %v", end, dropped, x.All())
		}
		x.Add(Entry{End: 9})
		if len(before) != 3 || before[0].End != 2 || before[2].End != 5 {
			t.Errorf("DropTo(%d) changed a view to %v", end, before)
		}
	}
}
