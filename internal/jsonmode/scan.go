package jsonmode

// MaxDepth is how many arrays and objects may be open at once inside one
// message. The array around the messages of a body is not counted, so what a
// read returns can always be appended again. Greater depth costs one bit of
// stack per level here, but a recursive parser in a client much more.
const MaxDepth = 1000

// scanner remembers which kind of bracket is open at each level, as one bit, so
// that nesting needs neither recursion nor the heap. Bits above the current
// depth are leftovers and mean nothing: one scanner serves all values of a body
// without being cleared.
type scanner struct {
	objects [(MaxDepth + 63) / 64]uint64 // bit set: the level is an object
}

func (s *scanner) push(depth int, object bool) {
	if bit := uint64(1) << (depth & 63); object {
		s.objects[depth>>6] |= bit
	} else {
		s.objects[depth>>6] &^= bit
	}
}

func (s *scanner) object(depth int) bool {
	return s.objects[depth>>6]>>(depth&63)&1 != 0
}

// value checks the one value that starts at i, where whitespace was already
// skipped, and returns the byte after it, or the fault and its place.
func (s *scanner) value(b []byte, i int) (int, fault) {
	depth := 0
	var f fault
	for {
		if i >= len(b) {
			return len(b), faultEnd
		}
		switch c := b[i]; c {
		case '"':
			i, f = scanString(b, i+1)
		case '{':
			if depth == MaxDepth {
				return i, faultDepth
			}
			i = skipSpace(b, i+1)
			if i < len(b) && b[i] == '}' {
				i++
				break
			}
			s.push(depth, true)
			depth++
			if i, f = scanKey(b, i); f != faultNone {
				return i, f
			}
			continue
		case '[':
			if depth == MaxDepth {
				return i, faultDepth
			}
			i = skipSpace(b, i+1)
			if i < len(b) && b[i] == ']' {
				i++
				break
			}
			s.push(depth, false)
			depth++
			continue
		case 't':
			i, f = scanLiteral(b, i, "true")
		case 'f':
			i, f = scanLiteral(b, i, "false")
		case 'n':
			i, f = scanLiteral(b, i, "null")
		default:
			i, f = scanNumber(b, i)
		}
		if f != faultNone {
			return i, f
		}
		if depth, i, f = s.next(b, i, depth); f != faultNone || depth == 0 {
			return i, f
		}
	}
}

// next follows a value that ended at i: it closes what closes there and stops
// where the next value starts, or after the outermost bracket at depth 0.
func (s *scanner) next(b []byte, i, depth int) (int, int, fault) {
	for depth > 0 {
		i = skipSpace(b, i)
		if i == len(b) {
			return depth, i, faultEnd
		}
		object := s.object(depth - 1)
		switch c := b[i]; {
		case c == ',':
			i = skipSpace(b, i+1)
			if object {
				var f fault
				i, f = scanKey(b, i)
				return depth, i, f
			}
			return depth, i, faultNone
		case c == '}' && object, c == ']' && !object:
			i++
			depth--
		default:
			return depth, i, faultComma
		}
	}
	return 0, i, faultNone
}

// scanKey checks an object key and its colon and returns where the value starts.
func scanKey(b []byte, i int) (int, fault) {
	if i == len(b) {
		return i, faultEnd
	}
	if b[i] != '"' {
		return i, faultKey
	}
	i, f := scanString(b, i+1)
	if f != faultNone {
		return i, f
	}
	i = skipSpace(b, i)
	if i == len(b) {
		return i, faultEnd
	}
	if b[i] != ':' {
		return i, faultColon
	}
	return skipSpace(b, i+1), faultNone
}

func scanLiteral(b []byte, i int, word string) (int, fault) {
	for j := 0; j < len(word); j++ {
		if i+j == len(b) {
			return len(b), faultEnd
		}
		if b[i+j] != word[j] {
			return i + j, faultLiteral
		}
	}
	return i + len(word), faultNone
}

// scanNumber is also where a byte ends up that starts no value at all.
func scanNumber(b []byte, i int) (int, fault) {
	if b[i] == '-' {
		i++
		if i == len(b) {
			return i, faultEnd
		}
		if !digit(b[i]) {
			return i, faultNumber
		}
	} else if !digit(b[i]) {
		return i, faultValue
	}
	// A zero stands alone: 01 is a 0 with something after it.
	if b[i] == '0' {
		i++
	} else {
		i = skipDigits(b, i)
	}
	if i < len(b) && b[i] == '.' {
		var f fault
		if i, f = digits(b, i+1); f != faultNone {
			return i, f
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return digits(b, i)
	}
	return i, faultNone
}

// digits wants one digit or more.
func digits(b []byte, i int) (int, fault) {
	if i == len(b) {
		return i, faultEnd
	}
	if !digit(b[i]) {
		return i, faultNumber
	}
	return skipDigits(b, i), faultNone
}

func skipDigits(b []byte, i int) int {
	for i < len(b) && digit(b[i]) {
		i++
	}
	return i
}

func digit(c byte) bool { return c-'0' <= 9 }

// skipSpace returns the first byte at or after i that is none of the four that
// JSON calls whitespace.
func skipSpace(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && classes[b[i]]&classSpace != 0 {
		i++
	}
	return i
}
