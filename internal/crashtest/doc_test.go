// Package crashtest starts the real program as a process of its own, treats it
// as the world will, and looks at what is left: it is killed while it writes,
// told to stop while it serves, started on stores that are damaged, of another
// version, or in use.
//
// The other crash tests of the project decide what a lost power supply leaves
// of every single write. Here nothing is simulated, so what they assume about
// processes, sockets, signals and the system's files is tested too. A killed
// process loses nothing that it wrote, synced or not: these tests tell nothing
// about power.
//
// # How the great test knows the truth
//
// Every message names its producer, its number and its place among the parts
// of an append, and carries a checksum, so a stream that is read back explains
// itself. What was acknowledged, with which offset, is written down by those
// who were told:
//
//	track     a shared stream: what was sent, acknowledged, and read back
//	producer  appends to one track, and repeats until it is answered
//	follower  a live reader of a track: what it was shown must never change
//	object    a stream of one worker: created, closed, forked, deleted
//	verdict   all that contradicts
//
// The package has test files only: it is nothing to build upon.
package crashtest
