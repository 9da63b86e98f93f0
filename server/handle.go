package server

// handle works on an exchange until it is done or something has to happen
// first. It may be called again for the same exchange: with the body read, or
// because the outcome said so. It never blocks.
func (s *Server) handle(x *exchange) outcome {
	if !x.parsed {
		if f := s.parse(x); f != faultNone {
			return s.fail(x, f)
		}
		x.parsed = true
	}
	switch x.head.method {
	case methodGet:
		return s.get(x)
	case methodHead:
		return s.stat(x)
	case methodPatch:
		return s.alter(x)
	case methodDelete:
		return s.remove(x)
	case methodOptions:
		return s.options(x)
	}
	blocks, f := s.needsBody(x)
	switch {
	case f != faultNone:
		return s.fail(x, f)
	case blocks:
		return big
	case x.head.method == methodPut:
		return s.put(x)
	default:
		return s.postAppend(x)
	}
}

// parse parses everything but the body, so that what is wrong with the rest is
// told before the body is read.
func (s *Server) parse(x *exchange) fault {
	f := s.parseHead(x)
	if f != faultNone {
		return f
	}
	switch x.head.method {
	case methodGet:
		if x.live.query, f = parseQuery(x.head.query); f == faultNone {
			f = x.live.goOn(x.head.values[fieldLastEventID])
		}
		if x.live.mode == modeCatchUp {
			x.codings = x.parseCodings()
		}
	case methodPut:
		f = s.parseCreate(x)
	case methodPost:
		f = s.parseAppend(x)
	case methodPatch:
		f = x.parseChange()
	}
	return f
}
