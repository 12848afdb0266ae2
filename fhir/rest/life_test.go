package rest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/check"
	"github.com/vigil-iomt/vigil/fhir/rest"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

func TestLifeOfAResource(t *testing.T) {
	s := newSite(t)
	made := s.want(201, "POST", "Patient", `{ "name" : [ {"family":"Ångström"} ], "resourceType":"Patient", "id":"not-this", "multipleBirthInteger": 2 }`)
	id := made.text("id")
	if id == "not-this" || made.text("meta", "versionId") != "1" || made.header.Get("ETag") != `W/"1"` || made.header.Get("Last-Modified") == "" {
		t.Errorf("created: %v %s", made.header, made.raw)
	}
	if want := base + "/Patient/" + id + "/_history/1"; made.header.Get("Location") != want {
		t.Errorf("Location %q, want %q", made.header.Get("Location"), want)
	}
	if !strings.Contains(string(made.raw), `"name" : [ {"family":"Ångström"} ]`) {
		t.Errorf("the bytes of the client are not kept: %s", made.raw)
	}
	if read := s.want(200, "GET", "Patient/"+id, ""); string(read.raw) != string(made.raw) {
		t.Errorf("read %s, made %s", read.raw, made.raw)
	}
	changed := s.want(200, "PUT", "Patient/"+id, patient("Berg", `,"id":"`+id+`"`))
	if changed.text("meta", "versionId") != "2" || changed.text("meta", "lastUpdated") <= made.text("meta", "lastUpdated") {
		t.Errorf("updated: %s", changed.raw)
	}
	if old := s.want(200, "GET", "Patient/"+id+"/_history/1", ""); string(old.raw) != string(made.raw) {
		t.Errorf("version 1 is %s", old.raw)
	}
	gone := s.want(204, "DELETE", "Patient/"+id, "")
	if gone.header.Get("ETag") != `W/"3"` || len(gone.raw) > 0 {
		t.Errorf("deleted: %v %s", gone.header, gone.raw)
	}
	s.want(204, "DELETE", "Patient/"+id, "")
	s.want(204, "DELETE", "Patient/never-was", "")
	s.refused(s.do("GET", "Patient/"+id, ""), 410, "deleted")
	s.refused(s.do("GET", "Patient/"+id+"/_history/3", ""), 410, "deleted")
	s.want(200, "GET", "Patient/"+id+"/_history/2", "")
	s.want(201, "PUT", "Patient/"+id, patient("Again", `,"id":"`+id+`"`))

	h := s.want(200, "GET", "Patient/"+id+"/_history", "")
	var told []string
	for _, e := range h.entries() {
		told = append(told, fmt.Sprint(dig(e, "request", "method"), " ", dig(e, "response", "status"), " ", dig(e, "response", "etag")))
	}
	want := `[PUT 200 OK W/"4" DELETE 204 No Content W/"3" PUT 200 OK W/"2" POST 201 Created W/"1"]`
	if fmt.Sprint(told) != want || h.text("total") != "4" {
		t.Errorf("history: %v, total %s", told, h.text("total"))
	}
	if len(s.written) != 4 {
		t.Errorf("%d writes were told of, want 4", len(s.written))
	}
}

func TestVersionsGuardWrites(t *testing.T) {
	s := newSite(t)
	one := patient("One", `,"id":"p1"`)
	s.refused(s.do("PUT", "Patient/p1", one, "If-Match", `W/"1"`), 412, "conflict")
	s.want(201, "PUT", "Patient/p1", one, "If-None-Match", "*")
	s.refused(s.do("PUT", "Patient/p1", one, "If-None-Match", "*"), 412, "conflict")
	s.want(200, "PUT", "Patient/p1", one, "If-Match", `W/"1"`)
	s.refused(s.do("PUT", "Patient/p1", one, "If-Match", `W/"1"`), 412, "conflict")
	s.want(200, "PUT", "Patient/p1", one, "If-Match", `"2"`)
	s.refused(s.do("DELETE", "Patient/p1", "", "If-Match", `W/"2"`), 412, "conflict")
	s.want(204, "DELETE", "Patient/p1", "", "If-Match", `W/"3"`)

	// Of many who write on the same version one comes through.
	s.want(201, "PUT", "Patient/p2", patient("Two", `,"id":"p2"`))
	var wait sync.WaitGroup
	statuses := make([]int, 20)
	for i := range statuses {
		wait.Go(func() {
			statuses[i] = s.do("PUT", "Patient/p2", patient("Two", `,"id":"p2"`), "If-Match", `W/"1"`).status
		})
	}
	wait.Wait()
	count := map[int]int{}
	for _, st := range statuses {
		count[st]++
	}
	if count[200] != 1 || count[412] != 19 {
		t.Errorf("statuses of a race: %v", count)
	}
}

