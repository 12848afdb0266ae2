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
// journal has acknowledged, so that synced frames that vanish are missed.
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
