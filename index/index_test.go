package index

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"
)

var seed = flag.Uint64("index.seed", uint64(time.Now().UnixNano()), "seed of the random tests")

func TestBetweenIsWhatALinearScanFinds(t *testing.T) {
	t.Logf("-index.seed=%d", *seed)
	rng := rand.New(rand.NewPCG(*seed, 1))
	for range 200 {
		var x Index
		var all []Entry
		end := uint64(rng.IntN(10))
		for i := range rng.IntN(50) {
			end += 1 + uint64(rng.IntN(9))
			e := Entry{End: end, Frame: uint64(i), Off: uint32(i), Len: uint32(i)}
			all = append(all, e)
			x.Add(e)
		}
		from, to := uint64(rng.IntN(int(end)+5)), uint64(rng.IntN(int(end)+5))
		var want []Entry
		for _, e := range all {
			if e.End > from && e.End <= to {
				want = append(want, e)
			}
		}
		got := x.Between(from, to)
		if len(got) != len(want) {
			t.Fatalf("Between(%d, %d) = %v, want %v", from, to, got, want)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("Between(%d, %d) = %v, want %v", from, to, got, want)
			}
		}
	}
}

func TestAddRefusesAnEndThatDoesNotGrow(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Fatal("no panic")
		}
	}()
	var x Index
	x.Add(Entry{End: 7})
	x.Add(Entry{End: 7})
}

func TestBetweenDoesNotAllocate(t *testing.T) {
	var x Index
	for i := range 1000 {
		x.Add(Entry{End: uint64(i + 1)})
	}
	if n := testing.AllocsPerRun(100, func() { x.Between(500, 900) }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
