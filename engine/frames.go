package engine

import "tailrace/index"

// frames holds the stored bytes of the appends that are in no segment yet, one
// frame for each batch that brought any. A frame is immutable; it leaves memory
// when a segment has it or the last append in it is dropped, and the last
// reader lets go of it.
type frames struct {
	byBatch map[uint64]*frameData
	bytes   int64 // in frames

	// A flush reads what is in the batches after released and up to held, also
	// what is dropped meanwhile.
	released, held uint64
}

type frameData struct {
	data []byte
	live int // bytes of appends that some stream still shows
}

func newFrames() frames { return frames{byBatch: make(map[uint64]*frameData)} }

// add takes in the bytes of a batch.
func (f *frames) add(batch uint64, data []byte, live int) {
	if len(data) == 0 || live == 0 && batch > f.held {
		return
	}
	f.byBatch[batch] = &frameData{data: data, live: live}
	f.bytes += int64(len(data))
}

// slice returns the bytes of an append.
func (fr *frameData) slice(e index.Entry) []byte {
	return fr.data[e.Off : e.Off+e.Len : e.Off+e.Len]
}

// drop takes the bytes of an append out of use. It is false if the batch has
// not become a frame yet.
func (f *frames) drop(e index.Entry) bool {
	fr := f.byBatch[e.Frame]
	if fr == nil {
		return false
	}
	if fr.live -= int(e.Len); fr.live == 0 && e.Frame > f.held {
		f.remove(e.Frame)
	}
	return true
}

func (f *frames) remove(batch uint64) {
	if fr := f.byBatch[batch]; fr != nil {
		f.bytes -= int64(len(fr.data))
		delete(f.byBatch, batch)
	}
}

// hold keeps the frames up to a batch, whatever is dropped.
func (f *frames) hold(batch uint64) { f.held = batch }

// between returns the frames of the batches after from and up to to, nil for
// those that have none.
func (f *frames) between(from, to uint64) []*frameData {
	all := make([]*frameData, 0, to-from)
	for n := from + 1; n <= to; n++ {
		all = append(all, f.byBatch[n])
	}
	return all
}

// release lets go of the frames up to a batch: a segment has them.
func (f *frames) release(batch uint64) {
	for n := f.released + 1; n <= batch; n++ {
		f.remove(n)
	}
	f.released = batch
}

// unhold ends hold without a segment: what nobody shows any more leaves memory.
func (f *frames) unhold() {
	for n := f.released + 1; n <= f.held; n++ {
		if fr := f.byBatch[n]; fr != nil && fr.live == 0 {
			f.remove(n)
		}
	}
	f.held = 0
}
