package objstore

import (
	"context"
	"errors"
	"fmt"
)

// Store is the policy around a bucket. It is safe for concurrent use.
type Store struct {
	bucket        Bucket
	opts          Options
	reads, writes *limiter
	budget        *budget
	counters      counters
}

// New returns the policy around b.
func New(b Bucket, o Options) *Store {
	o = o.withDefaults()
	return &Store{bucket: b, opts: o, reads: newLimiter(o.Reads), writes: newLimiter(o.Writes),
		budget: newBudget(o.RetryBudget, o.Now())}
}

// do makes attempts of one operation, which moves size bytes, until one ends in
// a way that another would not change. The error is that of the last attempt.
func (s *Store) do(ctx context.Context, op, key string, size int64, call func(context.Context) error) error {
	if err := CheckKey(key); err != nil {
		return &Error{Op: op, Key: key, Kind: KindInvalid, Err: err}
	}
	return s.retry(ctx, op, key, size, call)
}

func (s *Store) retry(ctx context.Context, op, key string, size int64, call func(context.Context) error) error {
	for n := 1; ; n++ {
		err := s.attempt(ctx, op, key, size, call)
		k := KindOf(err)
		if k == KindNone {
			s.budget.success()
			return nil
		}
		if !k.Retryable() || ctx.Err() != nil {
			return err
		}
		if n == s.opts.Attempts {
			return fmt.Errorf("%w (attempt %d, the last)", err, n)
		}
		if !s.budget.take(s.opts.Now()) {
			return fmt.Errorf("%w (attempt %d, and the retries of all calls are spent)", err, n)
		}
		var after = asError(err).RetryAfter
		if serr := s.opts.Sleep(ctx, s.opts.backoff(n, after)); serr != nil {
			return fmt.Errorf("%w (attempt %d, then %w)", err, n, serr)
		}
		s.counters.again.Add(1)
	}
}

// attempt asks the bucket once. Its errors are of type *Error.
func (s *Store) attempt(ctx context.Context, op, key string, size int64, call func(context.Context) error) error {
	lim := s.reads
	if op == OpPut || op == OpDelete {
		lim = s.writes
	}
	p, err := lim.enter(ctx)
	if err != nil {
		return outcome(op, key, err) // nothing was asked
	}
	within, cancel := context.WithTimeout(ctx, s.opts.attemptTime(size))
	defer cancel()
	err = outcome(op, key, call(within))
	// A bucket may report what its connection said when it was cut.
	if e := asError(err); e != nil && within.Err() != nil && e.Kind == KindTemporary {
		cut := *e
		if cut.Kind = KindTimeout; errors.Is(within.Err(), context.Canceled) {
			cut.Kind = KindCanceled
		}
		cut.Err = errors.Join(within.Err(), e.Err)
		err = &cut
	}
	lim.leave(p, KindOf(err))
	s.counters.attempt(op, err, s.opts.Now())
	if err == nil {
		s.counters.moved(op, size)
	}
	return err
}

// outcome makes any error one of this package.
func outcome(op, key string, err error) error {
	if err == nil || asError(err) != nil {
		return err
	}
	return &Error{Op: op, Key: key, Kind: KindOf(err), Err: err}
}
