package jsonmode

import "fmt"

// Count is the number of messages in stored bytes.
func Count(stored []byte) int {
	n := 0
	for i := 0; i < len(stored); n++ {
		end := skipMessage(stored, i)
		if end < 0 {
			break
		}
		i = end
	}
	return n
}

// Prefix returns the stored form of the first n messages of stored and how many
// messages that is: less than n when stored holds fewer. The prefix shares the
// memory of stored.
func Prefix(stored []byte, n int) (prefix []byte, have int) {
	i := 0
	for have < n && i < len(stored) {
		end := skipMessage(stored, i)
		if end < 0 {
			break
		}
		i = end
		have++
	}
	return stored[:i:i], have
}

// skipMessage returns the byte after the comma of the message that starts at i,
// or -1 if there is none. It trusts that Flatten made the bytes: other bytes
// give a meaningless answer, but always one inside b.
func skipMessage(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		c := b[i]
		i++
		switch c {
		case '"':
			i = skipString(b, i)
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
	return -1
}

// skipString returns the byte after the closing quote, or len(b).
func skipString(b []byte, i int) int {
	for {
		i, _ = skipPlain(b, i)
		if i == len(b) {
			return i
		}
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			// The escaped byte may be a quote. An escape at the very end is cut off.
			i = min(i+2, len(b))
		default:
			i++
		}
	}
}

// AppendArray appends the JSON array of all messages in the parts of stored, the
// body of a read; without messages that is []. It panics when the last part does
// not end with the comma of a message, since dropping another byte would hand
// out a changed message.
func AppendArray(dst []byte, stored ...[]byte) []byte {
	for len(stored) > 0 && len(stored[len(stored)-1]) == 0 {
		stored = stored[:len(stored)-1]
	}
	dst = append(dst, '[')
	if len(stored) == 0 {
		return append(dst, ']')
	}
	for _, part := range stored {
		dst = append(dst, part...)
	}
	if last := dst[len(dst)-1]; last != ',' {
		panic(fmt.Sprintf("jsonmode: stored messages end with byte %#02x, want a comma", last))
	}
	dst[len(dst)-1] = ']'
	return dst
}
