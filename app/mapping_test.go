package app

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices/iomt"
)

const testContent = `{"templateType":"CollectionContent","template":[
 {"templateType":"JsonPathContent","template":{"typeName":"heartrate","typeMatchExpression":"$..[?(@hr)]","deviceIdExpression":"$.device",
  "timestampExpression":"$.at","patientIdExpression":"$.patient","values":[{"required":true,"valueName":"hr","valueExpression":"$.hr"}]}},
 {"templateType":"JsonPathContent","template":{"typeName":"bloodpressure","typeMatchExpression":"$..[?(@sys && @dia)]","deviceIdExpression":"$.device",
  "timestampExpression":"$.at","values":[{"required":true,"valueName":"systolic","valueExpression":"$.sys"},{"required":true,"valueName":"diastolic","valueExpression":"$.dia"}]}},
 {"templateType":"JsonPathContent","template":{"typeName":"alarmEvent","typeMatchExpression":"$..[?(@alarm)]","deviceIdExpression":"$.device",
  "timestampExpression":"$.at","encounterIdExpression":"$.encounter","values":[{"required":true,"valueName":"alarm","valueExpression":"$.alarm"},{"valueName":"reason","valueExpression":"$.reason"}]}},
 {"templateType":"CalculatedContent","template":{"typeName":"spo2","typeMatchExpression":"$..[?(@o)]","deviceIdExpression":"$.matchedToken.device",
  "timestampExpression":{"value":"fromUnixTimestamp(matchedToken.unix)","language":"JmesPath"},"correlationIdExpression":"$.matchedToken.session",
  "values":[{"required":true,"valueName":"o","valueExpression":{"value":"multiply(matchedToken.o, ` + "`100`" + `)","language":"JmesPath"}}]}},
 {"templateType":"JsonPathContent","template":{"typeName":"peak","typeMatchExpression":"$..[?(@pef)]","deviceIdExpression":"$.device",
  "timestampExpression":"$.at","values":[{"valueName":"pef","valueExpression":"$.pef"},{"valueName":"tries","valueExpression":"$.tries"}]}}]}`

const testFHIR = `{"templateType":"CollectionFhir","template":[
 {"templateType":"CodeValueFhir","template":{"typeName":"heartrate","periodInterval":60,
  "codes":[{"code":"8867-4","system":"http://loinc.org","display":"Heart rate"}],
  "category":[{"text":"Vital Signs","codes":[{"code":"vital-signs","system":"http://terminology.hl7.org/CodeSystem/observation-category"}]}],
  "value":{"valueType":"SampledData","valueName":"hr","unit":"count/min","defaultPeriod":1000}}},
 {"templateType":"CodeValueFhir","template":{"typeName":"bloodpressure","periodInterval":0,
  "codes":[{"code":"85354-9","system":"http://loinc.org","display":"Blood pressure panel"}],"components":[
   {"codes":[{"code":"8462-4","system":"http://loinc.org"}],"value":{"valueType":"Quantity","valueName":"diastolic","unit":"mmHg","code":"mm[Hg]","system":"http://unitsofmeasure.org"}},
   {"codes":[{"code":"8480-6","system":"http://loinc.org"}],"value":{"valueType":"Quantity","valueName":"systolic","unit":"mmHg","code":"mm[Hg]","system":"http://unitsofmeasure.org"}}]}},
 {"templateType":"CodeValueFhir","template":{"typeName":"alarmEvent","codes":[{"code":"deviceEvent","system":"https://example.org/events"}],
  "value":{"valueType":"CodeableConcept","valueName":"alarm","text":"Alarm!","codes":[{"code":"alarm","system":"https://example.org/events"}]},
  "components":[{"codes":[{"code":"reason","system":"https://example.org/events"}],"value":{"valueType":"String","valueName":"reason"}}]}},
 {"templateType":"CodeValueFhir","template":{"typeName":"spo2","periodInterval":-1,"codes":[{"code":"59408-5","system":"http://loinc.org"}],
  "value":{"valueType":"SampledData","valueName":"o","unit":"%","defaultPeriod":1000}}},
 {"templateType":"CodeValueFhir","template":{"typeName":"peak","codes":[{"code":"peak","system":"https://example.org/flow"}],
  "value":{"valueType":"Quantity","valueName":"pef","unit":"L/min"},
  "components":[{"codes":[{"code":"tries","system":"https://example.org/flow"}],"value":{"valueType":"Quantity","valueName":"tries"}}]}}]}`

// newMappedSpine is a spine with the mapping "ward", a gateway that it is bound
// to, and a device of a patient.
func newMappedSpine(t *testing.T) (*spine, vigil.Subject) {
	t.Helper()
	dir := t.TempDir()
	folder := filepath.Join(dir, "devices", "ward")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{iomt.DeviceFile: testContent, iomt.FHIRFile: testFHIR} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := newSpine(t, dir)
	ida := s.patient("Ida")
	if _, _, err := s.registry.AddDevice(s.ctx, vigil.Device{ID: "d1", Profile: "ward"}, ida, vigil.Interval{}); err != nil {
		t.Fatal(err)
	}
	gateway := vigil.Device{ID: "gw", Profile: "ward", Gateway: true, For: []vigil.DeviceID{"d1"}}
	if _, _, err := s.registry.AddDevice(s.ctx, gateway, vigil.Subject{}, vigil.Interval{}); err != nil {
		t.Fatal(err)
	}
	return s, ida
}

