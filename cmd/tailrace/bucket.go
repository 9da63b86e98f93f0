package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"tailrace/engine"
	"tailrace/internal/config"
	"tailrace/internal/objstore"
	"tailrace/internal/objstore/dir"
	"tailrace/internal/objstore/s3"
	"tailrace/internal/vfs"
)

// bucketFlag begins the names of the flags of a bucket.
const bucketFlag = "bucket"

// place says which bucket, and how to get there.
type place struct{ config.Bucket }

// open returns the bucket. A store is not asked for anything yet.
func (p *place) open(ctx context.Context) (objstore.Bucket, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	scheme, name, path, err := p.Parse()
	if err != nil {
		return nil, err
	}
	if scheme == "dir" {
		b, err := dir.Open(vfs.OS, filepath.Clean(path), dir.Options{})
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", bucketFlag, err)
		}
		return b, nil
	}
	prefix := strings.Trim(path, "/")
	if prefix != "" {
		prefix += "/"
	}
	b, err := s3.Open(ctx, s3.Config{
		Bucket: name, Prefix: prefix, Region: p.Region, Endpoint: p.Endpoint, PathStyle: p.PathStyle, AllowHTTP: p.AllowHTTP,
	})
	if err != nil {
		text := strings.TrimPrefix(err.Error(), "s3: ")
		for _, flag := range []string{"endpoint", "region"} {
			if strings.HasPrefix(text, flag) {
				return nil, fmt.Errorf("--bucket-%s", text)
			}
		}
		return nil, fmt.Errorf("--%s: %s", bucketFlag, text)
	}
	return b, nil
}

// explain adds to an error of a bucket what has to change. ours reports whether
// it is one that goes away by that only.
func explain(err error) (_ error, ours bool) {
	if err == nil {
		return nil, false
	}
	var unfit *objstore.UnfitError
	hint := ""
	switch kind := kindOf(err); {
	case errors.Is(err, engine.ErrNoBucket):
		hint = "--bucket says where"
	case errors.Is(err, engine.ErrOwner):
		hint = "--bucket-takeover takes it over, --bucket names another"
	case errors.As(err, &unfit):
		hint = "--bucket and --bucket-endpoint name the store; it has to honour conditions and checksums"
	case kind == objstore.KindDenied:
		hint = "the credentials come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE and so on), and need the permissions that the documentation lists"
	case kind == objstore.KindNoBucket:
		hint = "--bucket names it, --bucket-endpoint and --bucket-region say where it is"
	case kind == objstore.KindSkewed:
		hint = "set the clock of this machine"
	case strings.Contains(err.Error(), "allow-http"): // an endpoint of the environment
		hint = "--bucket-allow-http allows it"
	case errors.Is(err, engine.ErrBucket):
		hint = "--bucket, --bucket-endpoint, --bucket-region and --bucket-path-style say which it is"
	}
	switch ours = errors.Is(err, engine.ErrBucket) || errors.Is(err, engine.ErrNoBucket); kindOf(err) {
	case objstore.KindDenied, objstore.KindNoBucket, objstore.KindSkewed:
		ours = true
	}
	if hint == "" {
		return err, ours
	}
	return fmt.Errorf("%w (%s)", err, hint), ours
}

// kindOf is the kind of an error of a bucket, and none of others.
func kindOf(err error) objstore.Kind {
	if of := (*objstore.Error)(nil); errors.As(err, &of) {
		return of.Kind
	}
	return objstore.KindNone
}
