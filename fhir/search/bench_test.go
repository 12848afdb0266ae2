package search

import "testing"

// heartRate is an Observation as a gateway posts it.
const heartRate = `{"resourceType":"Observation","id":"0197f2c8-5f0e-7cc3-98c4-dc0c0c07398f","meta":{"versionId":"1","lastUpdated":"2026-03-01T10:00:01.123Z"},
"identifier":[{"system":"https://vigil.example.org/readings","value":"mon-1-anna-149530-20260301100000"}],"status":"final",
"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"Vital Signs"}]}],
"code":{"coding":[{"system":"http://loinc.org","code":"8867-4","display":"Heart rate"},{"system":"urn:iso:std:iso:11073:10101","code":"149530","display":"MDC_PULS_OXIM_PULS_RATE"}],"text":"Heart rate"},
"subject":{"reference":"Patient/anna"},"effectiveDateTime":"2026-03-01T10:00:00+01:00","device":{"reference":"Device/mon-1"},
"valueQuantity":{"value":72,"unit":"beats/minute","system":"http://unitsofmeasure.org","code":"/min"}}`

func BenchmarkExtract(b *testing.B) {
	e, root, v := testEngine(), parse(b, heartRate), &Values{}
	b.ReportAllocs()
	for b.Loop() {
		e.ExtractInto(v, root)
	}
}

func BenchmarkExtractAndKeys(b *testing.B) {
	e, root, v := testEngine(), parse(b, heartRate), &Values{}
	b.ReportAllocs()
	for b.Loop() {
		e.ExtractInto(v, root)
		v.Keys()
	}
}

func BenchmarkMatch(b *testing.B) {
	e, root := testEngine(), parse(b, heartRate)
	q, issues := e.Parse(Request{Types: []string{"Observation"}, Raw: "patient=anna&code=http://loinc.org|8867-4&date=ge2026-01-01"})
	if len(issues) > 0 || !q.Match(root) {
		b.Fatal(issues)
	}
	v := &Values{}
	b.ReportAllocs()
	for b.Loop() {
		q.ExtractInto(v, root)
		q.MatchValues(v)
	}
}

// The keys of an Observation are what writing it costs most.
func TestAnObservationHasFewKeys(t *testing.T) {
	k := testEngine().Extract(parse(t, heartRate)).Keys()
	if len(k.Tokens) != 10 || len(k.Spans) != 3 || len(k.Lines) != 2 {
		t.Errorf("%d tokens, %d spans, %d lines", len(k.Tokens), len(k.Spans), len(k.Lines))
	}
}

func BenchmarkParseAndPlan(b *testing.B) {
	e := testEngine()
	b.ReportAllocs()
	for b.Loop() {
		q, _ := e.Parse(Request{Types: []string{"Observation"}, Raw: "patient=anna&code=http://loinc.org|8867-4&_sort=-date&_count=50"})
		q.Plan()
	}
}
