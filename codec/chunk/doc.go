// Package chunk is the form in which a run of one series' points, or a run of a
// wave's blocks, is kept: columns of integers, each with the cheapest of a few
// encodings, behind a version byte. It is pure and exact: what comes back is
// what went in, bit for bit.
//
// How a column is made small, in this order: a column that says nothing new
// (the device's time equals the settled time, version 1, good quality) takes no
// byte; what all values have in common (first value, greatest common divisor)
// is taken out, so that a clock that counts milliseconds does not pay for
// microseconds; then the values themselves, their differences, their distance
// from a steady cadence, or their runs are bit-packed in blocks with patched
// exceptions, whichever is shortest.
package chunk

import "errors"

// Limits of one chunk. More is a mistake of the caller on the way in, and
// ErrFormat on the way out, so that hostile bytes cannot ask for the memory.
const (
	MaxPoints  = 1 << 20 // points in a chunk
	MaxBlocks  = 1 << 16 // wave blocks in a chunk
	MaxSamples = 1 << 22 // samples in all blocks of a chunk
)

// ErrFormat is what the error of every decoder wraps: the bytes were not
// written by this package, or they are damaged.
var ErrFormat = errors.New("not a chunk")

// The first byte of a chunk. Old values stay readable for ever.
const (
	pointsV1 = 0x01
	wavesV1  = 0x41
)
