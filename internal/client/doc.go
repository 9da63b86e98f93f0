// Package client speaks to a server over HTTP: it creates, appends to, reads and
// follows streams, and asks the admin API. It is what the command line is made
// of, and knows nothing of files, flags or terminals.
//
// # What is repeated
//
// A request that was refused for now (429 and 503, as a rule with Retry-After)
// or got no answer is repeated for as long as Options.Patience says, unless that
// could do something twice. What can be repeated without harm: reads, HEAD,
// create, close, delete, and an append by a producer, which the server recognizes
// if it has it already. An append without a producer is repeated only if the
// server said that it refused it.
//
// # What a reader gets
//
// A Batch is delivered when all of it has arrived, together with the offset that
// follows it. One that breaks off is dropped and asked for again, so that each
// byte is delivered once however often the connection breaks. The price is that
// a batch is in memory as a whole: about 1 MiB, or one append if that is larger.
package client
