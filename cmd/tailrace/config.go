package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"

	"tailrace/engine"
	"tailrace/internal/objstore"
	"tailrace/server"
)

// config is everything that can be set from outside.
type config struct {
	listen       string
	data         string
	logFileBytes int64
	memoryBytes  int64
	frameBytes   int64
	flushBytes   int64
	cacheBytes   int64
	flushAge     time.Duration
	mergeFanIn   int
	scrubEvery   time.Duration
	reclaim      time.Duration
	stagedBytes  int64
	bodyBytes    int64
	bodiesBytes  int64
	streams      int
	producers    int
	connections  int
	segmentsWarn int // how many take the descriptors that are left; not a flag
	liveReaders  int

	connectionsPerAddress, liveReadersPerAddress int
	longPollTimeout                              time.Duration
	sseLifetime                                  time.Duration
	sseKeepAlive                                 time.Duration
	drainTimeout                                 time.Duration
	portable                                     bool
	noCORS                                       bool
	trustForwarded                               bool
	logFormat                                    string
	logLevel                                     string

	place         place
	bucket        objstore.Bucket // opened, or nil
	diskBytes     int64
	bucketCache   int64
	sendBytes     int64
	publishEvery  time.Duration
	grace         time.Duration
	bucketTimeout time.Duration
	takeover      bool
}

// connectionsDefault is more than most systems let a process open.
const connectionsDefault = 20_000

// envPrefix begins the names of our variables. One that no flag belongs to is
// an error, because a misspelt setting must not be silently without effect.
const envPrefix = "TAILRACE_"

// serviceLink matches what Kubernetes adds to the environment of every pod when
// there is a service named tailrace. No flag has such a name.
var serviceLink = regexp.MustCompile(`^(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_.*)?)$`)

