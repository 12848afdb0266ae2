package fhir

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/reading"
)

func TestAnswersThatAreNotTheOneAskedFor(t *testing.T) {
	h := handler(ward())
	tests := []struct {
		method, target string
		headers        []string
		status         int
		code           string
	}{
		{"GET", "", nil, 405, "not-supported"},
		{"POST", "", nil, 405, "not-supported"},
		{"GET", "Encounter", nil, 404, "not-supported"},
		{"GET", "patient/anna", nil, 404, "not-supported"},
		{"GET", "Patient/nobody", nil, 404, "not-found"},
		{"GET", "Device/nobody", nil, 404, "not-found"},
		{"GET", "Patient/bo_1", nil, 404, "not-found"},
		{"GET", "Observation/nothing", nil, 404, "not-found"},
		{"GET", "Patient/anna/$everything", nil, 404, "not-supported"},
		{"GET", "Patient/$match", nil, 404, "not-supported"},
		{"GET", "Patient/anna/_history", nil, 404, "not-supported"},
		{"GET", "Patient/anna/Encounter/x/y", nil, 404, "not-supported"},
		{"PUT", "Patient/anna", nil, 405, "not-supported"},
		{"DELETE", "Observation/x", nil, 405, "not-supported"},
		{"POST", "Observation", nil, 405, "not-supported"},
		{"GET", "Observation/_search", nil, 405, "not-supported"},
		{"POST", "Observation/_search", nil, 415, "not-supported"},
		{"POST", "metadata", nil, 405, "not-supported"},
		{"GET", "metadata?_format=xml", nil, 406, "not-supported"},
		{"GET", "Patient/anna", []string{"Accept", "application/fhir+xml"}, 406, "not-supported"},
		{"GET", "Patient/anna", []string{"Accept", "text/html"}, 406, "not-supported"},
	}
	for _, tt := range tests {
		res, body := askAs(t, h, httptest.NewRequest(tt.method, "/fhir/"+tt.target, nil), tt.headers...)
		if res.StatusCode != tt.status || dig(body, "issue", 0, "code") != tt.code {
			t.Errorf("%s %s: got %d %v, want %d %s", tt.method, tt.target, res.StatusCode, dig(body, "issue", 0), tt.status, tt.code)
		}
		if tt.status == 405 && tt.target != "" && res.Header.Get("Allow") == "" {
			t.Errorf("%s %s: no Allow header", tt.method, tt.target)
		}
	}
}

func TestFormsOfJSONAreSpoken(t *testing.T) {
	h := handler(ward())
	for _, accept := range []string{"", "*/*", "application/json", "application/fhir+json;fhirVersion=4.0", "text/html, application/*;q=0.5"} {
		res, _ := ask(t, h, "Patient/anna", "Accept", accept)
		if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "application/fhir+json") {
			t.Errorf("Accept %q: %d %s", accept, res.StatusCode, res.Header.Get("Content-Type"))
		}
	}
	for _, format := range []string{"json", "application/fhir+json", "application/fhir%2Bjson"} {
		if res, _ := ask(t, h, "Patient/anna?_format="+format, "Accept", "text/html"); res.StatusCode != http.StatusOK {
			t.Errorf("_format=%s: %d", format, res.StatusCode)
		}
	}
	if b := raw(t, h, "Patient/anna?_pretty=true"); !strings.Contains(string(b), "\n  \"id\": \"anna\"") {
		t.Errorf("_pretty: %s", b)
	}
}

func TestConditionalReadAndHead(t *testing.T) {
	h := handler(ward())
	for _, target := range []string{"Patient/anna", "Device/mon-1", "metadata", "Observation/" + h.ObservationID(1, ward().points[1][0])} {
		res, _ := ask(t, h, target)
		etag := res.Header.Get("ETag")
		for match, want := range map[string]int{etag: 304, `"x", ` + etag: 304, "*": 304, `W/"nothing"`: 200} {
			if res, _ := ask(t, h, target, "If-None-Match", match); res.StatusCode != want {
				t.Errorf("%s with If-None-Match %s: got %d, want %d", target, match, res.StatusCode, want)
			}
		}
		server := httptest.NewServer(h)
		res, err := http.Head(server.URL + "/fhir/" + target)
		if err != nil || res.StatusCode != http.StatusOK || res.ContentLength <= 0 {
			t.Errorf("HEAD %s: %v %v", target, res, err)
		}
		res.Body.Close()
		server.Close()
	}
}

func TestPolicyIsAskedByName(t *testing.T) {
	h := handler(ward())
	var asked []string
	h.c.Permit = func(_ context.Context, a vigil.Action) error {
		asked = append(asked, string(a))
		return vigil.Errorf(vigil.Forbidden, "not you")
	}
	want := map[string]string{
		"Observation": "fhir.observation.search", "Observation/x": "fhir.observation.read", "Observation/$lastn": "fhir.observation.lastn",
		"Patient": "fhir.patient.search", "Patient/x": "fhir.patient.read", "Device?x=1": "fhir.device.search", "Device/x/_history/1": "fhir.device.read",
		"Patient/anna/Observation": "fhir.observation.search", "metadata": "fhir.metadata", "Observation/x/_history": "fhir.observation.read",
	}
	for target, action := range want {
		asked = nil
		res, body := ask(t, h, target)
		if res.StatusCode != http.StatusForbidden || dig(body, "issue", 0, "code") != "forbidden" || !slices.Equal(asked, []string{action}) {
			t.Errorf("%s: got %d, asked for %v, want %s", target, res.StatusCode, asked, action)
		}
	}
}

