package chunk

import (
	"encoding/binary"
	"fmt"

	"github.com/vigil-iomt/vigil"
)

// The columns of points that are written only when they say something; the
// values are bits of the mask at the start of a chunk and are on disk.
const (
	hasStated      = 1 << iota // not Taken everywhere
	hasKey                     // not Stated everywhere
	hasDecimals                // not the scale of the values everywhere
	hasQuality                 // not 0 everywhere
	hasVersion                 // not 1 everywhere
	hasConflict                // not 0 everywhere
	hasAttribution             // not 0 everywhere
	hasKeyKind                 // not vigil.KeyTime everywhere
	hasAll         = 1<<iota - 1
)

// A tell says which parts of the points are worth a column.
type tell struct {
	mask     uint64
	decimals int8 // the most of all points
}

// survey looks once over all points.
func survey(pts []vigil.Point) tell {
	t := tell{decimals: pts[0].Decimals}
	for i := range pts {
		p := &pts[i]
		t.decimals = max(t.decimals, p.Decimals)
		if p.Stated != p.Taken {
			t.mask |= hasStated
		}
		if p.Key != uint64(p.Stated) { // #nosec G115 -- wraps on purpose
			t.mask |= hasKey
		}
		if p.Quality != 0 {
			t.mask |= hasQuality
		}
		if p.Version != 1 {
			t.mask |= hasVersion
		}
		if p.Conflict|p.Attribution != 0 {
			t.mask |= hasConflict | hasAttribution
		}
		if p.KeyKind != vigil.KeyTime {
			t.mask |= hasKeyKind
		}
	}
	for i := range pts {
		if pts[i].Decimals != t.decimals {
			t.mask |= hasDecimals
			break
		}
	}
	return t
}

// Up to so many points, or bytes of a chunk, the encoder works on the stack:
// that is a run of an open series, which is encoded far more often than the
// chunk that it ends in.
const (
	fewPoints = 128
	fewBytes  = 1 << 10
)

// AppendPoints appends the chunk of pts to dst. Any order is kept, but only
// points sorted by Taken become small. No points make an empty chunk; more
// than MaxPoints panic.
func AppendPoints(dst []byte, pts []vigil.Point) []byte {
	n := len(pts)
	if n > MaxPoints {
		panic(fmt.Sprintf("chunk: %d points, at most %d", n, MaxPoints))
	}
	if n == 0 {
		return append(dst, pointsV1, 0)
	}
	var ints [4 * fewPoints]int64
	var small [fewBytes]byte
	var jumps [fewPoints / 16]jump
	room := ints[:]
	if n > fewPoints {
		room = make([]int64, 4*n)
	}
	c := newColumns(n, room)
	c.jumps = jumps[:]
	// Once the size is known dst grows once, to no more than it needs: heads
	// live long.
	return append(dst, c.points(small[:0], pts, room[2*n:3*n], room[3*n:4*n])...)
}

// points appends a chunk of at least one point. a and b are room for one column
// each.
func (c *columns) points(dst []byte, pts []vigil.Point, a, b []int64) []byte {
	dst = binary.AppendUvarint(append(dst, pointsV1), uint64(len(pts)))
	t := survey(pts)
	dst = binary.AppendUvarint(dst, t.mask)
	dst = append(dst, byte(t.decimals)) // #nosec G115 -- the bits of an int8
	dst = appendTimes(dst, pts, t.mask, c, a, b)
	dst = appendKeys(dst, pts, t.mask, c, a, b)
	dst = appendValues(dst, pts, t.decimals, c, a)
	for f := hasDecimals; f <= hasKeyKind; f <<= 1 {
		if t.mask&uint64(f) != 0 { // #nosec G115 -- a bit
			for i := range pts {
				a[i] = field(&pts[i], f)
			}
			dst = c.add(dst, a, false)
		}
	}
	return dst
}

func appendTimes(dst []byte, pts []vigil.Point, mask uint64, c *columns, a, b []int64) []byte {
	for i := range pts {
		a[i] = int64(pts[i].Taken)
	}
	dst = c.add(dst, a, true)
	for i := range pts {
		a[i], b[i] = int64(pts[i].Arrived-pts[i].Taken), int64(pts[i].Arrived)
	}
	dst = c.shorter(dst, a, b, true)
	if mask&hasStated != 0 {
		for i := range pts {
			a[i], b[i] = int64(pts[i].Stated-pts[i].Taken), int64(pts[i].Stated)
		}
		dst = c.shorter(dst, a, b, true)
	}
	return dst
}

// The forms of the key column.
const (
	keyBeside   = iota // distance from Stated, or the keys themselves, as shorter says
	keyPosition        // journal position: frame and place within it apart
)

// placeBits is how many low bits of a journal position count within a frame
// (vigil.StoredEvent.Position).
const placeBits = 20

func appendKeys(dst []byte, pts []vigil.Point, mask uint64, c *columns, a, b []int64) []byte {
	if mask&hasKey == 0 {
		return dst
	}
	start := len(dst)
	for i := range pts {
		key := int64(pts[i].Key) // #nosec G115 -- wraps on purpose
		a[i], b[i] = key-int64(pts[i].Stated), key
	}
	dst = c.shorter(append(dst, keyBeside), a, b, true)
	if pts[0].KeyKind == vigil.KeyTime {
		return dst
	}
	for i := range pts {
		a[i], b[i] = b[i]>>placeBits, b[i]&(1<<placeBits-1)
	}
	size := len(dst) - start
	dst = c.add(append(dst, keyPosition), a, false)
	dst = c.add(dst, b, false)
	if second := len(dst) - start - size; second < size {
		copy(dst[start:], dst[start+size:])
		return dst[:start+second]
	}
	return dst[:start+size]
}

