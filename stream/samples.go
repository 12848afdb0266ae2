package stream

import (
	"encoding/binary"
	"math/bits"

	"github.com/vigil-iomt/vigil"
)

// sampleBlock is how many differences share one bit width.
const sampleBlock = 64

// samplesMax is how many samples one record may hold: 48 minutes at 360 Hz. It
// bounds what a few damaged bytes can make the decoder allocate.
const samplesMax = 1 << 20

// appendSamples appends their number, the runs of missing ones, and the
// differences of the others, packed in blocks with just as many bits as the
// largest of a block needs.
func appendSamples(dst []byte, samples []int32) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(samples)))
	if len(samples) == 0 {
		return dst
	}
	dst = appendMissing(dst, samples)
	var block [sampleBlock]uint32
	n, prev := 0, int32(0)
	for _, s := range samples {
		if s == vigil.Missing {
			continue
		}
		d := s - prev
		prev = s
		block[n] = uint32(d<<1) ^ uint32(d>>31) // #nosec G115 -- zigzag
		if n++; n == sampleBlock {
			dst = appendPacked(dst, block[:])
			n = 0
		}
	}
	return appendPacked(dst, block[:n])
}

// appendMissing appends how many runs of missing samples there are, and for
// each how many samples stand before it and how long it is.
func appendMissing(dst []byte, samples []int32) []byte {
	runs := 0
	for i, s := range samples {
		if s == vigil.Missing && (i == 0 || samples[i-1] != vigil.Missing) {
			runs++
		}
	}
	dst = binary.AppendUvarint(dst, uint64(runs)) // #nosec G115 -- a count
	if runs == 0 {
		return dst
	}
	for i := 0; i < len(samples); {
		from := i
		for i < len(samples) && samples[i] != vigil.Missing {
			i++
		}
		hole := i
		for i < len(samples) && samples[i] == vigil.Missing {
			i++
		}
		if i > hole {
			dst = binary.AppendUvarint(dst, uint64(hole-from)) // #nosec G115 -- counts
			dst = binary.AppendUvarint(dst, uint64(i-hole))    // #nosec G115 -- counts
		}
	}
	return dst
}

// appendPacked appends a bit width and the values, lowest bits first.
func appendPacked(dst []byte, block []uint32) []byte {
	if len(block) == 0 {
		return dst
	}
	all := uint32(0)
	for _, v := range block {
		all |= v
	}
	width := bits.Len32(all)
	dst = append(dst, byte(width)) // #nosec G115 -- at most 32
	acc, have := uint64(0), 0
	for _, v := range block {
		acc |= uint64(v) << have
		for have += width; have >= 32; have -= 32 {
			dst = binary.LittleEndian.AppendUint32(dst, uint32(acc)) // #nosec G115 -- the low half
			acc >>= 32
		}
	}
	for ; have > 0; have -= 8 {
		dst = append(dst, byte(acc)) // #nosec G115 -- the low byte
		acc >>= 8
	}
	return dst
}

// readSamples reads what appendSamples wrote. *budget is how many samples may
// still be read from this frame.
func readSamples(r *reader, budget *int) []int32 {
	n := r.uvarint()
	if n > uint64(max(0, min(*budget, samplesMax))) {
		r.fail()
		return nil
	}
	if n == 0 {
		return nil
	}
	*budget -= int(n) // #nosec G115 -- bounded above
	samples := make([]int32, n)
	missing := readMissing(r, samples)
	if r.bad {
		return nil
	}
	left, i, prev := len(samples)-missing, 0, int32(0)
	for left > 0 && !r.bad {
		k := min(left, sampleBlock)
		i, prev = readPacked(r, samples, i, k, prev)
		left -= k
	}
	if r.bad {
		return nil
	}
	return samples
}

// readMissing marks the missing samples and returns how many there are.
func readMissing(r *reader, samples []int32) int {
	at, total := uint64(0), uint64(0)
	for runs := r.uvarint(); runs > 0 && !r.bad; runs-- {
		before, long := r.uvarint(), r.uvarint()
		left := uint64(len(samples)) - at
		if before > left || long > left-before || long == 0 {
			r.fail()
			return 0
		}
		at += before
		for range long {
			samples[at] = vigil.Missing
			at++
		}
		total += long
	}
	return int(total) // #nosec G115 -- at most len(samples)
}

// readPacked reads one block of k differences into the samples from i on that
// are not missing.
func readPacked(r *reader, samples []int32, i, k int, prev int32) (int, int32) {
	width := int(r.byte())
	if width > 32 {
		r.fail()
		return i, prev
	}
	b := r.take(uint64((k*width + 7) / 8)) // #nosec G115 -- small
	if r.bad {
		return i, prev
	}
	mask := uint64(1)<<width - 1
	acc, have := uint64(0), 0
	for ; k > 0; k-- {
		for have < width {
			acc |= uint64(b[0]) << have
			b = b[1:]
			have += 8
		}
		v := uint32(acc & mask) // #nosec G115 -- masked
		acc >>= width
		have -= width
		for samples[i] == vigil.Missing {
			i++
		}
		prev += int32(v>>1) ^ -int32(v&1) // #nosec G115 -- zigzag
		samples[i] = prev
		i++
	}
	return i, prev
}
