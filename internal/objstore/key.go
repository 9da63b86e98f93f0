package objstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits of keys. Stores allow 1024 bytes, of which a prefix takes its part.
const (
	keyBytesMax    = 512
	prefixBytesMax = 256
)

// CheckKey reports what is wrong with a key.
func CheckKey(key string) error {
	if key == "" {
		return errors.New("the key is empty")
	}
	if len(key) > keyBytesMax {
		return fmt.Errorf("the key has %d bytes, more than %d", len(key), keyBytesMax)
	}
	for i := range len(key) {
		if !keyByte(key[i]) {
			return fmt.Errorf("the key %q has byte %#02x", key, key[i])
		}
	}
	for segment := range strings.SplitSeq(key, "/") {
		switch segment {
		case "":
			return fmt.Errorf("the key %q has an empty segment", key)
		case ".", "..":
			return fmt.Errorf("the key %q has the segment %q", key, segment)
		}
	}
	return nil
}

// CheckPrefix reports what is wrong with a prefix: "" or a key with a slash
// behind it.
func CheckPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	if len(prefix) > prefixBytesMax {
		return fmt.Errorf("the prefix has %d bytes, more than %d", len(prefix), prefixBytesMax)
	}
	key, ok := strings.CutSuffix(prefix, "/")
	if !ok {
		return fmt.Errorf("the prefix %q does not end with a slash", prefix)
	}
	return CheckKey(key)
}

// keyByte holds what no store, URL or file system escapes or folds, and what
// the directory bucket leaves for its own names (it uses '~').
func keyByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("!-_.=/", c) >= 0
}

// WithPrefix is the part of a bucket whose keys begin with prefix; its own keys
// are without it.
func WithPrefix(b Bucket, prefix string) (Bucket, error) {
	if err := CheckPrefix(prefix); err != nil {
		return nil, fmt.Errorf("objstore: %w", err)
	}
	if prefix == "" {
		return b, nil
	}
	return &part{base: b, prefix: prefix}, nil
}

type part struct {
	base   Bucket
	prefix string
}

// Close closes the bucket below, if that can be.
func (p *part) Close() error {
	if c, ok := p.base.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

func (p *part) Put(ctx context.Context, key string, b Body, c Condition) (string, error) {
	return p.base.Put(ctx, p.prefix+key, b, c)
}

func (p *part) ReadAt(ctx context.Context, key string, b []byte, off int64) error {
	return p.base.ReadAt(ctx, p.prefix+key, b, off)
}

func (p *part) Head(ctx context.Context, key string) (Info, error) {
	info, err := p.base.Head(ctx, p.prefix+key)
	info.Key = key
	return info, err
}

func (p *part) Delete(ctx context.Context, key string) error {
	return p.base.Delete(ctx, p.prefix+key)
}

func (p *part) List(ctx context.Context, prefix, after string, max int) ([]Info, error) {
	if after != "" {
		after = p.prefix + after
	}
	infos, err := p.base.List(ctx, p.prefix+prefix, after, max)
	for i := range infos {
		infos[i].Key = strings.TrimPrefix(infos[i].Key, p.prefix)
	}
	return infos, err
}
