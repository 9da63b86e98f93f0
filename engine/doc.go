// Package engine is the database: it puts the rules of internal/stream, the log
// of package wal and the bytes in memory together.
//
// # Staged and durable
//
// A request is decided against the staged state, which is ahead of the log by
// the batches that no sync covers yet. Deciding, applying the record and
// putting it into the open batch are one step under the engine's mutex. The
// caller gets a Ticket with the outcome, and may tell it to the client when
// the ticket is ready: when every record that the decision looked at is
// durable. Readers see only what is durable.
//
// An append is durable when its batch is; the index knows the batch of each,
// so no state has to be published append by append. What changes a stream
// otherwise (create, close, delete, expiry) gates its path: until the batch is
// durable, whoever asks for the path is told to wait and ask again.
//
// # Failure
//
// When the log fails, nothing that was staged is ever called durable, no
// ticket of it becomes ready without an error, and the process is expected to
// end (see Engine.Failed). Nothing has to be rolled back.
//
// # Lock order
//
// Engine.mu, then the mutex of the wal.Group. Callbacks of the group run with
// neither held.
package engine
