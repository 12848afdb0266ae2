package rest_test

import (
	"testing"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

func TestContentOfBinaries(t *testing.T) {
	s := newSite(t)
	const text, fhir = "text/plain; charset=utf-8", "application/fhir+json"
	made := s.want(201, "POST", "Binary", "hello <b>", "Content-Type", text, "X-Security-Context", "Patient/p", "Accept", fhir)
	id := made.text("id")
	if made.text("contentType") != text || made.text("data") != "aGVsbG8gPGI+" || made.text("securityContext", "reference") != "Patient/p" {
		t.Errorf("made %s", made.raw)
	}
	for _, accept := range []string{"", "*/*", "text/plain", "image/png"} {
		a := s.want(200, "GET", "Binary/"+id, "", "Accept", accept)
		if string(a.raw) != "hello <b>" || a.header.Get("Content-Type") != text || a.header.Get("X-Content-Type-Options") != "nosniff" ||
			a.header.Get("X-Security-Context") != "Patient/p" || a.header.Get("ETag") != `W/"1"` {
			t.Errorf("Accept %q: %v %s", accept, a.header, a.raw)
		}
	}
	for _, headers := range [][]string{{"Accept", fhir}, {"Accept", "application/json"}} {
		if a := s.want(200, "GET", "Binary/"+id, "", headers...); a.text("resourceType") != "Binary" {
			t.Errorf("%v: %s", headers, a.raw)
		}
	}
	if a := s.want(200, "GET", "Binary/"+id+"?_format=json", ""); a.text("resourceType") != "Binary" {
		t.Errorf("_format: %s", a.raw)
	}
	s.want(200, "PUT", "Binary/"+id, "\x00\x01", "Content-Type", "image/png", "Accept", fhir)
	if a := s.want(200, "GET", "Binary/"+id, "", "Accept", "image/png"); string(a.raw) != "\x00\x01" {
		t.Errorf("after a PUT: %q", a.raw)
	}
	if a := s.want(200, "GET", "Binary/"+id+"/_history/1", "", "Accept", "text/*"); string(a.raw) != "hello <b>" {
		t.Errorf("its first version: %q", a.raw)
	}
	s.want(304, "GET", "Binary/"+id, "", "If-None-Match", `W/"2"`)
	whole := s.want(201, "POST", "Binary", `{"resourceType":"Binary","contentType":"text/plain","data":"aGk="}`, "Accept", fhir)
	if a := s.want(200, "GET", "Binary/"+whole.text("id"), ""); string(a.raw) != "hi" {
		t.Errorf("sent as a resource: %q", a.raw)
	}
	if _, err := tree.Parse(made.raw); err != nil {
		t.Error(err)
	}
	s.refused(s.do("GET", "Binary/none", "", "Accept", "image/png"), 404, "not-found")
}
