package engine

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"tailrace/internal/objstore"
	"tailrace/internal/stream"
)

// What is deleted, or expires, leaves the disk and the bucket: much of a segment
// soon, little of one within the time that was stated.
func TestDeadBytesLeaveTheBucket(t *testing.T) {
	f := startTier(t, func(o *Options) { o.ReclaimWithin, o.Tier.LocalBytes = time.Hour, 1<<20 })
	all := f.fill(12, 4, 200)
	for _, path := range []string{"short", "late"} {
		want(t, f.Engine, stream.Created, func(e *Engine) Ticket {
			return e.Create(&stream.Create{Path: path, ContentType: "text/plain", TTL: 3000, Body: []byte("secret of " + path)})
		})
	}
	f.drain()
	deleted, short, late := f.idOf("s3"), f.idOf("short"), f.idOf("late")
	if n := f.holding(deleted) + f.holding(short) + f.holding(late); n != 3 {
		t.Fatalf("%d objects hold them", n)
	}
	// One stream of many: not worth it by itself.
	want(t, f.Engine, stream.Deleted, func(e *Engine) Ticket { return e.Delete("s3") })
	delete(all, "s3")
	f.drain()
	f.clock.advance(40 * time.Minute)
	f.drain()
	f.same(all)
	if n := f.holding(deleted); n != 1 {
		t.Fatalf("%d objects hold what was deleted a while ago, want 1: it is not worth it yet", n)
	}
	want(t, f.Engine, stream.OK, func(e *Engine) Ticket {
		_, tk := e.Read(ReadRequest{Path: "late", Touch: true})
		return tk
	})
	f.clock.advance(20 * time.Minute)
	for range 8 {
		f.Sweep()
		f.drain()
		f.clock.advance(time.Minute)
	}
	if n := f.holding(deleted); n != 0 {
		t.Errorf("%d objects hold what was deleted more than an hour ago", n)
	}
	f.clock.advance(2 * time.Hour)
	for range 8 {
		f.Sweep()
		f.drain()
		f.clock.advance(20 * time.Minute)
	}
	if n := f.holding(short) + f.holding(late); n != 0 {
		t.Errorf("%d objects hold what has expired", n)
	}
	f.same(all)
	f.audited()
	f.Close()
}

// An object that cannot be deleted keeps no other.
func TestAnObjectThatStaysKeepsNoOther(t *testing.T) {
	f := startTier(t, nil)
	b := f.faulty()
	f.restart()
	f.fill(6, 10, 100)
	f.drain()
	f.drain()
	var locked string
	for _, l := range f.manifest.State().Layers {
		for _, s := range l.Segments {
			if locked == "" {
				locked = f.tier.nameOf(s.Object())
			}
		}
	}
	b.Hook(func(op, key string) error {
		if op == objstore.OpDelete && key == locked {
			return &objstore.Error{Op: op, Key: key, Kind: objstore.KindDenied, Err: errors.New("legal hold")}
		}
		return nil
	}, nil)
	for i := range 5 {
		p := fmt.Sprintf("s%d", i)
		want(t, f.Engine, stream.Deleted, func(e *Engine) Ticket { return e.Delete(p) })
	}
	for i := range 40 {
		f.Allocate()
		want(t, f.Engine, stream.Created, create(fmt.Sprint("n", i), "text/plain", "x"))
		f.clock.advance(2 * time.Second)
		f.Flush()
		f.Merge()
		f.Tier()
		f.evict()
	}
	state := f.manifest.State()
	if len(state.Tier.Doomed) > 10 {
		t.Error("one object that cannot be deleted keeps all others")
	}
	f.Close()
}