// field and setField move the small parts of a point in and out of a column.
func field(p *vigil.Point, f int) int64 {
	switch f {
	case hasDecimals:
		return int64(p.Decimals)
	case hasQuality:
		return int64(p.Quality)
	case hasVersion:
		return int64(p.Version)
	case hasConflict:
		return int64(p.Conflict)
	case hasAttribution:
		return int64(p.Attribution)
	default:
		return int64(p.KeyKind)
	}
}

func setField(p *vigil.Point, f int, x int64) {
	switch f { // #nosec G115 -- only damaged bytes hold more than fits
	case hasDecimals:
		p.Decimals = int8(x)
	case hasQuality:
		p.Quality = vigil.Quality(x)
	case hasVersion:
		p.Version = uint16(x)
	case hasConflict:
		p.Conflict = uint8(x)
	case hasAttribution:
		p.Attribution = uint8(x)
	default:
		p.KeyKind = vigil.KeyKind(x)
	}
}

// Points appends the points of a chunk to dst. Every error wraps ErrFormat.
func Points(dst []vigil.Point, b []byte) ([]vigil.Point, error) {
	var d Decoder
	return d.Points(dst, b)
}

// A Decoder reads chunks one after the other in the same room. The zero value
// is ready.
type Decoder struct{ room []int64 }

// Points appends the points of a chunk to dst. Every error wraps ErrFormat.
func (d *Decoder) Points(dst []vigil.Point, b []byte) ([]vigil.Point, error) {
	if len(b) == 0 || b[0] != pointsV1 {
		return dst, fmt.Errorf("%w of points that this program knows", ErrFormat)
	}
	n, b, err := readUvarint(b[1:])
	if err != nil {
		return dst, err
	}
	if n == 0 && len(b) == 0 {
		return dst, nil
	}
	mask, b, err := readUvarint(b)
	if err != nil {
		return dst, err
	}
	if n == 0 || n > MaxPoints || mask > hasAll || len(b) == 0 {
		return dst, fmt.Errorf("%w: %d points with mask %x", ErrFormat, n, mask)
	}
	r := reader{mask: mask, decimals: int8(b[0]), rest: b[1:]} // #nosec G115 -- the bits of an int8
	if uint64(len(d.room)) < 2*n {
		d.room = make([]int64, 2*n)
	}
	old := len(dst)
	dst = append(dst, make([]vigil.Point, n)...)
	if err := r.read(dst[old:], d.room[:n], d.room[n:2*n]); err != nil {
		return dst[:old], err
	}
	return dst, nil
}

// A reader takes one chunk apart, column by column.
type reader struct {
	mask     uint64
	decimals int8
	rest     []byte
	err      error
}

// column reads the next column into v and tells whether that went well.
func (r *reader) column(v []int64) bool {
	if r.err == nil {
		r.rest, r.err = readColumn(v, r.rest)
	}
	return r.err == nil
}

// flag reads one byte that is 0 or 1.
func (r *reader) flag() bool {
	if r.err == nil && (len(r.rest) == 0 || r.rest[0] > 1) {
		r.err = fmt.Errorf("%w: a form is missing or unknown", ErrFormat)
	}
	if r.err != nil {
		return false
	}
	f := r.rest[0] == 1
	r.rest = r.rest[1:]
	return f
}

func (r *reader) read(pts []vigil.Point, a, b []int64) error {
	r.times(pts, a, b)
	r.keys(pts, a, b)
	r.values(pts, a)
	small := vigil.Point{Decimals: r.decimals, Version: 1, KeyKind: vigil.KeyTime}
	for i := range pts {
		p := &pts[i]
		p.Decimals, p.Version, p.KeyKind = small.Decimals, small.Version, small.KeyKind
	}
	for f := hasDecimals; f <= hasKeyKind; f <<= 1 {
		if r.mask&uint64(f) != 0 && r.column(a) { // #nosec G115 -- a bit
			for i := range pts {
				setField(&pts[i], f, a[i])
			}
		}
	}
	if r.err == nil && len(r.rest) > 0 {
		r.err = fmt.Errorf("%w: %d bytes behind the last column", ErrFormat, len(r.rest))
	}
	r.dropStates(pts)
	return r.err
}

func (r *reader) times(pts []vigil.Point, a, b []int64) {
	if !r.column(a) {
		return
	}
	absolute := r.flag()
	if !r.column(b) {
		return
	}
	for i := range pts {
		taken := vigil.Instant(a[i])
		pts[i].Taken, pts[i].Stated, pts[i].Arrived = taken, taken, vigil.Instant(b[i])
		if !absolute {
			pts[i].Arrived += taken
		}
	}
	if r.mask&hasStated == 0 {
		return
	}
	absolute = r.flag()
	if !r.column(a) {
		return
	}
	for i := range pts {
		stated := vigil.Instant(a[i])
		if !absolute {
			stated += pts[i].Taken
		}
		pts[i].Stated = stated
	}
}

func (r *reader) keys(pts []vigil.Point, a, b []int64) {
	if r.mask&hasKey == 0 {
		for i := range pts {
			pts[i].Key = uint64(pts[i].Stated) // #nosec G115 -- wraps on purpose
		}
		return
	}
	if position := r.flag(); position {
		if r.column(a) && r.column(b) {
			for i := range pts {
				pts[i].Key = uint64(a[i]<<placeBits | b[i]) // #nosec G115 -- wraps on purpose
			}
		}
		return
	}
	absolute := r.flag()
	if !r.column(a) {
		return
	}
	for i := range pts {
		if !absolute {
			a[i] += int64(pts[i].Stated)
		}
		pts[i].Key = uint64(a[i]) // #nosec G115 -- wraps on purpose
	}
}
