package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"time"

	"github.com/valyala/fasthttp"

	"tailrace/engine"
	"tailrace/server"
)

// roleEnv makes this binary a server instead of a test: its value is a role.
const roleEnv = "BENCH_ROLE"

// role is what a child process has to be.
type role struct {
	Dir   string  // of the store, if it is our server
	Floor *answer // what to answer, if it is the floor
}

// answer is a response, whatever the request.
type answer struct {
	Status  int
	Headers [][2]string
	Body    []byte
}

// order is what a child is asked to do by a line on its standard input.
type order struct {
	Populate, Size int    // make streams with an append of so many bytes
	Collect        bool   // collect garbage before the state is taken
	Profile        string // begin a CPU profile
	ProfileEnd     bool
}

// state is what a child says after each order, and once when it is ready.
type state struct {
	Addr        string
	CPU         time.Duration
	Syncs       int64
	Batches     uint64
	HeapInUse   uint64
	Descriptors int
	Failure     string
}

// actor is a child process in its role.
type actor struct {
	addr    string
	fs      countFS
	engine  *engine.Engine // nil for the floor, as is server
	server  *server.Server
	profile *os.File
}

// play serves until in ends, which it does when the parent does.
func play(text string, in io.Reader, out io.Writer) int {
	var r role
	a := &actor{fs: newCountFS()}
	err := json.Unmarshal([]byte(text), &r)
	if err == nil {
		err = a.start(r)
	}
	answers := json.NewEncoder(out)
	answers.Encode(a.state(err))
	for orders := json.NewDecoder(in); ; {
		var o order
		if err := orders.Decode(&o); err != nil {
			break
		}
		answers.Encode(a.state(a.obey(o)))
	}
	if err := a.end(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func (a *actor) end() error {
	if a.engine == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(a.server.Shutdown(ctx), a.engine.Close())
}

func (a *actor) start(r role) error {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	a.addr = ln.Addr().String()
	if r.Floor != nil {
		s := &fasthttp.Server{Handler: r.Floor.handler(), NoDefaultServerHeader: true, NoDefaultContentType: true}
		go s.Serve(ln)
		return nil
	}
	if a.engine, err = engine.Open(engine.Options{FS: a.fs, Dir: r.Dir, MemoryBytes: memoryBytes}); err != nil {
		return err
	}
	if a.server, err = server.New(a.engine, server.Options{}); err != nil {
		return err
	}
	go a.server.Serve(ln)
	return nil
}

// memoryBytes is room for the longest run; the default is not.
const memoryBytes = 8 << 30

// handler answers the same to everybody, by the fastest way that fasthttp has
// for headers it doesn't know.
func (w *answer) handler() fasthttp.RequestHandler {
	type header struct{ name, value []byte }
	var headers []header
	for _, h := range w.Headers {
		headers = append(headers, header{[]byte(h[0]), []byte(h[1])})
	}
	return func(ctx *fasthttp.RequestCtx) {
		ctx.Response.SetStatusCode(w.Status)
		for i := range headers {
			ctx.Response.Header.SetCanonical(headers[i].name, headers[i].value)
		}
		if len(w.Body) > 0 {
			ctx.Response.SetBodyRaw(w.Body)
		}
	}
}

func (a *actor) obey(o order) error {
	if o.Populate > 0 {
		if err := populate(a.engine, o.Populate, o.Size); err != nil {
			return err
		}
	}
	if o.Collect {
		// Twice: what a finalizer or a pool let go of falls in the second.
		runtime.GC()
		debug.FreeOSMemory()
	}
	if o.Profile != "" {
		f, err := os.Create(o.Profile)
		if err != nil {
			return err
		}
		a.profile = f
		return pprof.StartCPUProfile(f)
	}
	if o.ProfileEnd && a.profile != nil {
		pprof.StopCPUProfile()
		return a.profile.Close()
	}
	return nil
}

func (a *actor) state(err error) state {
	s := state{Addr: a.addr, Syncs: a.fs.syncs.Load()}
	if a.engine != nil {
		s.Batches = a.engine.Stats().Batches
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s.HeapInUse = m.HeapInuse
	var cpuErr, fdErr error
	s.Descriptors, fdErr = descriptors()
	s.CPU, cpuErr = cpuTime()
	for _, err := range []error{err, fdErr, cpuErr} {
		if err != nil && s.Failure == "" {
			s.Failure = fmt.Sprint(err)
		}
	}
	return s
}