func TestConditionalReadsAndPreferences(t *testing.T) {
	s := newSite(t)
	made := s.want(201, "PUT", "Patient/p1", patient("One", `,"id":"p1"`))
	s.want(304, "GET", "Patient/p1", "", "If-None-Match", `W/"1"`)
	s.want(304, "GET", "Patient/p1", "", "If-None-Match", `"7", W/"1"`)
	s.want(200, "GET", "Patient/p1", "", "If-None-Match", `W/"2"`)
	s.want(304, "GET", "Patient/p1", "", "If-Modified-Since", made.header.Get("Last-Modified"))
	s.want(200, "GET", "Patient/p1", "", "If-Modified-Since", "Sat, 01 Jan 2000 00:00:00 GMT")
	s.want(200, "GET", "Patient/p1", "", "If-None-Match", `W/"2"`, "If-Modified-Since", made.header.Get("Last-Modified"))
	head := s.want(200, "HEAD", "Patient/p1", "")
	if len(head.raw) > 0 || head.header.Get("Content-Length") != fmt.Sprint(len(made.raw)) {
		t.Errorf("HEAD: %v %s", head.header, head.raw)
	}
	if a := s.want(201, "POST", "Patient", patient("x"), "Prefer", "return=minimal"); len(a.raw) > 0 || a.header.Get("Location") == "" {
		t.Errorf("minimal: %s", a.raw)
	}
	if a := s.want(201, "POST", "Patient", patient("x"), "Prefer", "respond-async, return=OperationOutcome"); a.text("resourceType") != "OperationOutcome" {
		t.Errorf("OperationOutcome: %s", a.raw)
	}
	if a := s.want(201, "POST", "Patient", patient("x"), "Prefer", "return=representation"); a.text("resourceType") != "Patient" {
		t.Errorf("representation: %s", a.raw)
	}
}

func TestResourcesBelongToTheirPatient(t *testing.T) {
	s := newSite(t)
	const appointment = `{"resourceType":"Appointment","status":"proposed","participant":[{"actor":{"reference":"Patient/a"},"status":"accepted"},{"actor":{"reference":"Patient/%s"},"status":"accepted"}]}`
	id := s.want(201, "POST", "Patient", patient("x")).text("id")
	for _, body := range []string{
		observation("Patient/a"), observation("Device/d"), `{"resourceType":"Organization","name":"x"}`,
		fmt.Sprintf(appointment, "a"), fmt.Sprintf(appointment, "b"),
	} {
		typ, _, _ := strings.Cut(strings.TrimPrefix(body, `{"resourceType":"`), `"`)
		s.want(201, "POST", typ, body)
	}
	var owners []string
	for _, r := range s.written {
		owners = append(owners, r.Owner)
	}
	if want := []string{"patient/" + id, "patient/a", "", "", "patient/a", ""}; !slices.Equal(owners, want) {
		t.Errorf("owners %q, want %q", owners, want)
	}
}

func TestHintsComeWithTheOutcome(t *testing.T) {
	s := newSite(t, func(c *rest.Config) {
		c.Check = func(context.Context, *tree.Doc) []check.Issue {
			return []check.Issue{{Severity: check.Warning, Code: "code-invalid", Message: "odd", Expression: "Patient.x"}}
		}
	})
	a := s.want(201, "POST", "Patient", patient("x"), "Prefer", "return=OperationOutcome")
	if a.text("issue", 0, "severity") != "information" || !strings.Contains(string(a.raw), `"severity":"warning"`) {
		t.Errorf("the outcome: %s", a.raw)
	}
}

