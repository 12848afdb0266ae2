package chunk

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// blockLen is how many values share a base and a width. Positions of
// exceptions are bytes, so it cannot be more.
const blockLen = 256

// A packing says how the values of one block are written: each as an offset
// from base with width low bits and, above them, one digit to the radix. Radix
// 3 puts five digits into 8 bits, radix 5 three into 7: between powers of two
// that saves up to 0.4 bits a value. Values that do not fit are exceptions.
type packing struct {
	base       int64
	width      uint
	radix      uint // 1: no digit
	exceptions int
}

// code is the byte for width and radix: width*3 + {0,1,2} without exceptions,
// 195+width with (only up to 60 bits, only radix 1).
func (p packing) code() byte {
	if p.exceptions > 0 {
		return byte(195 + p.width) // #nosec G115 -- at most 255 by plan
	}
	return byte(p.width*3 + p.radix/2) // #nosec G115 -- radix 1, 3, 5 → 0, 1, 2; at most 194
}

// bitCost is the size of n values without exceptions.
func (p packing) bitCost(n int) int {
	c := n * int(p.width) // #nosec G115 -- at most 64
	switch p.radix {
	case 3:
		c += (n + 4) / 5 * 8
	case 5:
		c += (n + 2) / 3 * 7
	}
	return c
}

// plain covers every value from lo to hi with the cheapest width and radix.
func plain(lo, hi int64, n int) packing {
	spread := uint64(hi - lo) // #nosec G115 -- wraps on purpose
	best := packing{base: lo, width: uint(bits.Len64(spread)), radix: 1}
	for _, r := range [...]uint64{3, 5} {
		q := spread / r
		p := packing{base: lo, width: uint(bits.Len64(q)), radix: uint(r)}
		if p.width < best.width && p.bitCost(n) < best.bitCost(n) {
			best = p
		}
	}
	return best
}

// plan finds the cheapest packing of a block.
func plan(v []int64) packing {
	lo, hi := v[0], v[0]
	for _, x := range v {
		lo, hi = min(lo, x), max(hi, x)
	}
	best := plain(lo, hi, len(v))
	if best.width < 3 || len(v) < 8 {
		return best
	}
	if p, cost, ok := planPatched(v); ok && cost < best.bitCost(len(v)) {
		return p
	}
	return best
}

// planPatched looks for a packing that leaves a few far values out. Distance is
// counted from a median, so that outliers may lie on either side.
func planPatched(v []int64) (packing, int, bool) {
	mid := median(v)
	var count [65]int
	for _, x := range v {
		d := x - mid
		count[bits.Len64(uint64(d^(d>>63)))]++ // #nosec G115 -- |d|, or |d|-1
	}
	top := 64
	for top > 0 && count[top] == 0 {
		top--
	}
	bestCost, limit, out := len(v)*(top+1), top, 0
	for b := top - 1; b >= 0; b-- {
		out += count[b+1]
		if out > len(v)/4 {
			break
		}
		if c := len(v)*(b+1) + 8 + out*(8+8*((top-b)/7+1)); c < bestCost {
			bestCost, limit = c, b
		}
	}
	if limit == top || limit > 58 {
		return packing{}, 0, false
	}
	lo, hi := mid, mid
	for _, x := range v {
		d := x - mid
		if bits.Len64(uint64(d^(d>>63))) <= limit { // #nosec G115 -- as above
			lo, hi = min(lo, x), max(hi, x)
		}
	}
	p := packing{base: lo, width: uint(bits.Len64(uint64(hi - lo))), radix: 1} // #nosec G115 -- hi >= lo
	cost := 8
	for _, x := range v {
		if h := (x - lo) >> p.width; h != 0 {
			p.exceptions++
			cost += 8 + 8*((bits.Len64(uint64(h^h>>63))+7)/7) // #nosec G115 -- |h|
		}
	}
	return p, cost + p.bitCost(len(v)), p.exceptions > 0 && p.exceptions < 256
}

// median is the middle of nine values spread over the block.
func median(v []int64) int64 {
	var s [9]int64
	for i := range s {
		s[i] = v[i*(len(v)-1)/(len(s)-1)]
	}
	slices.Sort(s[:])
	return s[len(s)/2]
}

