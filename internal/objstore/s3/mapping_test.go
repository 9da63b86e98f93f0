package s3_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tailrace/internal/objstore"
	"tailrace/internal/objstore/s3"
	"tailrace/internal/objstore/s3test"
)

const secret = "of-the-signature"

// fake opens a bucket of a server that is one handler.
func fake(t *testing.T, h http.HandlerFunc) objstore.Bucket {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return s3test.Open(t, config(server.URL))
}

func config(url string) s3.Config {
	return s3.Config{Bucket: "bucket", Region: "us-east-1", Endpoint: url, PathStyle: true, AllowHTTP: true, Keys: s3.Keys{ID: "id", Secret: secret}}
}

// calls makes one call of every operation.
func calls(ctx context.Context, b objstore.Bucket) map[string]error {
	errs := map[string]error{}
	_, errs[objstore.OpPut] = b.Put(ctx, "k", objstore.Bytes([]byte("content")), objstore.Condition{Absent: true})
	errs[objstore.OpReadAt] = b.ReadAt(ctx, "k", make([]byte, 4), 2)
	_, errs[objstore.OpHead] = b.Head(ctx, "k")
	errs[objstore.OpDelete] = b.Delete(ctx, "k")
	_, errs[objstore.OpList] = b.List(ctx, "k", "", 10)
	return errs
}

