package server

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// inSegments makes segments with blocks of their own for what is not tiny.
func inSegments(u *setup) { u.engine.SoloMinBytes = 4 << 10 }

// flush moves all there is to segments.
func (f *fixture) flush() {
	f.t.Helper()
	if err := f.engine.Flush(); err != nil {
		f.t.Fatal(err)
	}
	if s := f.engine.Stats(); s.FrameBytes != 0 {
		f.t.Fatalf("%d bytes are in memory after a flush", s.FrameBytes)
	}
}

// history makes a stream of which some is in a merged segment, some in another
// one and some in memory, and returns its bodies.
func (f *fixture) history(name, contentType string, body func(i int) string) (bodies []string) {
	f.t.Helper()
	f.create(name, "", "Content-Type: "+contentType)
	for i := range 120 {
		b := body(i)
		f.append(name, b, "Content-Type: "+contentType)
		bodies = append(bodies, b)
		switch i {
		case 30, 60:
			f.flush()
		case 61:
			if err := f.engine.Merge(); err != nil {
				f.t.Fatal(err)
			}
		case 100:
			f.flush()
		}
	}
	return bodies
}

// replay reads a stream in a coding from an offset to its tail, and returns the
// decoded bodies and how many came in each coding.
func (f *fixture) replay(name, from, accept string) (bodies []string, codings map[string]int) {
	f.t.Helper()
	c := f.dial()
	codings = map[string]int{}
	for {
		var headers []string
		if accept != "" {
			headers = []string{"Accept-Encoding: " + accept}
		}
		c.send(f.request("GET", root+name+"?offset="+from, "", headers...))
		r := c.read("GET").want(f.t, 200).wantHeaders(f.t, "Vary: Accept-Encoding")
		used := r.Header.Get("Content-Encoding")
		codings[used]++
		bodies = append(bodies, r.decode(f.t, map[string]coding{"": codingIdentity, "gzip": codingGzip, "zstd": codingZstd}[used]))
		next := r.Header.Get("Stream-Next-Offset")
		if r.Header.Get("Stream-Up-To-Date") == "true" {
			return bodies, codings
		}
		if next <= from {
			f.t.Fatalf("no progress from %s: next is %s", from, next)
		}
		from = next
	}
}

// Every coding delivers the same bytes from segments and memory, each reply
// complete by itself.
func TestReplayIsTheSameInEveryCoding(t *testing.T) {
	f := start(t, inSegments)
	rng := newRand(t)
	binary := f.history("b", "application/octet-stream", func(i int) string {
		return strings.Repeat(fmt.Sprintf("%d,%x;", i, rng.Uint32()), 1+rng.IntN(400))
	})
	messages := f.history("j", "application/json", func(i int) string {
		return fmt.Sprintf(`[{"n":%d,"text":%s}]`, i, jsonOf(rng, 2+rng.IntN(4000)))
	})
	wantBinary := strings.Join(binary, "")
	for _, accept := range []string{"", "gzip", "zstd", "zstd, gzip;q=0.5", "identity;q=0, zstd"} {
		bodies, codings := f.replay("b", "-1", accept)
		if got := strings.Join(bodies, ""); got != wantBinary {
			t.Errorf("%q: %d bytes of binary, want %d", accept, len(got), len(wantBinary))
		}
		if stored := codings["zstd"] > 0; stored != strings.Contains(accept, "zstd") {
			t.Errorf("%q: binary in %v", accept, codings)
		}
		bodies, codings = f.replay("j", "-1", accept)
		n := 0
		for _, b := range bodies {
			var list []struct{ N int }
			if err := json.Unmarshal([]byte(b), &list); err != nil {
				t.Fatalf("%q: a reply is not JSON: %v", accept, err)
			}
			for _, m := range list {
				if m.N != n {
					t.Fatalf("%q: message %d comes as number %d", accept, m.N, n)
				}
				n++
			}
		}
		if n != len(messages) {
			t.Errorf("%q: %d messages, want %d", accept, n, len(messages))
		}
		if stored := codings["zstd"] > 0; stored != strings.Contains(accept, "zstd") {
			t.Errorf("%q: JSON in %v", accept, codings)
		}
	}
}

