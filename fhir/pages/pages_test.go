package pages

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/schema"
)

// api answers like the REST API.
func api(w http.ResponseWriter, r *http.Request) {
	send := func(status int, body string) {
		w.Header().Set("Content-Type", "application/fhir+json; charset=utf-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
	switch {
	case r.URL.Path == "/fhir/metadata":
		send(200, `{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","software":{"name":"Vigil","version":"9"},"rest":[{"resource":[{"type":"Account"},{"type":"Patient"}]}]}`)
	case r.URL.RawQuery == "_summary=count" && r.URL.Path == "/fhir/Patient":
		send(200, `{"resourceType":"Bundle","type":"searchset","total":3}`)
	case r.URL.RawQuery == "_summary=count":
		send(200, `{"resourceType":"Bundle","type":"searchset","total":0}`)
	case r.URL.Path == "/fhir/Patient/p" && r.Header.Get("Accept") == xmlType:
		w.Header().Set("Content-Type", xmlType)
		_, _ = io.WriteString(w, `<Patient xmlns="http://hl7.org/fhir"><id value="p"/></Patient>`)
	case r.URL.Path == "/fhir/Patient/p":
		send(200, `{"resourceType":"Patient","id":"p","meta":{"versionId":"4","lastUpdated":"2026-01-02T03:04:05Z"},"name":[{"family":"<b>&Son","given":["A"]}],
			"generalPractitioner":[{"reference":"Practitioner/x"}],"link":[{"other":{"reference":"http://vigil.test/fhir/Patient/q"}}],
			"photo":[{"url":"javascript:alert(1)"}]}`)
	case r.URL.Path == "/fhir/Observation":
		send(200, `{"resourceType":"Bundle","type":"searchset","total":1,"link":[{"relation":"self","url":"http://vigil.test/fhir/Observation?code=x"},
			{"relation":"next","url":"http://vigil.test/fhir/Observation?_cursor=abc"}],"entry":[
			{"search":{"mode":"match"},"resource":{"resourceType":"Observation","id":"o","status":"final","code":{"coding":[{"code":"8867-4","display":"Heart rate"}]},
			"valueQuantity":{"value":72.0,"unit":"/min"},"effectiveDateTime":"2026-01-02T03:04:05Z"}},
			{"search":{"mode":"outcome"},"resource":{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"not-supported","diagnostics":"what is bogus?","expression":["bogus"]}]}}]}`)
	case r.URL.Path == "/fhir/Binary/b":
		w.Header().Set("Content-Type", "application/pdf")
		_, _ = io.WriteString(w, "%PDF")
	default:
		send(404, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-found","diagnostics":"there is no `+strings.TrimPrefix(r.URL.Path, "/fhir/")+`"}]}`)
	}
}

// get asks as a browser does.
func get(t *testing.T, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	h := New(http.HandlerFunc(api), schema.R4)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	r.Host = "vigil.test"
	r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestPages sees that each page shows what it is for, and that nothing in a
// resource becomes markup.
func TestPages(t *testing.T) {
	for _, c := range []struct {
		target string
		status int
		want   []string
		never  []string
	}{
		{"/fhir", 200, []string{`<a href="/fhir/Patient">Patient</a><span>3</span>`, `class="none"><a href="/fhir/Account">`, "4.0.1", "Vigil 9"}, nil},
		{"/fhir/Patient/p", 200, []string{`<a href="/fhir/Practitioner/x">`, `<a href="/fhir/Patient/q">`, "&lt;b&gt;&amp;Son", "Version", `href="/fhir/Patient/p/_history"`, `href="/fhir/Patient/p?_format=xml"`},
			[]string{"<b>&Son", `href="javascript`}},
		{"/fhir/Patient/p?view=xml", 200, []string{"&lt;Patient xmlns="}, nil},
		{"/fhir/Observation?code=x", 200, []string{"1 result", "Heart rate · 72.0\u2009/min", "2026-01-02T03:04:05Z", `href="/fhir/Observation?_cursor=abc" rel="next"`,
			"what is bogus?", `name="code" value="x"`, `name="patient"`, `action="/fhir/Observation"`}, nil},
		{"/fhir/Patient/none", 404, []string{"There is nothing here", "there is no Patient/none"}, nil},
	} {
		t.Run(c.target, func(t *testing.T) {
			w := get(t, c.target)
			body := w.Body.String()
			if w.Code != c.status || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("got %d %v", w.Code, w.Header())
			}
			for _, want := range c.want {
				if !strings.Contains(body, want) {
					t.Errorf("%q is not on the page:\n%s", want, body)
				}
			}
			for _, never := range c.never {
				if strings.Contains(body, never) {
					t.Errorf("%q is on the page", never)
				}
			}
		})
	}
}

// TestPrograms sees that only browsers get pages.
func TestPrograms(t *testing.T) {
	for _, c := range []struct{ accept, query, want string }{
		{"application/fhir+json", "", "application/fhir+json"},
		{"*/*", "", "application/fhir+json"},
		{"", "", "application/fhir+json"},
		{"application/json, text/html", "", "application/fhir+json"},
		{"text/html", "?_format=json", "application/fhir+json"},
		{"application/fhir+json", "?_format=html", "text/html"},
		{"text/html", "", "text/html"},
	} {
		w := get(t, "/fhir/Patient/p"+c.query, "Accept", c.accept)
		if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, c.want) || w.Header().Get("Vary") != "Accept" {
			t.Errorf("%q %s: got %s, want %s", c.accept, c.query, got, c.want)
		}
	}
	if w := get(t, "/fhir/Binary/b"); w.Header().Get("Content-Type") != "application/pdf" || w.Body.String() != "%PDF" {
		t.Errorf("a Binary came as %v %s", w.Header(), w.Body)
	}
	if w := get(t, "/fhir/Observation?code=x&date=&_sort="); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/fhir/Observation?code=x" {
		t.Errorf("empty fields: %d %s", w.Code, w.Header().Get("Location"))
	}
}