// observations searches /fhir and returns the resources.
func (s *spine) observations(query string) []map[string]any {
	s.t.Helper()
	body := s.fhirGet("/fhir/Observation?" + query)
	var out []map[string]any
	entries, _ := body["entry"].([]any)
	for _, e := range entries {
		m, _ := e.(map[string]any)
		r, _ := m["resource"].(map[string]any)
		out = append(out, r)
	}
	return out
}

func (s *spine) fhirGet(path string) map[string]any {
	s.t.Helper()
	w := httptest.NewRecorder()
	ctx := vigil.WithActor(context.WithoutCancel(s.t.Context()), vigil.LocalAdmin())
	s.rest().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil).WithContext(ctx))
	var body map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != http.StatusOK {
		s.t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return body
}

// contains asks that a resource's JSON holds pieces of text, without spaces.
func contains(t *testing.T, resource map[string]any, want ...string) {
	t.Helper()
	text, err := json.Marshal(resource)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		if !strings.Contains(string(text), w) {
			t.Errorf("want %s in\n%s", w, text)
		}
	}
}

// TestMapping sends messages through a mapping and reads back the series, and
// the Observations that it describes.
func TestMapping(t *testing.T) {
	s, ida := newMappedSpine(t)
	defer s.close()
	send := func(payload string) {
		t.Helper()
		if err := s.put(vigil.Message{Device: "gw", Payload: []byte(payload)}); err != nil {
			t.Fatal(err)
		}
	}
	send(`{"hr":"71","device":"d1","patient":"Ida","at":"2026-03-01T10:00:00.0000000Z"}`)
	send(`[{"hr":72.5,"device":"d1","at":"2026-03-01T10:00:03Z"},{"hr":90,"device":"d1","at":"2026-03-01T11:30:00Z"}]`)
	send(`{"Body":{"sys":"120","dia":80,"device":"d1","at":"2026-03-01T10:05:00Z"},"Properties":{},"SystemProperties":{}}`)
	send(`{"alarm":"yes","reason":"lead off","encounter":"enc-1","device":"d1","at":"2026-03-01T10:06:00Z"}`)
	send(`{"o":0.97,"device":"d1","unix":1772359200,"session":"s1"}`)
	send(`{"o":0.98,"device":"d1","unix":1772359202,"session":"s1"}`)
	s.expect("readings are the named device's", ida, "heartrate", "71 good v1", "72.5 good v1", "90 good v1")
	s.expect("a component", ida, "bloodpressure-systolic", "120 good v1")
	s.expect("a calculated value", ida, "spo2", "97 good v1", "98 good v1")

	hours := s.observations("patient=" + ida.ID + "&code=8867-4&_sort=date")
	if len(hours) != 2 {
		t.Fatalf("%d hours: %v", len(hours), hours)
	}
	contains(t, hours[0], `"data":"71 E E 72.5"`, `"period":1000`, `"unit":"count/min"`, `"status":"amended"`, `"versionId":"2"`,
		`"end":"2026-03-01T10:00:03Z"`, `"start":"2026-03-01T10:00:00Z"`, `"text":"heartrate"`, `"code":"vital-signs"`,
		`"value":"`+ida.ID+`.d1.heartrate.20260301100000Z.20260301105959Z"`, `"code":"heartrate","display":"heartrate","system":"`+iomt.TypeSystem+`"`,
		`"reference":"Device/d1"`)
	contains(t, hours[1], `"data":"90"`, `"status":"final"`)

	series, err := s.db.Series(s.ctx, vigil.SeriesQuery{Subjects: []vigil.Subject{ida}, Metrics: []string{"heartrate"}})
	if err != nil || len(series) != 1 {
		t.Fatal(series, err)
	}
	if id := s.readings.ObservationID(series[0].ID, s.points(ida, "heartrate")[1]); id != hours[0]["id"] {
		t.Errorf("a reading appears in %s, want %v", id, hours[0]["id"])
	}

	panels := s.observations("patient=" + ida.ID + "&code=85354-9")
	if len(panels) != 1 {
		t.Fatalf("%d panels", len(panels))
	}
	contains(t, panels[0], `"valueQuantity":{"code":"mm[Hg]","system":"http://unitsofmeasure.org","unit":"mmHg","value":80}`, `"text":"systolic"`,
		`"value":"`+ida.ID+`.d1.bloodpressure.20260301100500Z.20260301100500Z"`)

	events := s.observations("patient=" + ida.ID + "&code=https://example.org/events|deviceEvent")
	if len(events) != 1 {
		t.Fatalf("%d events", len(events))
	}
	contains(t, events[0], `"valueCodeableConcept":{"coding":[{"code":"alarm","system":"https://example.org/events"}],"text":"Alarm!"}`,
		`"valueString":"lead off"`, `"encounter":{"identifier":{"value":"enc-1"}}`)

	sessions := s.observations("patient=" + ida.ID + "&code=59408-5")
	if len(sessions) != 1 {
		t.Fatalf("%d sessions: %v", len(sessions), sessions)
	}
	contains(t, sessions[0], `"data":"97 E 98"`, `"value":"`+ida.ID+`.d1.spo2.s1"`)

	send(`{"pef":420,"tries":3,"device":"d1","at":"2026-03-01T09:00:00Z"}`)
	peaks := s.observations("patient=" + ida.ID + "&code=https://example.org/flow|peak")
	if len(peaks) != 1 {
		t.Fatalf("%d peaks: %v", len(peaks), peaks)
	}
	contains(t, peaks[0], `"valueQuantity":{"unit":"L/min","value":420}`, `"component":[{"code":{"coding":[{"code":"tries"`, `"valueQuantity":{"value":3}`)

	last := s.fhirGet("/fhir/Observation/$lastn?patient=" + ida.ID)
	if n, _ := last["total"].(float64); n != 5 {
		t.Errorf("the last of each code: %v", last)
	}

	all := s.observations("patient=" + ida.ID + "&_count=2")
	if len(all) != 2 || all[0]["id"] != hours[1]["id"] || all[1]["id"] != events[0]["id"] {
		t.Errorf("the newest two: %v", all)
	}
	for _, o := range [][]map[string]any{hours, panels, events, sessions} {
		id, _ := o[0]["id"].(string)
		contains(t, s.fhirGet("/fhir/Observation/"+id), `"id":"`+id+`"`)
	}
}

