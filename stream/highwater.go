package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

// highWaterFile stands beside the server's own folder. It says up to where the
// journal has acknowledged, so that synced frames that vanish are missed. It is
// saved and synced once a second; acknowledgedFile has what is newer.
const highWaterFile = "highwater"

const highWaterVersion = 1

// A mark is what one partition has acknowledged and trimmed.
type mark struct {
	first uint64 // the oldest frame that was not trimmed
	last  uint64 // the newest acknowledged frame that this file knows of
}

// A highWater is the content of the file: version, number of partitions, two
// sequences for each, CRC32C; little-endian.
type highWater struct{ marks []mark }

func (h *highWater) of(partition int) mark {
	if partition < len(h.marks) {
		return h.marks[partition]
	}
	return mark{}
}

var errHighWater = errors.New("the high-water mark does not read")

// loadHighWater reads the file. A missing one is an empty mark.
func loadHighWater(dir string) (*highWater, error) {
	h := &highWater{}
	if dir == "" {
		return h, nil
	}
	b, err := os.ReadFile(filepath.Join(dir, highWaterFile)) // #nosec G304 -- the journal's own folder
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err != nil {
		return h, fmt.Errorf("read high-water mark: %w", err)
	}
	return h, h.decode(b)
}

func (h *highWater) decode(b []byte) error {
	le := binary.LittleEndian
	if len(b) < 7 || b[0] != highWaterVersion {
		return errHighWater
	}
	n := int(le.Uint16(b[1:]))
	body := 3 + n*16
	if n > partitionsMax || len(b) != body+4 || crc32.Checksum(b[:body], crcTable()) != le.Uint32(b[body:]) {
		return errHighWater
	}
	h.marks = make([]mark, n)
	for i := range h.marks {
		at := b[3+i*16:]
		h.marks[i] = mark{first: le.Uint64(at), last: le.Uint64(at[8:])}
	}
	return nil
}

func (h *highWater) encode() []byte {
	le := binary.LittleEndian
	b := le.AppendUint16([]byte{highWaterVersion}, uint16(len(h.marks))) // #nosec G115 -- at most partitionsMax
	for _, m := range h.marks {
		b = le.AppendUint64(le.AppendUint64(b, m.first), m.last)
	}
	return le.AppendUint32(b, crc32.Checksum(b, crcTable()))
}

// save replaces the file so that either the old or the new one is there after a
// power failure.
func (h *highWater) save(dir string) error {
	path := filepath.Join(dir, highWaterFile)
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) // #nosec G304 -- the journal's own folder
	if err != nil {
		return fmt.Errorf("save high-water mark: %w", err)
	}
	_, err = f.Write(h.encode())
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("save high-water mark: %w", err)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir) // #nosec G304 -- the journal's own folder
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// acknowledgedFile has a slot for each partition with the newest acknowledged
// frame. A slot is written before each acknowledgement and never synced: that
// costs a microsecond, and what is written outlives the process however it ends.
// Only a power failure can take the last second of it away, up to the last save
// of the high-water mark.
const acknowledgedFile = "acknowledged"

// A slot is the sequence and, little-endian like it, the CRC32C of partition (4)
// and sequence (8), and four bytes of zero: no slot crosses a page.
const slotLen = 16

// slots is the open file; nil where there is no folder.
type slots struct{ file *os.File }

// raise raises the marks to what the slots say.
func (h *highWater) raise(dir string) error {
	b, err := os.ReadFile(filepath.Join(dir, acknowledgedFile)) // #nosec G304 -- the journal's own folder
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read acknowledged sequences: %w", err)
	}
	for i := range min(len(b)/slotLen, partitionsMax) {
		if i == len(h.marks) {
			h.marks = append(h.marks, mark{})
		}
		if seq, ok := slotOf(b[i*slotLen:], i); ok {
			h.marks[i].last = max(h.marks[i].last, seq)
		}
	}
	return nil
}

// openSlots opens the file and takes the room for every partition.
func openSlots(dir string, hw *highWater, partitions int) (*slots, error) {
	f, err := os.OpenFile(filepath.Join(dir, acknowledgedFile), os.O_CREATE|os.O_RDWR, 0o600) // #nosec G304 -- the journal's own folder
	if err != nil {
		return nil, fmt.Errorf("open acknowledged sequences: %w", err)
	}
	s := &slots{file: f}
	for i := range partitions {
		if err := s.put(i, hw.of(i).last); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return s, nil
}

// slotOf reads a slot; one that does not read says nothing.
func slotOf(b []byte, partition int) (uint64, bool) {
	seq := binary.LittleEndian.Uint64(b)
	return seq, binary.LittleEndian.Uint32(b[8:]) == slotCRC(partition, seq)
}

func slotCRC(partition int, seq uint64) uint32 {
	var b [12]byte
	binary.LittleEndian.PutUint32(b[:], uint32(partition)) // #nosec G115 -- at most partitionsMax
	binary.LittleEndian.PutUint64(b[4:], seq)
	return crc32.Checksum(b[:], crcTable())
}

// put notes that frames up to seq are acknowledged.
func (s *slots) put(partition int, seq uint64) error {
	if s == nil {
		return nil
	}
	var b [slotLen]byte
	binary.LittleEndian.PutUint64(b[:], seq)
	binary.LittleEndian.PutUint32(b[8:], slotCRC(partition, seq))
	if _, err := s.file.WriteAt(b[:], int64(partition)*slotLen); err != nil {
		return fmt.Errorf("note acknowledged sequence: %w", err)
	}
	return nil
}

func (s *slots) close() error {
	if s == nil {
		return nil
	}
	return s.file.Close()
}
