package search

import (
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// now is the time at which the tests ask.
const now = vigil.Instant(1_772_409_600_000_000) // 2026-03-02T00:00:00Z

// ask reads a query that has no issues.
func ask(t testing.TB, e *Engine, typ, raw string) *Query {
	t.Helper()
	q, issues := e.Parse(Request{Types: []string{typ}, Raw: raw, Now: now})
	if len(issues) > 0 {
		t.Fatalf("%s?%s: %+v", typ, raw, issues)
	}
	return q
}

// decide asks whether a resource matches, and that the plan says the same: what
// matches has to pass it, and when nothing is left to check, only that.
func decide(t testing.TB, e *Engine, root tree.Node, raw string) bool {
	t.Helper()
	q := ask(t, e, root.Get("resourceType").Text(), raw)
	is := q.Match(root)
	agree(t, e, q, root, is)
	return is
}

func agree(t testing.TB, e *Engine, q *Query, root tree.Node, is bool) {
	t.Helper()
	v := e.Extract(root)
	if q.MatchValues(v) != is {
		t.Errorf("%s: all values say something else than those that the query wants", q.Self())
	}
	keys := v.Keys()
	if lo, _, ok := spanOf(root.Get("meta").Get("lastUpdated")); ok {
		keys.Spans = append(keys.Spans, vigil.ResourceSpan{Param: vigil.ChangedParam, Lo: lo, Hi: lo})
	}
	p := q.Plan()
	passes := !p.Nothing && holdsAll(p.Query.All, keys, v.ID())
	if is && !passes {
		t.Errorf("%s matches, but the plan does not find it: %+v", q.Self(), p)
	}
	if !p.Check && passes && !is {
		t.Errorf("%s does not match, but the plan finds it without a check: %+v", q.Self(), p)
	}
}

// A matching is a resource with queries that find it and queries that do not.
type matching struct {
	name, resource string
	yes, no        string // a query on each line
}

func (m *matching) run(t *testing.T) {
	e := testEngine()
	root := parse(t, m.resource)
	for raw := range strings.FieldsSeq(m.yes) {
		if !decide(t, e, root, raw) {
			t.Errorf("%s: %s does not match", m.name, raw)
		}
	}
	for raw := range strings.FieldsSeq(m.no) {
		if decide(t, e, root, raw) {
			t.Errorf("%s: %s matches", m.name, raw)
		}
	}
}

const bloodPressure = `{"resourceType":"Observation","id":"bp","status":"final","meta":{"lastUpdated":"2026-03-01T10:00:00.5Z","tag":[{"system":"urn:t","code":"x"}],"profile":["http://example.org/p|1.0"],"security":[{"code":"R"}],"source":"http://a.example.org/b/c"},
"text":{"status":"generated","div":"<div xmlns='http://www.w3.org/1999/xhtml'><p class='blood'>Cuff on the <b>left</b> arm</p></div>"},
"code":{"coding":[{"system":"http://loinc.org","code":"85354-9","display":"Blood pressure panel"}],"text":"BP, seated"},
"subject":{"reference":"Patient/anna","identifier":{"system":"urn:mrn","value":"4711"}},"effectivePeriod":{"start":"2026-03-01T10:00:00Z"},
"performer":[{"reference":"https://vigil.example.org/fhir/Practitioner/9/_history/3"},{"reference":"http://elsewhere.example.org/r4/Organization/5"}],
"component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":107,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},
{"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},"valueQuantity":{"value":60,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},
{"code":{"text":"arm"},"valueCodeableConcept":{"coding":[{"system":"urn:arm","code":"left"}]}}]}`

func TestObservationsMatch(t *testing.T) {
	(&matching{"blood pressure", bloodPressure, `
code=85354-9
code=http://loinc.org|85354-9
code=x,85354-9
code=http://loinc.org|
combo-code=8480-6
component-code=8480-6
code:text=blood
code:text=bp
code:text=panel
code:not=8480-6
category:missing=true
category:not=vital-signs
code:missing=false
value-quantity:missing=true
component-value-quantity:missing=false
patient=anna
patient=Patient/anna
patient=https://vigil.example.org/fhir/Patient/anna
subject=anna
subject:Patient=anna
subject:identifier=4711
subject:identifier=urn:mrn|4711
subject:not=Patient/bert
performer=Practitioner/9
performer=Practitioner/9/_history/3
performer=http://elsewhere.example.org/r4/Organization/5
component-code-value-quantity=8480-6$107
component-code-value-quantity=8480-6$gt100
component-code-value-quantity=8480-6$gt140,8462-4$lt80
component-code-value-quantity=http://loinc.org|8480-6$107|http://unitsofmeasure.org|mm[Hg]
component-code-value-quantity=8480-6$gt14|http://unitsofmeasure.org|kPa
combo-code-value-quantity=8480-6$gt100
component-value-quantity=107||mmHg
component-value-quantity=107||mm[Hg]
component-value-quantity=ap110
component-code-value-quantity:missing=false
component-value-concept=left
date=gt2026-03
date=ge2026-03-01
date=gt2030
date=le2026-03-14
date=lt2026-03-14
date=sa2026-02
_id=bp
_id=a,bp
_lastUpdated=2026-03-01
_lastUpdated=gt2026-03-01T09:59:59Z
_tag=urn:t|x
_security=R
_security=|R
_profile=http://example.org/p
_profile=http://example.org/p|1.0
_profile:below=http://example.org
_source=http://a.example.org/b/c
_source:below=http://a.example.org/b
_source:above=http://a.example.org/b/c/d
_text=left
_text=cuff
_text=cuff+right+OR+"left+arm"
_text=cuff+-right
_content=seated
status=final
status=http://hl7.org/fhir/observation-status|final
`, `
code=8480-6
code=http://snomed.info/sct|85354-9
code=|85354-9
code=urn:x|
code:not=85354-9
component-code=85354-9
code:text=seat-belt
category=vital-signs
code:missing=true
component-value-quantity:missing=true
patient=bert
patient=Device/anna
subject:Device=anna
subject=Patient/anna/_history/1
subject:identifier=urn:other|4711
subject:not=Patient/anna
performer=Practitioner/9/_history/2
performer=Organization/5
component-code-value-quantity=8480-6$lt107
component-code-value-quantity=8480-6$60
component-code-value-quantity=8462-4$107
component-code-value-quantity=8480-6$lt14|http://unitsofmeasure.org|kPa
code-value-quantity=85354-9$107
component-value-quantity=107||kPa
component-value-quantity=107|http://unitsofmeasure.org|mg
component-code-value-quantity:missing=true
component-value-concept=right
date=2025
date=2026-03
date=lt2026-03-01
date=eb2030
date=sa2026-03
date=eq2026-03-02
_id=b
_lastUpdated=2026-03-02
_lastUpdated=lt2026-03-01T10:00:00Z
_tag=urn:u|x
_profile=http://example.org/p|2.0
_profile:below=http://example.org/p/q
_profile:below=http://example.or
_source:above=http://a.example.org/b
_text=blood
_text=cuff+-left
_content=lying
status=http://loinc.org|final
status=FINAL
`}).run(t)
}

func TestPatientsMatch(t *testing.T) {
	(&matching{"Zoë", `{"resourceType":"Patient","id":"zoe","active":true,
"identifier":[{"system":"urn:mrn","value":"aB1","type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}],"text":"Record number"}},{"value":"plain"}],
"name":[{"family":"Carreño Quiñones","given":["Zoë","Anne-Marie"],"text":"Zoë  Carreño"}],"gender":"female","birthDate":"1980-02",
"telecom":[{"system":"phone","value":"555-0100"},{"system":"email","value":"zoe@example.org"}],
"address":[{"line":["12 High St."],"city":"Ann Arbor","postalCode":"48104","use":"home"}],"deceasedBoolean":false,
"generalPractitioner":[{"reference":"#gp"}],"contained":[{"resourceType":"Practitioner","id":"gp","name":[{"family":"House"}]}],
"communication":[{"language":{"coding":[{"system":"urn:ietf:bcp:47","code":"en"}]}}]}`, `
family=carr
family=CARREÑO
family=quin
family=carreno%20quinones
family=c
family:exact=Carre%C3%B1o%20Qui%C3%B1ones
family:contains=nones
given=zoe
given=marie
given=anne%20marie
given=Anne-Marie
name=zoe
name=Quinones
name:contains=eno
name:text=quin
address:text=high
address=12
address=ann%20ar
address=arbor
address-city=ann
address-postalcode=48104
phone=555-0100
email=zoe@example.org
telecom=555-0100
identifier=aB1
identifier=urn:mrn|aB1
identifier=|plain
identifier=urn:mrn|
identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|aB1
identifier:text=record
gender=female
gender:not=male
gender=http://hl7.org/fhir/administrative-gender|female
birthdate=1980
birthdate=1980-02
birthdate=ge1980-02
birthdate=lt1980-02-10
birthdate=gt1980-02-10
active=true
deceased=false
address-use=home
language=EN
`, `
family=zoe
family=reno
family:exact=carreno%20quinones
family:contains=xyz
given=carreno
phone=zoe@example.org
email=555-0100
identifier=AB1
identifier=urn:other|aB1
identifier=|aB1
identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MC|aB1
gender=male
gender:not=female
birthdate=1980-02-10
birthdate=1981
birthdate=sa1980-02
birthdate=ne1980
active=false
deceased=true
address-use=work
`}).run(t)
}

// The tables of search.html#date and #number.
func TestDatesAndNumbersMatchAsTheSpecificationSays(t *testing.T) {
	period := func(start, end string) string {
		p := `{"resourceType":"Encounter","id":"e","status":"finished","class":{"code":"AMB"},"period":{`
		if start != "" {
			p += `"start":"` + start + `"`
		}
		if end != "" {
			p += `"end":"` + end + `"`
		}
		return p + `}}`
	}
	observed := func(at string) string {
		return `{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"effectiveDateTime":"` + at + `"}`
	}
	risk := func(p string) string {
		return `{"resourceType":"RiskAssessment","id":"r","status":"final","subject":{"reference":"Patient/1"},"prediction":[{` + p + `}]}`
	}
	quantity := func(q string) string {
		return `{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"valueQuantity":{` + q + `}}`
	}
	for _, m := range []matching{
		{"midnight", observed("2013-01-14T00:00:00Z"), "date=eq2013-01-14 date=2013-01-14", "date=ne2013-01-14"},
		{"ten o'clock", observed("2013-01-14T10:00:00Z"), "date=eq2013-01-14 date=ap2013-01-14", "date=ne2013-01-14"},
		{"the next day", observed("2013-01-15T00:00:00Z"), "date=ne2013-01-14", "date=eq2013-01-14"},
		{"a whole day", observed("2013-01-14"), "date=lt2013-01-14T10:00 date=gt2013-01-14T10:00", "date=2013-01-14T10:00 date=sa2013-01-14T10:00"},
		{"onwards", period("2013-01-21", ""), "date=ge2013-03-14 date=le2013-03-14", "date=sa2013-03-14 date=eb2013-03-14"},
		{"later onwards", period("2013-03-15", ""), "date=sa2013-03-14", "date=eb2013-03-14"},
		{"until", period("", "2013-01-21"), "date=eb2013-03-14", "date=sa2013-03-14"},
		{"far away", observed("2018-06-15"), "", "date=ap2013-03-14"},
		{"zones", observed("2013-01-14T23:30:00-05:00"), "date=2013-01-15 date=2013-01-15T04:30:00Z date=2013-01-15T05:30:00%2B01:00 date=2013-01-15T05:30:00+01:00", "date=2013-01-14"},
		{"hundred", risk(`"probabilityDecimal":100`), "probability=100 probability=100.00 probability=1e2 probability=le100 probability=ge100 probability=ap105", "probability=lt100 probability=gt100 probability=ne100 probability=10"},
		{"next to it", risk(`"probabilityDecimal":99.5`), "probability=100 probability=1e2 probability=lt100", "probability=100.00 probability=ge100"},
		{"too much", risk(`"probabilityDecimal":100.5`), "probability=1e2 probability=gt100", "probability=100"},
		{"sixteen digits and more", risk(`"probabilityDecimal":0.80000000000000000001`), "probability=gt0.8 probability=sa0.8 probability=0.8", "probability=le0.8 probability=eb0.8"},
		{"range", risk(`"probabilityRange":{"low":{"value":10},"high":{"value":20}}`), "probability=gt15 probability=lt15 probability=sa9 probability=eb21 probability=ap19", "probability=15 probability=sa10 probability=eb20"},
		{"mg", quantity(`"value":5.4,"system":"http://unitsofmeasure.org","code":"mg"`), `value-quantity=5.4|http://unitsofmeasure.org|mg value-quantity=5.40e-3|http://unitsofmeasure.org|g
			value-quantity=5.4||mg value-quantity=5.4 value-quantity=le5.4|http://unitsofmeasure.org|mg value-quantity=ge0.0054|http://unitsofmeasure.org|g`, `value-quantity=lt0.0054|http://unitsofmeasure.org|g value-quantity=gt5400|http://unitsofmeasure.org|ug value-quantity=5.4||g value-quantity=5.4|http://unitsofmeasure.org|s`},
		{"less than", quantity(`"value":5,"comparator":"<","unit":"mg"`), "value-quantity=lt4 value-quantity=5||mg,lt1", "value-quantity=gt5 value-quantity=sa4"},
		{"warm", quantity(`"value":37,"system":"http://unitsofmeasure.org","code":"Cel"`), "value-quantity=98.6|http://unitsofmeasure.org|[degF] value-quantity=gt310|http://unitsofmeasure.org|K", "value-quantity=gt311|http://unitsofmeasure.org|K"},
	} {
		t.Run(m.name, m.run)
	}
}

func TestLocationsAreNear(t *testing.T) {
	(&matching{"hospital", `{"resourceType":"Location","id":"l","position":{"latitude":42.25,"longitude":-83.69}}`,
		"near=42.25|-83.7 near=42.25|-83.7|1|km near=42.25|-83.7|1 near:missing=false", "near=42.25|-83.7|500|m near=43|-83.69|10|km near=43|-83.69"}).run(t)
}

func TestContainedResourcesMatch(t *testing.T) {
	e := testEngine()
	root := parse(t, `{"resourceType":"Encounter","id":"e","status":"finished","class":{"code":"AMB"},"contained":[{"resourceType":"Patient","id":"p","name":[{"family":"Ng"}]}],"subject":{"reference":"#p"}}`)
	for raw, want := range map[string]bool{"family=ng&_contained=true": true, "family=x&_contained=true": false, "family=ng&_contained=both": true, "family=ng": false} {
		q := ask(t, e, "Patient", raw)
		if q.Match(root) != want {
			t.Errorf("%s: %v", raw, !want)
		}
		agree(t, e, q, root, want)
	}
}
