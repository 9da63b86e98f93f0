// What the server is run with. Each configuration is there because the others hide something.

const tiny = [
  ...["--log-file-bytes", "65536", "--flush-bytes", "16384", "--merge-fan-in", "2"],
  ...["--block-cache-bytes", "65536", "--long-poll-timeout", "1.5s"],
]

// The same, and what a segment holds leaves the disk as soon as it is in the bucket.
const tier = [
  ...tiny,
  ...["--flush-age", "100ms", "--bucket-disk-bytes", "65536", "--bucket-cache-bytes", "65536", "--bucket-send-bytes", "1"],
  ...["--bucket-publish-every", "500ms", "--bucket-grace", "0s"],
]

// They are run in this order, two at a time: the one that takes longest first, and beside it those
// whose tests have the least time.
export const configurations = [
  // Users get 30 s, which the suite's own tests outlast only with a raised limit.
  { name: "default", flags: [], longPollTimeoutMs: 30_000, testTimeoutMs: 40_000 },

  // The suite's long-poll timeout test gives up after 5 s and passes when the server waits longer,
  // so it only means something with a short timeout.
  { name: "short", flags: ["--long-poll-timeout", "1.5s"], longPollTimeoutMs: 1500 },

  // Without event loops, as on every system but Linux.
  { name: "portable", flags: ["--portable", "--long-poll-timeout", "1.5s"], longPollTimeoutMs: 1500 },

  // With authentication on, through a doorman who shows the token, and makes all streams public: what
  // anybody may read has the answers that it has without authentication.
  {
    name: "auth",
    flags: ["--long-poll-timeout", "1.5s", "--log-format", "json"],
    access: { credential: "token", publicStreams: true },
    longPollTimeoutMs: 1500,
    testTimeoutMs: 20_000,
  },

  // The same with an API key, over TLS, without event loops and with private streams.
  {
    name: "auth-tls",
    flags: ["--long-poll-timeout", "1.5s", "--portable"],
    access: { credential: "key", tls: true },
    longPollTimeoutMs: 1500,
    testTimeoutMs: 20_000,
  },

  // So small that the tests cross log files, flushes, merges and cache misses. What that costs is
  // no matter here, so there is time.
  { name: "tiny", flags: tiny, longPollTimeoutMs: 1500, testTimeoutMs: 20_000, flushes: true },

  {
    name: "portable-tiny",
    flags: ["--portable", ...tiny],
    longPollTimeoutMs: 1500,
    testTimeoutMs: 20_000,
    flushes: true,
  },

  // Most of what the tests read is in a bucket, and much of that not in the cache.
  { name: "tier", flags: tier, bucket: true, longPollTimeoutMs: 1500, testTimeoutMs: 20_000, flushes: true },
  {
    name: "portable-tier",
    flags: ["--portable", ...tier],
    bucket: true,
    longPollTimeoutMs: 1500,
    testTimeoutMs: 20_000,
    flushes: true,
  },
]

// chosen are the configurations to run: one by its name, or all. It throws for a name that there
// is not.
export function chosen(name) {
  const list = configurations.filter((one) => name === undefined || one.name === name)
  if (list.length === 0) throw new Error(`no configuration is named ${name}`)
  return list
}

export const names = configurations.map(({ name }) => name).join("|")
