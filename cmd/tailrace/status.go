package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"time"

	"github.com/dustin/go-humanize"

	"tailrace/engine"
)

// status is what a running server says of itself. Names in it are for scripts
// and stay.
type status struct {
	Streams     int   `json:"streams"`
	Segments    int   `json:"segments"`
	Layers      int   `json:"layers"`
	MemoryBytes int64 `json:"memory_bytes"` // of streams, and of appends that no segment has
	FrameBytes  int64 `json:"frame_bytes"`  // of those appends
	DamagedRead int64 `json:"damaged_reads"`

	Bucket *engine.TierStats `json:"bucket,omitempty"`
}

func statusOf(e *engine.Engine) status {
	n := e.Stats()
	s := status{Streams: n.Streams, Segments: n.Segments, Layers: n.Layers, MemoryBytes: n.MemoryBytes, FrameBytes: n.FrameBytes, DamagedRead: n.Damage}
	if t := e.TierStats(); t.Phase != engine.TierNone {
		s.Bucket = &t
	}
	return s
}

// showStatus asks the server that has a store open.
func showStatus(args, env []string, stdout, stderr io.Writer) int {
	data := dataOf(env)
	f := offlineFlags("status [--data DIR] [--json]")
	f.StringVar(&data, "data", data, "directory of the store")
	asJSON := f.Bool("json", false, "print one JSON object")
	if _, code := parseOffline(f, args, 0, stdout, stderr); code >= 0 {
		return code
	}
	s, err := askForStatus(data)
	if err != nil {
		return fail(stderr, err)
	}
	if *asJSON {
		b, err := json.Marshal(s)
		if err != nil {
			return fail(stderr, err)
		}
		fmt.Fprintf(stdout, "%s\n", b)
		return exitOK
	}
	printStatus(stdout, &s, time.Now())
	return exitOK
}

func askForStatus(data string) (status, error) {
	conn, err := net.DialTimeout("unix", filepath.Join(data, controlName), controlTimeout)
	if err != nil {
		return status{}, fmt.Errorf("no server answers for %s: %w", data, err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(controlTimeout))
	if err := json.NewEncoder(conn).Encode(controlOrder{Command: "status"}); err != nil {
		return status{}, fmt.Errorf("ask the server: %w", err)
	}
	var a controlAnswer
	switch err := json.NewDecoder(conn).Decode(&a); {
	case err != nil:
		return status{}, fmt.Errorf("ask the server: %w", err)
	case a.Error != "":
		return status{}, errors.New(a.Error)
	case a.Status == nil:
		return status{}, errors.New("the server did not say how it is")
	}
	return *a.Status, nil
}

func printStatus(w io.Writer, s *status, now time.Time) {
	bytes := func(n int64) string { return humanize.IBytes(uint64(n)) }
	fmt.Fprintf(w, "%d streams, %d segments in %d layers, %s in memory, %s of it in no segment yet\n", s.Streams, s.Segments, s.Layers, bytes(s.MemoryBytes), bytes(s.FrameBytes))
	if s.DamagedRead > 0 {
		fmt.Fprintf(w, "%d reads met bytes that do not verify: the log says where\n", s.DamagedRead)
	}
	b := s.Bucket
	if b == nil {
		fmt.Fprintln(w, "no bucket")
		return
	}
	fmt.Fprintf(w, "bucket %v\n", b.Phase)
	fmt.Fprintf(w, "  segments: %s on the disk of %s, %s in the bucket, %s only there; %s cached\n",
		bytes(b.LocalBytes), bytes(b.LocalBytesMax), bytes(b.BucketBytes), bytes(b.RemoteBytes), bytes(b.CachedBytes))
	fmt.Fprintf(w, "  to do: %d segments to send with %s, %d objects to delete\n", b.WaitingSegments, bytes(b.WaitingBytes), b.DoomedObjects)
	switch {
	case b.CoveredAt == 0:
		fmt.Fprintln(w, "  a restore would find nothing, as far as is known")
	case b.MissingSeconds == 0:
		fmt.Fprintln(w, "  a restore would lose nothing")
	default:
		fmt.Fprintf(w, "  a restore would lose the last %v, at most %s\n",
			time.Duration(b.MissingSeconds*float64(time.Second)).Round(time.Second), bytes(b.MissingBytes))
	}
	fmt.Fprintf(w, "  reads: %d from the cache, %d waited for the bucket, which sent %s; %d unavailable\n",
		b.CacheHits, b.CacheMisses, bytes(b.FetchedBytes), b.UnavailableReads)
	if b.LostObjects > 0 {
		fmt.Fprintf(w, "  objects not found, or not what they should be: %d times; the log says which\n", b.LostObjects)
	}
	for _, op := range slices.Sorted(maps.Keys(b.Requests)) {
		fmt.Fprintf(w, "  %s:", op)
		for _, kind := range slices.Sorted(maps.Keys(b.Requests[op])) {
			fmt.Fprintf(w, " %d %s", b.Requests[op][kind], kind)
		}
		fmt.Fprintln(w)
	}
	if b.LastError != "" {
		fmt.Fprintf(w, "  last error, %v ago: %s\n", now.Sub(time.UnixMilli(b.LastErrorAt)).Round(time.Second), b.LastError)
	}
}
