package body

import "math"

// sugar is glucose, meals and insulin: a minimal model in the manner of
// Bergman, with absorption from gut and skin in two steps each. All amounts are
// for an adult; the constants were chosen so that 60 g of carbohydrate lift a
// person with diabetes by some 150 mg/dL without insulin, that 6 units take
// that back within four hours, and that a healthy person stays within 70 to
// 150 mg/dL.
type sugar struct {
	plasma float64 // mg/dL
	basal  float64 // mg/dL, where it goes by itself
	ill    bool    // makes no insulin
	gut    [2]float64
	skin   [2]float64
	own    float64 // own insulin of a healthy person, same scale
	drift  float64 // slow mood of the liver, mg/dL/min
}

const (
	gutTime   = 28.0 * 60 // seconds, each of two steps
	skinTime  = 42.0 * 60
	perGram   = 4.0  // mg/dL per gram absorbed
	perUnit   = 36.0 // mg/dL per unit that has acted
	driftTime = 80.0 * 60
)

func newSugar(ill bool, basal float64) sugar { return sugar{plasma: basal, basal: basal, ill: ill} }

func (s *sugar) eat(grams float64) { s.gut[0] += grams }

func (s *sugar) inject(units float64) { s.skin[0] += units }

// step moves the model by dt seconds; noise is a standard normal number.
func (s *sugar) step(dt, noise float64) {
	out := s.gut[1] * dt / gutTime
	s.gut[1] += s.gut[0]*dt/gutTime - out
	s.gut[0] -= s.gut[0] * dt / gutTime
	acts := s.skin[1] * dt / skinTime
	s.skin[1] += s.skin[0]*dt/skinTime - acts
	s.skin[0] -= s.skin[0] * dt / skinTime
	k := math.Exp(-dt / driftTime)
	s.drift = s.drift*k + 0.25*math.Sqrt(1-k*k)*noise
	d := out*perGram - acts*perUnit + s.drift*dt/60
	if s.ill {
		// The liver pulls back slowly; below 70 it fights harder.
		d += (s.basal - s.plasma) * dt / (240 * 60)
		d += max(60-s.plasma, 0) * dt / (25 * 60)
		d -= max(s.plasma-250, 0) * dt / (60 * 60) // over the kidneys
	} else {
		s.own += (max(s.plasma-s.basal, 0) - s.own) * dt / (12 * 60)
		d -= s.own*dt/(9*60) - (s.basal-s.plasma)*dt/(50*60)
	}
	s.plasma = min(max(s.plasma+d, 30), 590)
}
