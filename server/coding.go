package server

import (
	"bytes"
	"math"
)

// coding is how the body of a catch-up read is sent.
type coding uint8

const (
	codingIdentity coding = iota
	codingGzip            // made for the answer
	codingZstd            // as the engine stores it; never made for an answer
)

// codings is how much a client wants each coding, in thousandths; 0 = not at
// all. The zero value gets identity, which is what everybody gets who refuses
// everything: an answer that may be of no use is better than none.
type codings struct{ identity, gzip, zstd int }

// stored reports whether nothing that would be sent instead of a stored frame
// is wanted more.
func (c codings) stored() bool { return c.zstd > 0 && c.zstd >= max(c.gzip, c.identity) }

// choose is the coding for a body of that size for which there is no stored
// frame. It depends on nothing else, so that the entity tag is known before
// anything is compressed.
func (c codings) choose(size int) coding {
	switch {
	case c.gzip == 0 || c.gzip < c.identity || size == 0:
		return codingIdentity
	case size < gzipBytesMin && c.identity > 0:
		return codingIdentity
	}
	return codingGzip
}

// parseCodings parses the request's Accept-Encoding.
func (x *exchange) parseCodings() codings {
	if !x.head.has(fieldAcceptEncoding) {
		return codings{}
	}
	return parseCodings(x.req.Header.PeekAll("Accept-Encoding"))
}

// parseCodings parses the lists of an Accept-Encoding (RFC 9110 12.5.3). It
// refuses nothing: what is malformed or unknown means nothing. Of a coding that
// is there twice the lesser weight counts, as a client may not be able to take
// what it refuses.
func parseCodings(lists [][]byte) codings {
	const unsaid = math.MaxInt
	c, others := codings{unsaid, unsaid, unsaid}, unsaid
	for _, list := range lists {
		for len(list) > 0 {
			var item []byte
			item, list, _ = bytes.Cut(list, []byte{','})
			name, weight, ok := parseCoding(item)
			switch {
			case !ok:
			case foldsTo(name, "identity"):
				c.identity = min(c.identity, weight)
			case foldsTo(name, "gzip"), foldsTo(name, "x-gzip"):
				c.gzip = min(c.gzip, weight)
			case foldsTo(name, "zstd"):
				c.zstd = min(c.zstd, weight)
			case len(name) == 1 && name[0] == '*':
				others = min(others, weight)
			}
		}
	}
	// Who does not mention identity takes it, but rather has what it mentions.
	rest, plain := 0, 1
	if others != unsaid {
		rest, plain = others, others
	}
	for _, w := range []struct {
		weight *int
		unsaid int
	}{{&c.identity, plain}, {&c.gzip, rest}, {&c.zstd, rest}} {
		if *w.weight == unsaid {
			*w.weight = w.unsaid
		}
	}
	return c
}

// parseCoding parses one element of an Accept-Encoding.
func parseCoding(item []byte) (name []byte, weight int, ok bool) {
	name, param, weighted := bytes.Cut(item, []byte{';'})
	name = trim(name)
	if !weighted {
		return name, 1000, true
	}
	weight, ok = parseWeight(trim(param))
	return name, weight, ok
}

// parseWeight reads a weight as thousandths: "q=" and a number from 0 to 1 with
// at most three decimals.
func parseWeight(b []byte) (int, bool) {
	if len(b) < len("q=0") || len(b) > len("q=0.000") || b[0]|0x20 != 'q' || b[1] != '=' || b[2] != '0' && b[2] != '1' {
		return 0, false
	}
	n := int(b[2]-'0') * 1000
	for i, c := range b[3:] {
		switch {
		case i == 0 && c == '.':
		case i > 0 && '0' <= c && c <= '9':
			n += int(c-'0') * [...]int{0, 100, 10, 1}[i]
		default:
			return 0, false
		}
	}
	return n, n <= 1000
}