func xmlError(code string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><Error><Code>` + code + `</Code><Message>the message</Message>` +
		`<StringToSign>` + secret + `</StringToSign><RequestId>1</RequestId></Error>`
}

// TestAnswersHaveKinds is the table of what a store answers and what it means.
// The answer to a HEAD has no body, so there the status alone counts.
func TestAnswersHaveKinds(t *testing.T) {
	for _, a := range []struct {
		status     int
		body       string
		want, head objstore.Kind
	}{
		{301, xmlError("PermanentRedirect"), objstore.KindInvalid, objstore.KindInvalid},
		{304, "", objstore.KindExists, objstore.KindExists},
		{400, xmlError("BadDigest"), objstore.KindBadDigest, objstore.KindInvalid},
		{400, xmlError("XAmzContentChecksumMismatch"), objstore.KindBadDigest, objstore.KindInvalid},
		{400, xmlError("RequestTimeout"), objstore.KindTemporary, objstore.KindInvalid},
		{400, xmlError("ExpiredToken"), objstore.KindDenied, objstore.KindInvalid},
		{400, xmlError("InvalidArgument"), objstore.KindInvalid, objstore.KindInvalid},
		{401, "", objstore.KindDenied, objstore.KindDenied},
		{403, xmlError("AccessDenied"), objstore.KindDenied, objstore.KindDenied},
		{403, xmlError("InvalidAccessKeyId"), objstore.KindDenied, objstore.KindDenied},
		{403, xmlError("SignatureDoesNotMatch"), objstore.KindDenied, objstore.KindDenied},
		{403, xmlError("RequestTimeTooSkewed"), objstore.KindSkewed, objstore.KindDenied},
		{404, xmlError("NoSuchBucket"), objstore.KindNoBucket, objstore.KindNotFound},
		{404, xmlError("NoSuchKey"), objstore.KindNotFound, objstore.KindNotFound},
		{404, xmlError("XAdminUserNotFound"), objstore.KindDenied, objstore.KindNotFound},
		{404, xmlError("NoSuchRoute"), objstore.KindInvalid, objstore.KindNotFound},
		{404, "404 page not found", objstore.KindInvalid, objstore.KindNotFound},
		{404, "", objstore.KindInvalid, objstore.KindNotFound},
		{405, xmlError("MethodNotAllowed"), objstore.KindInvalid, objstore.KindInvalid},
		{408, "", objstore.KindTemporary, objstore.KindTemporary},
		{409, xmlError("ConditionalRequestConflict"), objstore.KindConflict, objstore.KindConflict},
		{412, xmlError("PreconditionFailed"), objstore.KindExists, objstore.KindExists},
		{416, xmlError("InvalidRange"), objstore.KindRange, objstore.KindRange},
		{429, "", objstore.KindThrottled, objstore.KindThrottled},
		{500, xmlError("InternalError"), objstore.KindTemporary, objstore.KindTemporary},
		{500, "<html>not XML of S3", objstore.KindTemporary, objstore.KindTemporary},
		{502, "<html><body>Bad Gateway</body></html>", objstore.KindTemporary, objstore.KindTemporary},
		{503, xmlError("SlowDown"), objstore.KindThrottled, objstore.KindThrottled},
		{503, xmlError("ServiceUnavailable"), objstore.KindThrottled, objstore.KindThrottled},
		{504, "", objstore.KindTemporary, objstore.KindTemporary},
		{507, "\x00\xff garbage", objstore.KindTemporary, objstore.KindTemporary},
	} {
		requests := 0
		b := fake(t, func(w http.ResponseWriter, r *http.Request) {
			requests++
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Retry-After", "7")
			w.Header().Set("Location", "http://"+r.Host+"/elsewhere")
			w.WriteHeader(a.status)
			_, _ = io.WriteString(w, a.body)
		})
		for op, err := range calls(t.Context(), b) {
			want := a.want
			if op == objstore.OpHead {
				want = a.head
			}
			if op == objstore.OpDelete && want == objstore.KindNotFound {
				want = objstore.KindNone
			}
			if got := objstore.KindOf(err); got != want {
				t.Errorf("%s: %d %.60s: %v, want %s", op, a.status, a.body, err, want)
			}
			if err == nil {
				continue
			}
			var e *objstore.Error
			if !errors.As(err, &e) || e.Status != a.status || e.Op != op || e.RetryAfter != 7*time.Second {
				t.Errorf("%s: %d %.60s: %#v", op, a.status, a.body, e)
			}
			if len(err.Error()) > 500 || strings.Contains(err.Error(), secret) {
				t.Errorf("%s: error %q", op, err)
			}
		}
		if requests != 5 {
			t.Errorf("%d %.60s: %d requests of 5 calls: somebody retries", a.status, a.body, requests)
		}
	}
}

// TestRangesMustFit is about answers to a GET that look like success.
func TestRangesMustFit(t *testing.T) {
	for name, a := range map[string]struct {
		answer string
		want   objstore.Kind
	}{
		"exact":              {"206 P\r\nContent-Range: bytes 2-5/9\r\nContent-Length: 4\r\n\r\nabcd", objstore.KindNone},
		"whole object":       {"200 OK\r\nContent-Length: 9\r\n\r\n12abcd789", objstore.KindInvalid},
		"other range":        {"206 P\r\nContent-Range: bytes 3-6/9\r\nContent-Length: 4\r\n\r\nabcd", objstore.KindInvalid},
		"too long":           {"206 P\r\nContent-Range: bytes 2-7/9\r\nContent-Length: 6\r\n\r\nabcdef", objstore.KindInvalid},
		"object ends":        {"206 P\r\nContent-Range: bytes 2-4/5\r\nContent-Length: 3\r\n\r\nabc", objstore.KindRange},
		"short for no cause": {"206 P\r\nContent-Range: bytes 2-4/9\r\nContent-Length: 3\r\n\r\nabc", objstore.KindInvalid},
		"wrong length":       {"206 P\r\nContent-Range: bytes 2-5/9\r\nContent-Length: 3\r\n\r\nabc", objstore.KindTruncated},
		"cut":                {"206 P\r\nContent-Range: bytes 2-5/9\r\nContent-Length: 4\r\n\r\nab", objstore.KindTruncated},
		"cut, no length":     {"206 P\r\nContent-Range: bytes 2-5/9\r\nConnection: close\r\n\r\nab", objstore.KindTruncated},
		"cut before":         {"206 P\r\nContent-Range: bytes 2-5/9\r\nContent-Length: 4\r\n\r\n", objstore.KindTruncated},
		"garbage range":      {"206 P\r\nContent-Range: bites\r\nContent-Length: 4\r\n\r\nabcd", objstore.KindInvalid},
		"not HTTP":           {"what", objstore.KindTemporary},
	} {
		b := raw(t, "HTTP/1.1 "+a.answer)
		p := make([]byte, 4)
		err := b.ReadAt(t.Context(), "k", p, 2)
		if objstore.KindOf(err) != a.want {
			t.Errorf("%s: %v, want %s", name, err, a.want)
		}
		if err == nil && string(p) != "abcd" {
			t.Errorf("%s: %q", name, p)
		}
	}
}

// raw opens a bucket of a server that gives one answer to every request, and
// closes the connection.
func raw(t *testing.T, answer string) objstore.Bucket {
	t.Helper()
	return fake(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, answer) // the client may have left
	})
}

func TestSuccessThatIsNone(t *testing.T) {
	b := raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<garbage>")
	if _, err := b.List(t.Context(), "", "", 10); objstore.KindOf(err) != objstore.KindTruncated {
		t.Errorf("a list that is not XML: %v", err)
	}
	b = raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n<?xml version=\"1.0\"?><ListBucketResult><Con")
	if _, err := b.List(t.Context(), "", "", 10); !objstore.KindOf(err).Retryable() {
		t.Errorf("a list that was cut: %v", err)
	}
	if len(calls(t.Context(), raw(t, ""))) != 5 {
		t.Fatal("not every operation")
	}
	for op, err := range calls(t.Context(), raw(t, "")) {
		if objstore.KindOf(err) != objstore.KindTemporary {
			t.Errorf("%s: a connection that was closed: %v, want temporary", op, err)
		}
	}
}

func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for op, err := range calls(t.Context(), s3test.Open(t, config(url))) {
		if objstore.KindOf(err) != objstore.KindTemporary {
			t.Errorf("%s: %v, want temporary", op, err)
		}
	}
}

// TestHangingServer: the deadline of the attempt ends it, and says so.
func TestHangingServer(t *testing.T) {
	release := make(chan struct{})
	arrived := make(chan struct{}, 5)
	b := fake(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		<-release
	})
	t.Cleanup(func() { close(release) })
	for what, want := range map[error]objstore.Kind{context.DeadlineExceeded: objstore.KindTimeout, context.Canceled: objstore.KindCanceled} {
		ctx, end := context.WithCancelCause(t.Context())
		if want == objstore.KindTimeout {
			deadline, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			ctx = deadline
		} else {
			go func() {
				<-arrived
				end(nil)
			}()
		}
		_, err := b.Put(ctx, "k", objstore.Bytes([]byte("content")), objstore.Condition{})
		if objstore.KindOf(err) != want || !errors.Is(err, what) {
			t.Errorf("%v, want %s", err, want)
		}
		for len(arrived) > 0 {
			<-arrived
		}
		end(nil)
	}
}

func TestLongMessagesAreCut(t *testing.T) {
	b := fake(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, "<Error><Code>Odd</Code><Message>%s</Message></Error>", strings.Repeat("long ", 10000))
	})
	if err := b.Delete(t.Context(), "k"); len(err.Error()) > 500 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}
