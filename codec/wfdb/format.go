package wfdb

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// A format unpacks one kind of signal file: a group of bytes holds several
// samples.
type format struct {
	bytes   int // bytes of one group
	samples int // samples of one group
	// unpack writes the samples of one group.
	unpack func(dst *[3]int32, b []byte)
	// short tells how many samples of a last group of n bytes are whole.
	short func(n int) int
	// invalid is the sample that means "none"; none if the format has no
	// such value.
	invalid int32
}

// none is no format's invalid sample.
const none = math.MaxInt32

// formatOf returns how a format is unpacked (signal(5)). The FLAC formats 508,
// 516 and 524 are refused by name.
func formatOf(number int) (*format, error) {
	whole := func(int) int { return 0 }
	switch number {
	case 8:
		return &format{1, 1, func(d *[3]int32, b []byte) { d[0] = int32(int8(b[0])) }, whole, none}, nil
	case 16:
		return &format{2, 1, func(d *[3]int32, b []byte) { d[0] = signed16(binary.LittleEndian.Uint16(b)) }, whole, math.MinInt16}, nil
	case 24:
		return &format{3, 1, func(d *[3]int32, b []byte) {
			d[0] = int32(uint32(b[0])<<8|uint32(b[1])<<16|uint32(b[2])<<24) >> 8 // #nosec G115 -- two's complement
		}, whole, -1 << 23}, nil
	case 32:
		return &format{4, 1, func(d *[3]int32, b []byte) {
			d[0] = int32(binary.LittleEndian.Uint32(b)) // #nosec G115 -- two's complement
		}, whole, math.MinInt32}, nil
	case 61:
		return &format{2, 1, func(d *[3]int32, b []byte) { d[0] = signed16(binary.BigEndian.Uint16(b)) }, whole, math.MinInt16}, nil
	case 80:
		return &format{1, 1, func(d *[3]int32, b []byte) { d[0] = int32(b[0]) - 128 }, whole, -128}, nil
	case 160:
		return &format{2, 1, func(d *[3]int32, b []byte) { d[0] = int32(binary.LittleEndian.Uint16(b)) - 32768 }, whole, math.MinInt16}, nil
	case 212:
		return &format{3, 2, unpack212, func(n int) int { return n / 2 }, -1 << 11}, nil
	case 310:
		return &format{4, 3, unpack310, func(n int) int { return n / 2 }, -1 << 9}, nil
	case 311:
		return &format{4, 3, unpack311, func(n int) int { return n / 2 }, -1 << 9}, nil
	case 508, 516, 524:
		return nil, fmt.Errorf("signal format %d (FLAC) is not supported; convert the record with xform or wfdb2mat to format 16", number)
	}
	return nil, fmt.Errorf("signal format %d is not known", number)
}

func signed16(v uint16) int32 { return int32(int16(v)) } // #nosec G115 -- two's complement

func signed(v uint32, bits uint) int32 {
	return int32(v<<(32-bits)) >> (32 - bits) // #nosec G115 -- two's complement
}

// unpack212: two 12-bit samples in three bytes; the middle byte holds the high
// four bits of both.
func unpack212(d *[3]int32, b []byte) {
	d[0] = signed(uint32(b[0])|uint32(b[1]&0x0f)<<8, 12)
	d[1] = signed(uint32(b[2])|uint32(b[1]&0xf0)<<4, 12)
}

// unpack310: three 10-bit samples in two 16-bit words; the third lies in the
// high five bits of both words.
func unpack310(d *[3]int32, b []byte) {
	lo, hi := uint32(binary.LittleEndian.Uint16(b)), uint32(binary.LittleEndian.Uint16(b[2:]))
	d[0] = signed(lo>>1, 10)
	d[1] = signed(hi>>1, 10)
	d[2] = signed(lo>>11|hi>>11<<5, 10)
}

// unpack311: three 10-bit samples in 32 bits, the first in the lowest bits.
func unpack311(d *[3]int32, b []byte) {
	w := binary.LittleEndian.Uint32(b)
	d[0] = signed(w, 10)
	d[1] = signed(w>>10, 10)
	d[2] = signed(w>>20, 10)
}

// A stream gives the samples of one signal file, one after the other.
type stream struct {
	f    *format
	r    *bufio.Reader
	have [3]int32
	n, i int // samples in have, and how many of them were given
}

// next returns the next sample, or io.EOF at the end of the file.
func (s *stream) next() (int32, error) {
	if s.i < s.n {
		s.i++
		return s.have[s.i-1], nil
	}
	var b [4]byte
	n, err := io.ReadFull(s.r, b[:s.f.bytes])
	s.n, s.i = s.f.samples, 0
	if errors.Is(err, io.ErrUnexpectedEOF) {
		if s.n = s.f.short(n); s.n > 0 {
			err = nil
		} else {
			err = io.EOF
		}
	}
	if err != nil {
		s.n = 0
		return 0, err
	}
	s.f.unpack(&s.have, b[:])
	s.i = 1
	return s.have[0], nil
}