func TestEveryKindOfErrorHasAStatus(t *testing.T) {
	want := map[vigil.Kind]int{
		vigil.Internal: 500, vigil.Invalid: 400, vigil.NotFound: 404, vigil.Conflicting: 409, vigil.Unknown: 401, vigil.Forbidden: 403,
		vigil.TooLarge: 413, vigil.Overloaded: 429, vigil.Full: 507, vigil.Unavailable: 503,
	}
	for kind := vigil.Internal; kind <= vigil.Unavailable; kind++ {
		p := problemOf(fmt.Errorf("outer: %w", vigil.Errorf(kind, "inner detail")))
		var body map[string]any
		if err := json.Unmarshal(appendOutcome(nil, "error", p), &body); err != nil {
			t.Fatal(err)
		}
		if faults := checkResource(body); p.status != want[kind] || len(faults) > 0 {
			t.Errorf("%v: got %d %v, want %d", kind, p.status, faults, want[kind])
		}
		if hidden := !strings.Contains(p.text, "inner detail"); hidden != (kind == vigil.Internal) {
			t.Errorf("%v says %q", kind, p.text)
		}
	}
	if p := problemOf(errors.New("secret")); p.status != 500 || strings.Contains(p.text, "secret") {
		t.Errorf("an error of no kind says %d %q", p.status, p.text)
	}
}

func TestPatientsAndDevicesAreFound(t *testing.T) {
	bo, cuff := reading.WireID("bo_1"), reading.WireID("cuff_2")
	tests := []struct {
		query string
		want  []string
	}{
		{"Patient", []string{"anna", bo, "cy"}},
		{"Patient?_sort=-family", []string{bo, "cy", "anna"}},
		{"Patient?_sort=-birthdate", []string{bo, "anna", "cy"}},
		{"Patient?_id=anna,cy", []string{"anna", "cy"}},
		{"Patient?name=ang", []string{"anna"}},
		{"Patient?name=maria", []string{"anna"}},
		{"Patient?family=ber", []string{bo, "cy"}},
		{"Patient?family:contains=str%C3%B6m", []string{"anna"}},
		{"Patient?family:exact=berg", nil},
		{"Patient?family:exact=Berg&given=b", []string{bo}},
		{"Patient?identifier=4711", []string{"anna"}},
		{"Patient?identifier=|4711", []string{"anna"}},
		{"Patient?identifier=http://x|4711", nil},
		{"Patient?birthdate=1950-04", []string{"anna"}},
		{"Patient?birthdate=gt1970", []string{bo}},
		{"Patient?gender=female,male", []string{"anna", bo}},
		{"Device", []string{"mon-1", cuff}},
		{"Device?identifier=S1", []string{"mon-1"}},
		{"Device?patient=anna", []string{"mon-1"}},
		{"Device?patient=Patient/" + bo, nil},
		{"Device?type=528391", []string{cuff}},
		{"Device?type:text=blood", []string{cuff}},
		{"Device?model=x2&manufacturer=exam", []string{"mon-1"}},
		{"Device?device-name=bed", []string{"mon-1"}},
		{"Device?status=inactive", []string{cuff}},
		{"Device?_sort=-type", []string{cuff, "mon-1"}},
	}
	h := handler(ward())
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			_, body := ask(t, h, tt.query)
			var got []string
			for _, r := range found(body) {
				got = append(got, r["id"].(string))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			sep := "?"
			if strings.Contains(tt.query, "?") {
				sep = "&"
			}
			if paged := pages(t, h, tt.query+sep+"_count=1", nil); !slices.Equal(paged, tt.want) {
				t.Errorf("one by one: got %v, want %v", paged, tt.want)
			}
		})
	}
	for _, id := range []string{"Patient/" + bo, "Device/" + cuff, "Patient/anna"} {
		res, body := ask(t, h, id)
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", id, res.StatusCode)
		}
		version := dig(body, "meta", "versionId").(string)
		if res, _ := ask(t, h, id+"/_history/"+version); res.StatusCode != http.StatusOK {
			t.Errorf("%s version %s: %d", id, version, res.StatusCode)
		}
	}
}

// TestWhatIsAnnouncedIsUnderstood asks for every parameter of the
// CapabilityStatement.
func TestWhatIsAnnouncedIsUnderstood(t *testing.T) {
	h := handler(ward())
	_, body := ask(t, h, "metadata")
	asked := 0
	for _, res := range dig(body, "rest", 0, "resource").([]any) {
		for _, p := range dig(res, "searchParam").([]any) {
			value := map[any]string{"date": "2026"}[dig(p, "type")]
			if value == "" {
				value = "x"
			}
			query := fmt.Sprintf("%s?%s=%s", dig(res, "type"), dig(p, "name"), value)
			if r, b := ask(t, h, query, "Prefer", "handling=strict"); r.StatusCode != http.StatusOK {
				t.Errorf("%s: %d %v", query, r.StatusCode, b)
			}
			asked++
		}
	}
	if asked < 20 {
		t.Errorf("only %d parameters are announced", asked)
	}
}
