package bench

import (
	"encoding/hex"
	"math/rand/v2"
	"strconv"
	"strings"
)

// kindsOfScript are what a stream may carry.
const kindsOfScript = 3

// script writes the messages of a stream, about 150 bytes each: pieces of what a
// language model says, rows of a changed table, or events of a web site. The
// same seed writes the same. Identifiers are random, so that compression does
// not look better than it is.
type script struct {
	rng  *rand.PCG
	kind int
	n    int64
	id   [16]byte // of the conversation or session that is going on
	left int      // messages of it
}

func newScript(seed, stream uint64) *script {
	return &script{rng: rand.NewPCG(seed, stream), kind: int(stream % kindsOfScript)}
}

func (s *script) upTo(n uint64) uint64 { return s.rng.Uint64() >> 11 % n }

// word chooses common words more often.
func (s *script) word() string {
	a, b := s.upTo(uint64(len(words))), s.upTo(uint64(len(words)))
	return words[min(a, b)]
}

// message appends one JSON value.
func (s *script) message(b []byte) []byte {
	if s.left == 0 {
		s.left = 20 + int(s.upTo(200))
		var raw [8]byte
		for i, v := 0, s.rng.Uint64(); i < len(raw); i, v = i+1, v>>8 {
			raw[i] = byte(v)
		}
		hex.Encode(s.id[:], raw[:])
	}
	s.left--
	s.n++
	switch s.kind {
	case 0:
		return s.chunk(b)
	case 1:
		return s.row(b)
	}
	return s.event(b)
}

func (s *script) chunk(b []byte) []byte {
	b = append(b, `{"id":"chatcmpl-`...)
	b = append(b, s.id[:]...)
	b = append(b, `","object":"chat.completion.chunk","created":`...)
	b = strconv.AppendInt(b, 1_790_000_000+s.n/30, 10)
	b = append(b, `,"choices":[{"index":0,"delta":{"content":" `...)
	b = append(b, s.word()...)
	return append(b, `"},"finish_reason":null}]}`...)
}

func (s *script) row(b []byte) []byte {
	b = append(b, `{"op":"`...)
	b = append(b, "uuuc"[s.upTo(4)])
	b = append(b, `","lsn":`...)
	b = strconv.AppendInt(b, 88_000_000_000+s.n*int64(40+s.upTo(80)), 10)
	b = append(b, `,"table":"orders","row":{"id":`...)
	b = strconv.AppendUint(b, s.upTo(5_000_000), 10)
	b = append(b, `,"customer":`...)
	b = strconv.AppendUint(b, s.upTo(200_000), 10)
	b = append(b, `,"status":"`...)
	b = append(b, statuses[s.upTo(uint64(len(statuses)))]...)
	b = append(b, `","total":`...)
	b = strconv.AppendUint(b, s.upTo(900), 10)
	b = append(b, '.', byte('0'+s.upTo(10)), byte('0'+s.upTo(10)))
	b = append(b, `,"note":"`...)
	b = append(b, s.word()...)
	b = append(b, ' ')
	b = append(b, s.word()...)
	return append(b, `"}}`...)
}

func (s *script) event(b []byte) []byte {
	b = append(b, `{"type":"`...)
	b = append(b, events[s.upTo(uint64(len(events)))]...)
	b = append(b, `","session":"`...)
	b = append(b, s.id[:]...)
	b = append(b, `","at":`...)
	b = strconv.AppendInt(b, 1_790_000_000_000+s.n*37+int64(s.upTo(37)), 10)
	b = append(b, `,"path":"/`...)
	b = append(b, s.word()...)
	b = append(b, '/')
	b = strconv.AppendUint(b, s.upTo(100_000), 10)
	b = append(b, `","ms":`...)
	b = strconv.AppendUint(b, s.upTo(2000), 10)
	b = append(b, `,"x":`...)
	b = strconv.AppendUint(b, s.upTo(1920), 10)
	b = append(b, `,"y":`...)
	b = strconv.AppendUint(b, s.upTo(1080), 10)
	return append(b, '}')
}

// array appends a JSON array of so many messages. Its stored form is all of it
// but the first byte, with a comma for the last one.
func (s *script) array(b []byte, messages int) []byte {
	b = append(b, '[')
	for range messages {
		b = s.message(b)
		b = append(b, ',')
	}
	b[len(b)-1] = ']'
	return b
}

var (
	statuses = []string{"new", "paid", "packed", "shipped", "returned"}
	events   = []string{"view", "click", "scroll", "search", "purchase"}

	words = strings.Fields(`the of and to in is it you that he was for on are with as his they be at one have this
from or had by hot but some what there we can out other were all your when up use word how said an each she which do
their time if will way about many then them would write like so these her long make thing see him two has look more day
could go come did my sound no most number who over know water than call first people may down side been now find any new
work part take get place made live where after back little only round man year came show every good me give our under
name very through just form much great think say help low line before turn cause same mean differ move right boy old too
does tell sentence set three want air well also play small end put home read hand port large spell add even land here must
big high such follow act why ask men change went light kind off need house picture try us again animal point mother world
near build self earth father head stand own page should country found answer school grow study still learn plant cover
food sun four thought let keep eye never last door between city tree cross since hard start might story saw far sea draw
left late run while press close night real life few stop open seem together next white children begin got walk example
ease paper often always music those both mark book letter until mile river car feet care second group carry took rain eat
room friend began idea fish mountain north once base hear horse cut sure watch color face wood main enough plain girl
usual young ready above ever red list though feel talk bird soon body dog family direct pose leave song measure state
product black short numeral class wind question happen complete ship area half rock order fire south problem piece told
knew pass farm top whole king size heard best hour better true during hundred am remember step early hold west ground
interest reach fast five sing listen six table travel less morning ten simple several vowel toward war lay against pattern
slow center love person money serve appear road map science rule govern pull cold notice voice fall power town fine certain
fly unit lead cry dark machine note wait plan figure star box noun field rest correct able pound done beauty drive stood
contain front teach week final gave green quick develop sleep warm free minute strong special mind behind clear tail
produce fact street inch lot nothing course stay wheel full force blue object decide surface deep moon island foot yet
busy test record boat common gold possible plane age dry wonder laugh thousand ago ran check game shape yes miss brought
heat snow bed bring sit perhaps fill east weight language among`)
)
