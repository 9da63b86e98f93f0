package bench

import (
	"slices"
	"testing"
)

// The tests here keep the benchmarks honest: what is compared has to be the
// same work, and requests have to arrive where they are counted.

// TestFloorAnswersAsTheServer: status, headers and body of the floor are those
// of our server, for each request that has one. startFloor compares.
func TestFloorAnswersAsTheServer(t *testing.T) {
	server := startServer(t, 10, readBytes)
	for name, request := range map[string]template{
		"append": appendRequest(10, appendBytes), "read": readRequest(10), "create": createAfter(10),
	} {
		t.Run(name, func(t *testing.T) {
			floor := startFloor(t, server, request)
			got := request.ask(t, floor.addr)
			if i := slices.IndexFunc(got.Headers, func(h [2]string) bool { return h[0] == "Stream-Next-Offset" }); i < 0 {
				t.Errorf("no Stream-Next-Offset in %+v: this is no answer of ours", got)
			}
		})
	}
}

// createAfter creates streams whose names come after the first n.
func createAfter(n int64) template {
	t := createRequest()
	t.fresh.Store(n)
	return t
}

// TestRequestsReachTheStreamTheyAimAt: the tail of a stream grows with the
// appends to it and with no others.
func TestRequestsReachTheStreamTheyAimAt(t *testing.T) {
	server := startServer(t, 10, 0)
	request := appendRequest(10, appendBytes)
	c, err := dial(server.addr, &request)
	if err != nil {
		t.Fatal(err)
	}
	defer c.conn.Close()
	for _, n := range []int{7, 3, 7, 7} {
		if status, err := c.exchange(n); err != nil || status != 204 {
			t.Fatalf("append to %d: %d, %v", n, status, err)
		}
	}
	read := readRequest(10)
	r, err := dial(server.addr, &read)
	if err != nil {
		t.Fatal(err)
	}
	defer r.conn.Close()
	for n, want := range map[int]int{7: 3 * appendBytes, 3: appendBytes, 0: 0} {
		_, _, body, err := r.answer(n)
		if err != nil {
			t.Fatal(err)
		}
		if len(body) != want {
			t.Errorf("stream %d holds %d bytes, want %d", n, len(body), want)
		}
	}
}

// TestEachAppendAloneIsSynced: a client that waits for each answer cannot share
// a sync with anybody, so there is one for each append at least. A server that
// answers early would make the benchmarks look good.
func TestEachAppendAloneIsSynced(t *testing.T) {
	const appends = 50
	server := startServer(t, 1, 0)
	request := appendRequest(1, appendBytes)
	c, err := dial(server.addr, &request)
	if err != nil {
		t.Fatal(err)
	}
	defer c.conn.Close()
	before := server.do(t, order{})
	for range appends {
		if status, err := c.exchange(0); err != nil || status != 204 {
			t.Fatalf("append: %d, %v", status, err)
		}
	}
	after := server.do(t, order{})
	if got := after.Batches - before.Batches; got != appends {
		t.Errorf("%d appends became durable in %d batches", appends, got)
	}
	if got := after.Syncs - before.Syncs; got < appends {
		t.Errorf("%d appends were answered after %d syncs", appends, got)
	}
}
