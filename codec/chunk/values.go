package chunk

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/vigil-iomt/vigil"
)

// The flags of the value column's first byte. The high bits are the decimals
// that the integers are scaled by.
const (
	valueRaw    = 1 << 0 // the bits of the numbers
	valueStates = 1 << 1 // where a State explains the missing value, it is 0 and not written
	valueFar    = 1 << 2 // some numbers that are no such decimals follow
	valueShift  = 3
)

// maxDecimals is the most that values are scaled by: 10^15 is below 2^53, so
// that a scaled integer and its divisor are both exact numbers.
const maxDecimals = 15

// powers of ten, exact.
func power(decimals int) float64 {
	p := 1.0
	for range decimals {
		p *= 10
	}
	return p
}

// scaleOf returns the integer n for which n divided by p is v, bit for bit.
func scaleOf(v, p float64) (int64, bool) {
	// Adding and taking away 1.5*2^52 rounds to the nearest integer.
	const magic = 3 << 51
	n := v*p + magic - magic
	if inside := n <= 1<<51 && n >= -1<<51; !inside { // not a number is not inside
		return 0, false
	}
	return int64(n), math.Float64bits(n/p) == math.Float64bits(v)
}

// appendValues writes the values as integers at the chunk's decimals where
// that gives every bit back, as raw numbers otherwise.
func appendValues(dst []byte, pts []vigil.Point, decimals int8, c *columns, v []int64) []byte {
	flags := 0
	if statesAreZero(pts) {
		flags = valueStates
	}
	d, ok := fitDecimals(pts, int(decimals))
	if !ok {
		return appendRaw(dst, pts, flags, c, v)
	}
	p := power(d)
	var far []int
	last := int64(0)
	for i := range pts {
		if flags != 0 && pts[i].Quality.State() != vigil.NoState {
			v[i] = last
			continue
		}
		n, exact := scaleOf(pts[i].Value, p)
		if !exact {
			if far = append(far, i); len(far) > len(pts)/8+1 {
				return appendRaw(dst, pts, flags, c, v)
			}
			n = last
		}
		v[i], last = n, n
	}
	if len(far) > 0 {
		flags |= valueFar
	}
	dst = append(dst, byte(flags|d<<valueShift)) // #nosec G115 -- 3 bits and at most 15
	dst = c.add(dst, v, false)
	if len(far) > 0 {
		dst = appendFar(dst, pts, far)
	}
	return dst
}

// statesAreZero tells whether some points have a State and all of those have
// the value 0, as vigil.Reading promises.
func statesAreZero(pts []vigil.Point) bool {
	some := false
	for i := range pts {
		if pts[i].Quality.State() != vigil.NoState {
			some = true
			if math.Float64bits(pts[i].Value) != 0 {
				return false
			}
		}
	}
	return some
}

// fitDecimals finds the decimals at which a sample of the values is exact:
// those that the device meant, or more after a conversion of units.
func fitDecimals(pts []vigil.Point, meant int) (int, bool) {
	meant = max(meant, 0)
	for d := meant; d <= max(meant, 6) && d <= maxDecimals; d++ {
		p, bad := power(d), 0
		for i := 0; i < len(pts); i += max(1, len(pts)/16) {
			if _, exact := scaleOf(pts[i].Value, p); !exact {
				bad++
			}
		}
		if bad <= 2 && (bad == 0 || len(pts) > 16) {
			return d, true
		}
	}
	return 0, false
}

func appendRaw(dst []byte, pts []vigil.Point, flags int, c *columns, v []int64) []byte {
	last := int64(0)
	for i := range pts {
		if flags&valueStates == 0 || pts[i].Quality.State() == vigil.NoState {
			last = int64(math.Float64bits(pts[i].Value)) // #nosec G115 -- the bits
		}
		v[i] = last
	}
	return c.add(append(dst, byte(flags|valueRaw)), v, false) // #nosec G115 -- 3 bits
}

func appendFar(dst []byte, pts []vigil.Point, far []int) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(far)))
	last := 0
	for _, i := range far {
		dst = binary.AppendUvarint(dst, uint64(i-last)) // #nosec G115 -- ascending
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(pts[i].Value))
		last = i
	}
	return dst
}

// statesPending remembers, in the mask of a reader, that values of points with
// a State are to be zeroed once the qualities are known.
const statesPending = 1 << 63

func (r *reader) values(pts []vigil.Point, v []int64) {
	if r.err != nil {
		return
	}
	if len(r.rest) == 0 || r.rest[0]>>valueShift > maxDecimals {
		r.err = fmt.Errorf("%w: the values are missing or of an unknown form", ErrFormat)
		return
	}
	flags := r.rest[0]
	r.rest = r.rest[1:]
	if !r.column(v) {
		return
	}
	if flags&valueStates != 0 {
		r.mask |= statesPending
	}
	if flags&valueRaw != 0 {
		for i := range pts {
			pts[i].Value = math.Float64frombits(uint64(v[i])) // #nosec G115 -- the bits
		}
		return
	}
	p := power(int(flags >> valueShift))
	for i := range pts {
		pts[i].Value = float64(v[i]) / p
	}
	if flags&valueFar != 0 {
		r.far(pts)
	}
}

func (r *reader) far(pts []vigil.Point) {
	n, b, err := readUvarint(r.rest)
	at := uint64(0)
	for ; err == nil && n > 0; n-- {
		var gap uint64
		if gap, b, err = readUvarint(b); err != nil {
			break
		}
		if at += gap; gap >= uint64(len(pts)) || at >= uint64(len(pts)) || len(b) < 8 {
			err = fmt.Errorf("%w: a value outside the column", ErrFormat)
			break
		}
		pts[at].Value = math.Float64frombits(binary.LittleEndian.Uint64(b))
		b = b[8:]
	}
	r.rest, r.err = b, err
}

// dropStates zeroes what was only filled in to keep the column smooth.
func (r *reader) dropStates(pts []vigil.Point) {
	if r.mask&statesPending == 0 {
		return
	}
	for i := range pts {
		if pts[i].Quality.State() != vigil.NoState {
			pts[i].Value = 0
		}
	}
}
