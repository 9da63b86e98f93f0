package fuzz

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"testing"
	"time"
)

// opinion is how a server of net/http divides what one connection sends.
type opinion struct {
	*script
	requests []heard // in the order it handled them, with whole bodies
	broken   string  // the method of one more, if its body did not come to its end

	// How it ended: refused is the status of what it made no request of; last says
	// that it closed after an answer. Otherwise the input ended.
	refused int
	last    bool
}

// opinions is a server of net/http that answers everything alike.
type opinions struct {
	door   *doorway
	server *http.Server
	ended  chan error
}

type opinionKey struct{}

func openOpinions() *opinions {
	o := &opinions{door: &doorway{conns: make(chan net.Conn), stop: make(chan struct{})}, ended: make(chan error, 1)}
	o.server = &http.Server{
		Handler:                      http.HandlerFunc(handleOpinion),
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     log.New(io.Discard, "", 0),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, opinionKey{}, c)
		},
	}
	go func() { o.ended <- o.server.Serve(o.door) }()
	return o
}

func handleOpinion(w http.ResponseWriter, r *http.Request) {
	p := r.Context().Value(opinionKey{}).(*opinion)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		p.broken = r.Method
		return
	}
	p.requests = append(p.requests, heard{
		method: r.Method, name: streamOf(r.RequestURI), header: r.Header, body: body,
	})
	w.Write([]byte("heard"))
}

// of has net/http take the input apart.
func (o *opinions) of(t testing.TB, in []byte) *opinion {
	t.Helper()
	p := &opinion{script: newScript(in, 4<<10)}
	o.door.conns <- p
	timeout := time.NewTimer(hangTime)
	defer timeout.Stop()
	select {
	case <-p.closed:
	case <-timeout.C:
		t.Fatalf("net/http hangs after %q", in)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	out := bufio.NewReader(bytes.NewReader(p.out.Bytes()))
	for i := 0; ; {
		method := ""
		if i < len(p.requests) {
			method = p.requests[i].method
		}
		r, err := http.ReadResponse(out, &http.Request{Method: method})
		if err != nil {
			return p
		}
		io.Copy(io.Discard, r.Body)
		switch {
		case r.StatusCode < 200:
			continue
		case i < len(p.requests):
			p.last = r.Close
		default:
			// An answer to a body that broke off is no word about it.
			p.refused = r.StatusCode
		}
		i++
	}
}

func (o *opinions) close(t testing.TB) {
	t.Helper()
	if err := o.server.Close(); err != nil {
		t.Error(err)
	}
	if err := <-o.ended; err != http.ErrServerClosed {
		t.Error(err)
	}
}
