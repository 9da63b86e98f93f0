package manifest

import (
	"fmt"
	"io"
)

func dumpTierEdit(out io.Writer, e Edit) {
	switch e := e.(type) {
	case Claim:
		fmt.Fprintf(out, "  claim as %x\n", e.Owner)
	case Send:
		fmt.Fprintf(out, "  send %v\n", e.Object)
	case Sent:
		fmt.Fprintf(out, "  sent %d\n", e.ID)
	case Publish:
		fmt.Fprintf(out, "  publish state %d, with %v, doomed %v, not before %s\n", e.ID, e.Keep, e.Doomed, date(e.NotBefore))
	case Evict:
		fmt.Fprintf(out, "  evict act %d\n", e.Act)
		for _, s := range e.Segments {
			fmt.Fprintf(out, "    segment %d, keep index %d\n", s.ID, s.Index)
		}
	case Collected:
		fmt.Fprintf(out, "  collected %v\n", e.IDs)
	}
}

func dumpTier(out io.Writer, t *Tier) {
	if t.zero() {
		return
	}
	fmt.Fprintf(out, "  bucket, owner %x, published state %d\n", t.Owner, t.Published)
	for _, o := range t.Objects {
		fmt.Fprintf(out, "    object %v\n", o)
	}
	for _, d := range t.Doomed {
		fmt.Fprintf(out, "    doomed %v, not before %s\n", d.Object, date(d.NotBefore))
	}
}

func (o Object) String() string {
	sent := "not sent"
	if o.Sent {
		sent = "sent"
	}
	return fmt.Sprintf("%v, %d bytes, crc %08x, %s", o.File, o.Bytes, o.CRC, sent)
}
