package segment

// Properties are the totals of a segment.
type Properties struct {
	Info
	Bytes       int64 // of the whole file
	RawBytes    int64 // stored bodies before compression
	StoredBytes int64 // payloads of the blocks
	Appends     uint64
	Runs        uint64
	Blocks      uint64
	AsIs        uint64 // blocks that are HTTP bodies
	First, Last uint64 // smallest and greatest stream id
}

// append adds the encoded totals to b.
func (p *Properties) append(b []byte) []byte {
	for _, v := range [...]uint64{
		uint64(p.RawBytes), uint64(p.StoredBytes), p.Appends, p.Runs, p.Blocks, p.AsIs, p.First, p.Last,
	} {
		b = le.AppendUint64(b, v)
	}
	return b
}

// parseProperties decodes the totals. The reason tells why they cannot be.
func parseProperties(b []byte) (p Properties, reason string) {
	at := func(i int) uint64 { return le.Uint64(b[8*i:]) }
	p = Properties{
		RawBytes: int64(at(0)), StoredBytes: int64(at(1)), Appends: at(2), Runs: at(3), Blocks: at(4), AsIs: at(5),
		First: at(6), Last: at(7),
	}
	switch {
	case p.RawBytes <= 0 || p.StoredBytes <= 0:
		return p, "impossible number of bytes"
	case p.Runs == 0 || p.Appends < p.Runs || p.Appends > uint64(p.RawBytes):
		return p, "impossible number of appends or runs"
	case p.Blocks == 0 || p.AsIs > p.Blocks:
		return p, "impossible number of blocks"
	case p.First == 0 || p.First > p.Last || p.Last-p.First < p.Runs-1:
		return p, "impossible streams"
	}
	return p, ""
}
