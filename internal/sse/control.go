package sse

const (
	controlStart = "event: control\ndata:{\"streamNextOffset\":"
	hexDigits    = "0123456789abcdef"
)

// Control is what a reader learns after each data event.
type Control struct {
	// NextOffset is where a reader that connects again goes on from.
	NextOffset string

	// Cursor is sent back by a reader that connects again. Empty means none.
	Cursor string

	// UpToDate says that the reader has all there is for now.
	UpToDate bool

	// Closed says that nothing will ever follow. It includes UpToDate, and there
	// is no cursor then, since nobody is to connect again.
	Closed bool

	// TokenExpired says that the response ends because the reader's credentials have
	// expired. There is no cursor then, and nothing is said of being up to date.
	TokenExpired bool
}

// AppendControl appends one control event.
func AppendControl(dst []byte, c Control) []byte {
	dst = append(dst, controlStart...)
	dst = appendString(dst, c.NextOffset)
	if c.Cursor != "" && !c.Closed {
		dst = append(dst, `,"streamCursor":`...)
		dst = appendString(dst, c.Cursor)
	}
	if c.UpToDate || c.Closed {
		dst = append(dst, `,"upToDate":true`...)
	}
	if c.Closed {
		dst = append(dst, `,"streamClosed":true`...)
	}
	if c.TokenExpired {
		dst = append(dst, `,"tokenExpired":true`...)
	}
	return append(append(dst, '}'), eventEnd...)
}

// AppendID begins the event that is appended next with an id. A browser sends that
// of the last event back when it connects again. The id has no end of line.
func AppendID(dst []byte, id string) []byte {
	dst = append(dst, "id: "...)
	return append(append(dst, id...), '\n')
}

// AppendComment appends a comment, which readers ignore. Writing it now and then
// keeps an idle connection open on its way and shows when the reader is gone.
func AppendComment(dst []byte) []byte {
	return append(dst, ':', '\n', '\n')
}

// appendString appends a JSON string. Offsets and cursors are plain digits, but
// escaping what JSON asks for also keeps ends of line out of the event.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"', c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
