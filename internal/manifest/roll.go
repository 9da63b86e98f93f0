package manifest

import (
	"encoding/binary"
	"fmt"

	"tailrace/internal/vfs"
)

// roll writes the state into the next file, with room for so many bytes of
// frames after it, and makes CURRENT name that. Errors that match noSpace or
// ErrTooLarge leave everything as it was; any other is final.
func (m *Manifest) roll(room int64) error {
	payload := AppendState(nil, m.state.Load())
	if len(payload) > payloadMax {
		return fmt.Errorf("%w: state of %d bytes", ErrTooLarge, len(payload))
	}
	base := headerBytes + frameSize(len(payload))
	size := m.roundUp(base + room + sparePage)
	n := m.number + 1
	b := Header{Store: m.store, Number: n, FirstSeq: m.seq + 1}.Append(nil)
	fh := FrameHeader{Kind: FrameSnapshot, File: n, Seq: m.seq + 1, Size: size, Chain: binary.LittleEndian.Uint32(b[headerCRCAt:])}
	b = AppendFrame(b, &fh, m.store, payload)

	file, err := m.makeFile(n, b, size)
	if err == nil {
		err = m.makeCurrent(Current{Store: m.store, Number: n, SnapshotSeq: fh.Seq, SnapshotCRC: fh.CRC})
	}
	if err != nil {
		return m.undo(file, n, err)
	}
	if err := m.switchTo(n); err != nil {
		file.Close()
		return m.fail(err)
	}
	if m.file != nil {
		m.file.Close() // it is on its way out
	}
	old := m.number
	m.file, m.number = file, n
	m.base, m.pos, m.size = base, base, size
	m.seq, m.chain = fh.Seq, fh.CRC
	m.settled.Store(true)
	if old == 0 {
		return nil
	}
	// The name may come back after a power cut; the next switch makes its end
	// durable, or the next open removes it.
	if err := m.fs.Remove(m.paths.file(old)); err != nil {
		return m.fail(fmt.Errorf("remove %s: %w", m.paths.file(old), err))
	}
	return nil
}

// makeFile makes a manifest file of that content and length, durable with its
// name. On an error the file is returned too if it was made.
func (m *Manifest) makeFile(n uint64, b []byte, size int64) (vfs.File, error) {
	path := m.paths.file(n)
	file, err := m.fs.Create(path)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	if err := file.Allocate(size); err != nil {
		return file, fmt.Errorf("allocate %s: %w", path, err)
	}
	if _, err := file.WriteAt(b, 0); err != nil {
		return file, fmt.Errorf("write %s: %w", path, err)
	}
	if err := file.Sync(); err != nil {
		return file, fmt.Errorf("sync %s: %w", path, err)
	}
	if err := m.fs.SyncDir(m.paths.manifest()); err != nil {
		return file, fmt.Errorf("sync %s: %w", m.paths.manifest(), err)
	}
	return file, nil
}

// makeCurrent writes the next CURRENT, synced, under its temporary name.
func (m *Manifest) makeCurrent(c Current) error {
	path := m.paths.currentTmp()
	file, err := m.fs.Create(path)
	if err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	if _, err = file.WriteAt(c.Append(nil), 0); err == nil {
		err = file.Sync()
	}
	file.Close() // its content is synced, or of no use
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// switchTo is the step that counts.
func (m *Manifest) switchTo(n uint64) error {
	if err := m.fs.Rename(m.paths.currentTmp(), m.paths.current()); err != nil {
		return fmt.Errorf("switch to file %d: %w", n, err)
	}
	if err := m.fs.SyncDir(m.paths.dir); err != nil {
		return fmt.Errorf("sync %s: %w", m.paths.dir, err)
	}
	return nil
}