// appendBlock writes at most blockLen values: code, base, packed bits,
// exceptions.
func appendBlock(dst []byte, v []int64) []byte {
	p := plan(v)
	dst = append(dst, p.code())
	dst = binary.AppendVarint(dst, p.base)
	var low [blockLen]uint64
	for i, x := range v {
		low[i] = uint64(x - p.base) // #nosec G115 -- wraps on purpose
	}
	if p.radix > 1 {
		dst = appendDigits(dst, low[:len(v)], p)
	}
	mask := uint64(1)<<p.width - 1
	if p.width > 0 {
		for i := range v {
			low[i] &= mask
		}
		dst = pack(dst, low[:len(v)], p.width)
	}
	if p.exceptions > 0 {
		dst = appendExceptions(dst, v, p)
	}
	return dst
}

// appendDigits packs what lies above the width, several digits to a symbol.
func appendDigits(dst []byte, offsets []uint64, p packing) []byte {
	per, symbolWidth := group(p.radix)
	var symbols [blockLen]uint64
	n := 0
	for i := 0; i < len(offsets); i += per {
		s := uint64(0)
		for j := min(i+per, len(offsets)) - 1; j >= i; j-- {
			s = s*uint64(p.radix) + offsets[j]>>p.width
		}
		symbols[n] = s
		n++
	}
	return pack(dst, symbols[:n], symbolWidth)
}

// group tells how many digits make a symbol, and the symbol's bits.
func group(radix uint) (per int, width uint) {
	if radix == 3 {
		return 5, 8
	}
	return 3, 7
}

func appendExceptions(dst []byte, v []int64, p packing) []byte {
	dst = append(dst, byte(p.exceptions)) // #nosec G115 -- below 256 by plan
	for i, x := range v {
		if (x-p.base)>>p.width != 0 {
			dst = append(dst, byte(i)) // #nosec G115 -- below blockLen
		}
	}
	for _, x := range v {
		if h := (x - p.base) >> p.width; h != 0 {
			dst = binary.AppendVarint(dst, h)
		}
	}
	return dst
}

// readBlock fills v with one block and returns the bytes behind it.
func readBlock(v []int64, b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("%w: a block is missing", ErrFormat)
	}
	p := packing{radix: 1}
	code, b := uint(b[0]), b[1:]
	patched := code >= 195
	if patched {
		p.width = code - 195
	} else {
		p.width, p.radix = code/3, code%3*2+1
	}
	var err error
	if p.base, b, err = readVarint(b); err != nil {
		return nil, err
	}
	if p.radix == 1 {
		fill(v, p.base)
	} else if b, err = readDigits(v, b, p); err != nil {
		return nil, err
	}
	if b, err = unpack(v, b, p.width); err != nil {
		return nil, err
	}
	if patched {
		return readExceptions(v, b, p.width)
	}
	return b, nil
}

// readDigits sets each value to the base and what its digit stands for.
func readDigits(v []int64, b []byte, p packing) ([]byte, error) {
	per, symbolWidth := group(p.radix)
	var room [blockLen]int64
	symbols := room[:(len(v)+per-1)/per]
	b, err := unpack(symbols, b, symbolWidth)
	if err != nil {
		return nil, err
	}
	if p.radix == 3 {
		spread3(v, symbols, p.base, p.width)
	} else {
		spread5(v, symbols, p.base, p.width)
	}
	return b, nil
}

// spread3 takes symbols of five digits to the radix 3 apart. Dividing by numbers
// that the compiler knows, none waiting for another, is many times faster than a
// loop.
func spread3(v, symbols []int64, base int64, width uint) {
	digits := func(s int64) [5]int64 {
		x := uint32(s) // #nosec G115 -- 8 bits
		q1, q2, q3, q4 := x/3, x/9, x/27, x/81
		return [5]int64{
			base + int64(x-3*q1)<<width, base + int64(q1-3*q2)<<width, base + int64(q2-3*q3)<<width,
			base + int64(q3-3*q4)<<width, base + int64(q4%3)<<width,
		}
	}
	for len(v) >= 5 {
		*(*[5]int64)(v) = digits(symbols[0])
		v, symbols = v[5:], symbols[1:]
	}
	if len(v) > 0 {
		d := digits(symbols[0])
		copy(v, d[:])
	}
}

