package objstore

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// UnfitError means that a store answers, but lacks a property without which
// objects could be lost or overwritten.
type UnfitError struct {
	Property string // what it lacks, such as "ignores If-None-Match"
	Detail   string // what it did
	Err      error  // how it answered, or nil
}

func (e *UnfitError) Error() string {
	text := "objstore: the store " + e.Property + ": " + e.Detail
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives how the store answered.
func (e *UnfitError) Unwrap() error { return e.Err }

// cleanTime is for removing what a probe made.
const cleanTime = 10 * time.Second

// Probe proves with two scratch objects below prefix that a store has the
// properties that a Store rests on, and removes them; and before, those that an
// earlier probe left there. Two at a time need prefixes of their own. A store
// that lacks a property is an *UnfitError; any other error means that it could
// not be asked.
func Probe(ctx context.Context, s *Store, prefix string) (err error) {
	if err := CheckPrefix(prefix); err != nil {
		return fmt.Errorf("objstore: probe: %w", err)
	}
	run := fmt.Sprintf("%016x%016x", s.opts.Rand(), s.opts.Rand())
	p := &probe{s: s, key: prefix + "probe-a", absent: prefix + "probe-b",
		first: Bytes([]byte("first of " + run)), second: Bytes([]byte("the second of " + run)), third: Bytes([]byte("third of " + run))}
	// A store that cannot be reached has nothing to be cleaned up, and would only
	// make the caller wait for that too.
	if err := p.cleans(ctx); err != nil {
		return fmt.Errorf("objstore: probe: %s: %w", unreachable(KindOf(err)), err)
	}
	defer func() {
		if ctx.Err() != nil {
			return // its caller has waited long enough; the next probe cleans up
		}
		clean, cancel := context.WithTimeout(ctx, cleanTime)
		defer cancel()
		for _, key := range []string{p.key, p.absent} {
			if derr := s.Delete(clean, key); derr != nil && err == nil {
				err = fmt.Errorf("objstore: probe: cannot clean up: %w", derr)
			}
		}
	}()
	for _, step := range []func(context.Context) error{p.creates, p.swaps, p.checksums, p.ranges, p.deletes} {
		if err := step(ctx); err != nil {
			if unfit := (*UnfitError)(nil); errors.As(err, &unfit) {
				return err
			}
			return fmt.Errorf("objstore: probe: %s: %w", unreachable(KindOf(err)), err)
		}
	}
	return nil
}

// unreachable says why a store could not be asked.
func unreachable(k Kind) string {
	switch k {
	case KindDenied:
		return "the store denies access"
	case KindNoBucket:
		return "there is no such bucket"
	case KindSkewed:
		return "the clock of this machine and that of the store are too far apart"
	case KindThrottled:
		return "the store asks to wait"
	case KindTemporary, KindTimeout, KindTruncated, KindConflict:
		return "cannot reach the store"
	case KindCanceled:
		return "not finished"
	}
	return "the store refuses"
}

type probe struct {
	s                    *Store
	key, absent          string // one object that is made, and one that must not be
	first, second, third Body
	stale                string // tag of the first version
}

// put is one put under a condition, with the policy's retries.
func (p *probe) put(ctx context.Context, key string, b Body, c Condition) error {
	return p.s.do(ctx, OpPut, key, b.Size, func(ctx context.Context) error {
		_, err := p.s.bucket.Put(ctx, key, b, c)
		return err
	})
}

// refused turns the outcome of a request that must be refused into nothing, or
// into what the store lacks.
func refused(err error, property, detail string, kinds ...Kind) error {
	if err == nil {
		return &UnfitError{Property: property, Detail: detail + " was accepted"}
	}
	got := KindOf(err)
	for _, k := range kinds {
		if got == k {
			return nil
		}
	}
	if got == KindInvalid || got == KindExists || got == KindNotFound || got == KindBadDigest {
		return &UnfitError{Property: property, Detail: detail + " was answered otherwise", Err: err}
	}
	return err
}

func (p *probe) cleans(ctx context.Context) error {
	return errors.Join(p.s.Delete(ctx, p.key), p.s.Delete(ctx, p.absent))
}

func (p *probe) creates(ctx context.Context) error {
	err := p.s.Create(ctx, p.key, p.first)
	switch KindOf(err) {
	case KindNone:
	case KindNotFound, KindCorrupt:
		return &UnfitError{Property: "does not keep what it accepts", Detail: "a new object", Err: err}
	default:
		return err
	}
	err = p.put(ctx, p.key, p.second, Condition{Absent: true})
	return refused(err, "ignores If-None-Match", "a second create of "+p.key, KindExists)
}

func (p *probe) swaps(ctx context.Context) error {
	info, err := p.s.Head(ctx, p.key)
	if err != nil {
		return err
	}
	if p.stale = info.ETag; p.stale == "" {
		return &UnfitError{Property: "gives no ETag", Detail: "for " + p.key}
	}
	current, err := p.s.Swap(ctx, p.key, p.second, p.stale)
	if KindOf(err) == KindExists || KindOf(err) == KindNotFound {
		return &UnfitError{Property: "does not know its own ETag", Detail: "a swap of the current version of " + p.key + " was refused", Err: err}
	}
	if err != nil {
		return err
	}
	if current == "" || current == p.stale {
		return &UnfitError{Property: "does not change its ETag", Detail: fmt.Sprintf("%q before and %q after new content of %s", p.stale, current, p.key)}
	}
	err = p.put(ctx, p.key, p.third, Condition{Match: p.stale})
	if err := refused(err, "ignores If-Match", "a swap of an old version of "+p.key, KindExists); err != nil {
		return err
	}
	err = p.put(ctx, p.absent, p.third, Condition{Match: p.stale})
	return refused(err, "ignores If-Match", "a swap of the absent "+p.absent, KindExists, KindNotFound)
}

func (p *probe) checksums(ctx context.Context) error {
	wrong := p.third
	wrong.CRC++
	err := p.put(ctx, p.absent, wrong, Condition{})
	if err := refused(err, "ignores checksums", "a body with a wrong CRC-32C", KindBadDigest, KindInvalid); err != nil {
		return err
	}
	_, err = p.s.Head(ctx, p.absent)
	return refused(err, "keeps what it refused", "a look at "+p.absent, KindNotFound)
}

func (p *probe) ranges(ctx context.Context) error {
	const property = "does not read ranges exactly"
	want, err := p.second.read()
	if err != nil {
		return err
	}
	got, _, err := p.s.ReadAll(ctx, p.key, p.second.Size)
	switch k := KindOf(err); {
	case k == KindInvalid || k == KindCorrupt || k == KindRange || k == KindNotFound || err == nil && string(got) != string(want):
		return &UnfitError{Property: "does not keep what it accepts", Detail: "the content of " + p.key + " is another", Err: err}
	case err != nil:
		return err
	}
	piece := make([]byte, 6)
	if err := p.s.ReadAt(ctx, p.key, piece, 3); err != nil {
		if k := KindOf(err); k == KindRange || k == KindInvalid {
			return &UnfitError{Property: property, Detail: "bytes 3 to 8 of " + p.key, Err: err}
		}
		return err
	}
	if string(piece) != string(want[3:9]) {
		return &UnfitError{Property: property, Detail: fmt.Sprintf("bytes 3 to 8 of %q came as %q", want, piece)}
	}
	err = p.s.ReadAt(ctx, p.key, piece, p.second.Size-3)
	return refused(err, property, "a read past the end of "+p.key, KindRange, KindTruncated, KindInvalid)
}

func (p *probe) deletes(ctx context.Context) error {
	if err := p.s.Delete(ctx, p.key); err != nil {
		return err
	}
	_, err := p.s.Head(ctx, p.key)
	if err := refused(err, "does not delete", "a look at the deleted "+p.key, KindNotFound); err != nil {
		return err
	}
	if err := p.s.Delete(ctx, p.key); err != nil {
		if KindOf(err) == KindNotFound {
			return &UnfitError{Property: "does not delete twice", Detail: p.key, Err: err}
		}
		return err
	}
	return nil
}
