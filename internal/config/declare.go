package config

import (
	"errors"
	"fmt"
	"time"

	"tailrace/internal/project"
)

// ConnectionsDefault is more than most systems let a process open.
const ConnectionsDefault = 20_000

// urlTokenLifeMax keeps what leaks with a URL useful for a short time only.
const urlTokenLifeMax = time.Hour

// bodyBytesMax is a little more than a record of the log can hold.
const bodyBytesMax = 32 << 20

// declare lists all settings, in the order in which they are shown. Help texts
// are for the terminal and for the page alike: flags in them are linked to
// nothing, but set as code.
func (c *Config) declare(d *declaration) {
	d.text(&c.File, "config", "", "file with settings in TOML; its keys are the names of the flags").flagOnly()

	d.group = "Listening"
	d.text(&c.Listen, "listen", "127.0.0.1:4437", "address to serve HTTP on: host:port, or unix:/path for a socket").must(func() error { return judgeAddress(c.Listen) })
	d.mode(&c.ListenMode, "listen-mode", 0o600, "permissions of the socket of --listen unix:/path, in octal")
	d.toggle(&c.OpenToAnyone, "open-to-anyone", "serve other machines although --auth is off: whoever reaches the address may read, write and delete")
	d.file(&c.TLSCert, "tls-cert", "", "file with the certificate in PEM, and those between it and the root; with --tls-key the server speaks TLS").reloads()
	d.file(&c.TLSKey, "tls-key", "", "file with the key of the certificate in PEM").reloads()
	d.toggle(&c.TrustForwarded, "trust-forwarded", "build Location from X-Forwarded-Proto and X-Forwarded-Host, and take the last of X-Forwarded-For for the address of a client whose credentials are bad, for a server behind a proxy that sets all three")
	d.count(&c.Connections, "connections", ConnectionsDefault, "most open connections").positive()
	d.count(&c.ConnectionsPerAddress, "connections-per-address", 0, "most open connections from one IPv4 address or IPv6 /64; 0 means any number. Behind a proxy all clients have its address").notNegative()
	d.duration(&c.DrainTimeout, "drain-timeout", 5*time.Second, "how long a shutdown may take to answer what is under way").positive()
	d.toggle(&c.Portable, "portable", "serve every connection by a goroutine of its own, as on systems other than Linux, instead of by event loops")

	d.group = "Admin listener"
	d.text(&c.AdminListen, "admin-listen", "", "address of the admin API, metrics and health, like that of --listen; without one there is none").must(func() error {
		if c.AdminListen == "" {
			return nil
		}
		return judgeAddress(c.AdminListen)
	})
	d.toggle(&c.AdminOpenToAnyone, "admin-open-to-anyone", "serve the admin API to other machines: whoever reaches the address may do everything")
	d.toggle(&c.Pprof, "pprof", "serve profiles of the process on the admin listener")

	d.group = "Access"
	d.toggle(&c.Auth, "auth", "ask for a token or key of a project, which the file names; off, everything belongs to the project default")
	d.toggle(&c.URLTokens, "url-tokens", "take tokens for one stream, minted by the server, from URLs and cookies too").reloads()
	d.duration(&c.URLTokenLife, "url-token-life", time.Minute, "how long such a token lives, at most 1h").reloads().must(func() error {
		if c.URLTokenLife <= 0 || c.URLTokenLife > urlTokenLifeMax {
			return fmt.Errorf("is %v: more than zero, and at most %v", c.URLTokenLife, urlTokenLifeMax)
		}
		return nil
	})
	d.file(&c.MintKeyFile, "mint-key-file", "", "file with the key that signs them, in base64; without one they end with the process")
	d.count(&c.AuthCacheEntries, "auth-cache-entries", 65_536, "most verified tokens that are remembered").positive()
	d.list(&c.Origins, "origins", []string{"*"}, "origins whose pages may use the server while --auth is off, with commas between; * is every one").reloads().must(func() error {
		for _, o := range c.Origins {
			if !project.ValidOrigin(o) {
				return fmt.Errorf("has %q, which is not like https://host or https://host:port", o)
			}
		}
		return nil
	})
	d.toggle(&c.NoCORS, "no-cors", "send no CORS headers: no page of another origin may use the server")

	d.group = "Store"
	d.file(&c.Data, "data", "./data", "directory of the store; made if it does not exist").must(func() error {
		if c.Data == "" {
			return errors.New("must name a directory")
		}
		return nil
	})
	d.size(&c.LogFileBytes, "log-file-bytes", 64<<20, "size of a log file, a multiple of 4096 from 64 KiB").positive()
	d.duration(&c.FlushAge, "flush-age", 5*time.Minute, "after this, fewer appends than --flush-bytes become a segment too").positive()
	d.count(&c.MergeFanIn, "merge-fan-in", 8, "layers of segments that are merged into one").must(func() error {
		if c.MergeFanIn < 2 {
			return fmt.Errorf("is %d: at least 2", c.MergeFanIn)
		}
		return nil
	})
	d.duration(&c.ReclaimWithin, "reclaim-within", 7*24*time.Hour, "how long bytes of deleted, expired or trimmed streams may stay in a segment that is otherwise used, while the server runs; a segment of which a quarter is such bytes is written anew at once. In a bucket they stay for --bucket-publish-every and --bucket-grace more").positive()
	d.duration(&c.ScrubEvery, "scrub-every", 7*24*time.Hour, "how often every byte of the segments is read and verified; 0 means never").notNegative()
	d.size(&c.DiskFreeLow, "disk-free-low", 0, "with less free than that, the disk counts as full before it is; 0 means two log files")
	d.size(&c.DiskFreeResume, "disk-free-resume", 0, "with that much free again, it counts as full no longer; 0 means half as much again as --disk-free-low")

	d.group = "Memory"
	d.size(&c.MemoryBytes, "memory-bytes", 1<<30, "what the process may occupy; half of it is for streams, and beyond that new ones are refused with 507 memory_full").positive()
	d.size(&c.FrameBytes, "frame-bytes", 0, "what appends that are in no segment yet may occupy; 0 means three sixteenths of --memory-bytes")
	d.size(&c.FlushBytes, "flush-bytes", 0, "as many of them become a segment; 0 means a third of --frame-bytes, at most 64 MiB")
	d.size(&c.StagedBytes, "staged-bytes", 0, "as many of them may wait for a sync, beyond it writes are refused with 503 overloaded; 0 means half of --frame-bytes, at most 64 MiB")
	d.size(&c.BlockCacheBytes, "block-cache-bytes", 0, "what decoded blocks of segments may occupy; 0 means a sixteenth of --memory-bytes")
	d.size(&c.BodiesBytes, "bodies-bytes", 0, "what bodies beyond 8 KiB may occupy while they arrive, beyond it they are refused with 503 overloaded; 0 means a sixteenth of --memory-bytes, at most 256 MiB, and at least --body-bytes")
	d.size(&c.ResponsesBytes, "responses-bytes", 0, "what responses above 64 KiB that have to be put together, and events above 256 KiB, may occupy until they are taken, beyond it reads are refused with 503 overloaded and event streams wait; 0 means a sixteenth of --memory-bytes, at most 256 MiB")

	d.group = "Limits"
	d.size(&c.BodyBytes, "body-bytes", 16<<20, "largest body of a request, less than 32 MiB; if two do not fit into a log file, each has that much more allocated while it is in use").must(func() error {
		if c.BodyBytes <= 0 || c.BodyBytes >= bodyBytesMax {
			return fmt.Errorf("is %s: must be greater than zero, and less than %s", formatSize(c.BodyBytes), formatSize(bodyBytesMax))
		}
		return nil
	})
	d.count(&c.Streams, "streams", 10_000_000, "most streams, those kept for their forks included").positive()
	d.count(&c.ProducersPerStream, "producers-per-stream", 10_000, "most idempotent producers that a stream remembers").positive()
	d.count(&c.LiveReaders, "live-readers", 20_000, "most event streams and waiting long-polls").positive()
	d.count(&c.LiveReadersPerAddress, "live-readers-per-address", 0, "most event streams and waiting long-polls from one IPv4 address or IPv6 /64; 0 means any number").notNegative()
	d.size(&c.StoredBytes, "stored-bytes", 0, "what all streams together may keep of appends; 0 means any number").reloads()
	d.size(&c.AppendBytesPerSecond, "append-bytes-per-second", 0, "what all clients together may append in a second; 0 means any number").reloads()
	d.count(&c.RequestsPerSecond, "requests-per-second", 0, "requests of all clients together in a second; 0 means any number").notNegative().reloads()

	d.group = "Live reads"
	d.duration(&c.LongPollTimeout, "long-poll-timeout", 30*time.Second, "how long a long-poll waits for data").positive()
	d.duration(&c.SSELifetime, "sse-lifetime", time.Minute, "how long an event stream lasts before the client is to reconnect, give or take a tenth").positive()
	d.duration(&c.SSEKeepAlive, "sse-keep-alive", 15*time.Second, "how often an idle event stream gets a comment").positive()

	d.group = "Bucket"
	c.Bucket.declare(d)
	d.size(&c.BucketDiskBytes, "bucket-disk-bytes", 8<<30, "what segments may take on the disk; those that are in the bucket leave it beyond three quarters of that. A flush is at most a 32nd of it, a segment a 16th, but 1 MiB each, and a merge reads at most a quarter").positive()
	d.size(&c.BucketCacheBytes, "bucket-cache-bytes", 0, "what parts of segments that left the disk may take there; 0 means a quarter of --bucket-disk-bytes")
	d.size(&c.BucketSendBytes, "bucket-send-bytes", 32<<20, "segments that were merged once and have that size are sent at once, smaller ones with the next publication").positive()
	d.duration(&c.BucketPublishEvery, "bucket-publish-every", 10*time.Minute, "how often the bucket gets everything up to the last flush, for a restore to find").positive()
	d.duration(&c.BucketGrace, "bucket-grace", 24*time.Hour, "how long an object stays that no published state refers to; longer than a restore takes").notNegative()
	d.duration(&c.BucketReadTimeout, "bucket-read-timeout", 10*time.Second, "how long a read may wait for the bucket, beyond it 503 storage_unavailable").positive()
	d.toggle(&c.BucketTakeover, "bucket-takeover", "take the store's part of the bucket over from the directory that has it; that one stops sending and deleting")

	d.group = "Log"
	d.choice(&c.LogFormat, "log-format", []string{"text", "json"}, "text", "format of the log on standard error: text or json")
	d.choice(&c.LogLevel, "log-level", []string{"debug", "info", "warn", "error"}, "info", "least level that is logged: debug, info, warn or error").reloads()
	d.duration(&c.SlowRequest, "slow-request", time.Second, "requests that take longer are logged; 0 means none").notNegative().reloads()
	d.count(&c.LogRequests, "log-requests", 0, "one request in so many is logged; 0 means none").notNegative().reloads()
}
