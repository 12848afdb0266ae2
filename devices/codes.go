package devices

import (
	"fmt"
	"strings"

	"github.com/vigil-iomt/vigil"
)

// A knownCode is what is known about a code that profiles use. The displays are
// those of LOINC 2.7x and of IEEE 11073-10101; a unit stands for the dimension
// that the code's values have.
type knownCode struct {
	system, code string
	display      string
	title        string // what people on a ward call it
	unit         string // "" for devices and panels
	category     string // FHIR observation category
}

// knownCodes returns the table.
func knownCodes() []knownCode {
	const vital, lab, activity, device = "vital-signs", "laboratory", "activity", ""
	return []knownCode{
		{vigil.LOINC, "8867-4", "Heart rate", "Heart rate", "/min", vital},
		{vigil.LOINC, "8889-8", "Heart rate by Pulse oximetry", "Pulse", "/min", vital},
		{vigil.LOINC, "59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry", "SpO₂", "%", vital},
		{vigil.LOINC, "2708-6", "Oxygen saturation in Arterial blood", "SpO₂", "%", vital},
		{vigil.LOINC, "9279-1", "Respiratory rate", "Respiration", "/min", vital},
		{vigil.LOINC, "8310-5", "Body temperature", "Temperature", "Cel", vital},
		{vigil.LOINC, "19889-5", "Carbon dioxide [Partial pressure] in Exhaled gas --at end expiration", "EtCO₂", "mm[Hg]", vital},
		{vigil.LOINC, "85354-9", "Blood pressure panel with all children optional", "Blood pressure", "", vital},
		{vigil.LOINC, "8480-6", "Systolic blood pressure", "Systolic", "mm[Hg]", vital},
		{vigil.LOINC, "8462-4", "Diastolic blood pressure", "Diastolic", "mm[Hg]", vital},
		{vigil.LOINC, "8478-0", "Mean blood pressure", "Mean pressure", "mm[Hg]", vital},
		{vigil.LOINC, "29463-7", "Body weight", "Weight", "kg", vital},
		{vigil.LOINC, "8302-2", "Body height", "Height", "cm", vital},
		{vigil.LOINC, "39156-5", "Body mass index (BMI) [Ratio]", "Body mass index", "kg/m2", vital},
		{vigil.LOINC, "61006-3", "Perfusion index Tissue by Pulse oximetry", "Perfusion", "%", vital},
		{vigil.LOINC, "2339-0", "Glucose [Mass/volume] in Blood", "Glucose", "mg/dL", lab},
		{vigil.LOINC, "15074-8", "Glucose [Moles/volume] in Blood", "Glucose", "mmol/L", lab},
		{vigil.LOINC, "99504-3", "Glucose [Mass/volume] in Interstitial fluid", "Glucose", "mg/dL", lab},
		{vigil.LOINC, "105272-9", "Glucose [Moles/volume] in Interstitial fluid", "Glucose", "mmol/L", lab},
		{vigil.LOINC, "41950-7", "Number of steps in 24 hour Measured", "Steps", "1", activity},
		{vigil.LOINC, "55423-8", "Number of steps in unspecified time Pedometer", "Steps", "1", activity},
		{vigil.LOINC, "19868-9", "Forced vital capacity [Volume] Respiratory system by Spirometry", "Forced vital capacity", "L", ""},
		{vigil.LOINC, "20150-9", "FEV1", "FEV1", "L", ""},
		{vigil.LOINC, "19935-6", "Maximum expiratory gas flow Respiratory system airway by Peak flow meter", "Peak flow", "L/min", ""},
		{vigil.LOINC, "60832-3", "Room temperature", "Room temperature", "Cel", ""},
		{vigil.LOINC, "65643-9", "Relative humidity", "Humidity", "%", ""},

		{vigil.MDC, "147842", "MDC_ECG_HEART_RATE", "Heart rate", "/min", vital},
		{vigil.MDC, "149530", "MDC_PULS_OXIM_PULS_RATE", "Pulse", "/min", vital},
		{vigil.MDC, "149546", "MDC_PULS_RATE_NON_INV", "Pulse", "/min", vital},
		{vigil.MDC, "150456", "MDC_PULS_OXIM_SAT_O2", "SpO₂", "%", vital},
		{vigil.MDC, "150448", "MDC_PULS_OXIM_PERF_REL", "Perfusion", "%", vital},
		{vigil.MDC, "150452", "MDC_PULS_OXIM_PLETH", "Pleth", "1", ""},
		{vigil.MDC, "151562", "MDC_RESP_RATE", "Respiration", "/min", vital},
		{vigil.MDC, "150364", "MDC_TEMP_BODY", "Temperature", "Cel", vital},
		{vigil.MDC, "150020", "MDC_PRESS_BLD_NONINV", "Blood pressure", "mm[Hg]", vital},
		{vigil.MDC, "150021", "MDC_PRESS_BLD_NONINV_SYS", "Systolic", "mm[Hg]", vital},
		{vigil.MDC, "150022", "MDC_PRESS_BLD_NONINV_DIA", "Diastolic", "mm[Hg]", vital},
		{vigil.MDC, "150023", "MDC_PRESS_BLD_NONINV_MEAN", "Mean pressure", "mm[Hg]", vital},
		{vigil.MDC, "150032", "MDC_PRESS_BLD_ART", "Arterial pressure", "mm[Hg]", ""},
		{vigil.MDC, "150036", "MDC_PRESS_BLD_ART_ABP", "Arterial pressure", "mm[Hg]", ""},
		{vigil.MDC, "150037", "MDC_PRESS_BLD_ART_ABP_SYS", "Systolic", "mm[Hg]", vital},
		{vigil.MDC, "150038", "MDC_PRESS_BLD_ART_ABP_DIA", "Diastolic", "mm[Hg]", vital},
		{vigil.MDC, "150039", "MDC_PRESS_BLD_ART_ABP_MEAN", "Mean pressure", "mm[Hg]", vital},
		{vigil.MDC, "150044", "MDC_PRESS_BLD_ART_PULM", "Pulmonary arterial pressure", "mm[Hg]", ""},
		{vigil.MDC, "150084", "MDC_PRESS_BLD_VEN_CENT", "Central venous pressure", "mm[Hg]", ""},
		{vigil.MDC, "188736", "MDC_MASS_BODY_ACTUAL", "Weight", "kg", vital},
		{vigil.MDC, "160184", "MDC_CONC_GLU_CAPILLARY_WHOLEBLOOD", "Glucose", "mg/dL", lab},
		{vigil.MDC, "160212", "MDC_CONC_GLU_ISF", "Glucose", "mg/dL", lab},
		{vigil.MDC, "157784", "MDC_FLOW_FLUID_PUMP", "Infusion rate", "mL/h", ""},
		{vigil.MDC, "152584", "MDC_FLOW_AWAY_EXP_FORCED_PEAK", "Peak flow", "L/min", ""},
		{vigil.MDC, "67996", "MDC_ATTR_VAL_BATT_CHARGE", "Battery", "%", ""},
		{vigil.MDC, "131329", "MDC_ECG_ELEC_POTL_I", "ECG I", "mV", ""},
		{vigil.MDC, "131330", "MDC_ECG_ELEC_POTL_II", "ECG II", "mV", ""},
		{vigil.MDC, "131389", "MDC_ECG_ELEC_POTL_III", "ECG III", "mV", ""},
		{vigil.MDC, "131390", "MDC_ECG_ELEC_POTL_AVR", "ECG aVR", "mV", ""},
		{vigil.MDC, "131391", "MDC_ECG_ELEC_POTL_AVL", "ECG aVL", "mV", ""},
		{vigil.MDC, "131392", "MDC_ECG_ELEC_POTL_AVF", "ECG aVF", "mV", ""},
		{vigil.MDC, "131331", "MDC_ECG_ELEC_POTL_V1", "ECG V1", "mV", ""},
		{vigil.MDC, "131332", "MDC_ECG_ELEC_POTL_V2", "ECG V2", "mV", ""},
		{vigil.MDC, "131333", "MDC_ECG_ELEC_POTL_V3", "ECG V3", "mV", ""},
		{vigil.MDC, "131334", "MDC_ECG_ELEC_POTL_V4", "ECG V4", "mV", ""},
		{vigil.MDC, "131335", "MDC_ECG_ELEC_POTL_V5", "ECG V5", "mV", ""},
		{vigil.MDC, "131336", "MDC_ECG_ELEC_POTL_V6", "ECG V6", "mV", ""},

		{vigil.MDC, "528388", "MDC_DEV_SPEC_PROFILE_PULS_OXIM", "Pulse oximeter", "", device},
		{vigil.MDC, "528390", "MDC_DEV_SPEC_PROFILE_MIN_ECG", "Basic ECG", "", device},
		{vigil.MDC, "528391", "MDC_DEV_SPEC_PROFILE_BP", "Blood pressure monitor", "", device},
		{vigil.MDC, "528392", "MDC_DEV_SPEC_PROFILE_TEMP", "Thermometer", "", device},
		{vigil.MDC, "528399", "MDC_DEV_SPEC_PROFILE_SCALE", "Scale", "", device},
		{vigil.MDC, "528401", "MDC_DEV_SPEC_PROFILE_GLUCOSE", "Glucose meter", "", device},
		{vigil.MDC, "528403", "MDC_DEV_SPEC_PROFILE_INSULIN_PUMP", "Insulin pump", "", device},
		{vigil.MDC, "528405", "MDC_DEV_SPEC_PROFILE_PEFM", "Peak flow meter", "", device},
		{vigil.MDC, "528409", "MDC_DEV_SPEC_PROFILE_CGM", "Continuous glucose monitor", "", device},
		{vigil.MDC, "528456", "MDC_DEV_SPEC_PROFILE_AI_MED_MINDER", "Medication monitor", "", device},
	}
}

