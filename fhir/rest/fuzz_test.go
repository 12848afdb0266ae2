package rest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil"
)

// FuzzServer sends anything: whatever it is, the answer is whole, and never the
// server's own fault.
func FuzzServer(f *testing.F) {
	for _, seed := range [][4]string{
		{"GET", "Patient/x?_elements=a,b&_summary=true", "", ""},
		{"GET", "Patient?name=a,b\\,c&_sort=-family&_count=2&_include=*&_revinclude:iterate=*", "", "handling=strict"},
		{"GET", "_history?_since=2020&_at=2021-01-01T00:00&_cursor=AAAA", "", ""},
		{"GET", "Patient/a/*?_type=Observation&_has:Observation:patient:code=x", "", ""},
		{"POST", "", bundleOf("transaction", entryOf(uuid1, "POST", "Patient", patient("x")), entryOf("", "POST", "Observation", observation(uuid1))), ""},
		{"POST", "", bundleOf("batch", entryOf("", "GET", "Patient?_id=x", ""), entryOf("", "DELETE", "Patient?x=", "")), ""},
		{"PUT", "Patient/x", patient("x", `,"id":"x"`), "return=OperationOutcome"},
		{"PATCH", "Patient/x", `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[]}]}`, ""},
		{"POST", "Patient", `<Patient xmlns="http://hl7.org/fhir"><name/></Patient>`, ""},
		{"DELETE", "Patient?identifier=|", "", ""},
		{"GET", "%zz/%00/$x", "", ""}, {"GET", "$lastn/../..", "", ""}, {"GET", "Observation/$lastn?patient=x&max=9999999", "", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	s := newSite(f)
	ctx := vigil.WithActor(context.Background(), vigil.LocalAdmin())
	f.Fuzz(func(t *testing.T, method, target, body, prefer string) {
		r, err := http.NewRequestWithContext(ctx, method, base+"/"+target, strings.NewReader(body))
		if err != nil {
			return
		}
		r.Header.Set("Prefer", prefer)
		w := httptest.NewRecorder()
		s.server.ServeHTTP(w, r)
		if w.Code == http.StatusInternalServerError {
			t.Errorf("%s %s: %s", method, target, w.Body)
		}
		if w.Code >= 400 && !strings.Contains(w.Body.String(), "OperationOutcome") {
			t.Errorf("%s %s: %d says nothing: %s", method, target, w.Code, w.Body)
		}
	})
}
