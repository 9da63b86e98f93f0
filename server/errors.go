package server

import (
	"errors"
	"fmt"
	"strings"

	"github.com/valyala/fasthttp"

	"tailrace/internal/jsonmode"
	"tailrace/internal/stream"
)

// fault is a reason to refuse a request. The first ones are those of the
// engine, by their stream.Code; the others are found before it is asked.
type fault uint8

const faultNone fault = 0

const (
	faultInvalidPath fault = fault(stream.Failed) + 1 + iota
	faultNoSuchRoute
	faultReserved
	faultMethod
	faultVersion
	faultExpectation
	faultBadRequest
	faultFoldedHeader
	faultHeadersTooLarge
	faultTimeout
	faultIncompleteBody
	faultDuplicateHeader
	faultDuplicateParameter
	faultInvalidOffset
	faultInvalidLive
	faultInvalidIDs
	faultOffsetRequired
	faultContentTypeRequired
	faultInvalidContentType
	faultInvalidTTL
	faultInvalidExpiresAt
	faultTTLAndExpiresAt
	faultInvalidRetention
	faultNothingToChange
	faultUnexpectedBody
	faultIncompleteProducer
	faultInvalidProducer
	faultInvalidStreamSeq
	faultInvalidForkSource
	faultForkSourceRequired
	faultInvalidForkSubOffset
	faultForkOffsetRequired
	faultTooManyReaders
	faultTooManyConnections
	faultTooManyFromAddress
	faultUnauthorized
	faultTokenExpired
	faultForbidden
	faultTooManyFailures
	faultRateLimited
	faultQuotaReaders
	faultInvalidAccess
	faultInvalidTokenLife
	faultInternal
	faults
)

const (
	faultBodyTooLarge = fault(stream.BodyTooLarge)
	faultOverloaded   = fault(stream.Overloaded)
	faultInvalidJSON  = fault(stream.InvalidJSON)
	faultDataCorrupt  = fault(stream.DataCorrupt)
)

// CatalogueEntry is one code that an error response can carry.
type CatalogueEntry struct {
	Code    string // stable between versions
	Status  int
	Message string // for people; may change, and may say more in a response
	Retry   bool   // the response says when to try again
}

// Catalogue lists every code that the server answers with, in the order of
// their status.
func Catalogue() []CatalogueEntry {
	var list []CatalogueEntry
	for status := 400; status < 600; status++ {
		for i := range catalogue {
			if catalogue[i].Status == status {
				list = append(list, catalogue[i])
			}
		}
	}
	return list
}

var catalogue = buildCatalogue()

