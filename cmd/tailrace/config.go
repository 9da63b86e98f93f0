package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"github.com/VictoriaMetrics/metrics"

	"tailrace/engine"
	"tailrace/internal/config"
	"tailrace/internal/objstore"
	"tailrace/server"
)

// process is a server as it is configured, and what its start made of that. A
// reload gives it another Config: what cannot be reloaded is the same there.
type process struct {
	*config.Config

	bucket       objstore.Bucket // opened, or nil
	connections  int             // as many as the descriptors allow
	segmentsWarn int             // how many take the descriptors that are left
	level        *slog.LevelVar
	log          *slog.Logger
	metrics      *metrics.Set // of all parts

	// apply hands a new configuration to those who work by it. It changes nothing
	// if it fails.
	apply func(*config.Config) error
}

// load reads the configuration, and judges it by those whom it is for.
func load(args, env []string) (*config.Config, error) {
	c, err := config.Load(args, env)
	if err != nil {
		return nil, err
	}
	p := newProcess(c, io.Discard)
	_, kerr := keyring(c)
	if err := errors.Join(p.engineOptions().Validate(), p.serverOptions().Validate(), kerr); err != nil {
		return nil, err
	}
	return c, nil
}

// newProcess logs to w.
func newProcess(c *config.Config, w io.Writer) *process {
	p := &process{Config: c, connections: c.Connections, level: new(slog.LevelVar), metrics: metrics.NewSet()}
	p.setLevel()
	options := &slog.HandlerOptions{Level: p.level}
	if c.LogFormat == "json" {
		p.log = slog.New(slog.NewJSONHandler(w, options))
	} else {
		p.log = slog.New(slog.NewTextHandler(w, options))
	}
	return p
}

// setLevel takes over the level of the configuration, which has been judged.
func (p *process) setLevel() {
	var level slog.Level
	if err := level.UnmarshalText([]byte(p.LogLevel)); err != nil {
		panic(fmt.Sprintf("level %q: %v", p.LogLevel, err))
	}
	p.level.Set(level)
}

func (p *process) engineOptions() engine.Options {
	shares := p.Shares()
	return engine.Options{
		ScrubEvery: orNever(p.ScrubEvery), ReclaimWithin: p.ReclaimWithin, SegmentsWarn: p.segmentsWarn,
		Dir: p.Data, LogFileBytes: p.LogFileBytes, MemoryBytes: p.MemoryBytes, FrameBytesMax: shares.Frames,
		FlushBytes: p.FlushBytes, FlushAge: p.FlushAge, MergeFanIn: p.MergeFanIn, BlockCacheBytes: shares.BlockCache,
		// A JSON value is stored with a comma after it.
		StagedBytesMax: shares.Staged, BodyBytesMax: int(p.BodyBytes) + 1,
		StreamsMax: p.Streams, ProducersPerStreamMax: p.ProducersPerStream, StoredBytesMax: p.StoredBytes,
		DiskFreeLow: p.DiskFreeLow, DiskFreeResume: p.DiskFreeResume, Projects: p.Auth,
		Logger: p.log, Metrics: p.metrics, Tier: p.tierOptions(),
	}
}

// tierOptions are nil without a bucket.
func (p *process) tierOptions() *engine.TierOptions {
	if p.bucket == nil {
		return nil
	}
	return &engine.TierOptions{
		Bucket: p.bucket, LocalBytes: p.BucketDiskBytes, CacheBytes: p.BucketCacheBytes, SendBytes: p.BucketSendBytes,
		PublishEvery: p.BucketPublishEvery, Grace: orNever(p.BucketGrace), ReadTimeout: p.BucketReadTimeout, Takeover: p.BucketTakeover,
	}
}

// orNever is for times of the engine, to which 0 is the default and less is none.
func orNever[T ~int64](d T) T {
	if d == 0 {
		return -1
	}
	return d
}

func (p *process) serverOptions() server.Options {
	shares := p.Shares()
	return server.Options{
		LongPollTimeout: p.LongPollTimeout, LiveTime: p.SSELifetime, CommentInterval: p.SSEKeepAlive,
		BodyBytesMax: int(p.BodyBytes), BodyBytesInFlight: shares.Bodies, ResponseBytesInFlight: shares.Responses,
		LiveMax: p.LiveReaders, ConnsMax: p.connections,
		LivePerAddressMax: p.LiveReadersPerAddress, ConnsPerAddressMax: p.ConnectionsPerAddress, Portable: p.Portable,
		TrustForwarded: p.TrustForwarded, DisableCORS: p.NoCORS, Settings: settings(p.Config),
		Logger: p.log, Metrics: p.metrics,
	}
}

const configUsage = `Usage:
  tailrace config check [flags]   read the configuration and the files it names, and say everything that is wrong
  tailrace config show [flags]    print what is in effect as a file, and where each setting comes from

The flags, and the environment, are those of serve.
`

// configure is the command config: it reads what serve would, and starts nothing.
func configure(args, env []string, stdout, stderr io.Writer) int {
	if slices.Contains(args, "--help") || slices.Contains(args, "-h") {
		fmt.Fprint(stdout, configUsage)
		return exitOK
	}
	if len(args) == 0 || args[0] != "check" && args[0] != "show" {
		fmt.Fprint(stderr, configUsage)
		return exitUsage
	}
	c, err := load(args[1:], env)
	if err != nil {
		fmt.Fprintf(stderr, "%v\n", err)
		return exitUsage
	}
	if args[0] == "check" {
		fmt.Fprintln(stdout, "the configuration can be used")
		return exitOK
	}
	if err := c.Show(stdout); err != nil {
		return fail(stderr, err)
	}
	return exitOK
}