func TestConditionalCreateIsExact(t *testing.T) {
	s := newSite(t)
	const clients = 64
	body := patient("Same", `,"identifier":[{"system":"http://x","value":"1"}]`)
	var wait sync.WaitGroup
	ids := make([]string, clients)
	statuses := make([]int, clients)
	for i := range clients {
		wait.Go(func() {
			a := s.do("POST", "Patient", body, "If-None-Exist", "identifier=http://x|1")
			ids[i], statuses[i] = a.text("id"), a.status
		})
	}
	wait.Wait()
	created := 0
	for i := range clients {
		if statuses[i] == 201 {
			created++
		} else if statuses[i] != 200 {
			t.Errorf("client %d got %d", i, statuses[i])
		}
		if ids[i] != ids[0] {
			t.Errorf("client %d got another resource: %s, %s", i, ids[i], ids[0])
		}
	}
	if created != 1 {
		t.Errorf("%d resources were made, want 1", created)
	}
	s.want(201, "POST", "Patient", body)
	s.refused(s.do("POST", "Patient", body, "If-None-Exist", "identifier=http://x|1"), 412, "multiple-matches")
	s.refused(s.do("POST", "Patient", body, "If-None-Exist", "nonsense=1"), 400, "not-supported")
}

func TestConditionalUpdatePatchDelete(t *testing.T) {
	s := newSite(t)
	who := func(v, more string) string {
		return patient("X", `,"identifier":[{"system":"http://x","value":"`+v+`"}]`, more)
	}
	a := s.want(201, "PUT", "Patient?identifier=http://x|1", who("1", ""))
	id := a.text("id")
	if b := s.want(200, "PUT", "Patient?identifier=http://x|1", who("1", `,"active":true`)); b.text("id") != id || b.text("meta", "versionId") != "2" {
		t.Errorf("found none: %s", b.raw)
	}
	s.want(200, "PUT", "Patient?identifier=http://x|1", who("1", `,"id":"`+id+`"`))
	s.refused(s.do("PUT", "Patient?identifier=http://x|1", who("1", `,"id":"other"`)), 400, "invalid")
	s.want(201, "PUT", "Patient?identifier=http://x|2", who("2", `,"id":"two"`))
	s.refused(s.do("PUT", "Patient?identifier=http://x|3", who("3", `,"id":"two"`)), 409, "conflict")
	s.refused(s.do("PUT", "Patient?identifier=http://x|1,http://x|2", who("1", "")), 412, "multiple-matches")
	s.refused(s.do("PUT", "Patient", who("1", "")), 412, "required")
	s.refused(s.do("PUT", "Patient?identifier=http://x|2", who("2", ""), "If-Match", `W/"9"`), 412, "conflict")

	patch := `[{"op":"replace","path":"/name/0/family","value":"New"}]`
	json := []string{"Content-Type", "application/json-patch+json"}
	if p := s.want(200, "PATCH", "Patient?identifier=http://x|2", patch, json...); p.text("name", 0, "family") != "New" || p.text("meta", "versionId") != "2" {
		t.Errorf("patched: %s", p.raw)
	}
	s.refused(s.do("PATCH", "Patient?identifier=http://x|9", patch, json...), 404, "not-found")
	s.refused(s.do("PATCH", "Patient?identifier=http://x|1,http://x|2", patch, json...), 412, "multiple-matches")

	s.refused(s.do("DELETE", "Patient?identifier=http://x|1,http://x|2", ""), 412, "multiple-matches")
	s.refused(s.do("DELETE", "Patient", ""), 412, "required")
	s.refused(s.do("DELETE", "Patient?foo=1", ""), 400, "not-supported")
	s.want(204, "DELETE", "Patient?identifier=http://x|2", "")
	s.want(204, "DELETE", "Patient?identifier=http://x|2", "")
	s.refused(s.do("GET", "Patient/two", ""), 410, "deleted")
}
