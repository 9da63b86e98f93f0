package s3

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"tailrace/internal/objstore"
)

type bucket struct {
	client *s3.Client
	http   *http.Client
	name   string
	tls    bool // for certain
}

// Close lets go of idle connections.
func (b *bucket) Close() error {
	b.http.CloseIdleConnections()
	return nil
}

func (b *bucket) Put(ctx context.Context, key string, body objstore.Body, c objstore.Condition) (string, error) {
	in := &s3.PutObjectInput{
		Bucket:            &b.name,
		Key:               &key,
		Body:              io.NewSectionReader(body.R, 0, body.Size),
		ContentLength:     &body.Size,
		ContentType:       aws.String("application/octet-stream"),
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c,
		ChecksumCRC32C:    aws.String(encodeCRC(body.CRC)),
	}
	if c.Absent {
		in.IfNoneMatch = aws.String("*")
	}
	if c.Match != "" {
		in.IfMatch = &c.Match
	}
	var opts []func(*s3.Options)
	if b.tls {
		opts = append(opts, unsigned)
	}
	out, err := b.client.PutObject(ctx, in, opts...)
	if err != nil {
		return "", mapError(ctx, objstore.OpPut, key, err)
	}
	return aws.ToString(out.ETag), nil
}

func (b *bucket) ReadAt(ctx context.Context, key string, p []byte, off int64) error {
	if len(p) == 0 {
		return nil
	}
	fail := func(k objstore.Kind, err error) error {
		return &objstore.Error{Op: objstore.OpReadAt, Key: key, Kind: k, Err: err}
	}
	if off < 0 {
		return fail(objstore.KindRange, fmt.Errorf("offset %d", off))
	}
	last := off + int64(len(p)) - 1
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: &key, Range: aws.String(fmt.Sprintf("bytes=%d-%d", off, last))})
	if err != nil {
		return mapError(ctx, objstore.OpReadAt, key, err)
	}
	defer out.Body.Close()
	// A store that ignores the range sends everything from the beginning.
	var from, to, size int64
	if _, err := fmt.Sscanf(aws.ToString(out.ContentRange), "bytes %d-%d/%d", &from, &to, &size); err != nil {
		return fail(objstore.KindInvalid, fmt.Errorf("the store ignores ranges: Content-Range %.80q", aws.ToString(out.ContentRange)))
	}
	if from == off && to < last && to == size-1 {
		return fail(objstore.KindRange, fmt.Errorf("%d bytes from %d of %d", len(p), off, size))
	}
	if from != off || to != last {
		return fail(objstore.KindInvalid, fmt.Errorf("asked for bytes %d-%d, got %d-%d", off, last, from, to))
	}
	if n := out.ContentLength; n != nil && *n != int64(len(p)) {
		return fail(objstore.KindTruncated, fmt.Errorf("%d bytes promised of %d", *n, len(p)))
	}
	if n, err := io.ReadFull(out.Body, p); err != nil {
		if ctx.Err() != nil {
			return mapError(ctx, objstore.OpReadAt, key, err)
		}
		return fail(objstore.KindTruncated, fmt.Errorf("%d bytes of %d: %w", n, len(p), err))
	}
	return nil
}

func (b *bucket) Head(ctx context.Context, key string) (objstore.Info, error) {
	out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: &key, ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		return objstore.Info{}, mapError(ctx, objstore.OpHead, key, err)
	}
	info := objstore.Info{Key: key, Size: aws.ToInt64(out.ContentLength), ETag: aws.ToString(out.ETag), Modified: aws.ToTime(out.LastModified)}
	if out.ContentLength == nil {
		return objstore.Info{}, &objstore.Error{Op: objstore.OpHead, Key: key, Kind: objstore.KindTruncated, Err: errors.New("no Content-Length")}
	}
	// One of parts is a checksum of checksums, and says nothing about the whole.
	if out.ChecksumType != types.ChecksumTypeComposite {
		info.CRC, info.HasCRC = decodeCRC(aws.ToString(out.ChecksumCRC32C))
	}
	return info, nil
}

func (b *bucket) Delete(ctx context.Context, key string) error {
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: &key})
	err = mapError(ctx, objstore.OpDelete, key, err)
	if objstore.KindOf(err) == objstore.KindNotFound { // some say so
		return nil
	}
	return err
}

// pageMax is what S3 lists at most in one answer.
const pageMax = 1000

func (b *bucket) List(ctx context.Context, prefix, after string, max int) ([]objstore.Info, error) {
	var infos []objstore.Info
	for len(infos) < max {
		in := &s3.ListObjectsV2Input{Bucket: &b.name, MaxKeys: aws.Int32(int32(min(max-len(infos), pageMax)))}
		if prefix != "" {
			in.Prefix = &prefix
		}
		// Where the last page ended is a key, which needs no token of the store.
		if after != "" {
			in.StartAfter = &after
		}
		out, err := b.client.ListObjectsV2(ctx, in)
		if err != nil {
			return nil, mapError(ctx, objstore.OpList, prefix, err)
		}
		for _, o := range out.Contents {
			key := aws.ToString(o.Key)
			if key <= after || !strings.HasPrefix(key, prefix) {
				return nil, &objstore.Error{Op: objstore.OpList, Key: prefix, Kind: objstore.KindInvalid,
					Err: fmt.Errorf("asked for what follows %.200q, got %.200q", after, key)}
			}
			infos = append(infos, objstore.Info{Key: key, Size: aws.ToInt64(o.Size), ETag: aws.ToString(o.ETag), Modified: aws.ToTime(o.LastModified)})
			after = key
		}
		if !aws.ToBool(out.IsTruncated) || len(out.Contents) == 0 {
			break
		}
	}
	return infos, nil
}

// encodeCRC is how S3 writes a CRC-32C: base64 of its bytes, the highest first.
func encodeCRC(crc uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc))
}

func decodeCRC(s string) (crc uint32, ok bool) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(b), true
}
