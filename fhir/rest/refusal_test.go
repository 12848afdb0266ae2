package rest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/rest"
)

func TestAnswersThatAreNotTheOneAskedFor(t *testing.T) {
	s := newSite(t, func(c *rest.Config) { c.MaxBody = 1 << 20 })
	s.want(201, "PUT", "Patient/p1", patient("One", `,"id":"p1"`))
	deep := strings.Repeat(`{"extension":[`, 5000) + strings.Repeat(`]}`, 5000)
	tests := []struct {
		method, target, body string
		headers              []string
		status               int
		code                 string
	}{
		{"GET", "Nonsense", "", nil, 404, "not-supported"},
		{"GET", "patient/p1", "", nil, 404, "not-supported"},
		{"GET", "Resource/p1", "", nil, 404, "not-supported"},
		{"GET", "Patient/nobody", "", nil, 404, "not-found"},
		{"GET", "Patient/p1/_history/2", "", nil, 404, "not-found"},
		{"GET", "Patient/p1/_history/x", "", nil, 404, "not-found"},
		{"GET", "Patient/nobody/_history", "", nil, 404, "not-found"},
		{"GET", "Patient/p1/Nonsense", "", nil, 404, "not-supported"},
		{"GET", "Patient/p1/Observation/x/y", "", nil, 404, "not-supported"},
		{"GET", "Observation/x/Patient", "", nil, 404, "not-supported"},
		{"GET", "Patient/$match", "", nil, 404, "not-supported"},
		{"GET", strings.Repeat("a/", 100), "", nil, 404, "not-supported"},
		{"GET", "Observation/_search", "", nil, 405, "not-supported"},
		{"POST", "Patient/p1", patient("x"), nil, 405, "not-supported"},
		{"DELETE", "metadata", "", nil, 405, "not-supported"},
		{"BREW", "Patient", "", nil, 405, "not-supported"},
		{"POST", "Patient/_search", "", nil, 415, "not-supported"},
		{"POST", "Patient", patient("x"), []string{"Content-Type", "text/plain"}, 415, "not-supported"},
		{"POST", "Patient", patient("x"), []string{"Content-Type", "application/fhir+json; fhirVersion=5.0"}, 415, "not-supported"},
		{"POST", "Patient", patient("x"), []string{"Content-Encoding", "br"}, 415, "not-supported"},
		{"PATCH", "Patient/p1", "{}", []string{"Content-Type", "text/plain"}, 415, "not-supported"},
		{"GET", "Patient/p1", "", []string{"Accept", "text/html"}, 406, "not-supported"},
		{"GET", "Patient/p1?_format=turtle", "", nil, 406, "not-supported"},
		{"GET", "Patient/p1?_summary=some", "", nil, 400, "invalid"},
		{"GET", "Patient?%zz", "", nil, 400, "invalid"},
		{"POST", "Patient", "", []string{"Content-Type", "application/fhir+json"}, 400, "required"},
		{"POST", "Patient", "{", nil, 400, "structure"},
		{"POST", "Patient", `{"resourceType":"Patient","resourceType":"Patient"}`, nil, 400, "structure"},
		{"POST", "Patient", "{\"resourceType\":\"Patient\",\"id\":\"\xff\"}", nil, 400, "structure"},
		{"POST", "Patient", `[]`, nil, 400, "structure"},
		{"POST", "Patient", `{"resourceType":"Nonsense"}`, nil, 400, "structure"},
		{"POST", "Patient", `{"name":[]}`, nil, 400, "structure"},
		{"POST", "Patient", deep, nil, 400, "structure"},
		{"POST", "Patient", `{"resourceType":"Observation"}`, nil, 400, "invalid"},
		{"POST", "Patient", `{"resourceType":"Patient","gender":"blue"}`, nil, 422, "code-invalid"},
		{"POST", "Patient", `{"resourceType":"Patient","colour":"blue"}`, nil, 400, "structure"},
		{"POST", "Patient", patient(strings.Repeat("x", 2<<20)), nil, 413, "too-long"},
		{"PUT", "Patient/p1", patient("x"), nil, 400, "required"},
		{"PUT", "Patient/p1", patient("x", `,"id":"p2"`), nil, 400, "invalid"},
		{"PUT", "Patient/a_b", patient("x", `,"id":"a_b"`), nil, 400, "invalid"},
		{"POST", "", patient("x"), nil, 400, "invalid"},
		{"POST", "", bundleOf("document"), nil, 422, "value"},
		{"POST", "", `{"resourceType":"Bundle","type":"batch","entry":{}}`, nil, 400, "structure"},
	}
	for _, tt := range tests {
		name := fmt.Sprint(tt.method, " ", tt.target[:min(len(tt.target), 40)], " ", tt.body[:min(len(tt.body), 60)], tt.headers)
		t.Run(name, func(t *testing.T) {
			a := s.do(tt.method, tt.target, tt.body, tt.headers...)
			s.refused(a, tt.status, tt.code)
			if tt.status == 405 && a.header.Get("Allow") == "" {
				t.Error("no Allow header")
			}
			if got := a.text("issue", 0, "diagnostics"); len(got) > 600 {
				t.Errorf("it says too much: %.100s…", got)
			}
		})
	}
}

