package fuzz

import (
	"time"

	"tailrace/internal/jsonmode"
	"tailrace/internal/model"
	"tailrace/internal/stream"
)

// resultOf is what an outcome tells, in the model's form.
func resultOf(out stream.Outcome, producer bool) model.Result {
	r := rejection(model.Code(out.Code.String()))
	switch out.Code {
	case stream.Created, stream.Exists:
		r.Tail, r.Closed, r.ContentType = int64(out.Tail), out.Closed, out.ContentType
	case stream.Appended, stream.Duplicate, stream.Closed:
		r.Tail, r.Closed = int64(out.Tail), out.Closed
		if producer {
			r.Epoch, r.Seq = out.Epoch, out.Seq
		}
	case stream.Changed:
		r.Tail, r.Closed, r.Start = int64(out.Tail), out.Closed, int64(out.Start)
	case stream.StreamClosed:
		r.Tail, r.Closed = int64(out.Tail), out.Closed
	case stream.OffsetMismatch, stream.StreamSeqRegression:
		r.Tail = int64(out.Tail)
	case stream.StaleEpoch:
		r.Epoch = out.Epoch
	case stream.SequenceGap:
		r.ExpectedSeq, r.ReceivedSeq = out.Expected, out.Received
	}
	return r
}

// rejection is a Result that tells nothing but its code.
func rejection(code model.Code) model.Result {
	return model.Result{Code: code, Tail: -1, Epoch: -1, Seq: -1, ExpectedSeq: -1, ReceivedSeq: -1, TTL: -1}
}

// storedForm is what whoever parses a request makes of its body.
func storedForm(contentType string, body []byte) ([]byte, stream.Code) {
	if len(body) == 0 || !stream.IsJSON(contentType) {
		return body, stream.None
	}
	stored, messages, err := jsonmode.Flatten(nil, body)
	switch {
	case err != nil:
		return nil, stream.InvalidJSON
	case messages == 0:
		return nil, stream.EmptyArray
	}
	return stored, stream.None
}

func engineOffset(at int64) stream.Offset {
	if at == pastAll {
		return stream.OffsetMax
	}
	return stream.Offset(at)
}

func expiresText(at int64) string {
	return time.UnixMilli(at).UTC().Format("2006-01-02T15:04:05.000Z")
}
