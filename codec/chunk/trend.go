package chunk

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// fraction is how many binary places a cadence that is no whole number has.
const fraction = 16

// A trend is a steady cadence with a few jumps in it: where the device paused,
// it usually comes back on its old beat.
type trend struct {
	step  int64 // per value; with fractional set, in units of 2^-16
	frac  bool
	jumps []jump
}

// A jump moves everything from value at on by beats times the cadence and rest.
type jump struct {
	at          int
	beats, rest int64
}

// findTrend looks for the cadence of v, whose differences from the value
// before are in diff (from 1 on). It is not ok when there is none worth
// trying. The jumps are put into room as far as it reaches.
func findTrend(v, diff []int64, room []jump) (trend, bool) {
	if len(v) < 8 {
		return trend{}, false
	}
	step := medianOf(diff[1:])
	if step < 2 || step > math.MaxInt64>>24 {
		return trend{}, false
	}
	t := trend{step: step, jumps: room[:0]}
	for i := 1; i < len(diff); i++ {
		off := diff[i] - step
		if off <= step/2 && off >= -step/2 {
			continue
		}
		if len(t.jumps) >= len(v)/16 {
			return trend{}, false
		}
		beats := (off + step/2) / step
		j := jump{at: i, beats: beats, rest: off - beats*step}
		if near := step / 8; j.rest <= near && j.rest >= -near {
			j.rest = 0
		}
		t.jumps = append(t.jumps, j)
	}
	t.refine(v)
	return t, true
}

// medianOf is the middle of up to 33 values spread over v.
func medianOf(v []int64) int64 {
	var s [33]int64
	n := min(len(v), len(s))
	for i := range n {
		s[i] = v[i*len(v)/n]
	}
	slices.Sort(s[:n])
	return s[n/2]
}

// refine fits the cadence to all of v by least squares. Jumps count in beats,
// so the values are laid out over beats, not over their index.
func (t *trend) refine(v []int64) {
	var sx, sy, sxx, sxy float64
	var rest int64
	x, next := 0.0, 0
	for i, y := range v {
		if next < len(t.jumps) && t.jumps[next].at == i {
			x += float64(t.jumps[next].beats)
			rest += t.jumps[next].rest
			next++
		}
		fy := float64(y - rest)
		sx += x
		sy += fy
		sxx += x * x
		sxy += x * fy
		x++
	}
	n := float64(len(v))
	slope := (n*sxy - sx*sy) / (n*sxx - sx*sx)
	whole := math.Round(slope)
	switch {
	case math.IsNaN(slope) || math.Abs(slope-float64(t.step)) > float64(t.step)/2:
	case math.Abs(slope-whole)*blockLen < 1 || slope >= 1<<34:
		t.step = int64(whole)
	default:
		t.step, t.frac = int64(math.Round(slope*(1<<fraction))), true
	}
}

// each calls f with the expected value for every index below n.
func (t *trend) expect(out []int64) {
	var beat, rest int64
	next := 0
	for i := range out {
		if next < len(t.jumps) && t.jumps[next].at == i {
			beat += t.jumps[next].beats
			rest += t.jumps[next].rest
			next++
		}
		if t.frac {
			out[i] = (beat*t.step)>>fraction + rest
		} else {
			out[i] = beat*t.step + rest
		}
		beat++
	}
}

// addTo adds the expected values to v.
func (t *trend) addTo(v []int64) {
	shift := 0
	if t.frac {
		shift = fraction
	}
	var at, rest int64 // at counts steps
	start := 0
	run := func(end int) {
		for i := range v[start:end] {
			v[start+i] += at>>shift + rest
			at += t.step
		}
		start = end
	}
	for _, j := range t.jumps {
		run(j.at)
		at += j.beats * t.step
		rest += j.rest
	}
	run(len(v))
}

// append writes cadence, jumps and the distances of v from them.
func (t *trend) append(dst []byte, v, work []int64) []byte {
	flag := uint64(0)
	if t.frac {
		flag = 1
	}
	dst = binary.AppendUvarint(dst, uint64(len(t.jumps))<<1|flag) // #nosec G115 -- a count
	dst = binary.AppendVarint(dst, t.step)
	last := 0
	for _, j := range t.jumps {
		dst = binary.AppendUvarint(dst, uint64(j.at-last)) // #nosec G115 -- ascending
		dst = binary.AppendVarint(dst, j.beats)
		dst = binary.AppendVarint(dst, j.rest)
		last = j.at
	}
	t.expect(work)
	for i := range work {
		work[i] = v[i] - work[i]
	}
	return appendBlocks(dst, work)
}

func readTrend(v []int64, b []byte) ([]byte, error) {
	head, b, err := readUvarint(b)
	if err != nil {
		return nil, err
	}
	var t trend
	t.frac = head&1 != 0
	if t.step, b, err = readVarint(b); err != nil {
		return nil, err
	}
	count := head >> 1
	if count > uint64(len(v)) {
		return nil, fmt.Errorf("%w: %d jumps in a column of %d", ErrFormat, count, len(v))
	}
	if b, err = t.readJumps(b, int(count), len(v)); err != nil { // #nosec G115 -- bounded above
		return nil, err
	}
	b, err = readBlocks(v, b)
	if err != nil {
		return nil, err
	}
	t.addTo(v)
	return b, nil
}

func (t *trend) readJumps(b []byte, count, n int) ([]byte, error) {
	at := uint64(0)
	for range count {
		var j jump
		gap, rest, err := readUvarint(b)
		if err != nil {
			return nil, err
		}
		if gap == 0 || gap >= uint64(n)-at { // #nosec G115 -- at stays below n
			return nil, fmt.Errorf("%w: a jump outside the column", ErrFormat)
		}
		at += gap
		j.at = int(at) // #nosec G115 -- below n
		if j.beats, rest, err = readVarint(rest); err != nil {
			return nil, err
		}
		if j.rest, b, err = readVarint(rest); err != nil {
			return nil, err
		}
		t.jumps = append(t.jumps, j)
	}
	return b, nil
}
