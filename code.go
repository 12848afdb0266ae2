package vigil

import "strings"

// The code systems that readings are named in. The URIs are those of the FHIR
// R4 terminology page (terminologies-systems.html).
const (
	LOINC  = "http://loinc.org"
	MDC    = "urn:iso:std:iso:11073:10101"
	SNOMED = "http://snomed.info/sct"
	UCUM   = "http://unitsofmeasure.org"
)

// A Code is a value in a code system. Display is for people and never compared.
type Code struct {
	System  string `json:"system"`
	Value   string `json:"code"`
	Display string `json:"display,omitempty"`
}

// String returns the short form used in files and on the command line:
// loinc:8867-4, mdc:149530, sct:364075005.
func (c Code) String() string {
	switch c.System {
	case LOINC:
		return "loinc:" + c.Value
	case MDC:
		return "mdc:" + c.Value
	case SNOMED:
		return "sct:" + c.Value
	}
	return c.System + "|" + c.Value
}

// ParseCode reads the short form, or the FHIR token form system|value. A text
// without a system is a value in any system.
func ParseCode(s string) Code {
	if system, value, ok := strings.Cut(s, "|"); ok {
		return Code{System: system, Value: value}
	}
	switch short, value, ok := strings.Cut(s, ":"); {
	case ok && short == "loinc":
		return Code{System: LOINC, Value: value}
	case ok && short == "mdc":
		return Code{System: MDC, Value: value}
	case ok && short == "sct":
		return Code{System: SNOMED, Value: value}
	}
	return Code{Value: s}
}

// A Metric is what a series measures: the name that profiles, rules and the API
// use, its standard codes, and how it behaves. Metrics are made by profiles,
// shared by pointer and never changed.
type Metric struct {
	Name  string `json:"name"`            // kebab-case, "spo2"
	Title string `json:"title,omitempty"` // for people, "SpO₂"
	Codes []Code `json:"codes"`           // LOINC first where there is one
	Unit  string `json:"unit"`            // UCUM; "1" for a bare number
	// Category is the FHIR observation-category code: vital-signs, activity,
	// laboratory, therapy, procedure, survey; empty means none.
	Category string `json:"category,omitempty"`
	// Decimals is how many digits after the point the device means; -1 when
	// the device decides with each reading.
	Decimals int8 `json:"decimals"`
	// Cadence is the expected time between readings in microseconds; 0 for
	// spot readings that come when they come.
	Cadence int64 `json:"cadence,omitempty"`
	// Silence is how long, in microseconds, the series may go without a new
	// usable reading before that is itself a condition; 0 means never.
	Silence int64 `json:"silence,omitempty"`
	// Panel is set when the reading is one part of a panel Observation, such
	// as the systolic part of a blood pressure.
	Panel *Panel `json:"panel,omitempty"`
	// Rate is samples per second as a fraction, for waves only: 360/1, 125/1,
	// 1000/3.
	RateNum int64 `json:"rateNum,omitempty"`
	RateDen int64 `json:"rateDen,omitempty"`
}

// IsWave tells whether the metric is sampled at a fixed rate.
func (m *Metric) IsWave() bool { return m.RateNum > 0 }

// A Panel groups readings of one message into one Observation with components,
// as FHIR R4 does for blood pressure (vitalsigns profile, code 85354-9).
type Panel struct {
	Name  string `json:"name"`
	Codes []Code `json:"codes"`
}
