package config

import (
	"crypto/tls"
	"io/fs"
	"time"

	"github.com/spf13/pflag"

	"tailrace/internal/project"
)

// Config is how a server is to run. It is made by Load, and does not change
// afterwards: Reload makes another one. Sizes are bytes.
type Config struct {
	File string // it was read from; "" = none

	// Listening
	Listen                string // host:port or unix:/path
	ListenMode            fs.FileMode
	OpenToAnyone          bool
	TLSCert, TLSKey       string // files; "" = no TLS
	TrustForwarded        bool
	Portable              bool
	Connections           int
	ConnectionsPerAddress int // 0 = any number
	DrainTimeout          time.Duration

	// Admin listener
	AdminListen       string // like Listen; "" = none
	AdminOpenToAnyone bool
	Pprof             bool

	// Access
	Auth             bool
	URLTokens        bool
	URLTokenLife     time.Duration
	MintKeyFile      string // "" = a key for as long as the process runs
	AuthCacheEntries int
	Origins          []string // with Auth off; "*" is every one
	NoCORS           bool

	// Store
	Data           string
	LogFileBytes   int64
	FlushAge       time.Duration
	MergeFanIn     int
	ReclaimWithin  time.Duration
	ScrubEvery     time.Duration // 0 = never
	DiskFreeLow    int64         // 0 = derived
	DiskFreeResume int64         // 0 = derived

	// Memory: Shares says what those come to that are 0.
	MemoryBytes     int64
	FrameBytes      int64
	FlushBytes      int64
	StagedBytes     int64
	BlockCacheBytes int64
	BodiesBytes     int64
	ResponsesBytes  int64

	// Limits
	BodyBytes             int64
	Streams               int
	ProducersPerStream    int
	LiveReaders           int
	LiveReadersPerAddress int   // 0 = any number
	StoredBytes           int64 // of all projects together; 0 = any number
	AppendBytesPerSecond  int64 // 0 = any number
	RequestsPerSecond     int   // 0 = any number

	// Live reads
	LongPollTimeout time.Duration
	SSELifetime     time.Duration
	SSEKeepAlive    time.Duration

	// Bucket: the rest means nothing without Bucket.URL.
	Bucket             Bucket
	BucketDiskBytes    int64
	BucketCacheBytes   int64
	BucketSendBytes    int64
	BucketPublishEvery time.Duration
	BucketGrace        time.Duration
	BucketReadTimeout  time.Duration
	BucketTakeover     bool

	// Log
	LogFormat   string // text or json
	LogLevel    string
	SlowRequest time.Duration // 0 = none is slow
	LogRequests int           // one in so many is logged; 0 = none

	// Projects are in the order of their names. Without Auth it is one,
	// project.Default, with Origins: those above, those of its own, or none with
	// NoCORS.
	Projects []project.Project

	// What is in the files that are named.
	Certificate *tls.Certificate // nil = no TLS
	MintKey     []byte           // nil = no file
	jwks        map[string][]byte

	args, env []string // for Reload
	flags     *pflag.FlagSet
	settings  []*Setting
	byName    map[string]*Setting
	tables    map[string]*projectTable // as they are in the file
}
