package config

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
)

// Bucket says which bucket, and how to get there. Credentials are no part of it:
// they come from the environment, as AWS tools take them.
type Bucket struct {
	URL       string // s3://name/prefix or dir:///path; "" = none
	Endpoint  string
	Region    string
	PathStyle bool
	AllowHTTP bool
}

// bucketFlag is the flag that all others of its kind go with: they begin with it.
const bucketFlag = "bucket"

func (b *Bucket) declare(d *declaration) {
	d.text(&b.URL, bucketFlag, "", "bucket for segments: s3://name/prefix, or dir:///path; credentials come from the environment, as AWS tools take them. All settings that begin so need it")
	d.text(&b.Endpoint, "bucket-endpoint", "", "URL of a store that speaks S3 and is not AWS, such as https://host:9000")
	d.text(&b.Region, "bucket-region", "", "region of the bucket; without it that of the environment, or us-east-1 with an endpoint")
	d.toggle(&b.PathStyle, "bucket-path-style", "put the name of the bucket into the path, not into the host, as many stores that are not AWS need it")
	d.toggle(&b.AllowHTTP, "bucket-allow-http", "allow an endpoint without TLS")
}

// Flags adds the flags to those of a command that has to do with a bucket only if
// it is given one.
func (b *Bucket) Flags(f *pflag.FlagSet) {
	d := newDeclaration("")
	b.declare(d)
	f.AddFlagSet(d.flags)
}

// Complete is for such a command, after its flags were parsed: how to get there
// the environment may say too.
func (b *Bucket) Complete(f *pflag.FlagSet, env []string) error {
	if b.URL == "" {
		var alone []error
		f.Visit(func(flag *pflag.Flag) {
			if needsBucket(flag.Name) {
				alone = append(alone, errAlone("--"+flag.Name))
			}
		})
		return errors.Join(alone...)
	}
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		flag := FlagOf(name)
		if !strings.HasPrefix(name, EnvPrefix+"BUCKET_") || f.Lookup(flag) == nil || f.Changed(flag) {
			continue
		}
		if err := f.Set(flag, value); err != nil {
			return fmt.Errorf("variable %s: %w", name, err)
		}
	}
	return b.Validate()
}

func needsBucket(flag string) bool { return strings.HasPrefix(flag, bucketFlag+"-") }

func errAlone(flag string) error {
	return fmt.Errorf("%s goes with --%s, which is not given", flag, bucketFlag)
}

// Parse splits the URL.
func (b *Bucket) Parse() (scheme, name, path string, err error) {
	fail := func(why string) (string, string, string, error) {
		return "", "", "", fmt.Errorf("--%s: %s", bucketFlag, why)
	}
	u, err := url.Parse(b.URL)
	switch {
	case err != nil || u.User != nil: // it may have a password in it
		return fail("it is not a URL like s3://name/prefix or dir:///path; credentials belong into the environment")
	case u.RawQuery != "" || u.Fragment != "":
		return fail("a query or a fragment means nothing in " + b.URL)
	}
	switch u.Scheme {
	case "s3":
		if u.Host == "" {
			return fail(b.URL + " names no bucket")
		}
	case "dir":
		if u.Host != "" || !filepath.IsAbs(u.Path) {
			return fail(b.URL + " names no absolute path: it takes three slashes")
		}
	default:
		return fail(b.URL + " is neither s3://name/prefix nor dir:///path")
	}
	return u.Scheme, u.Host, u.Path, nil
}

// Validate names the flag that is wrong.
func (b *Bucket) Validate() error {
	scheme, _, _, err := b.Parse()
	if err != nil {
		return err
	}
	for _, set := range []struct {
		name string
		is   bool
	}{
		{"endpoint", b.Endpoint != ""}, {"region", b.Region != ""}, {"path-style", b.PathStyle}, {"allow-http", b.AllowHTTP},
	} {
		if scheme == "dir" && set.is {
			return fmt.Errorf("--%s-%s means nothing for a directory", bucketFlag, set.name)
		}
	}
	if u, err := url.Parse(b.Endpoint); err != nil || u.User != nil {
		return errors.New("--bucket-endpoint is not a URL like https://host:9000; credentials belong into the environment")
	}
	if strings.HasPrefix(b.Endpoint, "http:") && !b.AllowHTTP {
		return errors.New("--bucket-endpoint is plain http, which --bucket-allow-http allows")
	}
	return nil
}