func TestIssuesSayWhere(t *testing.T) {
	s := newSite(t)
	a := s.do("POST", "Patient", "{\"resourceType\":\"Patient\",\n  \"name\":[{\"family\":\"x\"}],\n  \"gender\":\"blue\"}")
	if a.text("issue", 0, "expression", 0) != "Patient.gender" || a.text("issue", 0, "extension", 0, "valueInteger") != "3" {
		t.Errorf("JSON: %s", a.raw)
	}
	a = s.do("POST", "Patient", "<Patient xmlns=\"http://hl7.org/fhir\">\n<name><family value=\"x\"/></name>\n\n<gender value=\"blue\"/></Patient>", "Content-Type", "application/fhir+xml", "Accept", "application/fhir+json")
	if a.text("issue", 0, "expression", 0) != "Patient.gender" || a.text("issue", 0, "extension", 0, "valueInteger") != "4" {
		t.Errorf("XML: %d %s", a.status, a.raw)
	}
	for _, bomb := range []string{
		`<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Patient xmlns="http://hl7.org/fhir"><id value="&b;"/></Patient>`,
		`<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><Patient xmlns="http://hl7.org/fhir"><id value="&a;"/></Patient>`,
	} {
		s.refused(s.do("POST", "Patient", bomb, "Content-Type", "application/fhir+xml", "Accept", "application/json"), 400, "structure")
	}
}

func TestPolicyIsAskedByName(t *testing.T) {
	var asked []string
	s := newSite(t, func(c *rest.Config) {
		c.Permit = func(_ context.Context, a vigil.Action) error {
			asked = append(asked, string(a))
			return vigil.Errorf(vigil.Forbidden, "not you")
		}
	})
	for request, action := range map[string]string{
		"GET Observation": "fhir.observation.search", "GET Observation/x": "fhir.observation.read", "POST Observation/_search": "fhir.observation.search",
		"GET Device/x/_history/1": "fhir.device.read", "GET Patient/anna/Observation": "fhir.observation.search", "GET Patient/anna/*": "fhir.system.search",
		"GET metadata": "fhir.metadata", "GET Observation/x/_history": "fhir.observation.read", "GET Observation/_history": "fhir.observation.history",
		"GET _history": "fhir.system.history", "GET ?_type=Patient": "fhir.system.search", "POST ": "fhir.system.bundle",
		"POST Patient": "record.patient.create", "PUT Patient/x": "record.patient.update", "PUT Patient?x=1": "record.patient.update",
		"PATCH Patient/x": "record.patient.patch", "DELETE Patient/x": "record.patient.delete", "DELETE Patient?x=1": "record.patient.delete",
	} {
		asked = nil
		method, target, _ := strings.Cut(request, " ")
		s.refused(s.do(method, target, ""), 403, "forbidden")
		if !slices.Equal(asked, []string{action}) {
			t.Errorf("%s: asked for %v, want %s", request, asked, action)
		}
	}
	may := map[string]bool{"fhir.system.bundle": true}
	s = newSite(t, func(c *rest.Config) {
		c.Permit = func(_ context.Context, a vigil.Action) error {
			if may[string(a)] {
				return nil
			}
			return vigil.Errorf(vigil.Forbidden, "not you")
		}
	})
	s.refused(s.do("POST", "", bundleOf("transaction", entryOf("", "POST", "Patient", patient("x")))), 403, "forbidden")
	if a := s.want(200, "POST", "", bundleOf("batch", entryOf("", "POST", "Patient", patient("x")))); a.text("entry", 0, "response", "status") != "403 Forbidden" {
		t.Errorf("batch: %s", a.raw)
	}
}

