package bench

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"tailrace/engine"
	"tailrace/internal/stream"
)

// populateTogether is how many creates or appends are in flight while streams
// are made for a benchmark.
const populateTogether = 256

const (
	binary   = "application/octet-stream"
	jsonType = "application/json"
)

// streamName is the name of the i-th stream; all have the same length, so that
// a client can aim a request at another stream by overwriting digits.
func streamName(i int) string { return fmt.Sprintf("bench/%0*d", nameDigits, i) }

const nameDigits = 9

func createOf(i int) *stream.Create {
	return &stream.Create{Path: streamName(i), ContentType: binary, TTL: stream.NoTTL}
}

// populate makes the first n streams and one append of each, if size > 0.
func populate(e *engine.Engine, n, size int) error {
	body := make([]byte, size)
	return together(n, populateTogether, func(i int) error {
		if err := settle(func() engine.Ticket { return e.Create(createOf(i)) }, stream.Created); err != nil {
			return err
		}
		if size == 0 {
			return nil
		}
		a := stream.Append{Path: streamName(i), ContentType: binary, Body: body}
		return settle(func() engine.Ticket { return e.Append(&a) }, stream.Appended)
	})
}

// createJSON makes the first n streams, of JSON.
func createJSON(e *engine.Engine, n int) error {
	return together(n, populateTogether, func(i int) error {
		r := createOf(i)
		r.ContentType = jsonType
		return settle(func() engine.Ticket { return e.Create(r) }, stream.Created)
	})
}

// together calls do for 0 to n-1, so many at a time, until one fails.
func together(n, width int, do func(i int) error) error {
	var next atomic.Int64
	var failure atomic.Pointer[error]
	var wg sync.WaitGroup
	for range width {
		wg.Go(func() {
			for failure.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := do(i); err != nil {
					failure.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	wg.Wait()
	if err := failure.Load(); err != nil {
		return *err
	}
	return nil
}

// settle asks until there is an answer other than that it is not the time, and
// waits until the answer is durable.
func settle(ask func() engine.Ticket, want stream.Code) error {
	for {
		t := ask()
		if err := t.Wait(); err != nil {
			return err
		}
		switch {
		case t.Retry:
		case t.Code == stream.Overloaded:
			runtime.Gosched() // the next log file is being made
		case t.Code == want:
			return nil
		default:
			return fmt.Errorf("bench: answer %v, want %v", t.Code, want)
		}
	}
}