func buildCatalogue() (c [faults]CatalogueEntry) {
	engine := func(code stream.Code, status int, message string) {
		c[code] = CatalogueEntry{Code: code.String(), Status: status, Message: message}
	}
	own := func(f fault, status int, code, message string) {
		c[f] = CatalogueEntry{Code: code, Status: status, Message: message}
	}

	engine(stream.NotFound, 404, "there is no such stream")
	engine(stream.Gone, 410, "the stream was deleted or has expired, and is kept only for its forks")
	engine(stream.PathBlocked, 409, "the path is taken by a stream that was deleted and is kept for its forks")
	engine(stream.ConfigMismatch, 409, "the stream exists with another configuration")
	engine(stream.StreamClosed, 409, "the stream is closed")
	engine(stream.ContentTypeMismatch, 409, "the content type is not that of the stream")
	engine(stream.StreamSeqRegression, 409, "Stream-Seq must be greater than that of the last append")
	engine(stream.OffsetMismatch, 409, "Stream-Expected-Offset is not the tail of the stream")
	engine(stream.StaleEpoch, 403, "the producer has been seen with a newer epoch")
	engine(stream.EpochStart, 400, "a new producer epoch starts at sequence 0")
	engine(stream.SequenceGap, 409, "a producer sequence is missing before this one")
	engine(stream.ForkSourceNotFound, 404, "the stream to fork does not exist")
	engine(stream.ForkSourceGone, 409, "the stream to fork was deleted or has expired")
	engine(stream.ForkContentType, 409, "the content type is not that of the stream to fork")
	engine(stream.ForkOffsetBeyond, 400, "Stream-Fork-Offset is beyond the tail of the stream to fork")
	engine(stream.ForkOffsetTrimmed, 409, "Stream-Fork-Offset is before what the stream to fork has kept")
	engine(stream.OffsetTrimmed, 410, "the stream has dropped what follows the offset; it begins at Stream-Earliest-Offset")
	engine(stream.TrimBeyondTail, 400, "Stream-Trim is beyond the tail of the stream")
	engine(stream.ForkSubOffset, 400, "Stream-Fork-Sub-Offset is beyond the end of the append it points into")
	engine(stream.ForkTooDeep, 400, "the stream to fork is a fork of a fork, as often as there may be")
	engine(stream.InvalidJSON, 400, "the body is not valid JSON in UTF-8")
	engine(stream.EmptyArray, 400, "an empty array holds no message to append")
	engine(stream.EmptyBody, 400, "an append needs a body, unless it closes the stream")
	engine(stream.TooManyStreams, 507, "the server holds as many streams as it may")
	engine(stream.TooManyProducers, 429, "the stream knows as many producers as it may")
	engine(stream.QuotaBytes, 507, "the project has as many bytes stored as it may")
	engine(stream.QuotaStreams, 507, "the project has as many streams as it may")
	engine(stream.BodyTooLarge, 413, "the body is larger than the limit")
	engine(stream.MemoryFull, 507, "the memory for streams is full")
	engine(stream.DiskFull, 507, "the disk is full")
	engine(stream.DataCorrupt, 500, "stored bytes are damaged or cannot be read")
	engine(stream.Unavailable, 503, "the bytes are in a bucket that does not answer in time")
	engine(stream.Overloaded, 503, "too much is being written or read at the moment")

	own(faultInvalidPath, 400, "invalid_path", "the path breaks the rules for stream paths")
	own(faultNoSuchRoute, 404, "no_such_route", "streams are under "+streamRoot)
	own(faultReserved, 404, "reserved", "paths under "+streamRoot+reservedSegment+" are reserved")
	own(faultMethod, 405, "method_not_allowed", "the method is none of "+methodsAllowed)
	own(faultVersion, 505, "unsupported_version", "the server speaks HTTP/1.1 and HTTP/1.0")
	own(faultExpectation, 417, "expectation_failed", "the only expectation met is 100-continue")
	own(faultBadRequest, 400, "bad_request", "the request is not well-formed HTTP")
	own(faultFoldedHeader, 400, "folded_header", "headers must not be folded over lines")
	own(faultHeadersTooLarge, 431, "headers_too_large", "the request line and headers are larger than the limit, or too many")
	own(faultTimeout, 408, "request_timeout", "the request took too long to arrive")
	own(faultIncompleteBody, 400, "incomplete_body", "the body ended early or is badly framed")
	own(faultDuplicateHeader, 400, "duplicate_header", "a header is given more than once")
	own(faultDuplicateParameter, 400, "duplicate_parameter", "a query parameter is given more than once")
	own(faultInvalidOffset, 400, "invalid_offset", "the offset is not one that this server gave out")
	own(faultInvalidLive, 400, "invalid_live", "live is neither long-poll nor sse")
	own(faultInvalidIDs, 400, "invalid_ids", "ids is neither true nor false")
	own(faultOffsetRequired, 400, "offset_required", "a live read needs an offset")
	own(faultContentTypeRequired, 400, "content_type_required", "an append with a body needs a Content-Type")
	own(faultInvalidContentType, 400, "invalid_content_type", "the Content-Type is not a media type, or too long")
	own(faultInvalidTTL, 400, "invalid_ttl", "Stream-TTL is not a number of seconds in plain digits")
	own(faultInvalidExpiresAt, 400, "invalid_expires_at", "Stream-Expires-At is not an RFC 3339 time")
	own(faultTTLAndExpiresAt, 400, "ttl_and_expires_at", "Stream-TTL and Stream-Expires-At exclude each other")
	own(faultInvalidRetention, 400, "invalid_retention", "Stream-Retention-Age or Stream-Retention-Bytes is not a number from 1 to 2^53-1 in plain digits")
	own(faultNothingToChange, 400, "nothing_to_change", "a change names a retention, a lifetime or a place to trim to")
	own(faultUnexpectedBody, 400, "unexpected_body", "the request is one without a body")
	own(faultIncompleteProducer, 400, "incomplete_producer", "Producer-Id, Producer-Epoch and Producer-Seq go together")
	own(faultInvalidProducer, 400, "invalid_producer", "the producer's id is empty or too long, or its epoch or sequence not a number up to 2^53-1")
	own(faultInvalidStreamSeq, 400, "invalid_stream_seq", "Stream-Seq is empty or too long")
	own(faultInvalidForkSource, 400, "invalid_fork_source", "Stream-Forked-From is not the path of a stream")
	own(faultForkSourceRequired, 400, "fork_source_required", "Stream-Fork-Offset and Stream-Fork-Sub-Offset need Stream-Forked-From")
	own(faultInvalidForkSubOffset, 400, "invalid_fork_sub_offset", "Stream-Fork-Sub-Offset is not a count in plain digits")
	own(faultForkOffsetRequired, 400, "fork_offset_required", "Stream-Fork-Sub-Offset needs Stream-Fork-Offset")
	own(faultTooManyReaders, 503, "too_many_readers", "as many live readers are connected as there may be")
	own(faultTooManyConnections, 503, "too_many_connections", "as many connections are open as there may be")
	own(faultTooManyFromAddress, 429, "too_many_from_address", "as many connections or live readers come from this address as may")
	own(faultUnauthorized, 401, "unauthorized", "the request has no credentials that are good here")
	own(faultTokenExpired, 401, "token_expired", "the token was good and has expired")
	own(faultForbidden, 403, "forbidden", "the credentials are not for that")
	own(faultTooManyFailures, 429, "too_many_failures", "too many requests from this address had credentials that are not good")
	own(faultRateLimited, 429, "rate_limited", "more was asked for in a second than may be")
	own(faultQuotaReaders, 429, "quota_readers", "the project has as many live readers as it may")
	own(faultInvalidAccess, 400, "invalid_access", "Stream-Access is not public-read")
	own(faultInvalidTokenLife, 400, "invalid_token_life", "Token-Life is not a number of seconds from 1 to what the server allows")
	own(faultInternal, 500, "internal", "the server has a fault of its own, which it has logged")

	for i := range c {
		e := &c[i]
		e.Retry = e.Status == 503 || e.Status == 429 && fault(i) != fault(stream.TooManyProducers)
		if strings.ContainsAny(e.Code+e.Message, "\"\\\n") {
			panic(fmt.Sprintf("server: error text %q %q does not fit its envelope", e.Code, e.Message))
		}
	}
	return c
}

