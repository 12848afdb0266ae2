package reading

import (
	"slices"

	"github.com/vigil-iomt/vigil"
)

// A shape is what R4 and US Core 6.1 demand of a vital sign
// (observation-vitalsigns.html; US Core vital signs): who has the code and the
// unit, and every part, conforms to both profiles.
type shape struct {
	code  string // LOINC, of the Observation
	r4    string // name of the profile of R4
	core  string // name of the profile of US Core
	units []string
	parts []string // LOINC codes of the components that have to be there
}

// The names of profiles begin like this.
const (
	r4Profile   = "http://hl7.org/fhir/StructureDefinition/"
	coreProfile = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
)

// Oxygen saturation has two codes: what is measured, and how. Whoever measures
// by pulse oximetry says both.
const (
	byOximetry = "59408-5"
	saturation = "2708-6"
)

// shapeOf finds the shape of a vital sign; nil when it has none.
func shapeOf(loinc string) *shape {
	for _, s := range [...]shape{
		{code: "8867-4", r4: "heartrate", core: "heart-rate", units: []string{"/min"}},
		{code: "9279-1", r4: "resprate", core: "respiratory-rate", units: []string{"/min"}},
		{code: byOximetry, r4: "oxygensat", core: "pulse-oximetry", units: []string{"%"}},
		{code: "8310-5", r4: "bodytemp", core: "body-temperature", units: []string{"Cel", "[degF]"}},
		{code: "8302-2", r4: "bodyheight", core: "body-height", units: []string{"cm", "[in_i]"}},
		{code: "9843-4", r4: "headcircum", core: "head-circumference", units: []string{"cm", "[in_i]"}},
		{code: "29463-7", r4: "bodyweight", core: "body-weight", units: []string{"kg", "g", "[lb_av]"}},
		{code: "39156-5", r4: "bmi", core: "bmi", units: []string{"kg/m2"}},
		{code: "85354-9", r4: "bp", core: "blood-pressure", units: []string{"mm[Hg]"}, parts: []string{"8480-6", "8462-4"}},
	} {
		if s.code == loinc {
			return &s
		}
	}
	return nil
}

// conform finds the profiles that Observations of the group conform to when all
// of needs are there.
func (g *group) conform() (profiles []byte, needs []int) {
	if g.subject().Kind != vigil.OfPatient || g.category() != "vital-signs" || g.wave() || g.template != nil {
		return nil, nil
	}
	for _, c := range g.codes() {
		s := shapeOf(c.Value)
		if c.System != vigil.LOINC || s == nil {
			continue
		}
		for i := range g.parts {
			if !slices.Contains(s.units, g.parts[i].Metric.Unit) {
				return nil, nil
			}
		}
		for _, part := range s.parts {
			i := slices.IndexFunc(g.parts, func(x vigil.Series) bool {
				return slices.ContainsFunc(x.Metric.Codes, func(c vigil.Code) bool { return c.System == vigil.LOINC && c.Value == part })
			})
			if i < 0 {
				return nil, nil
			}
			needs = append(needs, i)
		}
		return []byte(`,"profile":["` + r4Profile + s.r4 + `","` + coreProfile + s.core + `"]`), needs
	}
	return nil, nil
}

// conforms tells whether everything is there that the profiles demand.
func (r *reading) conforms() bool {
	for _, i := range r.g.needs {
		if r.points[i].Version == 0 {
			return false
		}
	}
	return len(r.g.profiles) > 0
}

// translated adds the code of what is measured to the code of how.
func translated(codes []vigil.Code) []vigil.Code {
	has := func(value string) bool {
		return slices.ContainsFunc(codes, func(c vigil.Code) bool { return c.System == vigil.LOINC && c.Value == value })
	}
	if !has(byOximetry) || has(saturation) {
		return codes
	}
	return append(slices.Clip(codes), vigil.Code{System: vigil.LOINC, Value: saturation, Display: "Oxygen saturation in Arterial blood"})
}