func (c *config) flags() *pflag.FlagSet {
	f := pflag.NewFlagSet("tailrace serve", pflag.ContinueOnError)
	f.SortFlags = false
	f.StringVar(&c.listen, "listen", "127.0.0.1:4437", "address to serve HTTP on")
	f.StringVar(&c.data, "data", "./data", "directory of the store; made if it does not exist")
	f.DurationVar(&c.longPollTimeout, "long-poll-timeout", 30*time.Second, "how long a long-poll waits for data")
	f.DurationVar(&c.sseLifetime, "sse-lifetime", 60*time.Second, "how long an event stream lasts before the client is to reconnect, give or take a tenth")
	f.DurationVar(&c.sseKeepAlive, "sse-keep-alive", 15*time.Second, "how often an idle event stream gets a comment")
	f.Var(size(&c.logFileBytes, 64<<20), "log-file-bytes", "size of a log file, a multiple of 4096")
	f.Var(size(&c.memoryBytes, 1<<30), "memory-bytes", "what the process may occupy; half of it is for streams, and beyond that new ones are refused with 507 memory_full")
	f.Var(size(&c.frameBytes, 0), "frame-bytes", "what appends that are in no segment yet may occupy; 0 means a quarter of --memory-bytes")
	f.Var(size(&c.flushBytes, 0), "flush-bytes", "as many of them become a segment; 0 means a third of --frame-bytes, at most 64 MiB")
	f.Var(size(&c.cacheBytes, 0), "block-cache-bytes", "what decoded blocks of segments may occupy; 0 means an eighth of --memory-bytes")
	f.DurationVar(&c.flushAge, "flush-age", 5*time.Minute, "after this, fewer appends become a segment too")
	f.IntVar(&c.mergeFanIn, "merge-fan-in", 8, "layers of segments that are merged into one")
	f.DurationVar(&c.reclaim, "reclaim-within", 7*24*time.Hour, "how long bytes of deleted, expired or trimmed streams may stay in a segment that is otherwise used")
	f.DurationVar(&c.scrubEvery, "scrub-every", 7*24*time.Hour, "how often every byte of the segments is read and verified; 0 means never")
	f.Var(size(&c.stagedBytes, 0), "staged-bytes", "what may wait for a sync, beyond it writes are refused with 503 overloaded; 0 means half of --frame-bytes, at most 64 MiB")
	f.Var(size(&c.bodyBytes, 16<<20), "body-bytes", "largest body of a request")
	f.Var(size(&c.bodiesBytes, 256<<20), "bodies-bytes", "what larger bodies may occupy while they arrive; beyond it they are refused with 503 overloaded")
	f.IntVar(&c.streams, "streams", 10_000_000, "most streams")
	f.IntVar(&c.producers, "producers-per-stream", 10_000, "most idempotent producers that a stream remembers")
	f.IntVar(&c.connections, "connections", connectionsDefault, "most open connections")
	f.IntVar(&c.liveReaders, "live-readers", connectionsDefault, "most event streams and waiting long-polls")
	f.IntVar(&c.connectionsPerAddress, "connections-per-address", 0, "most open connections from one IPv4 address or IPv6 /64; 0 means any number")
	f.IntVar(&c.liveReadersPerAddress, "live-readers-per-address", 0, "most event streams and waiting long-polls from one; 0 means any number")
	c.place.flags(f)
	f.Var(size(&c.diskBytes, 8<<30), "bucket-disk-bytes", "what segments may take on the disk; those that are in the bucket leave it beyond three quarters of that")
	f.Var(size(&c.bucketCache, 0), "bucket-cache-bytes", "what parts of segments that left the disk may take there; 0 means a quarter of --bucket-disk-bytes")
	f.Var(size(&c.sendBytes, 32<<20), "bucket-send-bytes", "segments of that size are sent at once, smaller ones when they were merged or with the next publication")
	f.DurationVar(&c.publishEvery, "bucket-publish-every", 10*time.Minute, "how often the bucket gets everything up to the last flush, for a restore to find")
	f.DurationVar(&c.grace, "bucket-grace", 24*time.Hour, "how long an object stays that no published state refers to; longer than a restore takes")
	f.DurationVar(&c.bucketTimeout, "bucket-read-timeout", 10*time.Second, "how long a read may wait for the bucket; beyond it 503 storage_unavailable")
	f.BoolVar(&c.takeover, "bucket-takeover", false, "take the store's part of the bucket over from the directory that has it; that one stops sending and deleting")
	f.DurationVar(&c.drainTimeout, "drain-timeout", 5*time.Second, "how long a shutdown may take to answer what is under way")
	f.BoolVar(&c.portable, "portable", false, "serve every connection by a goroutine of its own, as on systems other than Linux, instead of by event loops")
	f.BoolVar(&c.noCORS, "no-cors", false, "send no CORS headers")
	f.BoolVar(&c.trustForwarded, "trust-forwarded", false, "build Location from X-Forwarded-Proto and X-Forwarded-Host")
	f.StringVar(&c.logFormat, "log-format", "text", "format of the log on standard error: text or json")
	f.StringVar(&c.logLevel, "log-level", "info", "least level that is logged: debug, info, warn or error")
	return f
}

// errHelp means that help was asked for and has been printed.
var errHelp = errors.New("help requested")

// parse reads the command line and the environment; the command line wins.
func (c *config) parse(args, env []string, stdout io.Writer) error {
	f := c.flags()
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	if err := fromEnv(f, env); err != nil {
		return err
	}
	if err := f.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			fmt.Fprintf(stdout, "Usage:\n  tailrace serve [flags]\n\nFlags:\n%s", f.FlagUsages())
			return errHelp
		}
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if c.place.url == "" {
		if err := bucketAlone(f); err != nil {
			return err
		}
	}
	return c.validate()
}

func fromEnv(f *pflag.FlagSet, env []string) error {
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		rest, ours := strings.CutPrefix(name, envPrefix)
		if !ours || serviceLink.MatchString(rest) {
			continue
		}
		flag := flagOf(name)
		if f.Lookup(flag) == nil {
			return fmt.Errorf("unknown variable %s", name)
		}
		if err := f.Set(flag, value); err != nil {
			return fmt.Errorf("variable %s: %w", name, err)
		}
	}
	return nil
}

// flagOf is the flag of a variable.
func flagOf(variable string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(variable, envPrefix)), "_", "-")
}