// lookup finds a code among those that a profile brings along and in the table.
func lookup(own []knownCode, c vigil.Code) (knownCode, bool) {
	for _, k := range append(own[:len(own):len(own)], knownCodes()...) {
		if k.system == c.System && k.code == c.Value {
			return k, true
		}
	}
	return knownCode{}, false
}

// malformed tells why a code cannot be one of its system, or "".
func malformed(c vigil.Code) string {
	switch c.System {
	case vigil.LOINC:
		body, check, ok := strings.Cut(c.Value, "-")
		if !ok || len(check) != 1 || !allDigits(body) || len(body) > 7 {
			return fmt.Sprintf("%q is not a LOINC code like 8867-4", c.Value)
		}
		if want := luhn(body); check[0] != want {
			return fmt.Sprintf("%q is not a LOINC code: its check digit would be %c", c.Value, want)
		}
	case vigil.MDC:
		if !allDigits(c.Value) || len(c.Value) > 10 {
			return fmt.Sprintf("%q is not an IEEE 11073-10101 code like 150456", c.Value)
		}
	case vigil.SNOMED:
		if !allDigits(c.Value) || len(c.Value) < 6 || len(c.Value) > 18 || !verhoeff(c.Value) {
			return fmt.Sprintf("%q is not a SNOMED CT code like 364075005", c.Value)
		}
	}
	return ""
}

