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
)

// Record is one durable fact. Everything that a table holds follows from the
// records in their order; applying one consults no clock.
type Record struct {
	Kind Kind
	ID   ID
	At   int64 // Unix milliseconds: create, touch, and append where a TTL slides

	// Create.
	Path            string
	ContentType     string
	Closed          bool
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

	// Append.
	Start    Offset // the tail before, so that replay notices a lost record
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
