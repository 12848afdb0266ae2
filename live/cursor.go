package live

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"time"
)

// positionBits is how many bits of a position count within a frame (see
// vigil.StoredEvent).
const positionBits = 20

// lastOf returns the last position that a frame can hold.
func lastOf(seq uint64) uint64 {
	if seq == 0 {
		return 0
	}
	return seq<<positionBits | (1<<positionBits - 1)
}

// firstOf returns the position just before the first one of a frame.
func firstOf(seq uint64) uint64 { return seq<<positionBits - 1 }

// cursorVersion is the first byte of a cursor.
const cursorVersion = 1

// A cursor says up to which position of each partition a client has all its
// events, and when that was.
type cursor struct {
	at        time.Time
	positions []uint64
}

// text returns the opaque form: version, installation, second, positions.
func (c cursor) text(epoch uint32) string {
	var buf [512]byte
	b := append(buf[:0], cursorVersion)
	b = binary.LittleEndian.AppendUint32(b, epoch)
	b = binary.AppendVarint(b, c.at.Unix())
	for _, p := range c.positions {
		b = binary.AppendUvarint(b, p)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// errCursor is returned for a text that is no cursor of this installation.
var errCursor = errors.New("not a cursor of this server")

// parseCursor reads the opaque form.
func parseCursor(text string, epoch uint32, partitions int) (cursor, error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) < 5 || b[0] != cursorVersion || binary.LittleEndian.Uint32(b[1:]) != epoch {
		return cursor{}, errCursor
	}
	b = b[5:]
	sec, n := binary.Varint(b)
	if n <= 0 {
		return cursor{}, errCursor
	}
	b = b[n:]
	c := cursor{at: time.Unix(sec, 0), positions: make([]uint64, partitions)}
	for i := range c.positions {
		c.positions[i], n = binary.Uvarint(b)
		if n <= 0 {
			return cursor{}, errCursor
		}
		b = b[n:]
	}
	if len(b) != 0 {
		return cursor{}, errCursor
	}
	return c, nil
}

// epochOf folds the name of the installation and the number of partitions.
func epochOf(name string, partitions int) uint32 {
	f := fnv.New32a()
	f.Write([]byte(name))
	f.Write(binary.AppendUvarint(nil, uint64(partitions))) // #nosec G115 -- a small positive number
	return f.Sum32()
}
