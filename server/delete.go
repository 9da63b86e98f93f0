package server

// remove deletes a stream.
func (s *Server) remove(x *exchange) outcome {
	return s.settle(x, s.engine.Delete(view(x.head.name)), stepDelete)
}

// deleted answers a delete.
func (s *Server) deleted(x *exchange) outcome {
	if !x.ticket.Code.Success() {
		return s.refuse(x)
	}
	s.begin(x, 204)
	return done
}
