// Package evloop serves many sockets by one goroutine: readiness from epoll,
// reads and writes that never block, partial writes that resume, and one
// deadline for each connection. It knows nothing of what the bytes mean; a
// Handler does.
//
// A connection that waits holds neither a goroutine nor a buffer: what is read
// goes into a buffer of the loop, and only what the handler leaves there is
// copied into one of the connection's own.
//
//	       ┌────────────────── pass ──────────────────┐
//	wait ─► events ─► Input, Sent ─► posted ─► PassEnd ─► deadlines ─┐
//	 ▲                                                              │
//	 └──────────────────────────────────────────────────────────────┘
//
// The loop waits in the system call, which holds a thread but no processor.
//
// The package exists on Linux only.
package evloop
