package engine

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"tailrace/internal/manifest"
	"tailrace/internal/objstore/mem"
	"tailrace/internal/stream"
)

// TestSegmentsLeaveTheDiskDuringAMerge: what may leave the disk does, also while
// the merger is at work.
func TestSegmentsLeaveTheDiskDuringAMerge(t *testing.T) {
	left := make(told, 1)
	o := Options{
		Dir: t.TempDir(), LogFileBytes: 64 << 10, MergeFanIn: 100, Tier: tierOptions(mem.New(time.Now)),
		Logger: slog.New(left),
	}
	o.Tier.PublishEvery = time.Hour
	e := mustOpen(t, o)
	defer e.Close()
	e.merging.Lock() // as a merge does that takes long
	defer e.merging.Unlock()
	for _, ask := range []func() Ticket{
		func() Ticket { return create("s", "text/plain", "")(e) },
		func() Ticket { return appendTo("s", "text/plain", "what is in the bucket")(e) },
	} {
		ticket := ask()
		if err := ticket.Wait(); err != nil || ticket.Code != stream.Created && ticket.Code != stream.Appended {
			t.Fatalf("%v, %v", ticket.Code, err)
		}
	}
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-left:
	case <-time.After(20 * time.Second):
	}
	state := e.manifest.State()
	if len(state.Layers) != 1 || state.Layers[0].Segments[0].Place != manifest.PlaceRemote {
		t.Fatalf("the segment stays: %+v", state.Layers)
	}
}

// told is a handler of log records that has room for one, and keeps it if the
// record says that segments left the disk.
type told chan struct{}

func (told) Enabled(context.Context, slog.Level) bool { return true }

func (c told) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "segments left the disk" {
		select {
		case c <- struct{}{}:
		default:
		}
	}
	return nil
}

func (c told) WithAttrs([]slog.Attr) slog.Handler { return c }
func (c told) WithGroup(string) slog.Handler      { return c }
