package body

import "fmt"

// A Vital is one quantity of the body.
type Vital uint8

// The vitals and their units.
const (
	HeartRate   Vital = iota // /min
	Saturation               // %, peripheral oxygen saturation
	Breathing                // /min
	Systolic                 // mm[Hg]
	Diastolic                // mm[Hg]
	Temperature              // Cel, core
	Glucose                  // mg/dL, in plasma
	EtCO2                    // mm[Hg], end-tidal carbon dioxide
	vitals                   // how many there are
)

// vitalSpec is how a vital is called in stories and how it moves.
type vitalSpec struct {
	name, unit string
	settle     float64 // seconds to follow its set point (time constant)
	noise      float64 // standard deviation of its slow wandering
	pace       float64 // seconds, time constant of the wandering
	low, high  float64 // a body does not leave these
}

// spec returns the row of a vital. Noise and pace were chosen so that a minute
// of a resting adult looks like a minute in the BIDMC recordings.
func (v Vital) spec() vitalSpec {
	switch v {
	case HeartRate:
		return vitalSpec{"pulse", "/min", 8, 1.6, 25, 0, 230}
	case Saturation:
		return vitalSpec{"spo2", "%", 14, 0.5, 40, 40, 100}
	case Breathing:
		return vitalSpec{"resp", "/min", 12, 0.9, 30, 0, 60}
	case Systolic:
		return vitalSpec{"sys", "mm[Hg]", 15, 2.5, 60, 30, 260}
	case Diastolic:
		return vitalSpec{"dia", "mm[Hg]", 15, 1.6, 60, 15, 160}
	case Temperature:
		return vitalSpec{"temp", "Cel", 900, 0.04, 600, 28, 43}
	case Glucose:
		return vitalSpec{"glucose", "mg/dL", 60, 2, 900, 20, 600}
	case EtCO2:
		return vitalSpec{"etco2", "mm[Hg]", 10, 0.6, 40, 0, 110}
	}
	return vitalSpec{}
}

// String returns the name that stories use: pulse, spo2, resp, sys, dia, temp,
// glucose, etco2.
func (v Vital) String() string { return v.spec().name }

// Unit returns the UCUM unit of the vital.
func (v Vital) Unit() string { return v.spec().unit }

// ParseVital finds the vital for a name of a story; "hr" is another name for
// "pulse".
func ParseVital(name string) (Vital, error) {
	if name == "hr" {
		name = "pulse"
	}
	for v := range vitals {
		if v.String() == name {
			return v, nil
		}
	}
	return 0, fmt.Errorf("no vital is called %q: want pulse, spo2, resp, sys, dia, temp, glucose or etco2", name)
}

// A Rhythm is how the heart beats.
type Rhythm uint8

// The rhythms.
const (
	Sinus Rhythm = iota
	AtrialFibrillation
	Asystole
)

// String returns the kebab-case word.
func (r Rhythm) String() string {
	return [...]string{"sinus", "atrial-fibrillation", "asystole"}[r]
}

// ParseRhythm finds the rhythm for a word.
func ParseRhythm(word string) (Rhythm, error) {
	for r := Sinus; r <= Asystole; r++ {
		if r.String() == word {
			return r, nil
		}
	}
	return 0, fmt.Errorf("no rhythm is called %q: want sinus, atrial-fibrillation or asystole", word)
}

// A Condition is something a person lives with; it moves the baselines.
type Condition string

// The conditions that the model knows.
const (
	COPD         Condition = "copd"
	Hypertension Condition = "hypertension"
	HeartFailure Condition = "heart-failure"
	Diabetes     Condition = "type-1-diabetes"
	Sepsis       Condition = "sepsis"
)

// ParseCondition finds the condition for a word.
func ParseCondition(word string) (Condition, error) {
	switch c := Condition(word); c {
	case COPD, Hypertension, HeartFailure, Diabetes, Sepsis:
		return c, nil
	}
	return "", fmt.Errorf("no condition is called %q: want copd, hypertension, heart-failure, type-1-diabetes or sepsis", word)
}
