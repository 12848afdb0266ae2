package reading

import (
	"strconv"

	"github.com/vigil-iomt/vigil"
)

// appendWave appends time and samples of a block: value = origin +
// factor*sample, with E where the device sent none (datatypes.html#SampledData).
func appendWave(dst []byte, r *reading) []byte {
	w, m := r.wave, r.g.parts[0].Metric
	dst = append(dst, `,"effectivePeriod":{"start":"`...)
	dst = appendTime(dst, w.Start)
	dst = append(dst, `","end":"`...)
	dst = appendTime(dst, lastSample(w))
	dst = append(dst, `"},"valueSampledData":{"origin":{"value":`...)
	dst = appendDecimal(dst, w.Offset, -1)
	dst = append(dst, r.g.values[0].unit...)
	dst = append(dst, `},"period":`...)
	dst = appendDecimal(dst, 1000*float64(m.RateDen)/float64(m.RateNum), -1)
	dst = append(dst, `,"factor":`...)
	dst = appendDecimal(dst, w.Gain, -1)
	dst = append(dst, `,"dimensions":1,"data":"`...)
	for i, s := range w.Samples {
		if i > 0 {
			dst = append(dst, ' ')
		}
		if s == vigil.Missing {
			dst = append(dst, 'E')
		} else {
			dst = strconv.AppendInt(dst, int64(s), 10)
		}
	}
	return append(dst, `"}`...)
}

// lastSample is the time of the last sample of a block.
func lastSample(w *vigil.Wave) vigil.Instant {
	if len(w.Samples) == 0 {
		return w.Start
	}
	n := int64(len(w.Samples) - 1)
	return w.Start + vigil.Instant(n*1_000_000*w.Metric.RateDen/w.Metric.RateNum)
}
