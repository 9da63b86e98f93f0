//go:build linux

package evloop

import "time"

// Lend runs f, which may block. If that takes longer than d, or a little more, the
// loop goes on in another goroutine with the next pass, and Lend is false: the
// caller then touches nothing of the loop any more, and returns false from PassEnd,
// which is the only place to call it from.
//
// It costs less than a goroutine for f, as long as f is quick.
func (l *Loop) Lend(d time.Duration, f func()) bool {
	l.loans.Add(1)
	l.lent.Store(true)
	if !l.watched.Load() && l.watched.CompareAndSwap(false, true) {
		go l.watch(d)
	}
	f()
	return l.lent.CompareAndSwap(true, false)
}

// loansIdle is for how many looks there has to be no loan before nobody looks any
// more.
const loansIdle = 20

// watch takes over from loans that last too long. A timer for each loan would wake
// another thread each time.
func (l *Loop) watch(d time.Duration) {
	for last, idle := int64(0), 0; idle < loansIdle; {
		time.Sleep(d)
		n, lent := l.loans.Load(), l.lent.Load()
		switch {
		case n != last:
			idle = 0
		case lent:
			go l.takeOver() // it was there the last time
			idle = 0
		default:
			idle++
		}
		last = n
	}
	l.watched.Store(false)
	// A loan that began meanwhile may have found somebody looking.
	if l.lent.Load() && l.watched.CompareAndSwap(false, true) {
		l.watch(d)
	}
}

// takeOver goes on with a loop that was lent. First comes a pass without events, as
// the handler did not come to the end of its own. It may be too late and take the
// loop from who has it next, which does no harm.
func (l *Loop) takeOver() {
	if l.lent.CompareAndSwap(true, false) && l.pass(nil) {
		l.serve()
	}
}
