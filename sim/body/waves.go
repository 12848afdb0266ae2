package body

import (
	"math"
	"math/rand/v2"

	"github.com/vigil-iomt/vigil"
)

// Waves turns the person's rates and pressures into beats, breaths and the
// signals that they make. Ask for stretches of time in order, each no earlier
// than ten seconds before the latest one.
type Waves struct {
	p       *Person
	rng     *rand.Rand
	beats   []beat
	breaths []breath
	// source gives beats from outside, such as those of a recording.
	source func() (vigil.Instant, bool)
	early  bool // the last beat was premature: a pause follows
	slow   float64
	shape  shape
}

// A beat is one heart beat.
type beat struct {
	at       vigil.Instant // of the R peak
	rr       float64       // seconds since the beat before
	strength float64       // of its pulse, 1 for a usual one
	kind     beatKind
}

type beatKind uint8

const (
	sinusBeat beatKind = iota
	ventricularBeat
	fibrillationBeat // no P wave before it
)

type breath struct {
	at     vigil.Instant
	length float64 // seconds
	depth  float64
}

// A shape is what makes one person's curves differ from another's.
type shape struct {
	r, t, p        float64 // heights against the usual
	drift1, drift2 float64 // phases of the baseline's wandering
	flutter        float64 // Hz of fibrillatory waves
	notch          float64 // depth of the dicrotic notch
}

const (
	ahead  = 2 * vigil.Instant(1e6)  // how far beats are made in advance
	behind = 10 * vigil.Instant(1e6) // how long they are remembered
)

func newWaves(p *Person, rng *rand.Rand, at vigil.Instant) *Waves {
	around := func(x, spread float64) float64 { return x * (1 + spread*(2*rng.Float64()-1)) }
	w := &Waves{p: p, rng: rng, shape: shape{
		r: around(1.05, 0.25), t: around(1, 0.35), p: around(1, 0.25),
		drift1: rng.Float64() * 6, drift2: rng.Float64() * 6, flutter: around(6, 0.15), notch: around(0.33, 0.3),
	}}
	w.restart(at)
	return w
}

// restart forgets everything and begins a few seconds before at.
func (w *Waves) restart(at vigil.Instant) {
	first := at - 8e6 - vigil.Instant(w.rng.Float64()*8e5)
	w.beats = append(w.beats[:0], beat{at: first, rr: 0.85, strength: 1})
	w.breaths = append(w.breaths[:0], breath{at: first, length: 4, depth: 1})
}

// Follow takes the beats from a source instead of making them, such as the
// annotations of the recording whose ECG is shown beside. The source gives
// times in order, and false when it has no more.
func (w *Waves) Follow(source func() (vigil.Instant, bool)) { w.source = source }

// reach makes beats and breaths up to at, and drops old ones.
func (w *Waves) reach(at vigil.Instant) {
	if at-w.beats[len(w.beats)-1].at > 2*behind {
		w.restart(at)
	}
	for w.breaths[len(w.breaths)-1].end() < at+ahead {
		w.breathe()
	}
	for w.beats[len(w.beats)-1].at < at+ahead && w.beat(at+ahead) {
	}
	for len(w.beats) > 2 && w.beats[1].at < at-behind {
		w.beats = w.beats[1:]
	}
	for len(w.breaths) > 2 && w.breaths[1].at < at-behind {
		w.breaths = w.breaths[1:]
	}
}

func (b *breath) end() vigil.Instant { return b.at + vigil.Instant(b.length*1e6) }

func (w *Waves) breathe() {
	last := w.breaths[len(w.breaths)-1]
	b := breath{at: last.end(), depth: 1 + 0.12*w.rng.NormFloat64()}
	if rate := w.p.Value(Breathing); rate >= 2 {
		b.length = min(max(60/rate*(1+0.07*w.rng.NormFloat64()), 0.6), 40)
	} else {
		b.length, b.depth = 2, 0 // no breath: look again in two seconds
	}
	w.breaths = append(w.breaths, b)
}

// beat appends the next beat; false means that there is none before the limit.
func (w *Waves) beat(limit vigil.Instant) bool {
	last := &w.beats[len(w.beats)-1]
	if w.source != nil {
		at, ok := w.source()
		if !ok {
			w.source = nil
			return true
		}
		if at > last.at {
			w.beats = append(w.beats, beat{at: at, rr: at.Sub(last.at).Seconds(), strength: 1})
		}
		return true
	}
	rate := w.p.Value(HeartRate)
	if rate < 5 {
		return false
	}
	b := w.next(last, 60/rate)
	if rr := limit.Sub(last.at).Seconds(); b.rr > 10 && b.rr > rr {
		return false
	}
	w.beats = append(w.beats, b)
	return true
}

// next makes the beat that follows last when the mean interval is mean seconds.
func (w *Waves) next(last *beat, mean float64) beat {
	b := beat{strength: 1}
	w.slow = 0.9*w.slow + 0.43*w.rng.NormFloat64()
	switch {
	case w.p.rhythm == AtrialFibrillation:
		b.kind = fibrillationBeat
		b.rr = max(mean*(1+0.21*w.rng.NormFloat64()), 0.30)
	case w.early:
		w.early = false
		b.rr = 1.38 * mean
	case w.rng.Float64() < w.p.config.Ectopics*mean/60:
		w.early = true
		b.kind = ventricularBeat
		b.rr = 0.62 * mean
	default:
		young := min(max(1.4-float64(w.p.config.Age)/70, 0.25), 1)
		swing := 0.045 * young * (1 - 0.7*w.p.effort)
		b.rr = mean * (1 - swing*math.Sin(2*math.Pi*w.phase(last.at)) + 0.012*young*w.slow + 0.004*w.rng.NormFloat64())
	}
	// A short pause fills the heart less.
	b.strength = min(max(0.25+0.75*b.rr/mean, 0.45), 1.15)
	if b.kind == ventricularBeat {
		b.strength = 0.45
	}
	b.at = last.at + vigil.Instant(b.rr*1e6)
	return b
}

// phase returns where in a breath the time lies, from 0 to 1.
func (w *Waves) phase(at vigil.Instant) float64 {
	for i := len(w.breaths) - 1; i >= 0; i-- {
		if b := &w.breaths[i]; at >= b.at {
			return min(at.Sub(b.at).Seconds()/b.length, 1)
		}
	}
	return 0
}

// Rate returns the heart rate in 1/min as a monitor counts it at a time: the
// mean of the last eight intervals, 0 when no beat came for four seconds.
func (w *Waves) Rate(at vigil.Instant) float64 {
	w.reach(at)
	n, sum := 0, 0.0
	for i := len(w.beats) - 1; i > 0 && n < 8; i-- {
		b := &w.beats[i]
		if b.at > at {
			continue
		}
		if n == 0 && at-b.at > 4e6 {
			return 0
		}
		n++
		sum += b.rr
	}
	if n == 0 {
		return w.p.Value(HeartRate)
	}
	return 60 * float64(n) / sum
}

// Beats returns the times of the beats in a stretch of time.
func (w *Waves) Beats(during vigil.Interval) []vigil.Instant {
	w.reach(during.To)
	var out []vigil.Instant
	for i := range w.beats {
		if during.Holds(w.beats[i].at) {
			out = append(out, w.beats[i].at)
		}
	}
	return out
}
