package live

import (
	"encoding/binary"
	"math"

	"github.com/vigil-iomt/vigil"
)

// The binary form of a wave block: a header of 32 bytes, then 16-bit samples,
// then zeros up to a multiple of 8, all little-endian.
//
//	 0 u8  version = 1
//	 1 u8  kind: 1 samples, 2 gap
//	 2 u16 channel
//	 4 u32 sequence within the channel, one more for each block
//	 8 f64 time of the first sample, ms since 1970; of a gap: its beginning
//	16 u32 samples per 1000 s (mHz)
//	20 u16 number of samples
//	22 u16 zero
//	24 f32 gain
//	28 f32 offset
const (
	blockVersion = 1
	kindSamples  = 1
	kindGap      = 2
	headerSize   = 32

	maxSamples    = math.MaxUint16
	missingSample = math.MinInt16
	maxSample     = math.MaxInt16
)

// A block is a run of samples in binary form, without channel and sequence,
// which each connection counts for itself.
type block struct {
	bytes []byte
	// gap is the same for a gap in front of the samples, nil when they follow
	// the block before.
	gap []byte
}

// blocks turns a wave into its binary form. gapFrom is where the samples before
// ended when these do not follow them, 0 otherwise.
func blocks(w *vigil.Wave, gapFrom vigil.Instant) []block {
	gain, offset, mid, div := scale(w)
	out := make([]block, 0, 1+len(w.Samples)/maxSamples)
	for from := 0; from < len(w.Samples); from += maxSamples {
		samples := w.Samples[from:min(from+maxSamples, len(w.Samples))]
		start := w.Start + vigil.Instant(int64(from)*1_000_000*w.Metric.RateDen/w.Metric.RateNum)
		b := header(make([]byte, 0, headerSize+2*len(samples)+6), w.Metric, kindSamples, start, len(samples), gain, offset)
		for _, s := range samples {
			b = binary.LittleEndian.AppendUint16(b, uint16(sample(s, mid, div))) // #nosec G115 -- two's complement on the wire
		}
		for len(b)%8 != 0 {
			b = append(b, 0)
		}
		out = append(out, block{bytes: b})
	}
	if gapFrom != 0 && len(out) > 0 {
		out[0].gap = header(nil, w.Metric, kindGap, gapFrom, 0, gain, offset)
	}
	return out
}

// header appends a block header with channel and sequence 0.
func header(b []byte, m *vigil.Metric, kind byte, start vigil.Instant, n int, gain, offset float64) []byte {
	le := binary.LittleEndian
	b = append(b, blockVersion, kind, 0, 0, 0, 0, 0, 0)
	b = le.AppendUint64(b, math.Float64bits(float64(start)/1000))
	b = le.AppendUint32(b, milliHertz(m))
	b = le.AppendUint16(b, uint16(n)) // #nosec G115 -- at most maxSamples
	b = le.AppendUint16(b, 0)
	b = le.AppendUint32(b, math.Float32bits(float32(gain)))
	return le.AppendUint32(b, math.Float32bits(float32(offset)))
}

// milliHertz returns the sampling rate in thousandths of a hertz.
func milliHertz(m *vigil.Metric) uint32 {
	return uint32(min(max((m.RateNum*1000+m.RateDen/2)/m.RateDen, 0), math.MaxUint32)) // #nosec G115 -- bounded
}

// scale returns the gain and offset on the wire, and what is taken off a sample
// and what it is divided by to fit into 16 bits: nothing and 1 where it does.
func scale(w *vigil.Wave) (gain, offset float64, mid, div int64) {
	lo, hi := int64(0), int64(0)
	first := true
	for _, s := range w.Samples {
		switch v := int64(s); {
		case s == vigil.Missing:
		case first:
			lo, hi, first = v, v, false
		default:
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	if lo >= -maxSample && hi <= maxSample {
		return w.Gain, w.Offset, 0, 1
	}
	mid = lo + (hi-lo)/2
	div = max((max(hi-mid, mid-lo)+maxSample-1)/maxSample, 1)
	return w.Gain * float64(div), w.Offset + w.Gain*float64(mid), mid, div
}

// sample returns a sample as it goes on the wire, rounded to the nearest step.
func sample(s int32, mid, div int64) int16 {
	if s == vigil.Missing {
		return missingSample
	}
	v := int64(s) - mid
	if div > 1 {
		v = int64(math.Round(float64(v) / float64(div)))
	}
	return int16(v) // #nosec G115 -- scaled to fit
}

// appendBlock appends a block's binary form with channel and sequence filled in.
func appendBlock(dst, b []byte, channel uint16, seq uint32) []byte {
	at := len(dst)
	dst = append(dst, b...)
	binary.LittleEndian.PutUint16(dst[at+2:], channel)
	binary.LittleEndian.PutUint32(dst[at+4:], seq)
	return dst
}
