package chunk

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"github.com/vigil-iomt/vigil"
)

// runLen is how many samples share a predictor and a width.
const runLen = 64

// AppendWaves appends the chunk of a wave's blocks to dst. The metric is not
// written: the series knows it. More than MaxBlocks blocks or MaxSamples
// samples panic.
func AppendWaves(dst []byte, blocks []vigil.Wave) []byte {
	samples := 0
	for i := range blocks {
		samples += len(blocks[i].Samples)
	}
	if len(blocks) > MaxBlocks || samples > MaxSamples {
		panic(fmt.Sprintf("chunk: %d blocks with %d samples, at most %d and %d",
			len(blocks), samples, MaxBlocks, MaxSamples))
	}
	dst = append(dst, wavesV1)
	dst = binary.AppendUvarint(dst, uint64(len(blocks)))
	if len(blocks) == 0 {
		return dst
	}
	room := make([]int64, 3*len(blocks))
	c, v := newColumns(len(blocks), room), room[2*len(blocks):]
	for f := range waveFields {
		for i := range blocks {
			v[i] = waveField(&blocks[i], f)
		}
		dst = c.add(dst, v, f == 0)
	}
	return appendSamples(dst, blocks, samples)
}

// waveFields is how many columns stand before the samples.
const waveFields = 8

// waveField and setWaveField move the parts of a block in and out of a column.
func waveField(w *vigil.Wave, f int) int64 {
	switch f { // #nosec G115 -- wraps on purpose
	case 0:
		return int64(w.Start)
	case 1:
		return int64(w.Stated - w.Start)
	case 2:
		return int64(w.Key) - int64(w.Stated)
	case 3:
		return int64(w.KeyKind)
	case 4:
		return int64(w.Quality)
	case 5:
		return int64(math.Float64bits(w.Gain))
	case 6:
		return int64(math.Float64bits(w.Offset))
	default:
		return int64(len(w.Samples))
	}
}

// setWaveField leaves the number of samples to the caller.
func setWaveField(w *vigil.Wave, f int, x int64) {
	switch f { // #nosec G115 -- wraps on purpose
	case 0:
		w.Start = vigil.Instant(x)
	case 1:
		w.Stated = vigil.Instant(x) + w.Start
	case 2:
		w.Key = uint64(x + int64(w.Stated))
	case 3:
		w.KeyKind = vigil.KeyKind(x)
	case 4:
		w.Quality = vigil.Quality(x)
	case 5:
		w.Gain = math.Float64frombits(uint64(x))
	case 6:
		w.Offset = math.Float64frombits(uint64(x))
	}
}

// appendSamples writes where samples are missing, then the others in runs:
// the order of the predictor of each (2 bits), then what it did not predict.
func appendSamples(dst []byte, blocks []vigil.Wave, samples int) []byte {
	present := make([]int64, 0, samples)
	var gaps []byte
	gapCount, at, missing, solid := 0, 0, 0, 0
	closeGap := func() {
		if missing > 0 {
			gaps = binary.AppendUvarint(gaps, uint64(solid))   // #nosec G115 -- a length
			gaps = binary.AppendUvarint(gaps, uint64(missing)) // #nosec G115 -- a length
			gapCount++
			missing, solid = 0, 0
		}
	}
	for i := range blocks {
		for _, s := range blocks[i].Samples {
			if s == vigil.Missing {
				missing++
			} else {
				closeGap()
				present = append(present, int64(s))
				solid++
			}
			at++
		}
	}
	closeGap()
	dst = binary.AppendUvarint(dst, uint64(gapCount)) // #nosec G115 -- a count
	dst = append(dst, gaps...)
	return appendPredicted(dst, present)
}

func appendPredicted(dst []byte, v []int64) []byte {
	runs := (len(v) + runLen - 1) / runLen
	orders := len(dst)
	dst = append(dst, make([]byte, (runs+3)/4)...)
	var h history
	var rest [4][runLen]int64
	for r := range runs {
		run := v[r*runLen : min(len(v), (r+1)*runLen)]
		order := h.predict(&rest, run)
		dst[orders+r/4] |= byte(order) << (r % 4 * 2) // #nosec G115 -- 0 to 3
		dst = appendBlock(dst, rest[order][:len(run)])
	}
	return dst
}

// A history is the sample before, its difference from the one before that, and
// that difference's: what the next sample is predicted from.
type history struct{ s0, s1, s2 int64 }

