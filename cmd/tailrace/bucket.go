package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"tailrace/engine"
	"tailrace/internal/objstore"
	"tailrace/internal/objstore/dir"
	"tailrace/internal/objstore/s3"
	"tailrace/internal/vfs"
)

// place says which bucket, and how to get there.
type place struct {
	url       string
	endpoint  string
	region    string
	pathStyle bool
	allowHTTP bool
}

// bucketFlag is the flag that all others of its kind go with: they begin with it.
const bucketFlag = "bucket"

func (p *place) flags(f *pflag.FlagSet) {
	f.StringVar(&p.url, bucketFlag, "", "bucket for segments: s3://name/prefix, or dir:///path; credentials come from the environment, as AWS tools take them")
	f.StringVar(&p.endpoint, "bucket-endpoint", "", "URL of a store that speaks S3 and is not AWS, such as https://host:9000")
	f.StringVar(&p.region, "bucket-region", "", "region of the bucket; without it that of the environment, or us-east-1 with an endpoint")
	f.BoolVar(&p.pathStyle, "bucket-path-style", false, "put the name of the bucket into the path, as many stores that are not AWS need it")
	f.BoolVar(&p.allowHTTP, "bucket-allow-http", false, "allow an endpoint without TLS")
}

// complete is for a command that has to do with a bucket only if it is given
// one. How to get there the environment may say too.
func (p *place) complete(f *pflag.FlagSet, env []string) error {
	if p.url == "" {
		return bucketAlone(f)
	}
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		flag := flagOf(name)
		if !strings.HasPrefix(name, envPrefix+"BUCKET_") || f.Lookup(flag) == nil || f.Changed(flag) {
			continue
		}
		if err := f.Set(flag, value); err != nil {
			return fmt.Errorf("variable %s: %w", name, err)
		}
	}
	return p.validate()
}

// bucketAlone names a flag of a bucket that was given without one.
func bucketAlone(f *pflag.FlagSet) error {
	var alone []error
	f.Visit(func(flag *pflag.Flag) {
		if strings.HasPrefix(flag.Name, bucketFlag+"-") {
			alone = append(alone, fmt.Errorf("--%s goes with --%s, which is not given", flag.Name, bucketFlag))
		}
	})
	return errors.Join(alone...)
}

// parse splits the URL.
func (p *place) parse() (scheme, name, path string, err error) {
	fail := func(why string) (string, string, string, error) {
		return "", "", "", fmt.Errorf("--%s: %s", bucketFlag, why)
	}
	u, err := url.Parse(p.url)
	switch {
	case err != nil || u.User != nil: // it may have a password in it
		return fail("it is not a URL like s3://name/prefix or dir:///path; credentials belong into the environment")
	case u.RawQuery != "" || u.Fragment != "":
		return fail("a query or a fragment means nothing in " + p.url)
	}
	switch u.Scheme {
	case "s3":
		if u.Host == "" {
			return fail(p.url + " names no bucket")
		}
	case "dir":
		if u.Host != "" || !filepath.IsAbs(u.Path) {
			return fail(p.url + " names no absolute path: it takes three slashes")
		}
	default:
		return fail(p.url + " is neither s3://name/prefix nor dir:///path")
	}
	return u.Scheme, u.Host, u.Path, nil
}

// validate names the flag that is wrong.
func (p *place) validate() error {
	scheme, _, _, err := p.parse()
	if err != nil {
		return err
	}
	for _, set := range []struct {
		name string
		is   bool
	}{
		{"endpoint", p.endpoint != ""}, {"region", p.region != ""}, {"path-style", p.pathStyle}, {"allow-http", p.allowHTTP},
	} {
		if scheme == "dir" && set.is {
			return fmt.Errorf("--%s-%s means nothing for a directory", bucketFlag, set.name)
		}
	}
	if strings.HasPrefix(p.endpoint, "http:") && !p.allowHTTP {
		return errors.New("--bucket-endpoint is plain http, which --bucket-allow-http allows")
	}
	return nil
}

// open returns the bucket. A store is not asked for anything yet.
func (p *place) open(ctx context.Context) (objstore.Bucket, error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	scheme, name, path, err := p.parse()
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
		Bucket: name, Prefix: prefix, Region: p.region, Endpoint: p.endpoint, PathStyle: p.pathStyle, AllowHTTP: p.allowHTTP,
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
