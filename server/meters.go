package server

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"tailrace/internal/meter"
)

// requestKind is what a request asks for, as it is told apart in numbers and in the
// log.
type requestKind uint8

const (
	requestOther requestKind = iota // refused before that was known
	requestCreate
	requestAppend
	requestChange
	requestDelete
	requestHead
	requestRead
	requestLongPoll
	requestSSE
	requestPreflight
	requestToken
	requestAdmin
	requestKinds
)

var requestKindNames = [requestKinds]string{
	"other", "create", "append", "change", "delete", "head", "read", "long_poll", "sse", "preflight", "token", "admin",
}

// String is the name in numbers and in the log.
func (k requestKind) String() string { return requestKindNames[k] }

func kindOf(x *exchange) requestKind {
	switch {
	case x.head.method == methodOptions:
		return requestPreflight
	case x.head.route == routeToken:
		return requestToken
	case x.head.route == routeAdmin:
		return requestAdmin
	case x.head.route == routeNone:
		return requestOther
	}
	switch x.head.method {
	case methodPut:
		return requestCreate
	case methodPost:
		return requestAppend
	case methodPatch:
		return requestChange
	case methodDelete:
		return requestDelete
	case methodHead:
		return requestHead
	case methodGet:
		switch x.live.mode {
		case modeLongPoll:
			return requestLongPoll
		case modeSSE:
			return requestSSE
		}
		return requestRead
	}
	return requestOther
}

var (
	requestsFamily = meter.Counter("tailrace_http_requests_total", "requests that were answered",
		meter.OneOf("route", requestKindNames[:]...), meter.OneOf("code", statusNames()...))
	refusalsFamily = meter.Counter("tailrace_http_refusals_total", "requests that were refused, by the code of the error",
		meter.OneOf("error", codeNames()...))
	secondsFamily = meter.Histogram("tailrace_http_request_seconds",
		"time from when a request was there to its answer; of a long-poll with what it waited, of an event stream to its begin",
		[]float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		meter.OneOf("route", requestKindNames[:]...))
	requestBytesFamily  = meter.Counter("tailrace_http_request_bytes_total", "bytes in bodies of requests")
	responseBytesFamily = meter.Counter("tailrace_http_response_bytes_total", "bytes in bodies of answers, but for those of event streams")

	inFlightFamily    = meter.Gauge("tailrace_http_in_flight", "requests that are being handled; live readers that wait are not")
	connsFamily       = meter.Gauge("tailrace_connections", "open connections")
	liveFamily        = meter.Gauge("tailrace_live_readers", "live readers that are connected")
	bodyBytesFamily   = meter.Gauge("tailrace_http_body_bytes", "of larger bodies of requests that are being read or handled")
	answerBytesFamily = meter.Gauge("tailrace_http_answer_bytes", "of larger answers and events that wait to be taken")
	encodedFamily     = meter.Counter("tailrace_events_encoded_total", "events that were put together for event streams")
	sentFamily        = meter.Counter("tailrace_events_sent_total", "events that were given to readers")
	droppedFamily     = meter.Counter("tailrace_dropped_total", "clients that were given up", meter.OneOf("reason", dropNames()...))
	internalFamily    = meter.Counter("tailrace_internal_errors_total", "answers that were 500 internal, or would have been")
	corruptFamily     = meter.Counter("tailrace_corrupt_reads_total", "answers and events that could not be given because stored bytes are damaged")

	projectLiveFamily     = meter.Gauge("tailrace_project_live_readers", "live readers of a project", ofProjects)
	projectLiveMaxFamily  = meter.Gauge("tailrace_project_live_readers_max", "the limit of tailrace_project_live_readers; there for projects that have one", ofProjects)
	projectRequestsFamily = meter.Counter("tailrace_project_requests_total", "requests of a project that were answered", ofProjects)
	projectBytesFamily    = meter.Counter("tailrace_project_request_bytes_total", "bytes in bodies of requests of a project", ofProjects)
	projectLimitedFamily  = meter.Counter("tailrace_project_limited_total", "requests of a project that were refused by a rate, or for too many live readers", ofProjects)
)

// ofProjects: there are those of the configuration.
var ofProjects = meter.EachOf("project", "project")

