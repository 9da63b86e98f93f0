package server

import (
	"tailrace/internal/stream"
)

// frame is an event as it is sent, shared by all readers who are at the same
// place. It does not change.
type frame struct {
	from   stream.Offset
	cursor uint64
	shape  shape
	empty  bool // there is no data, only word of where the reader is

	bytes []byte
	then  place     // of who has got it; the floor is the reader's own
	next  feedState // what comes then

	pins int   // readers of whom the kernel has taken a part
	held int64 // of the budget for responses
	kept bool  // the memory is not used again
}