func TestEveryKindOfErrorHasAStatus(t *testing.T) {
	want := map[vigil.Kind]int{
		vigil.Internal: 500, vigil.Invalid: 400, vigil.NotFound: 404, vigil.Conflicting: 409, vigil.Unknown: 401, vigil.Forbidden: 403,
		vigil.TooLarge: 413, vigil.Overloaded: 429, vigil.Full: 507, vigil.Unavailable: 503,
	}
	var kind vigil.Kind
	s := newSite(t, func(c *rest.Config) {
		c.Log = slog.New(slog.DiscardHandler)
		c.Permit = func(context.Context, vigil.Action) error {
			return fmt.Errorf("outer: %w", vigil.Errorf(kind, "inner detail"))
		}
	})
	for kind = vigil.Internal; kind <= vigil.Unavailable; kind++ {
		a := s.want(want[kind], "GET", "Patient/x", "")
		for _, i := range checker().Check(parse(t, a.raw), checkRules) {
			t.Errorf("%v: %s %s", kind, i.Expression, i.Message)
		}
		if hidden := !strings.Contains(string(a.raw), "inner detail"); hidden != (kind == vigil.Internal) {
			t.Errorf("%v says %s", kind, a.raw)
		}
		if again := a.header.Get("Retry-After") != ""; again != (kind == vigil.Overloaded || kind == vigil.Unavailable) {
			t.Errorf("%v: Retry-After is there: %v", kind, again)
		}
	}
}

func TestFormsThatAreSpoken(t *testing.T) {
	s := newSite(t)
	s.want(201, "PUT", "Patient/p1", patient("One", `,"id":"p1"`))
	const json, xml = "application/fhir+json", "application/fhir+xml"
	for accept, want := range map[string]string{
		"": json, "*/*": json, "application/json": json, "application/fhir+json;fhirVersion=4.0": json, "text/html, application/*;q=0.5": json,
		xml: xml, "text/xml": xml, "application/xml;q=0.9, application/json;q=0.5": xml, "application/fhir+xml;q=0.1, application/fhir+json": json,
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": xml,
	} {
		a := s.want(200, "GET", "Patient/p1", "", "Accept", accept)
		if !strings.HasPrefix(a.header.Get("Content-Type"), want) {
			t.Errorf("Accept %q: %s", accept, a.header.Get("Content-Type"))
		}
	}
	for format, want := range map[string]string{"json": json, "application/fhir+json": json, "application/fhir%2Bjson": json, "xml": xml, "text/xml": xml} {
		if a := s.want(200, "GET", "Patient/p1?_format="+format, "", "Accept", "text/html"); !strings.HasPrefix(a.header.Get("Content-Type"), want) {
			t.Errorf("_format=%s: %s", format, a.header.Get("Content-Type"))
		}
	}
	if a := s.want(200, "GET", "Patient/p1?_pretty=true", ""); !strings.Contains(string(a.raw), "\n  \"id\": \"p1\"") {
		t.Errorf("_pretty: %s", a.raw)
	}
	x := s.want(201, "POST", "Patient", `<Patient xmlns="http://hl7.org/fhir"><name><family value="Ångström"/></name></Patient>`, "Content-Type", xml, "Accept", xml)
	if !strings.Contains(string(x.raw), `<family value="Ångström"/>`) {
		t.Errorf("XML: %s", x.raw)
	}
	if a := s.want(404, "GET", "Patient/nobody", "", "Accept", xml); !strings.HasPrefix(string(a.raw), `<OperationOutcome xmlns="http://hl7.org/fhir">`) {
		t.Errorf("XML outcome: %s", a.raw)
	}
}

func TestPackedBodies(t *testing.T) {
	s := newSite(t, func(c *rest.Config) { c.MaxBody = 1 << 20 })
	pack := func(b string) string {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		_, _ = z.Write([]byte(b))
		_ = z.Close()
		return out.String()
	}
	a := s.want(201, "POST", "Patient", pack(patient(strings.Repeat("x", 5000))), "Content-Encoding", "gzip", "Accept-Encoding", "br, gzip")
	if a.header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("the answer is not packed: %v", a.header)
	}
	z, err := gzip.NewReader(bytes.NewReader(a.raw))
	if err != nil {
		t.Fatal(err)
	}
	var plain bytes.Buffer
	if _, err := plain.ReadFrom(z); err != nil || !strings.Contains(plain.String(), "xxxxx") {
		t.Errorf("unpacked: %v %.100s", err, plain.String())
	}
	s.refused(s.do("POST", "Patient", pack(patient(strings.Repeat("x", 8<<20))), "Content-Encoding", "gzip"), http.StatusRequestEntityTooLarge, "too-long")
	s.refused(s.do("POST", "Patient", "no gzip", "Content-Encoding", "gzip"), 400, "invalid")
}
