package bench

import (
	"encoding/base64"
	"fmt"
	"slices"
	"testing"
	"time"
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

// TestAudienceSeesWhatIsWrong: a reader takes what comes in any pieces, and no
// message that is missing, comes twice or went astray.
func TestAudienceSeesWhatIsWrong(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	chunk := func(text string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(text), text) }
	event := func(messages ...message) string {
		var body []byte
		for _, m := range messages {
			body = append(body, make([]byte, messageBytes)...)
			m.put(body[len(body)-messageBytes:])
		}
		return "event: data\ndata:" + base64.StdEncoding.EncodeToString(body) + "\n\nevent: control\ndata:{}\n\n"
	}
	at := func(sender uint32, number uint64) message { return message{stream: 7, sender: sender, number: number} }
	right := event(at(0, 0), at(1, 0), at(0, 1)) + ":\n\n" + event(at(1, 1))
	for name, c := range map[string]struct {
		answer string
		ok     bool
	}{
		"right":                 {head + chunk(right) + "0\r\n\r\n", true},
		"an event in two":       {head + chunk(right[:20]) + chunk(right[20:]) + "0\r\n\r\n", true},
		"gap":                   {head + chunk(event(at(0, 0), at(0, 2))), false},
		"twice":                 {head + chunk(event(at(0, 0))) + chunk(event(at(0, 0))), false},
		"first missing":         {head + chunk(event(at(3, 1))), false},
		"other stream":          {head + chunk(event(message{stream: 8})), false},
		"half a message":        {head + chunk("event: data\ndata:AAAA\n\n"), false},
		"end within an event":   {head + chunk(right[:20]) + "0\r\n\r\n", false},
		"more after the end":    {head + "0\r\n\r\n0", false},
		"chunk of a wrong size": {head + "3\r\n:\n\n\n\r\n", false},
		"refused":               {"HTTP/1.1 503 Service Unavailable\r\n\r\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			for piece := 1; piece <= len(c.answer); piece += 1 + piece/3 {
				r, seen := reader{kind: readSSE, stream: 7}, tally{}
				var err error
				for part := range slices.Chunk([]byte(c.answer), piece) {
					if err = r.take(part, time.Now().UnixNano(), &seen); err != nil {
						break
					}
				}
				if (err == nil) != c.ok {
					t.Fatalf("in pieces of %d: %v", piece, err)
				}
				if c.ok && (seen.messages != 4 || seen.events != 2 || len(seen.lat) != 4 || r.got != 4 || !r.begun || r.phase != phaseDone) {
					t.Errorf("in pieces of %d: %+v of %+v", piece, seen, r)
				}
			}
		})
	}
}

// TestAudienceTellsAnEndFromABreak: a server that stops ends its responses, one
// that dies does not.
func TestAudienceTellsAnEndFromABreak(t *testing.T) {
	const readers = 10
	for name, stop := range map[string]func(c *child){
		"end":   func(c *child) { c.end(t) },
		"break": func(c *child) { c.kill(t) },
	} {
		t.Run(name, func(t *testing.T) {
			server, audience := startLive(t, 1, readers), startAudience(t)
			audience.connect(t, server, readersOrder{Kind: readSSE, Readers: readers, Streams: 1})
			stop(server)
			s := audience.watch(t, audienceOrder{Ends: true})
			finished, broken := readers, 0
			if name == "break" {
				finished, broken = broken, finished
			}
			if s.Finished != finished || s.Broken != broken {
				t.Errorf("%d readers saw an end and %d a break, want %d and %d", s.Finished, s.Broken, finished, broken)
			}
		})
	}
}
