package check

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/terms"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

func repeat(n int, item func(i int) string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = item(i)
	}
	return strings.Join(list, ",")
}

// What a document costs grows with its size and not faster, however it is
// built, and the list of issues ends.
func TestHostileDocumentsCostLittle(t *testing.T) {
	n := 20000
	if testing.Short() {
		n = 2000
	}
	same := func(s string) func(int) string { return func(int) string { return s } }
	c := checker()
	for what, body := range map[string]string{
		"extensions within each other":    `{"resourceType":"Patient","extension":[` + strings.Repeat(`{"url":"a","extension":[`, 45) + `{"url":"a","valueCode":"b"}` + strings.Repeat(`]}`, 45) + `]}`,
		"many nulls":                      `{"resourceType":"Patient","name":[{"given":[` + repeat(n, same("null")) + `],"_given":[` + repeat(n, same(`{"id":"a"}`)) + `]}]}`,
		"many nulls on both sides":        `{"resourceType":"Patient","name":[{"given":[` + repeat(n, same("null")) + `],"_given":[` + repeat(n, same(`null`)) + `]}]}`,
		"many unknown members":            `{"resourceType":"Patient",` + repeat(n, func(i int) string { return fmt.Sprintf(`"x%d":1`, i) }) + `}`,
		"many contained, many references": `{"resourceType":"Patient","contained":[` + repeat(n/4, func(i int) string { return fmt.Sprintf(`{"resourceType":"Practitioner","id":"p%d"}`, i) }) + `],"generalPractitioner":[` + repeat(n/4, func(i int) string { return fmt.Sprintf(`{"reference":"#p%d"}`, i) }) + `]}`,
		"many entries": `{"resourceType":"Bundle","type":"collection","entry":[` + repeat(n/4, func(i int) string {
			return fmt.Sprintf(`{"fullUrl":"http://a.org/Basic/%d","resource":{"resourceType":"Basic","code":{"text":"x"}}}`, i)
		}) + `]}`,
		"many components":       `{"resourceType":"Observation","status":"final","code":{"coding":[` + repeat(n/20, func(i int) string { return fmt.Sprintf(`{"code":"c%d"}`, i) }) + `]},"valueString":"x","component":[` + repeat(n/20, func(i int) string { return fmt.Sprintf(`{"code":{"coding":[{"code":"d%d"}]}}`, i) }) + `]}`,
		"many items":            `{"resourceType":"Questionnaire","status":"draft","item":[` + repeat(n/4, func(i int) string { return fmt.Sprintf(`{"linkId":"%d","type":"display"}`, i) }) + `]}`,
		"many concepts":         `{"resourceType":"CodeSystem","status":"draft","content":"complete","concept":[` + repeat(n/4, func(i int) string { return fmt.Sprintf(`{"code":"%d"}`, i) }) + `]}`,
		"a name for a pattern":  `{"resourceType":"ValueSet","status":"draft","name":"` + strings.Repeat("Aa_", n) + `!"}`,
		"a long text":           `{"resourceType":"Patient","name":[{"family":"` + strings.Repeat("x", 1<<20+1) + `"}]}`,
		"a great exponent":      `{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1e999999999},"referenceRange":[{"low":{"value":1e999999999},"high":{"value":1e-999999999}}]}`,
		"many divs":             `{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns='http://www.w3.org/1999/xhtml'>` + strings.Repeat("<p class='x'>a</p>", n) + `</div>"}}`,
		"many profiles":         `{"resourceType":"Patient","meta":{"profile":[` + repeat(n/4, same(`"http://hl7.org/fhir/StructureDefinition/Patient"`)) + `]},"active":true}`,
		"many unknown profiles": `{"resourceType":"Patient","meta":{"profile":[` + repeat(n/4, func(i int) string { return fmt.Sprintf(`"http://x.org/%d"`, i) }) + `]},"active":true}`,
		"many extensions":       `{"resourceType":"Patient","extension":[` + repeat(n/8, same(`{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthPlace","valueAddress":{"city":"x"}}`)) + `]}`,
	} {
		doc := parse(t, body)
		for _, level := range []Level{Structure, Rules, Profiles} {
			start := time.Now()
			issues := c.Check(doc, Options{Level: level})
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("%s: level %d: got %v for %d KB", what, level, d, len(body)>>10)
			} else if d > 200*time.Millisecond {
				t.Logf("%s: level %d: %v for %d KB", what, level, d, len(body)>>10)
			}
			if len(issues) > 201 {
				t.Errorf("%s: got %d issues, want at most 201", what, len(issues))
			}
		}
	}
}

