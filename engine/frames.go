package engine

import "tailrace/index"

// frames holds the stored bytes of appends, one frame for each batch that
// brought any. A frame is immutable; it leaves memory when the last append in
// it is dropped and the last reader lets go of it.
type frames struct {
	byBatch map[uint64]*frameData
	bytes   int64 // in frames
}

type frameData struct {
	data []byte
	live int // bytes of appends that some stream still shows
}

func newFrames() frames { return frames{byBatch: make(map[uint64]*frameData)} }

func (f *frames) add(batch uint64, data []byte, live int) {
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
	if fr.live -= int(e.Len); fr.live == 0 {
		delete(f.byBatch, e.Frame)
		f.bytes -= int64(len(fr.data))
	}
	return true
}
