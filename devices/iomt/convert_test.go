package iomt

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil/devices"
)

const noFHIR = `{"templateType":"CollectionFhir","template":[]}`

// TestNativeSamples converts the sample pairs and compares what both forms make
// of the same messages. The pairs code diastolic pressure as heart rate; that is
// all that the check may have against the profiles.
func TestNativeSamples(t *testing.T) {
	dir := filepath.Join(suiteDir(t), "sample", "templates")
	for name, messages := range map[string][]string{
		"basic": {
			`{"heartrate":"78","measurementdatetime":"2019-02-01T22:46:01.875Z","deviceid":"d","patientid":"p"}`,
			`{"systolic":"123","diastolic":87,"measurementdatetime":"2019-02-01T22:46:01.875Z","deviceid":"d","patientid":"p"}`,
			`{"steps":2,"hrv":"5.50","measurementdatetime":"2019-02-01T22:46:01.875Z","deviceid":"d","patientid":"p"}`,
		},
		"healthkitOnFhir": {
			`{"bodyMass":80.5,"bodyTemperature":36.6,"oxygenSaturation":97,"endDate":"2019-02-01T22:46:01Z","deviceId":"d"}`,
			`{"systolic":"123","diastolic":87,"measurementdatetime":"2019-02-01T22:46:01.875Z","deviceId":"d"}`,
		},
	} {
		m := pair(t, filepath.Join(dir, name), filepath.Join(dir, name))
		text, cannot := m.Native()
		if len(cannot) > 0 {
			t.Errorf("%s: %v", name, cannot)
			continue
		}
		p, problems := devices.Parse(name+".yaml", text)
		if p == nil {
			t.Errorf("%s: %v\n%s", name, problems, text)
			continue
		}
		for _, w := range p.Check() {
			if !strings.Contains(w.Msg, "8867-4") && !strings.Contains(w.Msg, "clinically odd") {
				t.Errorf("%s: %v", name, w)
			}
		}
		for _, message := range messages {
			var a, b devices.Decoded
			m.Decode(&a, "", []byte(message))
			p.Decode(&b, "", []byte(message))
			if got, want := parts(&b), parts(&a); got != want {
				t.Errorf("%s: %s\nprofile %s %v\nmapping %s %v", name, message, got, b.Refusals, want, a.Refusals)
			}
			if a.Patient != b.Patient {
				t.Errorf("%s: patient %q, want %q", name, b.Patient, a.Patient)
			}
		}
	}
}

// parts writes the readings, with their times, in the order of their names.
func parts(d *devices.Decoded) string {
	var out []string
	for i := range d.Readings {
		r := &d.Readings[i]
		out = append(out, r.Metric.Name+" "+devices.RenderReading(r)+" "+r.Stated.String())
	}
	for i := range out {
		for j := i; j > 0 && out[j] < out[j-1]; j-- {
			out[j], out[j-1] = out[j-1], out[j]
		}
	}
	return strings.Join(out, "; ")
}

// TestNativeCannot asks that what no profile can say is named.
func TestNativeCannot(t *testing.T) {
	calculated := func(members string) string {
		return `{"templateType":"CollectionContent","template":[{"templateType":"CalculatedContent","template":{"typeName":"a",` + members +
			`,"deviceIdExpression":"$.matchedToken.d"}}]}`
	}
	for content, want := range map[string]string{
		calculated(`"typeMatchExpression":"$..[?(@a)]","timestampExpression":"$.Body.t"`):                                                                            "timestampExpression $.Body.t is more than a path",
		calculated(`"typeMatchExpression":"$.Body","timestampExpression":"$.matchedToken.t"`):                                                                        "more than a question for fields",
		calculated(`"typeMatchExpression":"$..[?(@a)]","timestampExpression":"$.matchedToken.t","correlationIdExpression":"$.c"`):                                    "correlation",
		calculated(`"typeMatchExpression":"$..[?(@a)]","timestampExpression":"$.matchedToken.t","encounterIdExpression":"$.c"`):                                      "encounter",
		calculated(`"typeMatchExpression":"$..[?(@a)]","timestampExpression":"$.matchedToken.t","values":[{"valueName":"x","valueExpression":"$.matchedToken[0]"}]`): `of "x" is more than a path`,
	} {
		m, problems := Parse("x", []byte(content), []byte(noFHIR))
		if m == nil {
			t.Errorf("%s: %v", content, problems)
			continue
		}
		if _, cannot := m.Native(); !strings.Contains(strings.Join(cannot, "\n"), want) || !strings.Contains(strings.Join(cannot, "\n"), "devicecontent.json line 1") {
			t.Errorf("got %v, want %s", cannot, want)
		}
	}
}

// TestNativeList reads a message that is a list, and a match by value.
func TestNativeList(t *testing.T) {
	content := `{"templateType":"CollectionContent","template":[
	 {"templateType":"JsonPathContent","template":{"typeName":"Heart Rate","typeMatchExpression":"$..[?(@.type == 'hr' && @.v)]",
	  "deviceIdExpression":"$.d","timestampExpression":"$.t","values":[{"valueName":"bpm","valueExpression":"$.v"}]}},
	 {"templateType":"JsonPathContent","template":{"typeName":"note","typeMatchExpression":"$..[?(@.note || @.remark)]",
	  "deviceIdExpression":"$.d","timestampExpression":"$.t","values":[{"valueName":"text","valueExpression":"$.note"}]}}]}`
	fhir := `{"templateType":"CollectionFhir","template":[
	 {"templateType":"CodeValueFhir","template":{"typeName":"Heart Rate","codes":[{"code":"8867-4","system":"http://loinc.org"}],
	  "value":{"valueType":"Quantity","valueName":"bpm","unit":"bpm"}}},
	 {"templateType":"CodeValueFhir","template":{"typeName":"note","codes":[],"value":{"valueType":"String","valueName":"text"}}}]}`
	m, problems := Parse("list", []byte(content), []byte(fhir))
	if m == nil {
		t.Fatal(problems)
	}
	text, cannot := m.Native()
	p, problems := devices.Parse("list.yaml", text)
	if p == nil || len(cannot) > 0 {
		t.Fatalf("%v %v\n%s", cannot, problems, text)
	}
	if wrong := p.Check(); len(wrong) > 0 {
		t.Errorf("%v\n%s", wrong, text)
	}
	message := []byte(`[{"type":"hr","v":61,"d":"x","t":"2026-01-31T12:00:00Z"},{"type":"rr","v":12,"note":"hello","d":"x","t":"2026-01-31T12:00:01Z"}]`)
	var a, b devices.Decoded
	m.Decode(&a, "", message)
	p.Decode(&b, "", message)
	if got, want := parts(&b), parts(&a); got != want || got != "heart-rate 61 /min 2026-01-31T12:00:00Z" {
		t.Errorf("profile %q, mapping %q", got, want)
	}
	if len(a.Events) != 1 || len(b.Events) != 1 || b.Events[0].Type != a.Events[0].Type {
		t.Errorf("events %+v and %+v", a.Events, b.Events)
	}
}
