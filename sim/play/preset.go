package play

import "slices"

// Presets returns the tables that are known by name. The layouts are those of
// the published data sets themselves.
func Presets() []Table {
	rows := func(from, to string) Column { return Column{From: from, To: to} }
	day := "02/01/2006 15:04" // day first, as the T1D-UOM study writes
	return []Table{
		{
			Name: "iglu", Profile: "cgm-export", Who: "id", Time: TimeColumn{Column: "time", Format: "2006-01-02 15:04:05"},
			Map: []Column{rows("gl", "glucose")}, Fixed: map[string]string{"unit": "mg/dL"},
		},
		{
			Name: "t1d-uom-glucose", Profile: "cgm-export", Time: TimeColumn{Column: "bg_ts", Format: day},
			Map: []Column{rows("value", "glucose")}, Fixed: map[string]string{"unit": "mmol/L"},
		},
		{
			Name: "t1d-uom-bolus", Profile: "cgm-export", Time: TimeColumn{Column: "bolus_ts", Format: day},
			Map: []Column{rows("bolus_dose", "insulin")}, Fixed: map[string]string{"insulin-type": "bolus"},
		},
		{
			Name: "t1d-uom-basal", Profile: "cgm-export", Time: TimeColumn{Column: "basal_ts", Format: day},
			Map: []Column{rows("basal_dose", "insulin")}, Fixed: map[string]string{"insulin-type": "basal"},
		},
		{
			Name: "t1d-uom-nutrition", Profile: "cgm-export", Time: TimeColumn{Column: "meal_ts", Format: day},
			Map: []Column{rows("carbs_g", "carbs"), {From: "meal_type", To: "meal", Beside: true}},
		},
		{
			Name: "hypnos", Profile: "vitals-table", Who: "ID", Time: TimeColumn{Column: "DATE.TIME", Format: "2006-01-02 15:04:05"},
			Map: []Column{rows("SYST", "nibp-sys"), rows("DIAST", "nibp-dia"), rows("MAP", "nibp-mean"), rows("HR", "pulse")},
		},
		{
			Name: "bidmc-numerics", Profile: "vitals-table", Time: TimeColumn{Column: "Time [s]", Format: "seconds"},
			Map: []Column{rows("HR", "hr"), rows("PULSE", "pulse"), rows("RESP", "resp"), rows("SpO2", "spo2")},
		},
		{
			Name: "bidmc-signals", Profile: "ecg-recorder", Time: TimeColumn{Column: "Time [s]", Format: "seconds"},
			Map:   []Column{rows("RESP", "RESP"), rows("PLETH", "PLETH"), rows("V", "V"), rows("AVR", "AVR"), rows("II", "II")},
			Waves: true, Rate: 125,
		},
	}
}

// Preset finds a table by its name.
func Preset(name string) (Table, bool) {
	for _, t := range Presets() {
		if t.Name == name {
			return t, true
		}
	}
	return Table{}, false
}

// Recognise finds the preset whose columns a table has: all of them, the most
// if several fit.
func Recognise(columns []string) (Table, bool) {
	best, found := Table{}, false
	for _, t := range Presets() {
		fits := slices.Contains(columns, t.Time.Column)
		for _, m := range t.Map {
			fits = fits && slices.Contains(columns, m.From)
		}
		if fits && (!found || len(t.Map) > len(best.Map)) {
			best, found = t, true
		}
	}
	return best, found
}
