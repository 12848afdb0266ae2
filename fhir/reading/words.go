package reading

import (
	"github.com/vigil-iomt/vigil"
)

// The code systems that the projection uses, as FHIR R4 names them
// (terminologies-systems.html, valueset-data-absent-reason.html,
// valueset-observation-category.html), and our own for what R4 has no word for.
const (
	absentSystem   = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
	categorySystem = "http://terminology.hl7.org/CodeSystem/observation-category"
	absentURL      = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
	// IdentifierType is the code system of Identifier.type.
	IdentifierType = "http://terminology.hl7.org/CodeSystem/v2-0203"
	qualitySystem  = "https://github.com/vigil-iomt/vigil/reading-quality"
)

// absentReason maps what a device says instead of a value to FHIR's
// data-absent-reason. The device's own word stands beside it as text.
func absentReason(s vigil.State) vigil.Code {
	switch s {
	case vigil.SensorOff, vigil.LeadsOff, vigil.NotMeasured:
		return vigil.Code{System: absentSystem, Value: "not-performed", Display: "Not Performed"}
	case vigil.Searching, vigil.Calibrating, vigil.WarmingUp:
		return vigil.Code{System: absentSystem, Value: "temp-unknown", Display: "Temporarily Unknown"}
	case vigil.NotANumber:
		return vigil.Code{System: absentSystem, Value: "not-a-number", Display: "Not a Number (NaN)"}
	case vigil.Artifact, vigil.LowPerfusion, vigil.DeviceError, vigil.OutOfRange, vigil.BatteryLow, vigil.NoState:
	}
	return vigil.Code{System: absentSystem, Value: "error", Display: "Error"}
}

// infinite is the reason for a value that no JSON number can say.
func infinite(negative bool) vigil.Code {
	if negative {
		return vigil.Code{System: absentSystem, Value: "negative-infinity", Display: "Negative Infinity (NINF)"}
	}
	return vigil.Code{System: absentSystem, Value: "positive-infinity", Display: "Positive Infinity (PINF)"}
}

// categoryDisplay is the display of a code of observation-category.
func categoryDisplay(code string) string {
	switch code {
	case "vital-signs":
		return "Vital Signs"
	case "laboratory":
		return "Laboratory"
	case "activity":
		return "Activity"
	case "procedure":
		return "Procedure"
	case "survey":
		return "Survey"
	case "therapy":
		return "Therapy"
	case "exam":
		return "Exam"
	case "imaging":
		return "Imaging"
	case "social-history":
		return "Social History"
	}
	return ""
}

// unitName is how people write a UCUM unit; most are written as they are.
func unitName(ucum string) string {
	switch ucum {
	case "1":
		return ""
	case "mm[Hg]":
		return "mmHg"
	case "cm[H2O]":
		return "cmH2O"
	case "Cel":
		return "°C"
	case "[degF]":
		return "°F"
	case "[iU]":
		return "IU"
	case "[IU]":
		return "IU"
	case "[lb_av]":
		return "lb"
	case "[in_i]":
		return "in"
	}
	return ucum
}

// qualityNotes explains, for people, the flags that change how far a reading
// can be trusted. Programs find the same words as meta.tag.
func qualityNotes(q vigil.Quality) []string {
	var notes []string
	for _, n := range [...]struct {
		flag vigil.Quality
		text string
	}{
		{vigil.Implausible, "Implausible: outside what the sensor can give."},
		{vigil.ClockSuspect, "The device's clock could not be used; the time is when the reading arrived."},
		{vigil.ClockCorrected, "The time was corrected by the known offset of the device's clock."},
		{vigil.Conflict, "The device sent another value with the same identity."},
		{vigil.Unverified, "The device's firmware is outside the range that its profile was verified for."},
		{vigil.Derived, "Computed by software from other readings."},
	} {
		if q.Has(n.flag) {
			notes = append(notes, n.text)
		}
	}
	return notes
}

// tagged are the flags that become tags: all but those that FHIR has an
// element for (comparator, status).
const tagged = vigil.Implausible | vigil.ClockSuspect | vigil.ClockCorrected | vigil.Conflict | vigil.BestEffort |
	vigil.Unverified | vigil.Historical | vigil.Derived | vigil.StoredElsewhere