// appendEnvelope appends the body of every error. Codes, messages and ids hold
// nothing that JSON would escape.
func appendEnvelope(dst []byte, code, message, detail string, id []byte) []byte {
	dst = append(append(dst, `{"error":{"code":"`...), code...)
	dst = append(append(dst, `","message":"`...), message...)
	dst = append(dst, detail...)
	dst = append(append(dst, `","request_id":"`...), id...)
	return append(dst, `"}}`...)
}

// fail answers with a refusal.
func (s *Server) fail(x *exchange, f fault) outcome {
	r := &catalogue[f]
	if r.Status == 0 {
		panic(fmt.Sprintf("server: fault %d has no entry in the catalogue", f))
	}
	if x.anonymous && fault(stream.NotFound) == f {
		// Nobody learns without credentials what there is.
		f = faultUnauthorized
		r = &catalogue[f]
	}
	x.fault = f
	s.begin(x, r.Status)
	x.resp.Header.SetContentTypeBytes(valueJSON)
	if s.opts.Auth == nil {
		x.set(nameCacheControl, valueNoStore)
	}
	if r.Retry {
		x.setInt(nameRetryAfter, max(1, x.retryAfter))
	}
	switch f {
	case faultMethod:
		x.set(nameAllow, allowOf(x.head.route))
	case faultVersion, faultIncompleteBody, faultBadRequest:
		x.resp.SetConnectionClose() // where the next request would begin is not known
	case faultUnauthorized, faultTokenExpired, faultForbidden:
		x.set(nameChallenge, challenges[f])
	case faultInternal:
		s.internalErrors.Add(1)
	case faultDataCorrupt:
		s.corruptReads.Add(1)
	}
	detail := ""
	if f == faultInvalidJSON && x.jsonErr != nil {
		// The reason names a place and what is wrong there, never the bytes.
		var at *jsonmode.SyntaxError
		if errors.As(x.jsonErr, &at) {
			detail = fmt.Sprintf(": %s at byte %d", at.Reason, at.Offset)
		}
	}
	x.scratch = appendEnvelope(x.scratch[:0], r.Code, r.Message, detail, s.identify(x))
	x.resp.SetBody(x.scratch) // a copy, as the exchange may be freed before it is sent
	return done
}

// challenges say which kind of credentials is good (RFC 6750 section 3).
var challenges = map[fault][]byte{
	faultUnauthorized: []byte(`Bearer realm="tailrace"`),
	faultTokenExpired: []byte(`Bearer realm="tailrace", error="invalid_token", error_description="the token has expired"`),
	faultForbidden:    []byte(`Bearer realm="tailrace", error="insufficient_scope"`),
}

// refuse answers with a refusal of the engine, and the headers that tell the
// client how to go on.
func (s *Server) refuse(x *exchange) outcome {
	t := &x.ticket
	s.fail(x, fault(t.Code))
	switch t.Code {
	case stream.StreamClosed:
		x.setTail(t.Tail, true)
	case stream.OffsetMismatch, stream.StreamSeqRegression, stream.TrimBeyondTail:
		x.setOffset(nameNextOffset, t.Tail)
	case stream.OffsetTrimmed:
		x.setOffset(nameEarliest, t.Start)
	case stream.StaleEpoch:
		x.setInt(nameProducerEpoch, t.Epoch)
	case stream.SequenceGap:
		x.setInt(nameProducerExpected, t.Expected)
		x.setInt(nameProducerReceived, t.Received)
	}
	return done
}

// httpFault is the fault behind an error of fasthttp, which found it before
// there was a request to handle.
func httpFault(err error) fault {
	var small *fasthttp.ErrSmallBuffer
	switch {
	case errors.As(err, &small):
		return faultHeadersTooLarge
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return faultBodyTooLarge
	case isTimeout(err):
		return faultTimeout
	default:
		return faultBadRequest
	}
}
