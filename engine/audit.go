package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tailrace/internal/bucket"
	"tailrace/internal/frame"
	"tailrace/internal/manifest"
	"tailrace/internal/objstore"
)

// Audit is what a look at all of a store's objects found.
type Audit struct {
	Objects int   // that the store refers to
	Bytes   int64 // in them
	Doomed  int   // that wait to be deleted
	Unsent  int   // that were on their way when the store was closed

	Lost    []string // objects that are not there, or not what they should be, with the reason
	Orphans []string // objects that nothing refers to
}

// auditPage is how many names are asked for at a time.
const auditPage = 1000

// AuditBucket compares what a store that no process has open refers to with what
// is in its bucket: every object is asked for by name, and the names are listed.
// Nothing is changed. An error means that it could not be done.
func AuditBucket(ctx context.Context, o Options) (Audit, error) {
	o = o.withDefaults()
	a, err := auditBucket(ctx, o)
	if err != nil {
		return Audit{}, fmt.Errorf("engine: audit the bucket of %s: %w", o.Dir, err)
	}
	return a, nil
}

func auditBucket(ctx context.Context, o Options) (Audit, error) {
	if o.Tier == nil {
		return Audit{}, ErrNoBucket
	}
	lock, err := o.FS.Lock(o.Dir + "/" + lockName)
	if err != nil {
		return Audit{}, fmt.Errorf("%w: %w", errInUse, err)
	}
	defer lock.Close()
	store, err := readStore(o.FS, o.Dir)
	if err != nil {
		return Audit{}, err
	}
	loaded, err := manifest.Load(o.FS, o.Dir, store.ID)
	if err != nil {
		return Audit{}, err
	}
	state := loaded.State()
	return auditState(ctx, objstore.New(o.Tier.Bucket, o.Tier.Policy), store.ID, &state)
}

// auditState is AuditBucket for what a manifest says.
func auditState(ctx context.Context, in *objstore.Store, id [16]byte, s *manifest.State) (a Audit, err error) {
	known := map[string]bool{bucket.HeadName(id): true}
	check := func(o manifest.Object) error {
		name := nameIn(id, o)
		known[name] = true
		if !o.Sent {
			a.Unsent++
			return nil
		}
		a.Objects++
		a.Bytes += o.Bytes
		err := headObject(ctx, in, name, o)
		if ce := new(frame.CorruptError); errors.Is(err, objstore.ErrNotFound) || errors.As(err, &ce) {
			a.Lost = append(a.Lost, err.Error())
			return nil
		}
		return err
	}
	for _, l := range s.Layers {
		for _, seg := range l.Segments {
			if seg.Place == manifest.PlaceLocal {
				continue
			}
			if err := check(seg.Object()); err != nil {
				return a, err
			}
		}
	}
	for _, o := range s.Tier.Objects {
		if err := check(o); err != nil {
			return a, err
		}
	}
	for _, d := range s.Tier.Doomed {
		a.Doomed++
		known[nameIn(id, d.Object)] = true
	}
	a.Orphans, err = orphans(ctx, in, id, known)
	return a, err
}

// orphans lists the names of a store that are not known. What the probe of an
// owner left that was killed is none: its next one takes the same names.
func orphans(ctx context.Context, in *objstore.Store, id [16]byte, known map[string]bool) (found []string, err error) {
	for after := ""; ; {
		page, err := in.List(ctx, bucket.Prefix(id), after, auditPage)
		if err != nil {
			return nil, err
		}
		for _, info := range page {
			if !known[info.Key] && !strings.HasPrefix(info.Key, bucket.Prefix(id)+probeDir) {
				found = append(found, info.Key)
			}
			after = info.Key
		}
		if len(page) < auditPage {
			slices.Sort(found)
			return found, nil
		}
	}
}
