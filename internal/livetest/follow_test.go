package livetest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"tailrace/internal/sse/ssetest"
)

// open asks for an event stream. It is nil if there is none.
func (x *reader) open(before state) *http.Response {
	if err := x.client.send("GET", x.target("sse"), nil); err != nil {
		x.broke("sse", err)
		return nil
	}
	resp, err := x.client.receive("GET")
	if err != nil {
		x.broke("sse", err)
		return nil
	}
	if resp.StatusCode != http.StatusOK {
		a, err := whole(resp)
		if err != nil {
			x.broke("sse", err)
		} else {
			x.refused("sse", before, a)
		}
		return nil
	}
	if before.ended && !x.tr.state().replacing {
		x.fault(undone, "sse: %v of a stream that has ended", resp.Header)
		x.client.drop()
		return nil
	}
	if ct := resp.Header.Get("Content-Type"); ct != "text/event-stream" || len(resp.TransferEncoding) != 1 {
		x.fault(refused, "sse: %v", resp.Header)
	}
	return resp
}

// follow reads one event stream, to its end or until the reader has enough.
func (x *reader) follow() {
	r := response{before: x.tr.state()}
	resp := x.open(r.before)
	if resp == nil {
		return
	}
	x.w.tally.add(readSSE)
	news := &patient{x: x, body: resp.Body}
	events := ssetest.NewReader(news)
	news.events = events
	defer func() {
		x.w.tally.addN(sseComments, events.Comments())
		x.client.drop() // such a response is the last of its connection
	}()
	for !x.over {
		s, err := x.nextStep(events, resp.Header.Get("Stream-SSE-Data-Encoding"))
		if err == io.EOF {
			x.w.tally.add(cleanEnd)
			x.checkEnd()
			return
		}
		if err != nil {
			x.brokeOff(err)
			return
		}
		x.w.tally.add(sseEvents)
		x.take(&r, s)
		news.bound, news.passed = r.bound, 0
		x.judge()
		if x.closed {
			if e, err := events.Next(); err == nil {
				x.fault(refused, "an event after the last: %.200q", e)
			} else if err != io.EOF {
				x.brokeOff(err)
			} else {
				x.checkEnd()
			}
			return
		}
		if s.data != nil && x.character == reconnecting {
			x.w.tally.add(leftAfterEvent)
			return
		}
		if st := x.tr.state(); x.at == st.tail && (st.final || st.abandoned) {
			return // nobody will tell
		}
	}
}

// errEvent is an event that has no place in a response.
var errEvent = errors.New("a wrong event")

// brokeOff is broke for an error while reading events.
func (x *reader) brokeOff(err error) {
	if errors.Is(err, errEvent) {
		x.fault(refused, "%v", err)
		return
	}
	x.broke("sse", err)
}

// checkEnd sees that nothing follows a clean end but that of the connection.
func (x *reader) checkEnd() {
	var b [64]byte
	if n, _ := x.client.in.Read(b[:]); n > 0 {
		x.fault(refused, "after the end of a response: %q", b[:n])
	}
}

// nextStep reads a control event, with the data event before it if there is
// one. At a clean end the error is io.EOF.
func (x *reader) nextStep(events *ssetest.Reader, encoding string) (step, error) {
	s := step{sse: true}
	for {
		e, err := events.Next()
		switch {
		case err == io.EOF && s.data != nil:
			return s, errorOf("a clean end between data and control")
		case err != nil:
			return s, err
		case e.ID != "" || events.Retry() != 0:
			return s, errorOf("id %q, retry %v", e.ID, events.Retry())
		case e.Type == "data" && s.data == nil:
			if s.data, err = payload(e.Data, encoding); err != nil {
				return s, err
			}
		case e.Type == "control":
			return s, s.control(e.Data)
		default:
			return s, errorOf("%.200q after data %.100q", e, s.data)
		}
	}
}

func payload(data, encoding string) ([]byte, error) {
	switch encoding {
	case "":
		return []byte(data), nil
	case "base64":
		b, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			return nil, errorOf("%v", err)
		}
		return b, nil
	}
	return nil, errorOf("encoding %q", encoding)
}

// control takes over what a control event says.
func (s *step) control(data string) (err error) {
	var c struct {
		StreamNextOffset, StreamCursor string
		UpToDate, StreamClosed         bool
	}
	d := json.NewDecoder(strings.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return errorOf("control %q: %v", data, err)
	}
	if s.next, err = parseOffset(c.StreamNextOffset); err != nil {
		return errorOf("control: %v", err)
	}
	if (c.StreamCursor == "") != c.StreamClosed || c.StreamClosed && !c.UpToDate {
		return errorOf("control %q", data)
	}
	s.upToDate, s.closed, s.cursor = c.UpToDate, c.StreamClosed, c.StreamCursor
	return nil
}

// stay follows a stream at its tail until the server stops or ends the
// response, which has to be a clean end. at is closed when it is there.
func (x *reader) stay(at chan<- struct{}) {
	there := func() {
		if at != nil {
			close(at)
			at = nil
		}
	}
	defer there()
	defer x.client.drop()
	resp := x.open(x.tr.state())
	if resp == nil {
		return
	}
	events := ssetest.NewReader(resp.Body)
	for {
		s, err := x.nextStep(events, resp.Header.Get("Stream-SSE-Data-Encoding"))
		if err == io.EOF {
			return
		}
		if err != nil {
			x.brokeOff(err)
			return
		}
		if s.upToDate {
			there()
		}
	}
}

func errorOf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errEvent, fmt.Sprintf(format, args...))
}
