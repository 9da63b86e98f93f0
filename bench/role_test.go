package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"time"

	"github.com/valyala/fasthttp"

	"tailrace/engine"
	"tailrace/internal/objstore/faultobj"
	"tailrace/server"
)

// roleEnv makes this binary a server instead of a test: its value is a role.
const roleEnv = "BENCH_ROLE"

// role is what a child process has to be.
type role struct {
	Dir     string // of the store, if it is our server
	Options storeOptions
	Limited bool    // the collector keeps to Options.MemoryBytes, as it does under the command
	Manual  bool    // an engine that does nothing by itself, without a server
	Floor   *answer // what to answer, if it is the floor
	File    string  // what to send, if it is the floor of large reads
	Live    int     // so many live readers may stay for as long as they like
	Tier    *tierRole

	Portable        bool          // a goroutine for each connection
	SyncDelay       time.Duration // of each sync of the log
	CommentInterval time.Duration

	Audience bool // no server, but the readers of one
	Abuser   bool // no server, but who misuses one
}

// answer is a response, whatever the request.
type answer struct {
	Status  int
	Headers [][2]string
	Body    []byte
}

// order is what a child is asked to do by a line on its standard input.
type order struct {
	Populate, Size int        // make streams with an append of so many bytes
	JSON           int        // make JSON streams
	Many           *manyOrder // append to many streams
	Cold           *coldOrder // read some of them
	Flush          bool
	Misbehave      *bool  // the bucket begins to fail, or ends
	Collect        bool   // collect garbage before the state is taken
	Profile        string // begin a CPU profile
	ProfileEnd     bool
	Heap           string // write a heap profile
	Audience       *audienceOrder
	Abuse          *abuseOrder
}

// state is what a child says after each order, and once when it is ready.
type state struct {
	Addr          string
	Opened        time.Duration
	CPU           time.Duration
	Syncs         int64
	Reads         int64
	ReadBytes     int64
	SegmentsMade  int64
	Engine        engine.Stats
	Batches       uint64
	HeapInUse     uint64
	Descriptors   int
	Cold          *coldResult
	LiveReaders   int64
	Connections   int
	FramesEncoded uint64 // events put together for SSE readers, and sent to one
	FramesSent    uint64
	Audience      *audienceState
	Abuse         *abuseState
	Bucket        requests
	Failure       string
}

// actor is a child process in its role.
type actor struct {
	addr     string
	opened   time.Duration
	fs       countFS
	engine   *engine.Engine   // nil for the floor, as is server
	server   *server.Server   // nil without HTTP
	bucket   *countBucket     // nil without a tier
	faults   *faultobj.Bucket // nil without faults
	cold     *coldResult
	audience *audience // nil if it is not one
	seen     audienceState
	abuser   *abuser // nil if it is not one
	abuse    *abuseState
	profile  *os.File
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
	// Longer than any bound: BenchmarkStop says how long it took.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var err error
	if a.server != nil {
		err = a.server.Shutdown(ctx)
	}
	return errors.Join(err, a.engine.Close())
}

func (a *actor) start(r role) (err error) {
	if r.Audience {
		a.audience, err = newAudience()
		return err
	}
	if r.Abuser {
		a.abuser = newAbuser()
		return nil
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	a.addr = ln.Addr().String()
	switch {
	case r.Floor != nil:
		s := &fasthttp.Server{Handler: r.Floor.handler(), NoDefaultServerHeader: true, NoDefaultContentType: true}
		go s.Serve(ln)
		return nil
	case r.File != "":
		go http.Serve(ln, fileHandler(r.File))
		return nil
	}
	o := r.Options.engine(r.Dir)
	a.fs.delay = r.SyncDelay
	o.FS, o.Manual = a.fs, r.Manual
	if r.Tier != nil {
		if o.Tier, err = r.Tier.engine(a); err != nil {
			return err
		}
	}
	if r.Limited {
		debug.SetMemoryLimit(o.MemoryBytes)
	}
	begin := time.Now()
	if a.engine, err = engine.Open(o); err != nil {
		return err
	}
	if a.opened = time.Since(begin); r.Manual {
		return ln.Close()
	}
	if a.server, err = server.New(a.engine, r.server()); err != nil {
		return err
	}
	go a.server.Serve(ln)
	return nil
}

// server has places for all live readers and for some other connections, and
// ends none of them while a benchmark lasts.
func (r *role) server() server.Options {
	if r.Live == 0 {
		return server.Options{Portable: r.Portable}
	}
	const others = 1000
	return server.Options{
		ConnsMax: r.Live + others, LiveMax: r.Live + others,
		CommentInterval: r.CommentInterval,
		LiveTime:        24 * time.Hour, LongPollTimeout: 24 * time.Hour, IdleTimeout: 24 * time.Hour,
	}
}

// fileHandler sends a file, by sendfile.
func fileHandler(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, name) }
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
	var err error
	switch {
	case o.Populate > 0:
		err = populate(a.engine, o.Populate, o.Size)
	case o.JSON > 0:
		err = createJSON(a.engine, o.JSON)
	case o.Many != nil:
		err = o.Many.obey(a.engine)
	case o.Cold != nil:
		a.cold, err = o.Cold.obey(a.engine, a.fs.counts)
	case o.Flush:
		err = a.engine.Flush()
	case o.Misbehave != nil:
		err = a.misbehave(*o.Misbehave)
	case o.Audience != nil:
		a.seen, err = a.audience.obey(o.Audience)
	case o.Abuse != nil:
		s := a.abuser.obey(o.Abuse)
		a.abuse = &s
	}
	if err != nil {
		return err
	}
	if o.Collect {
		// Twice: what a finalizer or a pool let go of falls in the second.
		runtime.GC()
		debug.FreeOSMemory()
	}
	if o.Heap != "" {
		f, err := os.Create(o.Heap)
		if err != nil {
			return err
		}
		return errors.Join(pprof.WriteHeapProfile(f), f.Close())
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
	n := a.fs.counts
	s := state{
		Addr: a.addr, Opened: a.opened, Syncs: n.syncs.Load(), Reads: n.reads.Load(), ReadBytes: n.readBytes.Load(),
		SegmentsMade: n.segments.Load(), Cold: a.cold, Abuse: a.abuse,
	}
	if a.engine != nil {
		s.Engine = a.engine.Stats()
		s.Batches = s.Engine.Batches
	}
	if a.server != nil {
		s.LiveReaders, s.Connections = a.server.LiveReaders(), a.server.Connections()
		s.FramesEncoded, s.FramesSent = frames(a.server)
	}
	if a.bucket != nil {
		s.Bucket = a.bucket.requests()
	}
	if a.audience != nil {
		s.Audience = &a.seen
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

// frames is how many events the server put together for SSE readers, and how
// many it sent.
func frames(s *server.Server) (encoded, sent uint64) {
	st := s.Stats()
	return st.FramesEncoded, st.FramesSent
}
