package chunk

import (
	"encoding/binary"
	"fmt"
	"math"
)

// How a column is written, in the low bits of its first byte.
const (
	modeConst = iota // one value
	modeRaw          // the values
	modeDelta        // differences from the value before
	modeTrend        // distances from a steady cadence
	modeRuns         // value, how often
	modeMask  = 0x07
	// modeScaled: a common divisor follows the first value.
	modeScaled = 0x08
)

// A columns writes columns; it holds what they share: room to work in.
type columns struct {
	rel, work []int64
	jumps     []jump
}

// newColumns returns columns of n values that work in room for 2*n.
func newColumns(n int, room []int64) columns {
	return columns{rel: room[:n:n], work: room[n : 2*n : 2*n]}
}

// add writes a column of at least one value in its shortest form; trending
// columns also try a steady cadence.
func (c *columns) add(dst []byte, v []int64, trending bool) []byte {
	changes := 0
	for i := 1; i < len(v); i++ {
		if v[i] != v[i-1] {
			changes++
		}
	}
	if changes == 0 {
		return binary.AppendVarint(append(dst, modeConst), v[0])
	}
	if changes < len(v)/24 {
		return appendRuns(dst, v, changes+1)
	}
	start := len(dst)
	scale, scaled := c.reduce(v), byte(0)
	if scale > 1 {
		scaled = modeScaled
	}
	head := func(mode byte) {
		dst = binary.AppendVarint(append(dst, mode|scaled), v[0])
		if scale > 1 {
			dst = binary.AppendUvarint(dst, scale)
		}
	}
	head(modeDelta)
	rel, work := c.rel[:len(v)], c.work[:len(v)]
	for i := 1; i < len(rel); i++ {
		work[i] = rel[i] - rel[i-1]
	}
	dst = appendBlocks(dst, work[1:])
	size := len(dst) - start
	if !trending {
		head(modeRaw)
		dst = appendBlocks(dst, rel)
	} else if t, ok := findTrend(rel, work, c.jumps); ok {
		head(modeTrend)
		dst = t.append(dst, rel, work)
	}
	if second := len(dst) - start - size; second > 0 && second < size {
		copy(dst[start:], dst[start+size:])
		return dst[:start+second]
	}
	return dst[:start+size]
}

// shorter writes the column both ways and keeps the shorter, behind a byte
// that says which: 0 for the first, 1 for the second.
func (c *columns) shorter(dst []byte, first, second []int64, trending bool) []byte {
	start := len(dst)
	dst = c.add(append(dst, 0), first, false)
	size := len(dst) - start
	if size <= 4 {
		return dst
	}
	dst = c.add(append(dst, 1), second, trending)
	if other := len(dst) - start - size; other < size {
		copy(dst[start:], dst[start+size:])
		return dst[:start+other]
	}
	return dst[:start+size]
}

// reduce fills rel with the distances from the first value, divided by their
// greatest common divisor, and returns the divisor.
func (c *columns) reduce(v []int64) uint64 {
	rel := c.rel[:len(v)]
	var g, wide uint64
	for i, x := range v {
		d := x - v[0]
		rel[i] = d
		m := uint64((d ^ d>>63) - d>>63) // #nosec G115 -- |d|
		wide |= m
		if g != 1 {
			g = gcd(m, g)
		}
	}
	if g <= 1 || wide > math.MaxInt64/2 {
		return 1
	}
	step := int64(g) // #nosec G115 -- at most wide
	for i := range rel {
		rel[i] /= step
	}
	return g
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func appendBlocks(dst []byte, v []int64) []byte {
	for len(v) > 0 {
		n := min(len(v), blockLen)
		dst = appendBlock(dst, v[:n])
		v = v[n:]
	}
	return dst
}

func readBlocks(v []int64, b []byte) ([]byte, error) {
	for len(v) > 0 {
		n := min(len(v), blockLen)
		rest, err := readBlock(v[:n], b)
		if err != nil {
			return nil, err
		}
		v, b = v[n:], rest
	}
	return b, nil
}

func appendRuns(dst []byte, v []int64, runs int) []byte {
	dst = binary.AppendVarint(append(dst, modeRuns), v[0])
	dst = binary.AppendUvarint(dst, uint64(runs)) // #nosec G115 -- a count
	start := 0
	for i := 1; i < len(v); i++ {
		if v[i] != v[i-1] {
			dst = binary.AppendUvarint(dst, uint64(i-start)) // #nosec G115 -- a length
			dst = binary.AppendVarint(dst, v[i]-v[i-1])
			start = i
		}
	}
	return dst
}

func readRuns(v []int64, b []byte, value int64) ([]byte, error) {
	runs, b, err := readUvarint(b)
	if err != nil {
		return nil, err
	}
	if runs == 0 || runs > uint64(len(v)) {
		return nil, fmt.Errorf("%w: %d runs in a column of %d", ErrFormat, runs, len(v))
	}
	for ; runs > 1; runs-- {
		var length uint64
		var step int64
		if length, b, err = readUvarint(b); err != nil {
			return nil, err
		}
		if step, b, err = readVarint(b); err != nil {
			return nil, err
		}
		if length >= uint64(len(v)) {
			return nil, fmt.Errorf("%w: runs are longer than the column", ErrFormat)
		}
		fill(v[:length], value)
		v = v[length:]
		value += step
	}
	fill(v, value)
	return b, nil
}

func fill(v []int64, x int64) {
	for i := range v {
		v[i] = x
	}
}

// readColumn fills v with a column and returns the bytes behind it.
func readColumn(v []int64, b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("%w: a column is missing", ErrFormat)
	}
	mode := b[0]
	first, b, err := readVarint(b[1:])
	if err != nil {
		return nil, err
	}
	scale := uint64(1)
	if mode&modeScaled != 0 {
		if scale, b, err = readUvarint(b); err != nil {
			return nil, err
		}
	}
	switch mode &^ modeScaled {
	case modeConst:
		fill(v, first)
		return b, nil
	case modeRuns:
		return readRuns(v, b, first)
	case modeRaw:
		b, err = readBlocks(v, b)
	case modeDelta:
		v[0] = 0
		if b, err = readBlocks(v[1:], b); err == nil {
			for i := 1; i < len(v); i++ {
				v[i] += v[i-1]
			}
		}
	case modeTrend:
		b, err = readTrend(v, b)
	default:
		return nil, fmt.Errorf("%w: column mode %d", ErrFormat, mode)
	}
	if err != nil {
		return nil, err
	}
	if step := int64(scale); step != 1 { // #nosec G115 -- wraps on purpose
		for i := range v {
			v[i] = first + v[i]*step
		}
		return b, nil
	}
	for i := range v {
		v[i] += first
	}
	return b, nil
}