// TestMappingRefuses asks that a message which names a device that is not known,
// or not the gateway's, is quarantined, and lands once by a replay.
func TestMappingRefuses(t *testing.T) {
	s, ida := newMappedSpine(t)
	defer s.close()
	otto := s.patient("Otto")
	err := s.put(vigil.Message{Device: "gw", Payload: []byte(
		`[{"hr":60,"device":"d1","at":"2026-03-01T10:00:00Z"},{"hr":61,"device":"d2","at":"2026-03-01T10:00:00Z"}]`)})
	if !vigil.Safe(err) || err == nil || !strings.Contains(err.Error(), "d2, which is not registered") {
		t.Fatalf("an unknown device: %v", err)
	}
	s.expect("its sibling lands", ida, "heartrate", "60 good v1")
	if _, _, err := s.registry.AddDevice(s.ctx, vigil.Device{ID: "d2", Profile: "ward"}, otto, vigil.Interval{}); err != nil {
		t.Fatal(err)
	}
	open, err := s.db.Quarantine(s.ctx, vigil.QuarantineQuery{State: vigil.Open})
	if err != nil || len(open) != 1 {
		t.Fatalf("%v %v", open, err)
	}
	r, err := s.ingest.Replay(s.ctx, s.db, open[0].ID)
	s.drain()
	if err != nil || r.Refusal == nil || !strings.Contains(r.Refusal.Reason, "may not speak for") {
		t.Fatalf("a device of somebody else: %+v %v", r, err)
	}
	gateway, _ := s.registry.Device("gw")
	gateway.For = append(gateway.For, "d2")
	if _, err := s.registry.UpdateDevice(s.ctx, gateway); err != nil {
		t.Fatal(err)
	}
	if r, err = s.ingest.Replay(s.ctx, s.db, open[0].ID); err != nil || r.Refusal != nil {
		t.Fatalf("mended: %+v %v", r, err)
	}
	s.drain()
	s.expect("landed", otto, "heartrate", "61 good v1")
	s.expect("once", ida, "heartrate", "60 good v1")
	if e, err := s.db.QuarantineEntry(s.ctx, open[0].ID); err != nil || e.State != vigil.Replayed {
		t.Errorf("the entry is %s, %v", e.State, err)
	}
}

// TestMappingOfGateway asks that a gateway's mapping reads what it delivers for
// others, too.
func TestMappingOfGateway(t *testing.T) {
	s, ida := newMappedSpine(t)
	defer s.close()
	s.device("plain", ida, vigil.Interval{})
	gateway, _ := s.registry.Device("gw")
	gateway.For = append(gateway.For, "plain")
	if _, err := s.registry.UpdateDevice(s.ctx, gateway); err != nil {
		t.Fatal(err)
	}
	if err := s.put(vigil.Message{Device: "plain", Gateway: "gw", Payload: []byte(`{"hr":64,"device":"plain","at":"2026-03-01T10:00:00Z"}`)}); err != nil {
		t.Fatal(err)
	}
	s.expect("read by the mapping", ida, "heartrate", "64 good v1")
	if err := s.put(vigil.Message{Device: "plain", Payload: []byte(`{"o":97}`)}); err != nil {
		t.Fatal(err)
	}
	s.expect("read by its own profile", ida, "spo2", "97 good v1")
}
