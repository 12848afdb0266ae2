package body

import (
	"math"

	"github.com/vigil-iomt/vigil"
)

// A Lead is a pair of electrodes.
type Lead uint8

// The leads.
const (
	LeadI Lead = iota
	LeadII
)

// A bump is one Gaussian of a curve: where it lies after the beat, how wide it
// is to the left and to the right, and how high. Times are in seconds.
type bump struct{ at, left, right, height float64 }

// even makes a symmetrical bump.
func even(at, width, height float64) bump { return bump{at, width, width, height} }

// add draws the bump into dst, whose first sample lies offset seconds after the
// beat.
func (b bump) add(dst []float64, offset, period float64) {
	from := int(math.Ceil((b.at - 4*b.left - offset) / period))
	to := int((b.at + 4*b.right - offset) / period)
	for i := max(from, 0); i <= min(to, len(dst)-1); i++ {
		d := offset + float64(i)*period - b.at
		width := b.left
		if d > 0 {
			width = b.right
		}
		dst[i] += b.height * math.Exp(-d*d/(2*width*width))
	}
}

// span is a stretch of samples to fill.
type span struct {
	start  vigil.Instant
	period float64 // seconds
	n      int
}

func (s span) end() vigil.Instant { return s.start + vigil.Instant(s.period*float64(s.n)*1e6) }

// ECG fills dst with lead voltages in mV, rate samples per second from start.
func (w *Waves) ECG(dst []float64, lead Lead, start vigil.Instant, rate float64) {
	s := span{start, 1 / rate, len(dst)}
	w.reach(s.end())
	clear(dst)
	size := 1.0
	if lead == LeadI {
		size = 0.62
	}
	for i := range w.beats {
		offset := s.start.Sub(w.beats[i].at).Seconds()
		if offset > 1.2 || offset < -0.5-s.period*float64(s.n) {
			continue
		}
		for _, b := range w.complex(&w.beats[i]) {
			b.height *= size
			b.add(dst, offset, s.period)
		}
	}
	w.background(dst, s)
}

// complex returns the waves of one beat: P, Q, R, S, T.
func (w *Waves) complex(b *beat) []bump {
	k := math.Sqrt(min(max(b.rr, 0.3), 1.3))
	f := w.shape
	if b.kind == ventricularBeat {
		return []bump{even(0, 0.038, 1.45*f.r), even(0.085, 0.036, -0.62), even(0.34, 0.075, -0.42)}
	}
	waves := []bump{
		even(-0.035, 0.010, -0.10), even(0, 0.0105, f.r), even(0.031, 0.0115, -0.24),
		{0.30 * k, 0.062 * k, 0.042 * k, 0.28 * f.t},
	}
	if b.kind == sinusBeat {
		waves = append(waves, even(-0.165*k, 0.024, 0.13*f.p))
	}
	return waves
}

// background adds what is not the heart's beat: breathing, drift, muscle, and
// the unrest of fibrillating atria.
func (w *Waves) background(dst []float64, s span) {
	muscle := 0.006 + 0.05*w.p.effort
	atria := 0.0
	if w.p.rhythm == AtrialFibrillation {
		atria = 0.055
	}
	for i := range dst {
		at := s.start + vigil.Instant(float64(i)*s.period*1e6)
		t := math.Mod(float64(at), 3600e6) / 1e6
		x := 0.035*math.Sin(2*math.Pi*w.phase(at)) + 0.02*math.Sin(0.41*t+w.shape.drift1) + 0.015*math.Sin(0.173*t+w.shape.drift2)
		if atria > 0 {
			x += atria * math.Sin(2*math.Pi*w.shape.flutter*t+1.7*math.Sin(1.9*t)) * (0.75 + 0.25*math.Sin(0.8*t))
		}
		dst[i] += x + muscle*w.rng.NormFloat64()
	}
}

// pulse draws the pressure pulse of every beat, 0 at the end of diastole and
// about 1 at the peak, delayed by the way from the heart.
func (w *Waves) pulse(dst []float64, s span, delay float64) {
	w.reach(s.end())
	clear(dst)
	for i := range w.beats {
		b := &w.beats[i]
		offset := s.start.Sub(b.at).Seconds()
		if offset > 1.8 || offset < -s.period*float64(s.n) {
			continue
		}
		k := min(1, math.Sqrt(max(b.rr, 0.3)/0.9))
		peak := delay + 0.14*k
		for _, x := range [...]bump{
			{peak, 0.052 * k, 0.105 * k, b.strength},
			{peak + 0.25*k, 0.055 * k, 0.11 * k, w.shape.notch * b.strength},
			{peak + 0.30*k, 0.15 * k, 0.17 * k, 0.16 * b.strength},
		} {
			x.add(dst, offset, s.period)
		}
	}
}

// Pleth fills dst with the light signal of a finger sensor, between 0 and 1.
func (w *Waves) Pleth(dst []float64, start vigil.Instant, rate float64) {
	s := span{start, 1 / rate, len(dst)}
	w.pulse(dst, s, 0.18)
	size := 0.6 * min(max((w.p.Mean()-35)/40, 0.12), 1)
	for i := range dst {
		at := start + vigil.Instant(float64(i)*s.period*1e6)
		x := 0.16 + size*dst[i] + 0.03*math.Sin(2*math.Pi*w.phase(at)) + (0.002+0.03*w.p.effort)*w.rng.NormFloat64()
		dst[i] = min(max(x, 0), 1)
	}
}

// Pressure fills dst with the arterial pressure in mm[Hg].
func (w *Waves) Pressure(dst []float64, start vigil.Instant, rate float64) {
	s := span{start, 1 / rate, len(dst)}
	w.pulse(dst, s, 0.05)
	sys, dia := w.p.Value(Systolic), w.p.Value(Diastolic)
	for i := range dst {
		at := start + vigil.Instant(float64(i)*s.period*1e6)
		dst[i] = dia + (sys-dia)*dst[i] + 1.5*math.Sin(2*math.Pi*w.phase(at)) + 0.25*w.rng.NormFloat64()
	}
}

// Breath fills dst with the chest's impedance, between 0 and 1.
func (w *Waves) Breath(dst []float64, start vigil.Instant, rate float64) {
	s := span{start, 1 / rate, len(dst)}
	w.reach(s.end())
	for i := range dst {
		at := start + vigil.Instant(float64(i)*s.period*1e6)
		u, depth := w.phase(at), w.depth(at)
		x := 0.15 + 0.6*depth*(0.5-0.5*math.Cos(2*math.Pi*math.Pow(u, 0.85))) + 0.004*w.rng.NormFloat64()
		dst[i] = min(max(x, 0), 1)
	}
}

func (w *Waves) depth(at vigil.Instant) float64 {
	for i := len(w.breaths) - 1; i >= 0; i-- {
		if w.breaths[i].at <= at {
			return w.breaths[i].depth
		}
	}
	return 1
}
