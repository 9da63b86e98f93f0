// Package bench measures the engine and the server as a whole, and holds the
// tests of what they may cost in memory, descriptors and allocations.
//
// A figure alone says little: machines differ, and the same one differs from
// minute to minute. So each benchmark measures a floor in the same run, taking
// turns with it, and prints both:
//
//   - sync-us is a raw write of 4 KiB into a pre-written file and its sync, what
//     the medium takes for the smallest durable write;
//   - floor-* is a fasthttp server as it comes that stores nothing and gives the
//     very answer of ours: same status, same headers, same body;
//   - sendfile is a server of files that sends the same bytes, for large reads.
//
// Some bounds are about sizes that take hours: flags that begin with -bench. set
// them, their defaults are small, and `make soak` has the official ones. A broken
// bound is printed, and fails the run under -bench.strict; bytes that do not read
// back as they were written fail always.
//
// HTTP servers run in a process of their own, which is this test binary with
// another role, so that their CPU time is theirs alone. Client and server share
// the machine: operations per second depend on the client too, operations per
// CPU-second of the server (ops/cpu-s) hardly do. The readers of thousands of
// live streams are a third process, the audience: it checks that each message
// comes to each reader, once and in order, which fails always too, and takes as
// little of the shared cores as it can. A process needs a descriptor for each
// connection.
//
// Benchmarks of the tier have their buckets in a real S3 server on the same machine,
// whose CPU time is in no figure of ours, but in everybody's latency.
//
// Results and how to make them comparable: results/README.md.
package bench
