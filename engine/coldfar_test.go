package engine

import (
	"strings"
	"testing"

	"tailrace/internal/objstore"
	"tailrace/internal/stream"
)

// TestAReadWaitsForOneRequest: whoever reads a stream that is in many remote
// segments has something after one request to the bucket, whatever would fit into
// the answer.
func TestAReadWaitsForOneRequest(t *testing.T) {
	const segments = 5
	f := startTier(t, func(o *Options) { o.MergeFanIn = 100 })
	want(t, f.Engine, stream.Created, create("s", "text/plain", ""))
	text := ""
	for i := range segments {
		body := strings.Repeat(string(rune('a'+i)), 100)
		want(t, f.Engine, stream.Appended, appendTo("s", "text/plain", body))
		text += body
		if err := f.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	f.drain()
	state := f.manifest.State()
	if n := len(state.Layers); n < segments || localBytes(&state) > 0 {
		t.Fatalf("%d layers, %d bytes on the disk", n, localBytes(&state))
	}
	gets := func() int64 { return f.tier.store.Stats().Of(objstore.OpReadAt, objstore.KindNone) }
	got := ""
	for from := stream.Offset(0); ; {
		before := gets()
		res, ticket := f.ReadCold(ReadRequest{Path: "s", From: from})
		if ticket.Code != stream.OK || len(res.Parts) == 0 {
			t.Fatalf("read at %d: %v, %d parts", from, ticket.Code, len(res.Parts))
		}
		if n := gets() - before; n != 1 {
			t.Errorf("read at %d took %d requests", from, n)
		}
		for _, part := range res.Parts {
			got += string(part)
		}
		if from = res.Next; res.UpToDate {
			break
		}
	}
	if got != text {
		t.Errorf("read %q, want %q", got, text)
	}
}

// TestReadsBeginWhereTheyAre: whoever reads a stream that is in many segments does
// not go through all of those before the place where he is.
func TestReadsBeginWhereTheyAre(t *testing.T) {
	const segments = 33
	f := startTier(t, func(o *Options) { o.MergeFanIn = 100 })
	want(t, f.Engine, stream.Created, create("s", "text/plain", ""))
	ends := []uint64{0}
	for range segments {
		want(t, f.Engine, stream.Appended, appendTo("s", "text/plain", "something"))
		if err := f.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := f.Allocate(); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, uint64(f.table.Lookup("s").Tail))
	}
	id := uint64(f.table.Lookup("s").ID)
	for i, after := range ends {
		found := f.version.from(id, after)
		first := segments - len(found)
		if first > i || first < i-1 {
			t.Errorf("what follows %d is looked for from segment %d on, and is in %d", after, first, i)
		}
	}
	if found := f.version.from(id+1, 0); len(found) > 0 {
		t.Errorf("a stream that nobody made is in %d segments", len(found))
	}
}