// allDigits tells whether a text is made of digits.
func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// luhn returns the check digit of a LOINC code (modulus 10; LOINC Users' Guide,
// appendix on check digits).
func luhn(body string) byte {
	sum := 0
	for i := range len(body) {
		d := int(body[len(body)-1-i] - '0')
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return byte('0' + (10-sum%10)%10) // #nosec G115 -- one digit
}

// verhoeff tells whether the last digit of a SNOMED CT identifier is its check
// digit (dihedral group D5).
func verhoeff(s string) bool {
	permuted := [8][10]int{
		{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 5, 7, 6, 2, 8, 3, 0, 9, 4}, {5, 8, 0, 3, 7, 9, 6, 1, 4, 2},
		{8, 9, 1, 6, 0, 4, 3, 5, 2, 7}, {9, 4, 5, 3, 1, 2, 6, 8, 7, 0}, {4, 2, 8, 6, 5, 7, 3, 9, 0, 1},
		{2, 7, 9, 3, 8, 0, 6, 4, 1, 5}, {7, 0, 4, 6, 9, 1, 3, 2, 5, 8},
	}
	times := func(a, b int) int {
		switch {
		case a < 5 && b < 5:
			return (a + b) % 5
		case a < 5:
			return 5 + (a+b-5)%5
		case b < 5:
			return 5 + (a-5-b+5)%5
		}
		return (a - b + 5) % 5
	}
	c := 0
	for i := range len(s) {
		c = times(c, permuted[i%8][s[len(s)-1-i]-'0'])
	}
	return c == 0
}
