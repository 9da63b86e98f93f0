package server

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// The weights that an Accept-Encoding gives to identity, gzip and zstd.
func TestAcceptEncodingIsRead(t *testing.T) {
	const least = 1 // of identity that nobody mentions
	for _, c := range []struct {
		header string // lines are separated by "|"
		want   codings
	}{
		{"", codings{least, 0, 0}},
		{"   ", codings{least, 0, 0}},
		{",,", codings{least, 0, 0}},
		{"gzip", codings{least, 1000, 0}},
		{"GZip", codings{least, 1000, 0}},
		{"x-gzip", codings{least, 1000, 0}},
		{"X-GZIP;q=0.5", codings{least, 500, 0}},
		{"zstd", codings{least, 0, 1000}},
		{"gzip, deflate", codings{least, 1000, 0}},
		{"gzip, deflate, br, zstd", codings{least, 1000, 1000}},
		{"gzip,zstd,identity", codings{1000, 1000, 1000}},
		{"compress, br", codings{least, 0, 0}},
		{"gzipped, gzi, gzip2, identit", codings{least, 0, 0}},

		{"gzip;q=1", codings{least, 1000, 0}},
		{"gzip;q=1.", codings{least, 1000, 0}},
		{"gzip;q=1.000", codings{least, 1000, 0}},
		{"gzip;q=0", codings{least, 0, 0}},
		{"gzip;q=0.", codings{least, 0, 0}},
		{"gzip;q=0.000", codings{least, 0, 0}},
		{"gzip;q=0.001", codings{least, 1, 0}},
		{"gzip;q=0.12", codings{least, 120, 0}},
		{"gzip;Q=0.125", codings{least, 125, 0}},
		{" \tgzip \t; \tq=0.3\t ,\tzstd;q=0.4", codings{least, 300, 400}},

		{"*", codings{1000, 1000, 1000}},
		{"*;q=0", codings{0, 0, 0}},
		{"*;q=0.5", codings{500, 500, 500}},
		{"gzip, *;q=0", codings{0, 1000, 0}},
		{"*;q=0, identity", codings{1000, 0, 0}},
		{"*;q=0.2, gzip;q=0", codings{200, 0, 200}},
		{"identity;q=0", codings{0, 0, 0}},
		{"identity;q=0, zstd;q=0.1", codings{0, 0, 100}},
		{"identity;q=0.5, gzip;q=0.4", codings{500, 400, 0}},

		// What is there twice counts with the lesser weight.
		{"gzip;q=0, gzip", codings{least, 0, 0}},
		{"gzip, gzip;q=0", codings{least, 0, 0}},
		{"gzip;q=0.7, x-gzip;q=0.6", codings{least, 600, 0}},
		{"*;q=0.3, *", codings{300, 300, 300}},
		{"gzip|zstd", codings{least, 1000, 1000}},
		{"gzip;q=0.5|gzip;q=0.2, zstd", codings{least, 200, 1000}},

		// What is malformed means nothing, and what is beside it does.
		{"gzip;q=2, zstd", codings{least, 0, 1000}},
		{"gzip;q=1.001, zstd", codings{least, 0, 1000}},
		{"gzip;q=1.1", codings{least, 0, 0}},
		{"gzip;q=0.1234", codings{least, 0, 0}},
		{"gzip;q=-0.5", codings{least, 0, 0}},
		{"gzip;q=.5", codings{least, 0, 0}},
		{"gzip;q=", codings{least, 0, 0}},
		{"gzip;q", codings{least, 0, 0}},
		{"gzip;", codings{least, 0, 0}},
		{"gzip;q=0..", codings{least, 0, 0}},
		{"gzip;q=0:5", codings{least, 0, 0}},
		{"gzip;q=0 .5", codings{least, 0, 0}},
		{"gzip;q =0.5", codings{least, 0, 0}},
		{"gzip;q= 0.5", codings{least, 0, 0}},
		{"gzip;level=1", codings{least, 0, 0}},
		{"gzip;q=0.5;q=1", codings{least, 0, 0}},
		{"gzip;q=1e0", codings{least, 0, 0}},
		{"gzip;q=NaN", codings{least, 0, 0}},
		{"gz ip", codings{least, 0, 0}},
		{`"gzip"`, codings{least, 0, 0}},
		{"identity;q=nonsense", codings{least, 0, 0}},
		{"**", codings{least, 0, 0}},
		{";q=1", codings{least, 0, 0}},
		{";", codings{least, 0, 0}},
	} {
		var lists [][]byte
		for line := range strings.SplitSeq(c.header, "|") {
			lists = append(lists, []byte(line))
		}
		if got := parseCodings(lists); got != c.want {
			t.Errorf("%q is %+v, want %+v", c.header, got, c.want)
		}
	}
	if got := parseCodings(nil); got.choose(1<<20) != codingIdentity || got.stored() {
		t.Errorf("no header is %+v", got)
	}
}

