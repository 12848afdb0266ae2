package check

import (
	"strings"
	"testing"
)

func TestOutcomesAreGoodResources(t *testing.T) {
	c := checker()
	for _, issues := range [][]Issue{
		nil,
		c.Check(parse(t, `{"resourceType":"Patient","name":{"family":"\u00e4\"<"},"x\"y":1}`), Options{Level: Rules}),
		{{Severity: Fatal, Code: "exception"}, {Severity: Warning, Code: "value", Key: "a\nb", Message: "x\ty", Expression: "Patient.name[0]", Line: 3, Col: 4}},
	} {
		doc := parse(t, string(AppendOutcome(nil, issues)))
		if got := c.Check(doc, Options{Level: Profiles}); Failed(got) {
			t.Errorf("got %+v for %s", got, doc.Bytes())
		}
	}
}

func TestOutcome(t *testing.T) {
	got := string(AppendOutcome(nil, []Issue{{Severity: Error, Code: "required", Message: "Patient.x is required", Expression: "Patient", Line: 2, Col: 7, Key: "required"}}))
	want := `{"resourceType":"OperationOutcome","issue":[{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-line","valueInteger":2},{"url":"http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-col","valueInteger":7}],` +
		`"severity":"error","code":"required","details":{"coding":[{"code":"required"}]},"diagnostics":"Patient.x is required","expression":["Patient"]}]}`
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPlacesOfIssues(t *testing.T) {
	body := `{
  "resourceType": "Bundle", "type": "collection",
  "entry": [
    {"resource": {"resourceType": "Patient",
      "name": [{"given": ["a", 5]}],
      "_birthDate": {"extension": [{"url": "http://example.org/x"}]},
      "contained": [{"resourceType": "Basic", "id": "b"}]}}
  ]
}`
	got := checker().Check(parse(t, body), Options{Level: Rules})
	for _, want := range []Issue{
		{Expression: "Bundle.entry[0].resource.name[0].given[1]", Line: 5, Col: 32, Key: "kind"},
		{Expression: "Bundle.entry[0].resource.birthDate.extension[0]", Line: 6, Col: 36, Key: "ext-1"},
		{Expression: "Bundle.entry[0].resource.contained[0]", Line: 7, Col: 21, Key: "required"},
		{Expression: "Bundle.entry[0].resource.contained[0]", Line: 7, Col: 21, Key: "dom-3"},
	} {
		found := false
		for _, i := range got {
			found = found || i.Expression == want.Expression && i.Line == want.Line && i.Col == want.Col && i.Key == want.Key
		}
		if !found {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestTheListOfIssuesEnds(t *testing.T) {
	got := checker().Check(parse(t, `{"resourceType":"Patient","name":[`+repeat(50, func(int) string { return `{"x":1}` })+`]}`), Options{Limit: 10})
	if len(got) != 11 || got[10].Code != "too-costly" {
		t.Errorf("got %d issues, the last %+v", len(got), got[len(got)-1])
	}
}

func TestReferences(t *testing.T) {
	for text, want := range map[string]Reference{
		"Patient/1":                                   {Type: "Patient", ID: "1"},
		"Patient/1/_history/2":                        {Type: "Patient", ID: "1", Version: "2"},
		"http://a.org/fhir/Patient/1":                 {Base: "http://a.org/fhir/", Type: "Patient", ID: "1", Absolute: true},
		"https://a.org/Patient/1/_history/2":          {Base: "https://a.org/", Type: "Patient", ID: "1", Version: "2", Absolute: true},
		"urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877": {Absolute: true},
		"http://a.org/x?y=z":                          {Absolute: true},
		"Patient?identifier=a|b":                      {Type: "Patient", Query: "identifier=a|b"},
	} {
		if got, ok := ParseReference(text); got != want || !ok {
			t.Errorf("%s: got %+v %v, want %+v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "Patient", "patient/1", "Patient/", "Patient/a_b", "/Patient/1", "a/Patient/1", "Patient/1/2", "Patient/1/_history/", "Patient?", "?a=b", "1"} {
		if got, ok := ParseReference(text); ok {
			t.Errorf("%q: got %+v, want none", text, got)
		}
	}
}

func TestExtensions(t *testing.T) {
	c := checker()
	for body, want := range map[string]string{
		`{"resourceType":"Patient","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthPlace","valueAddress":{"city":"x"}}]}`:                                                                                                  "",
		`{"resourceType":"Patient","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthPlace","valueString":"x"}]}`:                                                                                                            "Patient.extension[0].value type",
		`{"resourceType":"Basic","code":{"text":"x"},"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthPlace","valueAddress":{"city":"x"}}]}`:                                                                                "Basic.extension[0] context?",
		`{"resourceType":"Patient","birthDate":"2000","_birthDate":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthTime","valueDateTime":"2000-01-01T00:00:00Z"}]}}`:                                                      "",
		`{"resourceType":"Patient","_active":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthTime","valueDateTime":"2000-01-01T00:00:00Z"}]}}`:                                                                            "Patient.active.extension[0] context?",
		`{"resourceType":"Patient","modifierExtension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthPlace","valueAddress":{"city":"x"}}]}`:                                                                                          "Patient.modifierExtension[0] extension",
		`{"resourceType":"Patient","active":true,"_active":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}}`:                                                                              "",
		`{"resourceType":"Patient","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthPlace","valueAddress":{"city":"x"}},{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthPlace","valueAddress":{"city":"y"}}]}`: "Patient.extension[1] max",
		`{"resourceType":"Patient","extension":[{"url":"http://example.org/mine","valueString":"x"}]}`:                                                                                                                                               "",
		`{"resourceType":"Patient","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-nationality","extension":[{"url":"code","valueCodeableConcept":{"text":"x"}}]}]}`:                                                            "",
		`{"resourceType":"Patient","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-nationality","extension":[{"url":"code","valueString":"x"}]}]}`:                                                                              "Patient.extension[0].extension[0].value type",
	} {
		got := c.Check(parse(t, body), Options{Level: Profiles})
		expression, key := split(want)
		least := Error
		if key = strings.TrimSuffix(key, "?"); strings.HasSuffix(want, "?") {
			least = Warning
		}
		if want == "" && Failed(got) || want != "" && !some(got, expression, key, least) {
			t.Errorf("%s: got %+v, want %q", body, got, want)
		}
	}
}

func TestWhatIsNoResource(t *testing.T) {
	c := checker()
	for _, body := range []string{`[]`, `1`, `null`, `"x"`, `{}`, `{"resourceType":1}`, `{"resourceType":"Resource"}`, `{"resourceType":"HumanName"}`, `{"resourceType":"Nothing"}`} {
		if got := c.Check(parse(t, body), Options{Level: Profiles, Profiles: []string{"x"}}); !Failed(got) {
			t.Errorf("%s: accepted", body)
		}
	}
	if got := c.Check(nil, Options{Level: Profiles}); !Failed(got) {
		t.Error("no document: accepted")
	}
}