// meters count what the server does.
type meters struct {
	inFlight atomic.Int64
	requests [requestKinds][]*metrics.Counter // by statusIndex
	refusals [faults]*metrics.Counter
	seconds  [requestKinds]*metrics.PrometheusHistogram
	bytesIn  *metrics.Counter
	bytesOut *metrics.Counter
	stop     func()
}

// statuses are those that the server answers with.
var statuses = func() []int {
	list := []int{200, 201, 202, 204, 304}
	for status := 400; status < 600; status++ {
		for i := range catalogue {
			if catalogue[i].Status == status {
				list = append(list, status)
				break
			}
		}
	}
	return list
}()

var statusIndex = func() (at [600]uint8) {
	for i, status := range statuses {
		at[status] = uint8(i)
	}
	return at
}()

func statusNames() (names []string) {
	for _, status := range statuses {
		names = append(names, strconv.Itoa(status))
	}
	return names
}

func codeNames() (names []string) {
	for _, e := range Catalogue() {
		names = append(names, e.Code)
	}
	return names
}

func dropNames() (names []string) {
	for why := range dropReasons {
		names = append(names, why.String())
	}
	return names
}

func (s *Server) startMeters(set *metrics.Set) {
	m := &s.meters
	for k := range requestKinds {
		m.requests[k] = make([]*metrics.Counter, len(statuses))
		for i := range statuses {
			m.requests[k][i] = requestsFamily.In(set, k.String(), strconv.Itoa(statuses[i]))
		}
		m.seconds[k] = secondsFamily.In(set, k.String())
	}
	for f := range catalogue {
		if catalogue[f].Status != 0 {
			m.refusals[f] = refusalsFamily.In(set, catalogue[f].Code)
		}
	}
	m.bytesIn, m.bytesOut = requestBytesFamily.In(set), responseBytesFamily.In(set)
	m.stop = meter.Collect(set, func(r *meter.Reading) {
		r.Gauge(inFlightFamily, float64(m.inFlight.Load()))
		r.Gauge(connsFamily, float64(s.conns.count()))
		r.Gauge(liveFamily, float64(s.readers.count.Load()))
		r.Gauge(bodyBytesFamily, float64(s.bodies.used.Load()))
		r.Gauge(answerBytesFamily, float64(s.responses.used.Load()))
		r.Counter(encodedFamily, float64(s.framesEncoded.Load()))
		r.Counter(sentFamily, float64(s.framesSent.Load()))
		r.Counter(internalFamily, float64(s.internalErrors.Load()))
		r.Counter(corruptFamily, float64(s.corruptReads.Load()))
		for why := range dropReasons {
			r.Counter(droppedFamily, float64(s.drops.counts[why].Load()), why.String())
		}
		for _, t := range s.Tenants() {
			r.Gauge(projectLiveFamily, float64(t.LiveReaders), t.Project)
			if t.LiveReadersMax > 0 {
				r.Gauge(projectLiveMaxFamily, float64(t.LiveReadersMax), t.Project)
			}
			r.Counter(projectRequestsFamily, float64(t.Requests), t.Project)
			r.Counter(projectBytesFamily, float64(t.RequestBytes), t.Project)
			r.Counter(projectLimitedFamily, float64(t.Limited), t.Project)
		}
	})
}

// conclude counts an answer that is complete but for what time it took, and says
// that too if it was asked for. Each exchange is counted once.
func (s *Server) conclude(x *exchange, now time.Time) {
	if x.counted {
		return
	}
	x.counted = true
	status, kind, m := x.resp.StatusCode(), kindOf(x), &s.meters
	m.requests[kind][statusIndex[status]].Inc()
	m.seconds[kind].Update(now.Sub(x.began).Seconds())
	if x.fault != faultNone {
		m.refusals[x.fault].Inc()
	}
	if n := len(x.body); n > 0 {
		m.bytesIn.Add(n)
	}
	if x.tenant != nil {
		x.tenant.note(len(x.body), x.fault)
	}
	if n := len(x.resp.Body()); n > 0 {
		m.bytesOut.Add(n)
	}
	if x.timing != nil && s.mayTime(x) {
		x.spent(phaseEncode)
		x.scratch = x.timing.append(x.scratch[:0])
		x.set(nameServerTiming, x.scratch)
	}
	s.note(x, status, now)
}
