package server

import "bytes"

var headEnd = []byte("\r\n\r\n")

// next takes the next request out of the input and handles it. It is false if
// there is none that is complete, or the connection was handed over.
//
// The loop handles what fasthttp understands at once and what was read whole.
// Everything else fasthttp gets from its first byte, so that there is one place
// that says what is wrong with a request.
func (lc *loopConn) next() bool {
	in := lc.In()
	if len(in) == 0 || len(in) < lc.need {
		return false
	}
	if lc.need == 0 {
		// Only what was not searched yet, and what may be the begin of the end.
		from := max(0, lc.scanned-len(headEnd)+1)
		if in[0] < ' ' { // empty lines before a request are not the end of one
			from = max(from, len(in)-len(bytes.TrimLeft(in, "\r\n")))
		}
		end := bytes.Index(in[from:], headEnd)
		if end < 0 {
			lc.scanned = len(in)
			if len(in) >= headerBytesMax || !plainBegin(in) {
				lc.handOverNext()
			}
			return false
		}
		// Parsing them would make the turn large, and turns are kept.
		if bytes.Count(in[:from+end], newline) > headerFieldsMax {
			lc.handOverNext()
			return false
		}
	}
	d := lc.driver
	t := d.take()
	head, body, ok := d.parse(t, in)
	size := head + body
	switch {
	case !ok, size > len(in) && body > prefetchBytes:
		d.give(t)
		lc.handOverNext()
		return false
	case size > len(in):
		d.give(t)
		lc.need = size
		return false
	}
	x := d.server.newExchange(&t.req, &t.resp, connInfo{peer: lc.Conn}, d.loop.Now())
	t.exchange = x
	x.body, x.bodyRead = in[head:size], true
	h := &t.req.Header
	t.resp.SkipBody, t.last = h.IsHead(), h.ConnectionClose()
	switch {
	case h.IsGet():
		t.raw = in[:size]
	case h.IsPut():
		t.keep() // what comes of the body outlives the pass
	}
	lc.scanned, lc.need, lc.arriving = 0, 0, false
	lc.Consume(size)
	lc.add(t)
	d.begin(t)
	if t.done {
		t.raw = nil
	} else {
		t.raw = bytes.Clone(t.raw)
	}
	return true
}

// handOverNext hands the connection over, once everything before is answered.
// Until then the input stays as it is and is looked at again.
func (lc *loopConn) handOverNext() {
	lc.answer()
	if lc.turns == 0 && !lc.Unsent() && !lc.over() && lc.phase == loopServing {
		lc.handOver()
	}
}

// parse parses a request whose head is complete, and tells how long that and the
// body are. It is false for what the loop does not handle.
func (d *loopDriver) parse(t *turn, in []byte) (head, body int, ok bool) {
	d.src.Reset(in)
	d.in.Reset(&d.src)
	h := &t.req.Header
	if h.Read(d.in) != nil {
		return 0, 0, false
	}
	body = h.ContentLength()
	switch {
	case !h.IsHTTP11(), body == -1, body > d.server.opts.BodyBytesMax:
		return 0, 0, false
	case len(h.PeekBytes(nameExpect)) > 0:
		return 0, 0, false
	case d.uri.Parse(h.Host(), h.RequestURI()) != nil:
		return 0, 0, false
	}
	return len(in) - d.src.Len() - d.in.Buffered(), max(0, body), true
}

// plainBegin reports whether what was read can become a request that fasthttp
// understands, as far as the first line tells. What cannot is not waited for.
func plainBegin(in []byte) bool {
	end := bytes.IndexByte(in, '\n')
	if end < 0 {
		return true
	}
	line, ok := bytes.CutSuffix(in[:end], []byte(" HTTP/1.1\r"))
	if !ok {
		return false
	}
	target := bytes.IndexByte(line, ' ')
	if target <= 0 || target+1 == len(line) || line[target+1] != '/' {
		return false
	}
	for i, c := range line {
		if i < target && (c < 'A' || c > 'Z') || i > target && (c <= ' ' || c >= 0x7f) {
			return false
		}
	}
	return true
}
