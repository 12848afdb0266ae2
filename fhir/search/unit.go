package search

import (
	"math/big"

	"github.com/vigil-iomt/vigil/codec/ucum"
)

// ucumSystem is the code system of units.
const ucumSystem = "http://unitsofmeasure.org"

// measureOf says what a unit measures; ok is false for those that only
// themselves can be compared with.
func measureOf(system, code string) (m ucum.Measure, ok bool) {
	if system != ucumSystem || code == "" || len(code) > 100 {
		return m, false
	}
	m, err := ucum.MeasureOf(code)
	return m, err == nil && m.Exact()
}

// baseBits gives a value in base units as ordered bits.
func baseBits(m *ucum.Measure, v *big.Rat) int64 { return orderedRat(m.Ratio(v)) }
