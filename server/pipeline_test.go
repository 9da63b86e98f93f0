package server

import "testing"

// An answer does not wait for the requests that came behind its own.
func TestAnswersAreNotHeldBackByLaterRequests(t *testing.T) {
	f := start(t, endless)
	f.create("a", "", text)
	c := f.dial().send(f.request("POST", root+"a", "one", text) + f.request("GET", root+"a?offset=now&live=long-poll", ""))
	c.read("POST").want(t, 204)
	f.awaitPark("a")
	f.append("a", "two", text)
	if r := c.read("GET").want(t, 200); r.body != "two" {
		t.Errorf("got %q", r.body)
	}
	c.send(f.request("GET", root+"a", "")).read("GET").want(t, 200)
}

// A HEAD has no body, also when it fails before it is handled.
func TestBrokenHeadRequestsHaveNoBody(t *testing.T) {
	f := start(t)
	c := f.dial().send("HEAD /v1/stream/a HTTP/1.1\r\nHost: a b\r\n\r\n")
	c.read("HEAD").want(t, 400)
	c.wantClosed()
}