// Profiles that lead to each other in a ring end.
func TestRingsOfProfilesEnd(t *testing.T) {
	def := func(name, of, element, to string) *schema.Definition {
		d, err := schema.ParseDefinition([]byte(strings.Replace(profileHead, "/p\"", "/"+name+"\"", 1) + `"type":"` + of + `","baseDefinition":"http://hl7.org/fhir/StructureDefinition/` + of + `","differential":{"element":[` +
			`{"id":"` + of + "." + element + `","path":"` + of + "." + element + `","min":1,"type":[{"code":"Reference","targetProfile":["http://example.org/` + to + `"]}]}]}}`))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	set := schema.R4().WithDefinitions(def("a", "Organization", "partOf", "b"), def("b", "Organization", "partOf", "a"))
	c := New(set, terms.New(set))
	body := `{"resourceType":"Bundle","type":"collection","entry":[
		{"fullUrl":"http://x.org/Organization/1","resource":{"resourceType":"Organization","id":"1","meta":{"profile":["http://example.org/a"]},"name":"x","partOf":{"reference":"Organization/2"}}},
		{"fullUrl":"http://x.org/Organization/2","resource":{"resourceType":"Organization","id":"2","meta":{"profile":["http://example.org/b"]},"name":"y","partOf":{"reference":"Organization/1"}}}]}`
	if got := c.Check(parse(t, body), Options{Level: Profiles}); Failed(got) {
		t.Errorf("got %+v, want no error", got)
	}
}

// Profiles whose slices are told apart by each other can be compiled.
func TestProfilesThatNeedEachOther(t *testing.T) {
	def := func(name, to string) *schema.Definition {
		d, err := schema.ParseDefinition([]byte(strings.Replace(profileHead, "/p\"", "/"+name+"\"", 1) + `"type":"Observation","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Observation","differential":{"element":[
			{"id":"Observation.hasMember","path":"Observation.hasMember","slicing":{"discriminator":[{"type":"value","path":"resolve().code"}],"rules":"open"}},
			{"id":"Observation.hasMember:x","path":"Observation.hasMember","sliceName":"x","min":1,"type":[{"code":"Reference","targetProfile":["http://example.org/` + to + `"]}]},
			{"id":"Observation.code","path":"Observation.code","patternCodeableConcept":{"text":"` + name + `"}}]}}`))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	set := schema.R4().WithDefinitions(def("a", "b"), def("b", "a"))
	c := New(set, terms.New(set))
	body := `{"resourceType":"Observation","status":"final","code":{"text":"a"},"hasMember":[{"reference":"#b"}],
		"contained":[{"resourceType":"Observation","id":"b","status":"final","code":{"text":"CODE"},"hasMember":[{"reference":"#b"}]}]}`
	for code, want := range map[string]bool{"b": false, "c": true} {
		got := c.Check(parse(t, strings.Replace(body, "CODE", code, 1)), Options{Profiles: []string{"http://example.org/a"}})
		if one(got, "Observation", "min") != want {
			t.Errorf("a member with code %s: got %+v", code, got)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, s := range wrongOnPurpose {
		f.Add([]byte(s))
	}
	f.Add([]byte(`{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Patient","_birthDate":{"extension":[{"url":"a"}]}},"request":{"method":"POST","url":"Patient"}}]}`))
	f.Add([]byte(`{"resourceType":"Observation","meta":{"profile":["http://hl7.org/fhir/StructureDefinition/bodyweight","http://hl7.org/fhir/StructureDefinition/bp"]},"status":"final","code":{"text":"x"},"component":[{"code":{}}]}`))
	c := checker()
	f.Fuzz(func(t *testing.T, b []byte) {
		doc, err := tree.Parse(b)
		if err != nil {
			return
		}
		for _, level := range []Level{Structure, Rules, Profiles} {
			for _, i := range c.Check(doc, Options{Level: level}) {
				if i.Message == "" || i.Code == "" {
					t.Errorf("got %+v, want a code and a message", i)
				}
			}
		}
	})
}
