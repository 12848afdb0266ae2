package devices

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/jsonbody"
)

// maxRate is the fastest sampling that is read, per second.
const maxRate = 1e6

// maxRates is how many rates one wave of one profile may have had.
const maxRates = 64

// wave reads a block of samples.
func (x *decoding) wave(w *wave, s vigil.State) {
	ref := x.find(w.path)
	kind := x.doc.Kind(ref)
	if kind == jsonbody.Missing {
		return
	}
	x.found = true
	if kind == jsonbody.Null || kind == jsonbody.Array && x.doc.First(ref) == jsonbody.None {
		return
	}
	out := vigil.Wave{Metric: w.rates.base, Gain: w.gain, Offset: w.offset}
	if s != vigil.NoState {
		out.Quality = out.Quality.With(s)
	}
	ok := x.scaled(w, &out)
	if ok && w.rate != nil {
		out.Metric, ok = x.rate(w)
	}
	if !ok {
		return
	}
	if out.Samples, ok = x.samples(w, ref, &out); !ok {
		return
	}
	if out.Stated, out.KeyKind, out.Key, ok = x.stamp(w.time); ok {
		x.out.Waves = append(x.out.Waves, out)
	}
}

// scaled reads gain and offset where the message says them.
func (x *decoding) scaled(w *wave, out *vigil.Wave) bool {
	for _, f := range [...]struct {
		path *jsonbody.Path
		to   *float64
	}{{w.gainAt, &out.Gain}, {w.offsetAt, &out.Offset}} {
		if f.path == nil {
			continue
		}
		ref := x.find(f.path)
		if !present(x.doc.Kind(ref)) {
			continue
		}
		v, _, ok := x.doc.Number(ref)
		if !ok || f.to == &out.Gain && v == 0 {
			x.refuse(f.path, "not a number")
			return false
		}
		*f.to = v
	}
	return true
}

// rate reads the rate from the message and finds the metric for it.
func (x *decoding) rate(w *wave) (*vigil.Metric, bool) {
	ref := x.find(w.rate)
	if !present(x.doc.Kind(ref)) {
		x.refuse(w.rate, "missing")
		return nil, false
	}
	text := x.doc.Raw(ref)
	if s, ok := x.doc.Str(ref); ok {
		text = s
	}
	num, den, ok := parseRate(string(text))
	if !ok {
		x.refuse(w.rate, "not a rate")
		return nil, false
	}
	m := w.rates.at(num, den)
	if m == nil {
		x.refuse(w.rate, "more rates than one wave can have")
	}
	return m, m != nil
}

// at returns the metric for a rate, or nil when there were too many.
func (r *waveRates) at(num, den int64) *vigil.Metric {
	k := [2]int64{num, den}
	r.mu.RLock()
	m := r.by[k]
	r.mu.RUnlock()
	if m != nil {
		return m
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if m = r.by[k]; m == nil && len(r.by) < maxRates {
		c := *r.base
		c.RateNum, c.RateDen = num, den
		m = &c
		r.by[k] = m
	}
	return m
}

// parseRate reads samples per second as a fraction: 250, 62.5, 1000/3.
func parseRate(text string) (num, den int64, ok bool) {
	numerator, denominator := text, "1"
	for i := range len(text) {
		if text[i] == '/' {
			numerator, denominator = text[:i], text[i+1:]
		}
	}
	v, decimals, ok := jsonbody.ParseNumber([]byte(numerator))
	d, err := strconv.ParseInt(denominator, 10, 64)
	if !ok || err != nil || v <= 0 || v > maxRate || d < 1 || d > 1_000_000 || decimals > 6 {
		return 0, 0, false
	}
	scale := int64(powers[decimals])
	num, den = int64(math.Round(v*float64(scale))), d*scale
	a, b := num, den
	for b != 0 {
		a, b = b, a%b
	}
	return num / a, den / a, num > 0
}

// samples reads the samples: a list of numbers and nulls, or 16-bit little-endian
// integers in base64.
func (x *decoding) samples(w *wave, ref jsonbody.Ref, out *vigil.Wave) ([]int32, bool) {
	if text, ok := x.doc.Str(ref); ok {
		raw := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
		n, err := base64.StdEncoding.Decode(raw, text)
		if err != nil || n == 0 || n%2 != 0 {
			x.refuse(w.path, "neither a list of samples nor 16-bit samples in base64")
			return nil, false
		}
		samples := make([]int32, n/2)
		for i := range samples {
			samples[i] = int32(int16(binary.LittleEndian.Uint16(raw[2*i:]))) // #nosec G115 -- the bits are the number
		}
		return samples, true
	}
	if x.doc.Kind(ref) != jsonbody.Array {
		x.refuse(w.path, "not a list of samples")
		return nil, false
	}
	samples := make([]int32, 0, x.doc.Len(ref))
	for c := x.doc.First(ref); c != jsonbody.None; c = x.doc.After(ref, c) {
		v, reason := x.sample(w, c, out)
		if reason != "" {
			x.out.refuse(x.doc.PathTo(c), reason)
			return nil, false
		}
		samples = append(samples, v)
	}
	return samples, true
}

// sample reads one sample.
func (x *decoding) sample(w *wave, ref jsonbody.Ref, out *vigil.Wave) (int32, string) {
	switch x.doc.Kind(ref) {
	case jsonbody.Null:
		return vigil.Missing, ""
	case jsonbody.Number:
	default:
		return 0, "not a number"
	}
	if !w.physical {
		if v, ok := x.doc.Int(ref); ok {
			if v > math.MaxInt32 || v <= math.MinInt32 {
				return 0, "number out of range"
			}
			return int32(v), ""
		}
	}
	v, _, ok := x.doc.Number(ref)
	if w.physical {
		v = math.Round((v - out.Offset) / out.Gain)
	}
	switch {
	case !ok || !(math.Abs(v) < math.MaxInt32):
		return 0, "number out of range"
	case v != math.Trunc(v):
		return 0, "not a whole number"
	}
	return int32(v), ""
}
