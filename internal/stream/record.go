package stream

// Kind is the kind of a Record. The numbers are on disk; they never change
// their meaning.
type Kind uint8

const (
	KindCreate Kind = 1
	KindAppend Kind = 2 // data, closure or both
	KindDelete Kind = 3
	KindExpire Kind = 4
	KindTouch  Kind = 5
	KindChange Kind = 6 // a policy, a lifetime, or both; perhaps with a trim
	KindTrim   Kind = 7
)

// Record is one durable fact. Everything that a table holds follows from the
// records in their order; applying one consults no clock.
type Record struct {
	Kind Kind
	ID   ID
	At   int64 // Unix milliseconds: create, touch, change, and append where a TTL slides or ages count

	// Create.
	Path            string
	ContentType     string
	Closed          bool
	Public          bool
	TTL             int64
	ExpiresAt       int64
	ExpiresText     string
	Source          ID // 0 = not a fork
	Base            Offset
	From            string
	SubOffset       uint64
	InheritedExpiry bool
	// Prefix is how many leading bytes of Body are the copy that a fork with a
	// sub-offset begins with. They are an append of their own, before the rest.
	Prefix int

	// Create, and change if HasPolicy: all of the policy.
	KeepAge   int64 // seconds, 0 = none
	KeepBytes int64 // 0 = none

	// Change. A lifetime is all of TTL, ExpiresAt and ExpiresText.
	HasPolicy bool
	HasLife   bool

	// Append: the tail before, so that replay notices a lost record. Trim, and
	// change unless it is 0: the new start.
	Start Offset

	// Append.
	Close    bool
	Producer Producer
	Seq      string
	HasSeq   bool

	Body []byte
}

// Appends calls f for each append that the record carries, in order, with the
// place of its bytes in Body and its end in the offset space.
func (r *Record) Appends(f func(from, to int, end Offset)) {
	switch r.Kind {
	case KindCreate:
		tail := r.Base
		if r.Prefix > 0 {
			tail = tail.End(r.Prefix)
			f(0, r.Prefix, tail)
		}
		if n := len(r.Body) - r.Prefix; n > 0 {
			f(r.Prefix, len(r.Body), tail.End(n))
		}
	case KindAppend:
		if n := len(r.Body); n > 0 {
			f(0, n, r.Start.End(n))
		}
	}
}
