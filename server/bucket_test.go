package server

import (
	"sync"
	"testing"
	"time"
)

// Who comes with an earlier time, because another loop began its pass before or a body
// took long to come, makes no time pass twice.
func TestBucketsFillOnceInASecond(t *testing.T) {
	now := time.Now().Add(time.Hour) // so that what passes meanwhile is over
	for _, back := range []time.Duration{time.Millisecond, time.Minute} {
		b, got := newBucket(nil, 100, 0), 0
		for i := range 10_000 {
			if b.take(1, now.Add(-back*time.Duration(i%2))) == 0 {
				got++
			}
		}
		if got != 100 {
			t.Errorf("with steps back of %v, %d were taken of 100", back, got)
		}
		if wait := newBucket(b, 100, 0).take(1, now); wait <= 0 || wait > 10*time.Millisecond {
			t.Errorf("configured anew, the next one is there in %v", wait)
		}
	}
}

// What is refused takes nothing, however many are refused at the same time.
func TestRefusalsTakeNothing(t *testing.T) {
	now := time.Now()
	mine, all := newBucket(nil, 1000, 0), newBucket(nil, 500, 0)
	if wait := takeBoth(mine, all, 500, now); wait != 0 {
		t.Fatalf("a full bucket has a wait of %v", wait)
	}
	var refusing sync.WaitGroup
	for range 8 {
		refusing.Go(func() {
			for range 1000 {
				if takeBoth(mine, all, 500, now) == 0 || takeBoth(mine, all, 501, now) == 0 {
					t.Error("more was taken than there is")
				}
			}
		})
	}
	refusing.Wait()
	if wait := takeBoth(mine, nil, 500, now); wait != 0 {
		t.Errorf("the first bucket has its 500 in %v", wait)
	}
	if wait := all.take(500, now.Add(time.Second)); wait != 0 {
		t.Errorf("the second bucket has its 500 in %v after a second", wait)
	}
}
