package engine

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"tailrace/internal/objstore/faultobj"
	"tailrace/internal/stream"
)

// read reads a path as a client does, from anywhere, and compares what it is
// shown with the records that are durable.
func (r *crashes) read(e *Engine) error {
	if err := r.oracle.advance(e.durable); err != nil {
		return err
	}
	path := r.work.path()
	s := r.oracle.table.Lookup(path)
	var all []kept
	req := ReadRequest{
		Path: path, Stored: r.rng.IntN(2) == 0, Touch: r.rng.IntN(4) == 0,
		BytesMax: []int{1, 50, 4000, 20000, 0}[r.rng.IntN(5)],
	}
	if s != nil {
		all = r.oracle.shown(s)
		req.From = r.from(s, all)
		req.Earliest = r.rng.IntN(6) == 0
	}
	res, t := e.Read(req)
	if res.Cold {
		r.tally.coldReads.Add(1)
		if len(res.Parts) > 0 {
			return fmt.Errorf("%w: read %+v is cold and has bytes", errLaw, req)
		}
		if res, t = r.readCold(e, req); r.excused(t) {
			return nil
		}
	}
	want := stream.OK
	switch {
	case t.Retry, t.Code == stream.DataCorrupt && r.faults.Stopped(), e.Err() != nil:
		return nil
	case t.Code == stream.Overloaded || t.Code == stream.DiskFull:
		// It has expired, and there is no room in the log to say so.
		if found := e.table.Lookup(path); found == nil || !found.Due(e.clockMS.Load()) {
			return fmt.Errorf("%w: read %+v is %s", errLaw, req, t.Code)
		}
		return nil
	case s == nil:
		want = stream.NotFound
	case s.Gone:
		want = stream.Gone
	case !req.Earliest && min(req.From, s.Tail) < s.Start():
		if want = stream.OffsetTrimmed; t.Start != s.Start() {
			return fmt.Errorf("%w: read %+v is told to begin at %d, it should be %d", errLaw, req, t.Start, s.Start())
		}
		r.tally.refused.Add(1)
	}
	switch {
	case t.Code != want:
		return fmt.Errorf("%w: read %+v is %s, want %s", errLaw, req, t.Code, want)
	case want != stream.OK:
		return nil
	}
	if req.Earliest {
		req.From = s.Start()
	}
	if err := r.judge(&req, &res, s, all); err != nil {
		return fmt.Errorf("%w: read %+v: from %d to %d of %d, %d parts, %d stored bytes: %w",
			errLaw, req, res.From, res.Next, res.Tail, len(res.Parts), len(res.Stored), err)
	}
	r.shown[path] = shown{id: res.ID, tail: res.Tail, closed: res.Closed}
	return nil
}

// readCold reads from the disk and the bucket, which may be in trouble.
func (r *crashes) readCold(e *Engine, req ReadRequest) (ReadResult, Ticket) {
	if r.tier == nil {
		return e.ReadCold(req)
	}
	if r.rng.IntN(2) == 0 {
		r.tier.trouble()
		defer r.tier.calm()
	}
	before := e.tier.cache.Stats().Requests
	defer func() { r.tier.seen.farReads.Add(int64(e.tier.cache.Stats().Requests - before)) }()
	return e.ReadCold(req)
}

// excused tells that a read failed because of the bucket.
func (r *crashes) excused(t Ticket) bool {
	switch {
	case r.tier == nil:
		return false
	case t.Code == stream.Unavailable:
		r.tier.seen.unavailable.Add(1)
		return true
	case t.Code == stream.DataCorrupt && r.tier.rates[faultobj.Corrupt] > 0:
		r.tier.seen.corrupt.Add(1)
		return true
	}
	return false
}

// from is where a reader may begin: at the ends of appends, near them, at both
// ends of the stream, and anywhere.
func (r *crashes) from(s *stream.Stream, all []kept) stream.Offset {
	switch n := r.rng.IntN(8); {
	case n == 0:
		return stream.OffsetMax
	case n == 1 || len(all) == 0:
		return 0
	case n == 2:
		return stream.Offset(r.rng.Uint64N(uint64(s.Tail) + 2))
	case n == 3:
		return all[r.rng.IntN(len(all))].end - 1
	}
	return all[r.rng.IntN(len(all))].end
}

// judge compares a result with all that the stream shows.
func (r *crashes) judge(req *ReadRequest, res *ReadResult, s *stream.Stream, all []kept) error {
	switch {
	case res.ID != s.ID || res.Tail != s.Tail || res.Closed != s.Closed || res.JSON != s.JSON:
		return fmt.Errorf("stream %d, tail %d, closed %t, JSON %t; it is %s", res.ID, res.Tail, res.Closed, res.JSON, describe(s))
	case res.From != min(req.From, s.Tail):
		return fmt.Errorf("it should begin at %d", min(req.From, s.Tail))
	case res.UpToDate != (res.Next == res.Tail) || res.AtEnd != (res.UpToDate && res.Closed):
		return fmt.Errorf("up to date %t, at end %t", res.UpToDate, res.AtEnd)
	case res.Next > res.Tail || res.Next <= res.From && res.From < res.Tail:
		return fmt.Errorf("no progress or too much")
	}
	want := all
	for len(want) > 0 && want[0].end <= res.From {
		want = want[1:]
	}
	n := len(res.Parts)
	if res.Stored != nil {
		r.tally.stored.Add(1)
		var err error
		if n, err = matchStored(res, want); err != nil {
			return err
		}
	}
	if n > len(want) || n == 0 && len(want) > 0 {
		return fmt.Errorf("%d appends, %d are left", n, len(want))
	}
	size := 0
	for i, part := range res.Parts {
		if !bytes.Equal(part, want[i].body) {
			return fmt.Errorf("append %d, up to %d, is %.40q, want %.40q", i, want[i].end, part, want[i].body)
		}
		size += len(part)
	}
	if max := req.BytesMax; max > 0 && len(res.Parts) > 1 && size > max {
		return fmt.Errorf("%d bytes, and at most %d were asked for", size, max)
	}
	if n > 0 && res.Next < want[n-1].end || n < len(want) && res.Next >= want[n].end {
		return fmt.Errorf("%d appends do not end there", n)
	}
	return nil
}

var unzstd, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))

// matchStored decodes a body that came as it is stored, and finds out of how
// many of the appends it consists.
func matchStored(res *ReadResult, want []kept) (n int, err error) {
	body, err := unzstd.DecodeAll(res.Stored, nil)
	if err != nil {
		return 0, err
	}
	if len(body) != res.StoredSize || len(res.Parts) > 0 {
		return 0, fmt.Errorf("a stored body of %d bytes, %d announced, and %d parts beside it", len(body), res.StoredSize, len(res.Parts))
	}
	var joined []byte
	if res.JSON {
		joined = append(joined, '[')
	}
	for n < len(want) && want[n].end <= res.Next {
		joined = append(joined, want[n].body...)
		n++
	}
	if res.JSON {
		joined[len(joined)-1] = ']'
	}
	if !bytes.Equal(body, joined) {
		return 0, fmt.Errorf("the stored body of %d bytes is not that of %d appends, %d bytes", len(body), n, len(joined))
	}
	return n, nil
}
