// Package faultobj puts faults into a bucket, call by call.
//
// Whether a call meets a fault depends on the seed, the operation, the key and
// how many such calls there were, and on nothing else: two runs that make the
// same calls meet the same faults, in whatever order their goroutines ran.
// Rates, Fail and the liar switches choose what can happen, Heal ends it. Every
// call is written into a trace.
package faultobj
