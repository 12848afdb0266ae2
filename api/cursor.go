package api

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/vigil-iomt/vigil"
)

// A place is where a page of readings ended: the last reading that was
// returned.
type place struct {
	series vigil.SeriesID
	point  vigil.Point // Taken, Key, Conflict and Version only
}

// The first byte of a cursor says in which order the page was: of time over all
// series, or series after series.
const (
	objectPlace = 1
	columnPlace = 2
)

// text returns the opaque form.
func (p place) text(order byte) string {
	b := []byte{order}
	b = binary.AppendVarint(b, int64(p.series))
	b = binary.AppendVarint(b, int64(p.point.Taken))
	b = binary.AppendUvarint(b, p.point.Key)
	b = binary.AppendUvarint(b, uint64(p.point.Conflict))
	b = binary.AppendUvarint(b, uint64(p.point.Version))
	return base64.RawURLEncoding.EncodeToString(b)
}

// parsePlace reads the opaque form of a place in an order; the empty text is nil.
func parsePlace(text string, order byte) (*place, error) {
	if text == "" {
		return nil, nil
	}
	bad := invalid("query.cursor", "this is not a cursor of this server")
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) == 0 || b[0] != order {
		return nil, bad
	}
	b = b[1:]
	var signed [2]int64
	for i := range signed {
		v, n := binary.Varint(b)
		if n <= 0 {
			return nil, bad
		}
		signed[i], b = v, b[n:]
	}
	var unsigned [3]uint64
	for i := range unsigned {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, bad
		}
		unsigned[i], b = v, b[n:]
	}
	if len(b) != 0 || unsigned[1] > 0xff || unsigned[2] > 0xffff {
		return nil, bad
	}
	return &place{vigil.SeriesID(signed[0]), vigil.Point{
		Taken: vigil.Instant(signed[1]), Key: unsigned[0],
		Conflict: uint8(unsigned[1]), Version: uint16(unsigned[2]), // #nosec G115 -- checked above
	}}, nil
}