// A reader that begins inside a block gets its rest, and is aligned then.
func TestReplayFromAnywhereIsTheRest(t *testing.T) {
	f := start(t, inSegments)
	bodies := f.history("b", "text/plain", func(i int) string { return strings.Repeat(fmt.Sprintf("<%d>", i), 200) })
	whole, end := strings.Join(bodies, ""), 0
	for i := 0; i < len(bodies); i += 7 {
		from := 0
		for _, b := range bodies[:i] {
			from += len(b) + 5
		}
		got, codings := f.replay("b", token(from), "zstd")
		// The newest segment has one block, which begins with append 61.
		if i <= 61 && codings["zstd"] == 0 {
			t.Errorf("from append %d nothing comes as it is stored: %v", i, codings)
		}
		if strings.Join(got, "") != whole[end:] {
			t.Errorf("from append %d: other bytes than the rest", i)
		}
		for _, b := range bodies[i:min(i+7, len(bodies))] {
			end += len(b)
		}
	}
}

// A read does not end where a flush happened to: what follows in memory belongs
// to it.
func TestReadsGoOnBehindAFlush(t *testing.T) {
	f := start(t, inSegments)
	f.create("a", "one,", text)
	f.append("a", "two,", text)
	f.flush()
	f.append("a", "three", text)
	r := f.do("GET", root+"a?offset=-1", "").want(t, 200).wantHeaders(t, "Stream-Up-To-Date: true")
	if r.body != "one,two,three" {
		t.Errorf("read %q", r.body)
	}
}

// A fork that copies a part of an append which left memory.
func TestForkCopiesFromASegment(t *testing.T) {
	f := start(t, inSegments)
	f.create("a", "first", text)
	f.append("a", "second", text)
	f.create("j", `["x"]`, jsonCT)
	f.append("j", `[1,{"two":2},3]`, jsonCT)
	f.flush()
	f.do("PUT", root+"f", "", "Stream-Forked-From: "+root+"a", "Stream-Fork-Offset: "+token(10), "Stream-Fork-Sub-Offset: 3").want(t, 201)
	if got := f.content("f"); got != "firstsec" {
		t.Errorf("the fork reads %q", got)
	}
	f.do("PUT", root+"g", "[4]", jsonCT, "Stream-Forked-From: "+root+"j", "Stream-Fork-Offset: "+token(9), "Stream-Fork-Sub-Offset: 2").want(t, 201)
	if got := f.content("g"); got != `["x",1,{"two":2},4]` {
		t.Errorf("the fork reads %s", got)
	}
	f.do("PUT", root+"h", "", "Stream-Forked-From: "+root+"a", "Stream-Fork-Offset: "+token(10), "Stream-Fork-Sub-Offset: 7").want(t, 400)
}

// What a merge may do to the source, forks do not notice.
func TestForksOutliveTheirSourceInSegments(t *testing.T) {
	f := start(t, inSegments, func(u *setup) { u.engine.MergeFanIn = 2 })
	f.create("a", strings.Repeat("kept", 100), text)
	f.append("a", strings.Repeat("dropped", 1000), text)
	f.flush()
	f.do("PUT", root+"f", "", "Stream-Forked-From: "+root+"a", "Stream-Fork-Offset: "+token(405)).want(t, 201)
	f.do("DELETE", root+"a", "").want(t, 204)
	f.append("f", "own", text)
	f.flush()
	if err := f.engine.Merge(); err != nil {
		t.Fatal(err)
	}
	if s := f.engine.Stats(); s.Layers != 1 {
		t.Fatalf("%d layers after the merge", s.Layers)
	}
	if got, want := f.content("f"), strings.Repeat("kept", 100)+"own"; got != want {
		t.Errorf("the fork reads %d bytes, want %d", len(got), len(want))
	}
}

// The decoders that people have read what is stored: curl with libzstd here,
// Node in the conformance runs.
func TestCurlReadsStoredBlocks(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal("curl is needed for this test")
	}
	version, err := exec.Command(curl, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(version), "zstd") {
		t.Log("this curl has no zstd: gzip is all that it asks for")
	}
	f := start(t, inSegments)
	bodies := f.history("b", "text/plain", func(i int) string { return strings.Repeat(fmt.Sprintf("<%d>", i), 300) })
	var got strings.Builder
	for from, more := "-1", true; more; {
		headers := filepath.Join(t.TempDir(), "headers")
		out, err := exec.Command(curl, "-sS", "--compressed", "-D", headers, "http://"+f.addr+root+"b?offset="+from).Output()
		if err != nil {
			t.Fatal(err)
		}
		got.Write(out)
		head, err := os.ReadFile(headers)
		if err != nil {
			t.Fatal(err)
		}
		more = !strings.Contains(string(head), "Stream-Up-To-Date: true")
		_, rest, _ := strings.Cut(string(head), "Stream-Next-Offset: ")
		from, _, _ = strings.Cut(rest, "\r\n")
	}
	if got.String() != strings.Join(bodies, "") {
		t.Errorf("curl read %d bytes, %d were appended", got.Len(), len(strings.Join(bodies, "")))
	}
}