// predict fills rest with the samples less their predictions of order 0
// (none) to 3, and returns the order that leaves least.
func (h *history) predict(rest *[4][runLen]int64, run []int64) int {
	var size [4]int
	d0, d1, d2 := h.s0, h.s1, h.s2
	for i, x := range run {
		e1 := x - d0
		e2 := e1 - d1
		e3 := e2 - d2
		d0, d1, d2 = x, e1, e2
		rest[0][i], rest[1][i], rest[2][i], rest[3][i] = x, e1, e2, e3
	}
	h.s0, h.s1, h.s2 = d0, d1, d2
	best := 0
	for o := range rest {
		mid := int64(0)
		if o == 0 {
			mid = run[0]
		}
		for _, e := range rest[o][:len(run)] {
			e -= mid
			size[o] += bits.Len64(uint64(e ^ e>>63)) // #nosec G115 -- |e|
		}
		if size[o] < size[best] {
			best = o
		}
	}
	return best
}

// restore turns what was not predicted back into samples.
func (h *history) restore(run []int64, order int) {
	d0, d1, d2 := h.s0, h.s1, h.s2
	for i, e := range run {
		x := e
		switch order {
		case 1:
			x = d0 + e
		case 2:
			x = d0 + d1 + e
		case 3:
			x = d0 + d1 + d2 + e
		}
		e1 := x - d0
		d0, d1, d2 = x, e1, e1-d1
		run[i] = x
	}
	h.s0, h.s1, h.s2 = d0, d1, d2
}

// Waves appends the blocks of a chunk to dst, each with the metric m. The
// blocks of one call share one array of samples. Every error wraps ErrFormat.
func Waves(dst []vigil.Wave, b []byte, m *vigil.Metric) ([]vigil.Wave, error) {
	if len(b) == 0 || b[0] != wavesV1 {
		return dst, fmt.Errorf("%w of waves that this program knows", ErrFormat)
	}
	n, b, err := readUvarint(b[1:])
	if err != nil {
		return dst, err
	}
	if n == 0 && len(b) == 0 {
		return dst, nil
	}
	if n == 0 || n > MaxBlocks {
		return dst, fmt.Errorf("%w: %d blocks", ErrFormat, n)
	}
	old := len(dst)
	dst = append(dst, make([]vigil.Wave, n)...)
	blocks, v := dst[old:], make([]int64, n)
	for f := range waveFields {
		if b, err = readColumn(v, b); err != nil {
			return dst[:old], err
		}
		for i := range blocks {
			setWaveField(&blocks[i], f, v[i])
		}
	}
	if err := readSamples(blocks, v, b); err != nil {
		return dst[:old], err
	}
	for i := range blocks {
		blocks[i].Metric = m
	}
	return dst, nil
}

// readSamples gives each block its share of the samples in b.
func readSamples(blocks []vigil.Wave, lengths []int64, b []byte) error {
	total := int64(0)
	for _, n := range lengths {
		if n < 0 || n > MaxSamples || total+n > MaxSamples {
			return fmt.Errorf("%w: a block of %d samples", ErrFormat, n)
		}
		total += n
	}
	all := make([]int32, total)
	present, b, err := readGaps(all, b)
	if err != nil {
		return err
	}
	if err := readPredicted(all, present, b); err != nil {
		return err
	}
	for i, n := range lengths {
		blocks[i].Samples, all = all[:n:n], all[n:]
	}
	return nil
}

// readGaps marks the missing samples in all and returns how many are there.
func readGaps(all []int32, b []byte) (int, []byte, error) {
	count, b, err := readUvarint(b)
	present := len(all)
	for at := uint64(0); err == nil && count > 0; count-- {
		var solid, missing uint64
		if solid, b, err = readUvarint(b); err != nil {
			break
		}
		if missing, b, err = readUvarint(b); err != nil {
			break
		}
		left := uint64(len(all)) - at
		if solid > left || missing > left-solid {
			return 0, nil, fmt.Errorf("%w: missing samples outside the blocks", ErrFormat)
		}
		at += solid
		for i := at; i < at+missing; i++ {
			all[i] = vigil.Missing
		}
		at += missing
		present -= int(missing) // #nosec G115 -- at most len(all)
	}
	return present, b, err
}

// readPredicted fills the samples that are not marked missing.
func readPredicted(all []int32, present int, b []byte) error {
	runs := (present + runLen - 1) / runLen
	orders := (runs + 3) / 4
	if len(b) < orders {
		return fmt.Errorf("%w: the predictors are missing", ErrFormat)
	}
	order, b := b[:orders], b[orders:]
	var h history
	var room [runLen]int64
	at := 0
	for r := range runs {
		run := room[:min(runLen, present-r*runLen)]
		var err error
		if b, err = readBlock(run, b); err != nil {
			return err
		}
		h.restore(run, int(order[r/4]>>(r%4*2)&3))
		for _, x := range run {
			for all[at] == vigil.Missing {
				at++
			}
			if x <= math.MinInt32 || x > math.MaxInt32 {
				return fmt.Errorf("%w: a sample out of range", ErrFormat)
			}
			all[at] = int32(x)
			at++
		}
	}
	if len(b) > 0 {
		return fmt.Errorf("%w: %d bytes behind the last sample", ErrFormat, len(b))
	}
	return nil
}
