package server

import (
	"bufio"
	"strings"
	"testing"
)

// lines reads the lines of the next chunk of an event stream.
func (s *sseClient) lines(in *bufio.Reader) (all []string) {
	s.t.Helper()
	for controls := 0; controls < 1; {
		line, err := in.ReadString('\n')
		if err != nil {
			s.t.Fatal(err)
		}
		line = strings.TrimSuffix(line, "\n")
		if all = append(all, line); strings.HasPrefix(line, "data:{\"streamNextOffset\"") {
			controls++
		}
	}
	return all
}

// Each event says where its reader goes on, before what it is.
func TestEventsCarryIDsIfAskedFor(t *testing.T) {
	f := start(t)
	f.create("a", "old", text)
	s := f.follow("a?offset=-1&ids=true")
	in := bufio.NewReader(s.head.Body)
	id := "id: " + token(8)
	if got := s.lines(in); len(got) != 7 || got[0] != id || got[1] != "event: data" || got[4] != id || got[5] != "event: control" {
		t.Errorf("with ids:\n%s", strings.Join(got, "\n"))
	}
	for _, query := range []string{"", "&ids=false"} {
		s := f.follow("a?offset=-1" + query)
		if got := s.lines(bufio.NewReader(s.head.Body)); strings.Contains(strings.Join(got, "\n"), "id:") {
			t.Errorf("%q: ids that nobody asked for:\n%s", query, strings.Join(got, "\n"))
		}
	}
}

// A browser that comes again goes on behind the last event that it had.
func TestLastEventIDIsWhereItGoesOn(t *testing.T) {
	f := start(t)
	f.create("a", "old", text)
	f.append("a", "new", text)
	last := "Last-Event-ID: " + token(8)
	for query, want := range map[string]string{
		"?offset=-1&ids=true": "new", "?offset=now&ids=true": "new", "?offset=-1": "oldnew",
	} {
		if data, _, ctl := f.follow("a"+query, last).next(); data != want || ctl.Next != token(16) {
			t.Errorf("%s: %q up to %s, want %q", query, data, ctl.Next, want)
		}
	}
	if data, _, _ := f.follow("a?offset=-1&ids=true", "Last-Event-ID: ").next(); data != "oldnew" {
		t.Errorf("without an id: %q", data)
	}

	f.append("a", "", "Stream-Closed: true")
	end := "Last-Event-ID: " + token(16)
	f.do("GET", root+"a?offset=-1&live=sse&ids=true", "", end).want(t, 204).wantHeaders(t, "Stream-Closed: true", "Stream-Cursor:")
	s := f.follow("a?offset=-1&ids=true", last)
	if data, _, ctl := s.next(); data != "new" || !ctl.Closed {
		t.Errorf("%q, closed %t", data, ctl.Closed)
	}
	s.wantEnd()
}
