// Package faultfs puts faults into a file system, call by call.
//
// Every call on the FS and on its files and locks passes one gate, which
// numbers it, writes it into a trace, asks the injected function for a Fault
// and then does what the Fault says: fail, do a part, wait, or be the last
// call before a crash.
//
// The gate also notes which line of the code above made the call, and which
// of these lines an injected failure has hit, so that a test can demand that
// every call site of a package has failed at least once.
package faultfs