// What is sent to whom: without a stored frame, and whether one would be.
func TestCodingIsWhatIsWantedMost(t *testing.T) {
	for _, c := range []struct {
		header       string
		small, large coding // a byte less than is compressed, and that many
		stored       bool
	}{
		{"", codingIdentity, codingIdentity, false},
		{"gzip", codingIdentity, codingGzip, false},
		{"gzip;q=0.001", codingIdentity, codingGzip, false},
		{"zstd", codingIdentity, codingIdentity, true},
		{"zstd;q=0.001", codingIdentity, codingIdentity, true},
		{"gzip, zstd", codingIdentity, codingGzip, true},
		{"gzip;q=0.5, zstd;q=0.5", codingIdentity, codingGzip, true},
		{"gzip, zstd;q=0.999", codingIdentity, codingGzip, false},
		{"gzip;q=0.999, zstd", codingIdentity, codingGzip, true},
		{"identity, zstd;q=0.9", codingIdentity, codingIdentity, false},
		{"identity, gzip;q=0.9, zstd", codingIdentity, codingIdentity, true},
		{"identity, gzip", codingIdentity, codingGzip, false},
		{"identity;q=0.5, gzip;q=0.4", codingIdentity, codingIdentity, false},
		{"*", codingIdentity, codingGzip, true},
		{"*;q=0", codingIdentity, codingIdentity, false},
		{"identity;q=0", codingIdentity, codingIdentity, false},
		{"identity;q=0, gzip;q=0.1", codingGzip, codingGzip, false},
		{"zstd, *;q=0", codingIdentity, codingIdentity, true},
		{"gzip, *;q=0", codingGzip, codingGzip, false},
		{"br, deflate", codingIdentity, codingIdentity, false},
	} {
		got := parseCodings([][]byte{[]byte(c.header)})
		if small, large := got.choose(gzipBytesMin-1), got.choose(gzipBytesMin); small != c.small || large != c.large || got.stored() != c.stored {
			t.Errorf("%q gets %v, %v, stored %t; want %v, %v, %t", c.header, small, large, got.stored(), c.small, c.large, c.stored)
		}
		if empty := got.choose(0); empty != codingIdentity {
			t.Errorf("%q compresses nothing: %v", c.header, empty)
		}
	}
}

// Whatever a client sends, it gets nothing that it refuses unless it refuses
// everything, and never an error.
func TestAcceptEncodingIsNeverAnError(t *testing.T) {
	rng := newRand(t)
	words := []string{"gzip", "x-gzip", "zstd", "identity", "*", "br", ",", ",", ";", "q=", ";q=0", ";q=0.5", ";q=1", "0", ".", " ", "\t", "\xff", "\x00", "="}
	for range 50_000 {
		var b strings.Builder
		for range rng.IntN(12) {
			b.WriteString(words[rng.IntN(len(words))])
		}
		c := parseCodings([][]byte{[]byte(b.String())})
		for _, w := range []int{c.identity, c.gzip, c.zstd} {
			if w < 0 || w > 1000 {
				t.Fatalf("%q has the weights %+v", b.String(), c)
			}
		}
		switch got := c.choose(1 + rng.IntN(math.MaxInt32)); {
		case got == codingGzip && (c.gzip == 0 || c.gzip < c.identity),
			got == codingZstd,
			c.stored() && (c.zstd == 0 || c.zstd < c.gzip || c.zstd < c.identity):
			t.Fatalf("%q with the weights %+v gets %v, stored %t", b.String(), c, got, c.stored())
		}
	}
	f := start(t)
	f.create("a", strings.Repeat("x", 2000), text)
	for _, header := range []string{"", ",", "gzip;q=9", ";;;", "\xff\xfe", "*;q=0", strings.Repeat("a,", 4000), "gzip\r\nAccept-Encoding: *;q=0"} {
		f.do("GET", root+"a", "", "Accept-Encoding: "+header).want(t, 200)
	}
}

// Reading the header costs no memory.
func TestAcceptEncodingDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Log("the race detector allocates")
		return
	}
	s, err := New(nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	req := rawRequest(t, "GET /v1/stream/a HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip, deflate, br;q=0.5, zstd\r\n\r\n")
	x, _ := bareExchange(s)
	x.req = req
	n := testing.AllocsPerRun(1000, func() {
		if f := s.parse(x, true); f != faultNone || !x.codings.stored() {
			t.Fatalf("fault %d, codings %+v", f, x.codings)
		}
		x.head = head{}
	})
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// String is for the failures of tests.
func (c coding) String() string { return [...]string{"identity", "gzip", "zstd"}[c] }

var _ fmt.Stringer = codingGzip