func (c *config) validate() error {
	var errs []error
	positive := func(name string, ok bool) {
		if !ok {
			errs = append(errs, fmt.Errorf("--%s must be greater than zero", name))
		}
	}
	positive("long-poll-timeout", c.longPollTimeout > 0)
	positive("sse-lifetime", c.sseLifetime > 0)
	positive("sse-keep-alive", c.sseKeepAlive > 0)
	positive("drain-timeout", c.drainTimeout > 0)
	positive("log-file-bytes", c.logFileBytes > 0)
	positive("memory-bytes", c.memoryBytes > 0)
	positive("body-bytes", c.bodyBytes > 0)
	positive("bodies-bytes", c.bodiesBytes > 0)
	positive("streams", c.streams > 0)
	positive("producers-per-stream", c.producers > 0)
	positive("connections", c.connections > 0)
	positive("live-readers", c.liveReaders > 0)
	if c.place.url != "" {
		positive("bucket-disk-bytes", c.diskBytes > 0)
		positive("bucket-send-bytes", c.sendBytes > 0)
		positive("bucket-publish-every", c.publishEvery > 0)
		positive("bucket-read-timeout", c.bucketTimeout > 0)
		if c.grace < 0 {
			errs = append(errs, errors.New("--bucket-grace must not be negative"))
		}
		if err := c.place.validate(); err != nil {
			errs = append(errs, err)
		}
	}
	if c.reclaim <= 0 {
		errs = append(errs, errors.New("--reclaim-within must be positive"))
	}
	if c.scrubEvery < 0 {
		errs = append(errs, errors.New("--scrub-every must not be negative"))
	}
	if c.data == "" {
		errs = append(errs, errors.New("--data must name a directory"))
	}
	if _, err := c.logger(io.Discard); err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	// How the values go together is known where they are used.
	return errors.Join(c.engineOptions(nil).Validate(), c.serverOptions(nil).Validate())
}

func (c *config) engineOptions(log *slog.Logger) engine.Options {
	scrubEvery := c.scrubEvery
	if scrubEvery == 0 {
		scrubEvery = -1 // to the engine, 0 is its default
	}
	return engine.Options{
		ScrubEvery: scrubEvery, ReclaimWithin: c.reclaim, SegmentsWarn: c.segmentsWarn,
		Dir: c.data, LogFileBytes: c.logFileBytes, MemoryBytes: c.memoryBytes, FrameBytesMax: c.frameBytes,
		FlushBytes: c.flushBytes, FlushAge: c.flushAge, MergeFanIn: c.mergeFanIn, BlockCacheBytes: c.cacheBytes,
		// A JSON value is stored with a comma after it.
		StagedBytesMax: c.stagedBytes, BodyBytesMax: int(c.bodyBytes) + 1,
		StreamsMax: c.streams, ProducersPerStreamMax: c.producers, Logger: log, Tier: c.tierOptions(),
	}
}

// tierOptions are nil without a bucket.
func (c *config) tierOptions() *engine.TierOptions {
	if c.bucket == nil {
		return nil
	}
	grace := c.grace
	if grace == 0 {
		grace = -1 // to the engine, 0 is its default
	}
	return &engine.TierOptions{
		Bucket: c.bucket, LocalBytes: c.diskBytes, CacheBytes: c.bucketCache, SendBytes: c.sendBytes,
		PublishEvery: c.publishEvery, Grace: grace, ReadTimeout: c.bucketTimeout, Takeover: c.takeover,
	}
}

func (c *config) serverOptions(log *slog.Logger) server.Options {
	return server.Options{
		LongPollTimeout: c.longPollTimeout, LiveTime: c.sseLifetime, CommentInterval: c.sseKeepAlive,
		BodyBytesMax: int(c.bodyBytes), BodyBytesInFlight: c.bodiesBytes,
		LiveMax: c.liveReaders, ConnsMax: c.connections,
		LivePerAddressMax: c.liveReadersPerAddress, ConnsPerAddressMax: c.connectionsPerAddress, Portable: c.portable,
		TrustForwarded: c.trustForwarded, DisableCORS: c.noCORS, Logger: log,
	}
}

// sizeValue is a flag that takes bytes, as a number or like 64MiB.
type sizeValue struct{ bytes *int64 }

func size(p *int64, value int64) *sizeValue {
	*p = value
	return &sizeValue{p}
}

func (s *sizeValue) Set(text string) error {
	n, err := humanize.ParseBytes(text)
	if err != nil {
		return err
	}
	if n > 1<<62 {
		return fmt.Errorf("%s is too large", text)
	}
	*s.bytes = int64(n)
	return nil
}

func (s *sizeValue) String() string {
	number, unit, _ := strings.Cut(humanize.IBytes(uint64(*s.bytes)), " ")
	return strings.TrimSuffix(number, ".0") + unit
}
func (s *sizeValue) Type() string { return "bytes" }
