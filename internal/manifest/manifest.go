package manifest

import (
	"fmt"
	"sync"
	"sync/atomic"

	"tailrace/internal/vfs"
)

// Manifest is the manifest of a store, open for edits. Its methods may be
// called by any goroutine.
type Manifest struct {
	o     Options
	fs    vfs.FS
	paths paths
	store [16]byte

	state   atomic.Pointer[State] // never written into; durable
	settled atomic.Bool

	mu     sync.Mutex // guards the rest, and is held while a group is written
	file   vfs.File   // the current file; nil: the one of an earlier process counts
	number uint64     // of the file that CURRENT names; 0: none
	base   int64      // where its snapshot ends
	pos    int64      // where the next frame goes
	size   int64      // its durable length
	seq    uint64     // of the last frame
	chain  uint32     // crc of the last frame
	err    error      // ErrFailed with its cause, or ErrClosed
}

// State is the state that is durable. It does not wait for edits in flight.
func (m *Manifest) State() State { return *m.state.Load() }

// Settled tells that the state is known to be on the medium. It is not when a
// process died between a write and its sync, and the disk has been too full
// since to write the state again. Until it is, nothing may be removed on the
// word of the state: a power cut could bring back the state before it, which
// needs other files and more of the log. Any edit settles it.
func (m *Manifest) Settled() bool { return m.settled.Load() }

// Append makes edits durable, all of them or none, and returns when they are.
//
// An error that matches ErrRefused or ErrTooLarge, or ErrNoSpace but not
// ErrFailed, means that nothing was written: the state is the old one, and the
// manifest goes on. ErrNoSpace does not meet an act that has begun, unless its
// edits are huge: every act finds room reserved. Any other error is final.
func (m *Manifest) Append(edits ...Edit) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.append(edits...)
}

// Begin starts an act that will make files of these kinds, and gives it and
// them their ids. It is durable when Begin returns. Errors are those of Append.
func (m *Manifest) Begin(kind ActKind, outputs ...FileKind) (Act, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := m.state.Load().NextID
	a := Act{ID: id, Kind: kind, Outputs: numbered(id+1, outputs)}
	if err := m.append(Begin{a.ID, a.Kind, a.Outputs}); err != nil {
		return Act{}, err
	}
	return a, nil
}

// Extend announces more outputs of an act and gives them their ids. It is
// durable when Extend returns. Errors are those of Append.
func (m *Manifest) Extend(act uint64, outputs ...FileKind) ([]File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	files := numbered(m.state.Load().NextID, outputs)
	if err := m.append(Extend{act, files}); err != nil {
		return nil, err
	}
	return files, nil
}

func numbered(first uint64, kinds []FileKind) []File {
	files := make([]File, len(kinds))
	for i, k := range kinds {
		files[i] = File{first + uint64(i), k}
	}
	return files
}

// append is Append with mu held.
func (m *Manifest) append(edits ...Edit) error {
	if m.err != nil {
		return m.err
	}
	if len(edits) == 0 {
		return refused("no edits")
	}
	next := m.state.Load().clone()
	begins, keep := false, int64(0)
	for _, e := range edits {
		if err := next.apply(e); err != nil {
			return err
		}
		if b, is := e.(Begin); is {
			begins = true
			if b.Kind != ActEvict {
				keep = m.o.ReserveBytes
			}
		}
	}
	payload := AppendEdits(nil, edits...)
	if len(payload) > payloadMax {
		return fmt.Errorf("%w: edits of %d bytes", ErrTooLarge, len(payload))
	}
	// What ends an act, or sets space free, may use up what was kept for it.
	if begins {
		keep += reserveBytes * int64(len(next.Acts))
	}
	if err := m.room(groupSize(len(payload)), keep); err != nil {
		return err
	}
	if err := m.write(FrameHeader{Kind: FrameEdits, Edits: len(edits)}, payload); err != nil {
		return err
	}
	// The group is durable. The confirm says so to whoever reads the file, and
	// must not be on the medium any earlier: that is why it is a write of its own.
	if err := m.write(FrameHeader{Kind: FrameConfirm}, nil); err != nil {
		return err
	}
	m.state.Store(&next)
	m.settled.Store(true)
	return nil
}

// write adds one frame to the file, durably.
func (m *Manifest) write(h FrameHeader, payload []byte) error {
	h.File, h.Seq, h.Size, h.Chain = m.number, m.seq+1, m.size, m.chain
	b := AppendFrame(nil, &h, m.store, payload)
	if err := m.file.WriteSync(b, m.pos); err != nil {
		return m.fail(fmt.Errorf("write %s: %w", m.paths.file(m.number), err))
	}
	m.pos += int64(len(b))
	m.seq, m.chain = h.Seq, h.CRC
	return nil
}

// fail ends the manifest: after a failed write or sync the system may have
// dropped the data, and another sync would succeed without it.
func (m *Manifest) fail(err error) error {
	m.err = fmt.Errorf("%w: %w", ErrFailed, err)
	return m.err
}

// Close gives the manifest up. It writes nothing: everything appended was durable
// before.
func (m *Manifest) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.err = ErrClosed
	}
	if m.file == nil {
		return nil
	}
	err := m.file.Close()
	m.file = nil
	if err != nil {
		return fmt.Errorf("manifest: close %s: %w", m.paths.file(m.number), err)
	}
	return nil
}
