package bench

import (
	"bytes"
	endian "encoding/binary"
	"fmt"
	"time"
)

// message is what live readers are sent. It says where it belongs, so that a
// reader knows whether one is missing, comes twice or went astray, and when it
// left, so that the reader knows how long it took. Sender and reader share the
// clock of the machine.
//
//	offset  size  field   notes
//	0       4     stream  its number
//	4       4     sender  its number; each counts for itself
//	8       8     number  of the messages that this sender sent to this stream
//	16      8     sent    in nanoseconds of the wall clock
//	24      …     fill    the same in all messages
//
// All numbers are little-endian.
type message struct {
	stream uint32
	sender uint32
	number uint64
	sent   int64
}

const (
	messageBytes = appendBytes
	messageHead  = 24
)

var messageFill = bytes.Repeat([]byte{'x'}, messageBytes-messageHead)

// put writes the message over b, as sent now.
func (m message) put(b []byte) {
	endian.LittleEndian.PutUint32(b, m.stream)
	endian.LittleEndian.PutUint32(b[4:], m.sender)
	endian.LittleEndian.PutUint64(b[8:], m.number)
	endian.LittleEndian.PutUint64(b[16:], uint64(time.Now().UnixNano()))
	copy(b[messageHead:messageBytes], messageFill)
}

func parseMessage(b []byte) (m message, err error) {
	if len(b) < messageBytes || !bytes.Equal(b[messageHead:messageBytes], messageFill) {
		return m, fmt.Errorf("bench: %.*q is no message", 2*messageHead, b)
	}
	m.stream = endian.LittleEndian.Uint32(b)
	m.sender = endian.LittleEndian.Uint32(b[4:])
	m.number = endian.LittleEndian.Uint64(b[8:])
	m.sent = int64(endian.LittleEndian.Uint64(b[16:]))
	if m.sender >= sendersMax {
		return m, fmt.Errorf("bench: message of sender %d", m.sender)
	}
	return m, nil
}

// sendersMax bounds what a damaged message makes a reader remember.
const sendersMax = 1 << 12

// publisher appends messages to streams over one connection, as their only
// sender.
type publisher struct {
	wire *wire
	sent []uint64 // messages, by stream
	body []byte
}

func newPublisher(addr string, streams int) (*publisher, error) {
	w, err := dialWire(addr)
	if err != nil {
		return nil, err
	}
	return &publisher{wire: w, sent: make([]uint64, streams)}, nil
}

// append appends so many messages at once and waits for the answer.
func (p *publisher) append(stream, messages int) error {
	p.body = append(p.body[:0], make([]byte, messages*messageBytes)...)
	for i := range messages {
		m := message{stream: uint32(stream), number: p.sent[stream] + uint64(i)}
		m.put(p.body[i*messageBytes:])
	}
	r, err := p.wire.do("POST", target(stream), "Content-Type: "+binary+"\r\n", p.body, nil)
	if err != nil {
		return err
	}
	if r.status != 204 {
		return fmt.Errorf("bench: append to stream %d: status %d", stream, r.status)
	}
	p.sent[stream] += uint64(messages)
	return nil
}

// pace appends single messages to stream 0, so many a second, and returns how
// long each answer took. An answer that is late moves none of the appends after
// it: if it keeps one waiting, that one's time began when it was due.
func (p *publisher) pace(perSecond int, d time.Duration) (lat []time.Duration, err error) {
	step := time.Second / time.Duration(perSecond)
	begin := time.Now()
	for due := begin; due.Sub(begin) < d; due = due.Add(step) {
		at := due
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
			at = time.Now()
		}
		if err := p.append(0, 1); err != nil {
			return lat, err
		}
		lat = append(lat, time.Since(at))
	}
	return lat, nil
}
