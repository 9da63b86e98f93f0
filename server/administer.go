package server

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
)

// administer has the administration answer a request that was let in. It may block.
func (s *Server) administer(x *exchange) outcome {
	owner, _ := x.head.project()
	handler := s.opts.Admin
	if handler == nil {
		return s.fail(x, faultNoSuchRoute)
	}
	id := string(s.identify(x))
	r, err := http.NewRequestWithContext(context.Background(), methodNames[x.head.method], (&url.URL{
		Path: roots[routeAdmin] + string(x.head.name), RawQuery: string(x.head.query),
	}).String(), nil)
	if err != nil {
		return s.fail(x, faultInvalidPath)
	}
	r.Header.Set("X-Request-Id", id)
	w := &adminAnswer{header: make(http.Header)}
	handler(owner).ServeHTTP(w, r)
	s.begin(x, w.statusOr(http.StatusOK))
	for name, values := range w.header {
		if name != "X-Request-Id" && name != "Content-Length" && len(values) > 0 {
			x.resp.Header.Set(name, values[0])
		}
	}
	x.set(nameCacheControl, valuePrivate)
	x.resp.SetBody(w.body.Bytes())
	return done
}

// adminAnswer is an answer of the administration, whole.
type adminAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (w *adminAnswer) Header() http.Header { return w.header }

// Write implements http.ResponseWriter.
func (w *adminAnswer) Write(b []byte) (int, error) { return w.body.Write(b) }

// WriteHeader implements http.ResponseWriter.
func (w *adminAnswer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *adminAnswer) statusOr(status int) int {
	if w.status == 0 {
		return status
	}
	return w.status
}
