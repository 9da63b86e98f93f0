package server

import "tailrace/internal/stream"

// stat looks at a stream without using it. The query of a HEAD means nothing:
// it asks about the stream, not about a read.
func (s *Server) stat(x *exchange) outcome {
	head := s.engine.Head
	if x.anonymous {
		head = s.engine.HeadPublic
	}
	info, t := head(view(x.head.name))
	x.info = info
	return s.settle(x, t, stepHead)
}

// headed answers a HEAD.
func (s *Server) headed(x *exchange) outcome {
	if x.ticket.Code != stream.OK {
		return s.refuse(x)
	}
	if f := s.welcome(x); f != faultNone {
		return s.fail(x, f)
	}
	info := &x.info
	s.begin(x, 200)
	s.setCaching(x, valueNoStore)
	x.resp.Header.SetContentType(info.ContentType)
	if info.Public {
		x.set(nameAccess, valuePublicRead)
	}
	x.setTail(info.Tail, info.Closed)
	x.setStart(info.Start)
	if info.TTL != stream.NoTTL {
		x.setInt(nameTTL, info.TTL)
	}
	if info.ExpiresAt != 0 {
		x.setString(nameExpiresAt, info.ExpiresText)
	}
	if info.KeepAge != 0 {
		x.setInt(nameKeepAge, info.KeepAge)
	}
	if info.KeepBytes != 0 {
		x.setInt(nameKeepBytes, info.KeepBytes)
	}
	return done
}
