package s3

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"tailrace/internal/objstore"
)

// codes are the words of S3 that say more than their status.
var codes = map[string]objstore.Kind{
	"NoSuchBucket":                objstore.KindNoBucket,
	"NoSuchKey":                   objstore.KindNotFound,
	"PreconditionFailed":          objstore.KindExists,
	"ConditionalRequestConflict":  objstore.KindConflict,
	"OperationAborted":            objstore.KindConflict,
	"SlowDown":                    objstore.KindThrottled,
	"Throttling":                  objstore.KindThrottled,
	"ThrottlingException":         objstore.KindThrottled,
	"RequestLimitExceeded":        objstore.KindThrottled,
	"TooManyRequests":             objstore.KindThrottled,
	"RequestTimeout":              objstore.KindTemporary, // the store gave up on our body
	"InternalError":               objstore.KindTemporary,
	"RequestTimeTooSkewed":        objstore.KindSkewed,
	"RequestExpired":              objstore.KindSkewed,
	"AccessDenied":                objstore.KindDenied,
	"InvalidAccessKeyId":          objstore.KindDenied,
	"XAdminUserNotFound":          objstore.KindDenied, // versitygw's word for that, with 404
	"SignatureDoesNotMatch":       objstore.KindDenied,
	"ExpiredToken":                objstore.KindDenied,
	"InvalidToken":                objstore.KindDenied,
	"BadDigest":                   objstore.KindBadDigest,
	"InvalidDigest":               objstore.KindBadDigest,
	"XAmzContentSHA256Mismatch":   objstore.KindBadDigest,
	"XAmzContentChecksumMismatch": objstore.KindBadDigest,
	"InvalidRange":                objstore.KindRange,
	"IncompleteBody":              objstore.KindTemporary, // the network cut it
}

// kindOfStatus is for answers without a code: those to HEAD have no body, and
// those of a proxy another one.
func kindOfStatus(status int) objstore.Kind {
	switch status {
	case http.StatusNotModified, http.StatusPreconditionFailed:
		return objstore.KindExists
	case http.StatusUnauthorized, http.StatusForbidden:
		return objstore.KindDenied
	case http.StatusNotFound:
		return objstore.KindNotFound
	case http.StatusRequestTimeout:
		return objstore.KindTemporary
	case http.StatusConflict:
		return objstore.KindConflict
	case http.StatusRequestedRangeNotSatisfiable:
		return objstore.KindRange
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return objstore.KindThrottled
	}
	switch {
	case status >= 500:
		return objstore.KindTemporary
	case status >= 300:
		return objstore.KindInvalid
	}
	return objstore.KindTruncated // a success that could not be parsed
}

// mapError makes an error of the SDK one of ours. ctx is that of the call.
func mapError(ctx context.Context, op, key string, err error) error {
	if err == nil {
		return nil
	}
	e := &objstore.Error{Op: op, Key: key}
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) && answer.Response != nil && answer.HTTPStatusCode() != 0 {
		e.Status = answer.HTTPStatusCode()
		e.RetryAfter = retryAfter(answer.Response.Header)
		e.Kind = kindOfStatus(e.Status)
	}
	var api smithy.APIError
	var creds *credentialsError
	switch {
	case errors.As(err, &creds):
		e.Kind, e.Err = objstore.KindDenied, short(creds.Error())
	case ctx.Err() != nil && e.Status < 300:
		e.Kind, e.Err = objstore.KindOf(ctx.Err()), ctx.Err()
	case errors.Is(err, errPlain):
		e.Kind, e.Err = objstore.KindInvalid, errPlain
	case errors.As(err, &api) && e.Status >= 300:
		e.Code = api.ErrorCode()
		if k, ok := codes[e.Code]; ok {
			e.Kind = k
		} else if e.Kind == objstore.KindNotFound && op != objstore.OpHead {
			// Whatever answered, it did not say that the object is absent: a
			// path of a proxy may be. An answer to HEAD cannot say more.
			e.Kind = objstore.KindInvalid
		}
		if m := api.ErrorMessage(); m != "" {
			e.Err = short(m)
		}
	case e.Status >= 300:
		e.Err = errors.New("an answer that is not of S3")
	case e.Status != 0:
		e.Err = errors.New("an answer that cannot be read")
	default:
		e.Kind, e.Err = unanswered(err)
	}
	return e
}

// unanswered is for requests that got no answer.
func unanswered(err error) (objstore.Kind, error) {
	var n net.Error
	if errors.As(err, &n) && n.Timeout() {
		return objstore.KindTimeout, short(err.Error())
	}
	var sent *smithyhttp.RequestSendError
	if !errors.As(err, &sent) {
		// It did not leave this machine: an input that the SDK refuses.
		var canceled *smithy.CanceledError
		if !errors.As(err, &canceled) {
			return objstore.KindInvalid, short(err.Error())
		}
	}
	return objstore.KindTemporary, short(err.Error())
}

// messageMax bounds what of an answer gets into errors and logs.
const messageMax = 300

func short(message string) error {
	if len(message) > messageMax {
		message = message[:messageMax] + "…"
	}
	return errors.New(strings.ToValidUTF8(message, "?"))
}

// retryAfter is in seconds or a date; a date is of a clock that may differ, and
// nobody sends it to us.
func retryAfter(h http.Header) time.Duration {
	s, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || s < 0 || s > 1<<20 {
		return 0
	}
	return time.Duration(s) * time.Second
}