// spread5 takes symbols of three digits to the radix 5 apart.
func spread5(v, symbols []int64, base int64, width uint) {
	for _, s := range symbols {
		x := uint32(s) // #nosec G115 -- 7 bits
		part := v[:min(3, len(v))]
		for j := range part {
			part[j] = base + int64(x%5)<<width
			x /= 5
		}
		v = v[len(part):]
	}
}

func readExceptions(v []int64, b []byte, width uint) ([]byte, error) {
	if len(b) == 0 || len(b) <= int(b[0]) {
		return nil, fmt.Errorf("%w: exceptions are missing", ErrFormat)
	}
	at, b := b[1:1+int(b[0])], b[1+int(b[0]):]
	for _, i := range at {
		h, rest, err := readVarint(b)
		if err != nil {
			return nil, err
		}
		if int(i) >= len(v) {
			return nil, fmt.Errorf("%w: exception %d in a block of %d", ErrFormat, i, len(v))
		}
		v[i] += h << width
		b = rest
	}
	return b, nil
}

// pack writes the low width bits of each value, which has no others set.
func pack(dst []byte, v []uint64, width uint) []byte {
	var acc uint64
	var n uint
	for _, x := range v {
		acc |= x << n
		n += width
		if n >= 64 {
			dst = binary.LittleEndian.AppendUint64(dst, acc)
			n -= 64
			acc = x >> (width - n)
		}
	}
	for ; n > 0; n -= min(n, 8) {
		dst = append(dst, byte(acc))
		acc >>= 8
	}
	return dst
}

// unpack adds width bits to each value and returns the bytes behind.
func unpack(v []int64, b []byte, width uint) ([]byte, error) {
	if width == 0 {
		return b, nil
	}
	size := (len(v)*int(width) + 7) / 8 // #nosec G115 -- at most 256*64
	if len(b) < size {
		return nil, fmt.Errorf("%w: %d bytes of packed values, %d are needed", ErrFormat, len(b), size)
	}
	if width > narrow {
		unpackWide(v, b[:size], width)
		return b[size:], nil
	}
	mask := uint64(1)<<width - 1
	bit, i := uint(0), 0
	for ; i < len(v); i++ {
		at := bit / 8
		if at+8 > uint(len(b)) {
			break
		}
		v[i] += int64(binary.LittleEndian.Uint64(b[at:]) >> (bit % 8) & mask) // #nosec G115 -- wraps on purpose
		bit += width
	}
	if i < len(v) {
		// Too near the end of the chunk for a word: the last bytes, with zeros
		// behind them.
		first := bit / 8
		var last [16]byte
		copy(last[:], b[first:])
		for bit -= first * 8; i < len(v); i++ {
			v[i] += int64(binary.LittleEndian.Uint64(last[bit/8:]) >> (bit % 8) & mask) // #nosec G115 -- as above
			bit += width
		}
	}
	return b[size:], nil
}

// narrow is how wide values can be for one word to hold all bits of one,
// wherever in a byte it begins.
const narrow = 57

// unpackWide is unpack for values that may lie across two words.
func unpackWide(v []int64, in []byte, width uint) {
	mask := ^uint64(0) >> (64 - width)
	var acc uint64
	var n uint
	for i := range v {
		x := acc
		if n >= width {
			acc >>= width
			n -= width
		} else {
			var word uint64
			have := uint(64)
			if len(in) >= 8 {
				word = binary.LittleEndian.Uint64(in)
				in = in[8:]
			} else {
				have = uint(len(in)) * 8
				for j, c := range in {
					word |= uint64(c) << (8 * j)
				}
				in = nil
			}
			x |= word << n
			acc = word >> (width - n)
			n += have - width
		}
		v[i] += int64(x & mask) // #nosec G115 -- wraps on purpose
	}
}

func readVarint(b []byte) (int64, []byte, error) {
	x, n := binary.Varint(b)
	if n <= 0 {
		return 0, nil, fmt.Errorf("%w: a number is cut off", ErrFormat)
	}
	return x, b[n:], nil
}

func readUvarint(b []byte) (uint64, []byte, error) {
	x, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, fmt.Errorf("%w: a number is cut off", ErrFormat)
	}
	return x, b[n:], nil
}
