package check

import (
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/terms"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

func parse(t testing.TB, text string) *tree.Doc {
	t.Helper()
	doc, err := tree.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return doc
}

// one tells whether there is an error with the key at the expression.
func one(issues []Issue, expression, key string) bool {
	return some(issues, expression, key, Error)
}

func some(issues []Issue, expression, key string, least Severity) bool {
	for _, i := range issues {
		if i.Severity >= least && i.Key == key && i.Expression == expression {
			return true
		}
	}
	return false
}

func TestUSCoreRefuses(t *testing.T) {
	c, all := usCore()
	if c == nil {
		t.Skip("no " + usCoreFile)
	}
	for _, x := range []struct{ what, file, old, with, expression, key string }{
		{"a blood pressure without systolic", "Observation-blood-pressure.json", `"code":"8480-6"`, `"code":"8480-5"`, "Observation", "min"},
		{"a blood pressure with two systolics", "Observation-blood-pressure.json", `"code":"8462-4"`, `"code":"8480-6"`, "Observation.component[1]", "max"},
		{"another code", "Observation-blood-pressure.json", `"85354-9"`, `"85354-8"`, "Observation.code", "pattern"},
		{"another category", "Observation-blood-pressure.json", `"code":"vital-signs"`, `"code":"laboratory"`, "Observation", "min"},
		{"another unit", "Observation-blood-pressure.json", `"code":"mm[Hg]"`, `"code":"kPa"`, "Observation.component[0].value.code", "fixed"},
		{"no subject", "Observation-blood-pressure.json", `"subject":{"reference":"Patient/example","display":"Amy Shaw"},`, ``, "Observation", "min"},
		{"a subject that is none", "Observation-blood-pressure.json", `"Patient/example"`, `"Device/example"`, "Observation.subject", "target"},
		{"no value and no reason", "Observation-blood-pressure.json", `"valueQuantity":{"value":109,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}`, `"extension":[{"url":"http://example.org/x","valueCode":"a"}]`, "Observation.component[0]", "vs-3"},
		{"a time too coarse", "Observation-blood-pressure.json", `"1999-07-02"`, `"1999"`, "Observation.effective", "vs-1"},
		{"a patient without a gender", "Patient-example.json", `"gender":"female",`, ``, "Patient", "min"},
		{"a race without its text", "Patient-example.json", `{"url":"text","valueString":"Mixed"}`, `{"url":"detailed","valueCoding":{"system":"urn:oid:2.16.840.1.113883.6.238","code":"1586-7"}}`, "Patient.extension[0]", "min"},
		{"a race of an observation", "Observation-blood-pressure.json", `"status":"final"`, `"status":"final","extension":[{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex","valueCode":"F"}]`, "Observation.extension[0]", "context"},
		{"a birth sex that is a string", "Patient-example.json", `"valueCode":"F"`, `"valueString":"F"`, "Patient.extension[3].value", "type"},
	} {
		b := string(all[x.file])
		if !strings.Contains(b, x.old) {
			t.Errorf("%s: %s has no %s: %s", x.what, x.file, x.old, b)
			continue
		}
		got := c.Check(parse(t, strings.Replace(b, x.old, x.with, 1)), Options{Level: Profiles})
		if !one(got, x.expression, x.key) {
			t.Errorf("%s: got %+v, want %s at %s", x.what, got, x.key, x.expression)
		}
	}
}

// profiles of our own for what US Core does not use.
const profileHead = `{"resourceType":"StructureDefinition","url":"http://example.org/p","name":"P","status":"active","kind":"resource","abstract":false,"derivation":"constraint",`

func profiled(t *testing.T, of, elements string) *Checker {
	t.Helper()
	d, err := schema.ParseDefinition([]byte(profileHead + `"type":"` + of + `","baseDefinition":"http://hl7.org/fhir/StructureDefinition/` + of + `","differential":{"element":[` + elements + `]}}`))
	if err != nil {
		t.Fatal(err)
	}
	set := schema.R4().WithDefinitions(d)
	c := New(set, terms.New(set))
	if c.guide("http://example.org/p") == nil {
		t.Fatal("the profile cannot be used")
	}
	return c
}

const telecomSlices = `{"id":"Patient.telecom","path":"Patient.telecom","slicing":{"discriminator":[{"type":"value","path":"system"}],"rules":"RULES","ordered":ORDERED}},
	{"id":"Patient.telecom:phone","path":"Patient.telecom","sliceName":"phone","min":1,"max":"1"},
	{"id":"Patient.telecom:phone.system","path":"Patient.telecom.system","min":1,"fixedCode":"phone"},
	{"id":"Patient.telecom:mail","path":"Patient.telecom","sliceName":"mail","min":0,"max":"2"},
	{"id":"Patient.telecom:mail.system","path":"Patient.telecom.system","min":1,"patternCode":"email"},
	{"id":"Patient.telecom:mail.use","path":"Patient.telecom.use","min":1}`

func TestProfiles(t *testing.T) {
	slices := func(rules, ordered string) string {
		return strings.NewReplacer("RULES", rules, "ORDERED", ordered).Replace(telecomSlices)
	}
	patient := func(telecom ...string) string {
		var list []string
		for _, s := range telecom {
			use := ""
			if s == "email" {
				use = `,"use":"work"`
			}
			list = append(list, `{"system":"`+s+`","value":"x"`+use+`}`)
		}
		return `{"resourceType":"Patient","telecom":[` + strings.Join(list, ",") + `]}`
	}
	for _, x := range []struct{ what, of, elements, body, want string }{
		{"an open slicing takes others", "Patient", slices("open", "false"), patient("fax", "phone", "email"), ""},
		{"a closed slicing does not", "Patient", slices("closed", "false"), patient("phone", "fax"), "Patient.telecom[1] slice"},
		{"others stand at the end", "Patient", slices("openAtEnd", "false"), patient("phone", "fax"), ""},
		{"and only there", "Patient", slices("openAtEnd", "false"), patient("fax", "phone"), "Patient.telecom[1] slice"},
		{"slices in order", "Patient", slices("open", "true"), patient("phone", "email"), ""},
		{"slices out of order", "Patient", slices("open", "true"), patient("email", "phone"), "Patient.telecom[1] slice"},
		{"a slice that is missing", "Patient", slices("open", "false"), patient("email"), "Patient min"},
		{"a slice once too often", "Patient", slices("open", "false"), patient("phone", "phone"), "Patient.telecom[1] max"},
		{"what a slice demands", "Patient", slices("open", "false"), `{"resourceType":"Patient","telecom":[{"system":"phone","value":"1"},{"system":"email","value":"x"}]}`, "Patient.telecom[1] min"},
		{"a default slice is for all others", "Patient", slices("closed", "false") + `,{"id":"Patient.telecom:@default","path":"Patient.telecom","sliceName":"@default","min":0,"max":"*"},
			{"id":"Patient.telecom:@default.rank","path":"Patient.telecom.rank","min":1}`, patient("phone", "fax"), "Patient.telecom[1] min"},
		{"a prohibited element", "Patient", `{"id":"Patient.photo","path":"Patient.photo","max":"0"}`, `{"resourceType":"Patient","photo":[{"title":"x"}]}`, "Patient.photo[0] max"},
		{"a fixed value with more", "Patient", `{"id":"Patient.maritalStatus","path":"Patient.maritalStatus","fixedCodeableConcept":{"text":"x"}}`, `{"resourceType":"Patient","maritalStatus":{"text":"x","coding":[{"code":"M"}]}}`, "Patient.maritalStatus fixed"},
		{"a pattern with more", "Patient", `{"id":"Patient.maritalStatus","path":"Patient.maritalStatus","patternCodeableConcept":{"coding":[{"code":"M"}]}}`, `{"resourceType":"Patient","maritalStatus":{"text":"x","coding":[{"code":"S"},{"code":"M","display":"d"}]}}`, ""},
		{"a type that is not allowed", "Observation", `{"id":"Observation.value[x]","path":"Observation.value[x]","type":[{"code":"Quantity"}]}`, `{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueString":"a"}`, "Observation.value type"},
		{"a slice by type", "Observation", `{"id":"Observation.value[x]","path":"Observation.value[x]","slicing":{"discriminator":[{"type":"type","path":"$this"}],"rules":"open"}},
			{"id":"Observation.value[x]:valueQuantity","path":"Observation.value[x]","sliceName":"valueQuantity","type":[{"code":"Quantity"}]},
			{"id":"Observation.value[x]:valueQuantity.code","path":"Observation.value[x].code","min":1}`, `{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1}}`, "Observation.value min"},
		{"a slice by what exists", "Patient", `{"id":"Patient.name","path":"Patient.name","slicing":{"discriminator":[{"type":"exists","path":"period"}],"rules":"open"}},
			{"id":"Patient.name:now","path":"Patient.name","sliceName":"now","max":"1"},{"id":"Patient.name:now.period","path":"Patient.name.period","max":"0"},
			{"id":"Patient.name:then","path":"Patient.name","sliceName":"then","max":"*"},{"id":"Patient.name:then.period","path":"Patient.name.period","min":1}`,
			`{"resourceType":"Patient","name":[{"family":"a","period":{"end":"2000"}},{"family":"b"},{"family":"c"}]}`, "Patient.name[2] max"},
		{"a slice by the type of a target", "Observation", `{"id":"Observation.performer","path":"Observation.performer","slicing":{"discriminator":[{"type":"type","path":"resolve()"}],"rules":"open"}},
			{"id":"Observation.performer:org","path":"Observation.performer","sliceName":"org","max":"1","type":[{"code":"Reference","targetProfile":["http://hl7.org/fhir/StructureDefinition/Organization"]}]}`,
			`{"resourceType":"Observation","status":"final","code":{"text":"x"},"performer":[{"reference":"Organization/1"},{"reference":"Practitioner/1"},{"reference":"Organization/2"}]}`, "Observation.performer[2] max"},
		{"a text that is too long", "Patient", `{"id":"Patient.name.family","path":"Patient.name.family","maxLength":3}`, `{"resourceType":"Patient","name":[{"family":"äöüß"}]}`, "Patient.name[0].family max-length"},
		{"a number that is too great", "Patient", `{"id":"Patient.telecom.rank","path":"Patient.telecom.rank","maxValuePositiveInt":3}`, `{"resourceType":"Patient","telecom":[{"rank":4}]}`, "Patient.telecom[0].rank max-value"},
		{"a date that is too early", "Patient", `{"id":"Patient.birthDate","path":"Patient.birthDate","minValueDate":"1900-01-01"}`, `{"resourceType":"Patient","birthDate":"1899-12-31"}`, "Patient.birthDate min-value"},
		{"a target of another type", "Patient", `{"id":"Patient.generalPractitioner","path":"Patient.generalPractitioner","type":[{"code":"Reference","targetProfile":["http://hl7.org/fhir/StructureDefinition/Practitioner"]}]}`, `{"resourceType":"Patient","generalPractitioner":[{"reference":"Organization/1"}]}`, "Patient.generalPractitioner[0] target"},
		{"a target that must be contained", "Patient", `{"id":"Patient.managingOrganization","path":"Patient.managingOrganization","type":[{"code":"Reference","targetProfile":["http://hl7.org/fhir/StructureDefinition/Organization"],"aggregation":["contained"]}]}`, `{"resourceType":"Patient","managingOrganization":{"reference":"Organization/1"}}`, "Patient.managingOrganization aggregation"},
		{"a code outside of the greatest value set", "Patient", `{"id":"Patient.maritalStatus","path":"Patient.maritalStatus","binding":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet","valueCanonical":"http://hl7.org/fhir/ValueSet/administrative-gender"}],"strength":"preferred","valueSet":"http://hl7.org/fhir/ValueSet/marital-status"}}`, `{"resourceType":"Patient","maritalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"M"}]}}`, "Patient.maritalStatus binding"},
		{"a code that a profile requires", "Patient", `{"id":"Patient.maritalStatus","path":"Patient.maritalStatus","binding":{"strength":"required","valueSet":"http://hl7.org/fhir/ValueSet/administrative-gender"}}`, `{"resourceType":"Patient","maritalStatus":{"text":"married"}}`, "Patient.maritalStatus binding"},
		{"a part of a part", "Patient", `{"id":"Patient.identifier","path":"Patient.identifier","slicing":{"discriminator":[{"type":"value","path":"use"}],"rules":"open"}},
			{"id":"Patient.identifier:official","path":"Patient.identifier","sliceName":"official","slicing":{"discriminator":[{"type":"value","path":"system"}],"rules":"open"},"max":"*"},
			{"id":"Patient.identifier:official.use","path":"Patient.identifier.use","min":1,"fixedCode":"official"},
			{"id":"Patient.identifier:official/a","path":"Patient.identifier","sliceName":"official/a","max":"1"},
			{"id":"Patient.identifier:official/a.system","path":"Patient.identifier.system","min":1,"fixedUri":"http://a.org"}`,
			`{"resourceType":"Patient","identifier":[{"use":"official","system":"http://a.org"},{"use":"usual","system":"http://a.org"},{"use":"official","system":"http://a.org"}]}`, "Patient.identifier[2] max"},
		{"an invariant of the profile", "Patient", `{"id":"Patient","path":"Patient","constraint":[{"key":"p-1","severity":"error","human":"a name","expression":"name.family.exists()"}]}`, `{"resourceType":"Patient","name":[{"text":"x"}]}`, "Patient p-1"},
		{"a value within a recursive element", "Questionnaire", `{"id":"Questionnaire.item.prefix","path":"Questionnaire.item.prefix","min":1}`, `{"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"1","type":"display","prefix":"a"},{"linkId":"2","type":"group","prefix":"b","item":[{"linkId":"3","type":"display"}]}]}`, "Questionnaire.item[1].item[0] min"},
		{"a resource of another type", "Patient", `{"id":"Patient.name","path":"Patient.name","min":1}`, `{"resourceType":"Basic","code":{"text":"x"}}`, "Basic profile"},
	} {
		c := profiled(t, x.of, x.elements)
		got := c.Check(parse(t, x.body), Options{Profiles: []string{"http://example.org/p"}})
		expression, key := split(x.want)
		if x.want == "" && Failed(got) || x.want != "" && !one(got, expression, key) {
			t.Errorf("%s: got %+v, want %q", x.what, got, x.want)
		}
	}
}

func TestProfilesThatNobodyKnows(t *testing.T) {
	c := checker()
	body := `{"resourceType":"Patient","meta":{"profile":["http://example.org/none"]},"active":true}`
	got := c.Check(parse(t, body), Options{Level: Profiles, Profiles: []string{"http://example.org/other"}})
	if !one(got, "Patient", "profile") {
		t.Errorf("got %+v, want an error for the one that was asked for", got)
	}
	if got := c.Check(parse(t, body), Options{Level: Profiles}); Failed(got) || len(got) == 0 || got[len(got)-1].Expression != "Patient.meta.profile[0]" {
		t.Errorf("got %+v, want a warning for the one that is named", got)
	}
}

func TestTargetsFollowTheirProfiles(t *testing.T) {
	c := profiled(t, "Organization", `{"id":"Organization.name","path":"Organization.name","min":1}`)
	d, err := schema.ParseDefinition([]byte(strings.Replace(profileHead, "/p\"", "/q\"", 1) + `"type":"Patient","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","differential":{"element":[
		{"id":"Patient.managingOrganization","path":"Patient.managingOrganization","type":[{"code":"Reference","targetProfile":["http://example.org/p"]}]}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	set := c.set.WithDefinitions(d)
	c = New(set, terms.New(set))
	body := `{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"o","alias":["x"]}],"managingOrganization":{"reference":"REF"}}`
	at := func(ref string, found *tree.Doc) []Issue {
		return c.Check(parse(t, strings.Replace(body, "REF", ref, 1)), Options{Profiles: []string{"http://example.org/q"}, Resolver: func(string) *tree.Doc { return found }})
	}
	if got := at("#o", nil); !one(got, "Patient.managingOrganization", "target") {
		t.Errorf("a contained one without a name: got %+v", got)
	}
	if got := at("Organization/1", parse(t, `{"resourceType":"Organization","alias":["x"]}`)); !one(got, "Patient.managingOrganization", "target") {
		t.Errorf("a stored one without a name: got %+v", got)
	}
	if got := at("Organization/1", parse(t, `{"resourceType":"Organization","name":"x"}`)); one(got, "Patient.managingOrganization", "target") {
		t.Errorf("a stored one with a name: got %+v", got)
	}
	if got := at("Organization/1", nil); one(got, "Patient.managingOrganization", "target") {
		t.Errorf("one that nobody finds: got %+v", got)
	}
}

// split parts where an issue is expected and its key.
func split(want string) (expression, key string) {
	expression, key, _ = strings.Cut(want, " ")
	return expression, key
}
