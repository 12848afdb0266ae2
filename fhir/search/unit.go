package search

import (
	"math/big"
	"strings"

	"github.com/vigil-iomt/vigil/codec/ucum"
)

// ucumSystem is the code system of units.
const ucumSystem = "http://unitsofmeasure.org"

// maxUnits bounds how many units are kept for the next time.
const maxUnits = 2048

// A unit is what is known about a unit of UCUM.
type unit struct {
	ucum.Measure
	ok     bool    // it can be compared with other units
	factor float64 // of one that is a plain multiple of base units, else 0
}

// unitOf says what a unit measures; ok is false for those that only themselves
// can be compared with.
func (e *Engine) unitOf(system, code string) (u *unit, ok bool) {
	if system != ucumSystem || code == "" || len(code) > 100 {
		return nil, false
	}
	if u, ok := e.units.Load(code); ok {
		u := u.(*unit)
		return u, u.ok
	}
	u = &unit{}
	m, err := ucum.MeasureOf(code)
	if err == nil && m.Exact() {
		u.Measure, u.ok = m, true
		if m.Shift == nil {
			u.factor, _ = m.Factor.Float64()
		}
	}
	if e.kept.Add(1) <= maxUnits {
		e.units.Store(strings.Clone(code), u)
	}
	return u, u.ok
}

// slack is how far ordered bits in base units may be off: they come about by
// two roundings.
const slack = 16

// bits gives a number in base units as ordered bits, at most slack off.
func (u *unit) bits(n *number) int64 {
	if u.factor != 0 && n.big == nil && -22 <= n.exp && n.exp <= 22 {
		return ordered(n.float() * u.factor)
	}
	return u.bitsOf(n.rat())
}

func (u *unit) bitsOf(v *big.Rat) int64 { return orderedRat(u.Ratio(v)) }
