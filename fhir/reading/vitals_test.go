package reading

import (
	"fmt"
	"testing"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

func known(c vigil.Code) *vigil.Metric {
	for _, m := range []*vigil.Metric{hr, sys, dia, glucose, ecgII, fahrenheit()} {
		for _, have := range m.Codes {
			if have.System == c.System && have.Value == c.Value {
				return m
			}
		}
	}
	return nil
}

func fahrenheit() *vigil.Metric {
	return &vigil.Metric{Name: "temp", Unit: "Cel", Decimals: 1, Codes: []vigil.Code{{System: vigil.LOINC, Value: "8310-5"}}}
}

func TestVitalsOfPostedObservations(t *testing.T) {
	const rate = `"code":{"coding":[{"system":"urn:own","code":"x"},{"system":"http://loinc.org","code":"8867-4"}]},"valueQuantity":{"value":72.50,"system":"http://unitsofmeasure.org","code":"/min"}`
	const when = `"effectiveDateTime":"2026-03-01T13:00:00+01:00"`
	const who = `"subject":{"reference":"Patient/anna"},"device":{"reference":"Device/mon-1"}`
	tests := []struct{ name, body, want string }{
		{"a heart rate", `{"status":"final",` + rate + `,` + when + `,` + who + `}`, "anna mon-1 hr 72.5 2 2026-03-01T12:00:00Z stored-elsewhere"},
		{"withdrawn", `{"status":"entered-in-error",` + rate + `,` + when + `,` + who + `}`, "anna mon-1"},
		{"of a day", `{"status":"final",` + rate + `,"effectiveDateTime":"2026-03-01",` + who + `}`, "anna mon-1"},
		{"of nobody", `{"status":"final",` + rate + `,` + when + `}`, " "},
		{"of a patient elsewhere", `{"status":"final",` + rate + `,` + when + `,"subject":{"reference":"https://other.test/fhir/Patient/anna"}}`, " "},
		{"another unit", `{"status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8310-5"}]},"valueQuantity":{"value":98.6,"system":"http://unitsofmeasure.org","code":"[degF]"},` + when + `,` + who + `}`,
			"anna mon-1 temp 37.0 1 2026-03-01T12:00:00Z stored-elsewhere"},
		{"a unit that does not fit", `{"status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8310-5"}]},"valueQuantity":{"value":98.6,"system":"http://unitsofmeasure.org","code":"kg"},` + when + `,` + who + `}`, "anna mon-1"},
		{"a code that nobody knows", `{"status":"final","code":{"coding":[{"system":"http://loinc.org","code":"1-8"}]},"valueQuantity":{"value":1},` + when + `,` + who + `}`, "anna mon-1"},
		{"above", `{"status":"final","code":{"coding":{"system":"http://loinc.org","code":"2339-0"}},"valueQuantity":{"value":600,"comparator":">","system":"http://unitsofmeasure.org","code":"mg/dL"},` + when + `,` + who + `}`,
			"anna mon-1 glucose 600.0 0 2026-03-01T12:00:00Z above stored-elsewhere"},
		{"a pressure", `{"status":"final","code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},"effectivePeriod":{"start":"2026-03-01T12:00:00Z"},` + who + `,"component":[
			{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":120,"system":"http://unitsofmeasure.org","code":"mm[Hg]"}},
			{"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},"valueQuantity":{"value":80,"system":"http://unitsofmeasure.org","code":"mm[Hg]"}}]}`,
			"anna mon-1 nibp-sys 120.0 0 2026-03-01T12:00:00Z stored-elsewhere nibp-dia 80.0 0 2026-03-01T12:00:00Z stored-elsewhere"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc, err := tree.Parse([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			p := Vitals(doc.Root(), known)
			got := p.Patient + " " + p.Device
			for _, r := range p.Readings {
				got += fmt.Sprintf(" %s %.1f %d %s %s", r.Metric.Name, r.Value, r.Decimals, r.Taken, r.Quality)
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzVitals(f *testing.F) {
	f.Add(`{"status":"final","component":[{"valueQuantity":{"value":1e999}}],"effectiveInstant":"0001-01-01T00:00:00Z","subject":[]}`)
	f.Fuzz(func(t *testing.T, s string) {
		doc, err := tree.Parse([]byte(s))
		if err != nil {
			return
		}
		for _, r := range Vitals(doc.Root(), known).Readings {
			if r.Taken <= 0 || !r.Quality.Has(vigil.StoredElsewhere) {
				t.Errorf("%+v", r)
			}
		}
	})
}
