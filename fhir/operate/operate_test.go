package operate_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/check"
	"github.com/vigil-iomt/vigil/fhir/operate"
	"github.com/vigil-iomt/vigil/fhir/rest"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/terms"
	"github.com/vigil-iomt/vigil/fhir/tree"
	"github.com/vigil-iomt/vigil/internal/seal"
	"github.com/vigil-iomt/vigil/store"
)

const base = "https://vigil.test/fhir"

var engine = sync.OnceValue(func() *search.Engine {
	e, err := search.New(search.Config{Schema: schema.R4(), Key: search.Key{1}, Bases: []string{base}})
	if err != nil {
		panic(err)
	}
	return e
})

var checker = sync.OnceValue(func() *check.Checker { return check.New(schema.R4(), terms.New(schema.R4())) })

// A site is a server over a real store in a temporary folder.
type site struct {
	t      testing.TB
	server http.Handler
}

func newSite(t testing.TB) *site {
	t.Helper()
	now := func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }
	db, err := store.Open(context.Background(), store.Config{
		Path: t.TempDir(), Partitions: 1, Sealer: seal.Plain{}, Now: now, Log: slog.New(slog.DiscardHandler), Checkpoint: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &site{t, rest.New(rest.Config{
		Record: db,
		Write: func(ctx context.Context, f func(context.Context, rest.Tx) error) error {
			return db.WriteResources(ctx, func(ctx context.Context, tx *store.ResourceTx) error { return f(ctx, tx) })
		},
		Engine: engine,
		Check: func(_ context.Context, doc *tree.Doc) []check.Issue {
			return checker().Check(doc, check.Options{Level: check.Rules})
		},
		Operations: operate.Operations(operate.Config{Checker: checker}),
		BaseURL:    base, Now: now, Log: slog.New(slog.DiscardHandler),
	})}
}

// A reply is an answer of the server.
type reply struct {
	status int
	media  string
	raw    string
	body   any // nil when it is no JSON
}

// do sends a request; headers are names and values in turn.
func (s *site) do(method, target, body string, headers ...string) reply {
	s.t.Helper()
	r := httptest.NewRequest(method, base+"/"+target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r.WithContext(vigil.WithActor(r.Context(), vigil.LocalAdmin())))
	a := reply{status: w.Code, media: w.Header().Get("Content-Type"), raw: w.Body.String()}
	d := json.NewDecoder(bytes.NewReader(w.Body.Bytes()))
	d.UseNumber()
	_ = d.Decode(&a.body) // it may be no JSON
	return a
}

// want sends a request and wants a status.
func (s *site) want(status int, method, target, body string, headers ...string) reply {
	s.t.Helper()
	a := s.do(method, target, body, headers...)
	if a.status != status {
		s.t.Fatalf("%s %s: got %d, want %d: %.1000s", method, target, a.status, status, a.raw)
	}
	return a
}

// put stores resources.
func (s *site) put(resources ...string) {
	s.t.Helper()
	for _, r := range resources {
		var of struct{ ResourceType, ID string }
		if err := json.Unmarshal([]byte(r), &of); err != nil {
			s.t.Fatal(err)
		}
		s.want(201, "PUT", of.ResourceType+"/"+of.ID, r)
	}
}

// text digs into an answer: names and indexes with dots between them.
func (a reply) text(path string) string {
	v := a.body
	for p := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[p]
		case []any:
			i, err := strconv.Atoi(p)
			if err != nil || i >= len(x) {
				return ""
			}
			v = x[i]
		default:
			return ""
		}
	}
	if v == nil {
		return ""
	}
	if l, ok := v.([]any); ok {
		return fmt.Sprint(len(l))
	}
	return fmt.Sprint(v)
}

func (a reply) wants(t testing.TB, path, want string) {
	t.Helper()
	if got := a.text(path); got != want {
		t.Errorf("%s is %q, want %q: %.600s", path, got, want, a.raw)
	}
}

const anna = `{"resourceType":"Patient","id":"anna",` + said + `,"gender":"female"}`

const said = `"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}`

func TestValidate(t *testing.T) {
	s := newSite(t)
	s.put(anna)
	wrong := "{" + said + ",\n  \"resourceType\": \"Patient\",\n  \"gender\": \"woman\"\n}"
	wrapped := func(name, resource, more string) string {
		return "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"" + name + "\",\"resource\":" + resource + "}" + more + "]}"
	}
	tests := []struct {
		name, target, body, severity, code, place, line string
	}{
		{"what is right", "Patient/$validate", anna, "information", "informational", "", ""},
		{"a wrong code", "Patient/$validate", wrong, "error", "code-invalid", "Patient.gender", "3"},
		{"one within Parameters", "Patient/$validate", wrapped("resource", wrong, ""), "error", "code-invalid", "Patient.gender", "3"},
		{"what is stored", "Patient/anna/$validate", "", "information", "informational", "", ""},
		{"another type", "Observation/$validate", anna, "error", "invalid", "Patient", ""},
		{"an update with another id", "Patient/anna/$validate?mode=update", `{"resourceType":"Patient","id":"bo",` + said + `}`, "error", "invalid", "Patient.id", ""},
		{"an update", "Patient/anna/$validate?mode=update", anna, "information", "informational", "", ""},
		{"an update that creates", "Patient/bo/$validate?mode=update", `{"resourceType":"Patient","id":"bo",` + said + `}`, "information", "informational", "", ""},
		{"a delete", "Patient/anna/$validate?mode=delete", "", "information", "informational", "", ""},
		{"a create", "Patient/$validate?mode=create", wrapped("resource", anna, `,{"name":"mode","valueCode":"create"}`), "information", "informational", "", ""},
		{"an unknown profile", "Patient/$validate?profile=http://x.org/none", anna, "error", "not-found", "Patient", "1"},
		{"a profile", "Observation/$validate?profile=http://hl7.org/fhir/StructureDefinition/bodyweight", `{"resourceType":"Observation",` + said + `,"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/anna"},"effectiveDateTime":"2026"}`, "error", "", "", ""},
		{"Parameters themselves", "Parameters/$validate", `{"resourceType":"Parameters","parameter":[{"name":"a","valueString":"b"}]}`, "information", "informational", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			method := "POST"
			if tt.body == "" {
				method = "GET"
			}
			a := s.want(200, method, tt.target, tt.body)
			a.wants(t, "resourceType", "OperationOutcome")
			a.wants(t, "issue.0.severity", tt.severity)
			if tt.code != "" {
				a.wants(t, "issue.0.code", tt.code)
				a.wants(t, "issue.0.expression.0", tt.place)
				a.wants(t, "issue.0.extension.0.valueInteger", tt.line)
			}
		})
	}
	x := s.want(200, "POST", "Patient/$validate", "<Patient xmlns=\"http://hl7.org/fhir\"><text><status value=\"generated\"/><div xmlns=\"http://www.w3.org/1999/xhtml\">x</div></text>\n\n<gender value=\"woman\"/></Patient>", "Content-Type", "application/fhir+xml")
	x.wants(t, "issue.0.extension.0.valueInteger", "3")
	for target, status := range map[string]int{
		"Patient/$validate": 400, "Patient/none/$validate": 404, "Patient/anna/$validate?mode=x": 400, "Patient/$validate?mode=update": 400,
		"Patient/none/$validate?mode=delete": 404, "Patient/anna/$validate?mode=profile": 400, "Patient/anna/$validate?x=1": 400,
	} {
		s.want(status, "GET", target, "").wants(t, "resourceType", "OperationOutcome")
	}
}

func TestMeta(t *testing.T) {
	s := newSite(t)
	s.put(`{"resourceType":"Patient","id":"anna","meta":{"source":"http://x.org","tag":[{"system":"s","code":"a"}]},"active":true}`,
		`{"resourceType":"Patient","id":"bo","meta":{"tag":[{"system":"s","code":"a"},{"system":"s","code":"b"}]}}`)
	given := func(meta string) string {
		return `{"resourceType":"Parameters","parameter":[{"name":"meta","valueMeta":` + meta + `}]}`
	}
	const value = "parameter.0.valueMeta."
	s.want(200, "GET", "Patient/anna/$meta", "").wants(t, value+"tag.0.code", "a")
	s.want(200, "GET", "Patient/$meta", "").wants(t, value+"tag", "2")
	s.want(200, "GET", "$meta", "").wants(t, value+"tag", "2")
	a := s.want(200, "POST", "Patient/anna/$meta-add", given(`{"profile":["http://x.org/p"],"tag":[{"system":"s","code":"a"},{"system":"t","code":"a"}],"security":[{"code":"R"}]}`))
	a.wants(t, value+"tag", "2")
	a.wants(t, value+"versionId", "2")
	a.wants(t, value+"source", "http://x.org")
	a = s.want(200, "POST", "Patient/anna/$meta-add", given(`{"tag":[{"system":"s","code":"a"}]}`))
	a.wants(t, value+"versionId", "2") // nothing is new
	a = s.want(200, "POST", "Patient/anna/$meta-delete", given(`{"profile":["http://x.org/p"],"tag":[{"system":"s","code":"a"}]}`))
	a.wants(t, value+"profile", "")
	a.wants(t, value+"tag.0.system", "t")
	a.wants(t, value+"versionId", "3")
	r := s.want(200, "GET", "Patient/anna", "")
	r.wants(t, "active", "true")
	r.wants(t, "meta.security.0.code", "R")
	s.want(400, "POST", "Patient/anna/$meta-add", anna)
	s.want(405, "GET", "Patient/anna/$meta-add", "")
	s.want(404, "POST", "Patient/none/$meta-add", given(`{}`))
}

func TestConvert(t *testing.T) {
	s := newSite(t)
	a := s.want(200, "POST", "$convert", anna, "Accept", "application/fhir+xml")
	if !strings.Contains(a.raw, `<gender value="female"/>`) || !strings.Contains(a.media, "xml") {
		t.Errorf("%s: %s", a.media, a.raw)
	}
	a = s.want(200, "POST", "$convert?_format=json", a.raw, "Content-Type", "application/fhir+xml")
	a.wants(t, "gender", "female")
	s.want(400, "POST", "$convert", "{")
	s.want(422, "POST", "$convert?_format=xml", `{"resourceType":"Patient","nonsense":1}`)
	s.want(422, "POST", "$convert?_format=xml", `{"resourceType":"Patient","name":{"family":1}}`)
	s.want(200, "POST", "$convert", `{"resourceType":"Parameters","parameter":[{"name":"input","resource":`+anna+`}]}`).wants(t, "gender", "female")
	s.want(400, "GET", "$convert", "")
}

func TestGraphQL(t *testing.T) {
	s := newSite(t)
	s.put(`{"resourceType":"Patient","id":"anna","name":[{"family":"May","given":["Anna"]}]}`,
		`{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/anna"}}`)
	const ask = `{ Patient(id: "anna") { name { family } obs: ObservationList(_reference: subject) { id } } }`
	for _, a := range []reply{
		s.want(200, "GET", "$graphql?query="+url.QueryEscape(ask), ""),
		s.want(200, "POST", "$graphql", ask, "Content-Type", "application/graphql"),
		s.want(200, "POST", "$graphql", `{"query":`+strconv.Quote(ask)+`,"variables":null}`, "Content-Type", "application/json", "Accept", "application/json"),
		s.want(200, "POST", "$graphql", `{"query":"query($id: id!) { Patient(id: $id) { name { family } obs: ObservationList(_reference: subject) { id } } }","variables":{"id":"anna"}}`, "Content-Type", "application/json"),
	} {
		a.wants(t, "data.Patient.name.0.family", "May")
		a.wants(t, "data.Patient.obs.0.id", "o")
		a.wants(t, "errors", "")
		if !strings.HasPrefix(a.media, "application/json") {
			t.Errorf("the type is %s", a.media)
		}
	}
	a := s.want(200, "GET", "Observation/o/$graphql?query="+url.QueryEscape(`{ id subject { resource { ... on Patient { name { given } } } } }`), "")
	a.wants(t, "data.subject.resource.name.0.given.0", "Anna")
	a = s.want(200, "GET", "$graphql?query="+url.QueryEscape(`{ PatientConnection(name: "may") { count edges { resource { id } } } }`), "")
	a.wants(t, "data.PatientConnection.count", "1")
	a.wants(t, "data.PatientConnection.edges.0.resource.id", "anna")
	a = s.want(400, "GET", "$graphql?query=%7B", "")
	a.wants(t, "errors.0.extensions.resource.resourceType", "OperationOutcome")
	a = s.do("GET", "$graphql?query="+url.QueryEscape(`{ PatientList(nothing: "x") { id } }`), "")
	a.wants(t, "errors.0.extensions.resource.issue.0.severity", "error")
	s.want(400, "GET", "$graphql", "")
	s.want(415, "POST", "$graphql", "x", "Content-Type", "text/plain")
	s.want(404, "GET", "Patient/none/$graphql?query=x", "")
}

const names = `{"resourceType":"ViewDefinition","resource":"Patient","status":"active","name":"names","select":[{"column":[{"name":"id","path":"getResourceKey()"},{"name":"family","path":"name.family.first()"}]}]}`

func TestRunView(t *testing.T) {
	s := newSite(t)
	s.put(`{"resourceType":"Patient","id":"anna","name":[{"family":"May"}]}`, `{"resourceType":"Patient","id":"bo"}`,
		`{"resourceType":"Group","id":"g","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/bo"}}]}`,
		`{"resourceType":"Binary","id":"v","contentType":"application/json","data":"`+base64.StdEncoding.EncodeToString([]byte(names))+`"}`)
	with := func(parameters ...string) string {
		return `{"resourceType":"Parameters","parameter":[{"name":"viewResource","resource":` + names + `}` + strings.Join(append([]string{""}, parameters...), ",") + `]}`
	}
	const anna, bo = `{"id":"anna","family":"May"}`, `{"id":"bo","family":null}`
	tests := []struct{ name, target, body, accept, want string }{
		{"a view", "$viewdefinition-run", names, "", anna + "\n" + bo + "\n"},
		{"its older name", "ViewDefinition/$run", names, "application/x-ndjson", anna + "\n" + bo + "\n"},
		{"at its type", "ViewDefinition/$viewdefinition-run?_format=json", names, "", "[\n" + anna + ",\n" + bo + "]\n"},
		{"CSV", "$viewdefinition-run", names, "text/csv", "id,family\r\nanna,May\r\nbo,\r\n"},
		{"CSV without names", "$viewdefinition-run?_format=csv&header=false", names, "", "anna,May\r\nbo,\r\n"},
		{"one that is kept", "$viewdefinition-run?viewReference=Binary/v&_limit=1", "", "", anna + "\n"},
		{"a patient", "$viewdefinition-run", with(`{"name":"patient","valueReference":{"reference":"Patient/bo"}}`), "", bo + "\n"},
		{"a group", "$viewdefinition-run", with(`{"name":"group","valueReference":{"reference":"Group/g"}}`), "", bo + "\n"},
		{"since", "$viewdefinition-run?_since=2099-01-01T00:00:00Z", names, "", ""},
		{"resources that come along", "$viewdefinition-run", with(`{"name":"resource","resource":{"resourceType":"Patient","id":"x"}}`, `{"name":"_format","valueCode":"csv"}`), "", "id,family\r\nx,\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			method := "POST"
			if tt.body == "" {
				method = "GET"
			}
			a := s.want(200, method, tt.target, tt.body, "Accept", tt.accept)
			if strings.TrimSpace(a.raw) != strings.TrimSpace(tt.want) {
				t.Errorf("got %q, want %q", a.raw, tt.want)
			}
		})
	}
	if a := s.want(200, "POST", "$viewdefinition-run?_format=parquet", names); !strings.HasPrefix(a.raw, "PAR1") || !strings.HasSuffix(a.raw, "PAR1") {
		t.Errorf("Parquet is %q", a.raw)
	}
	refused := []struct {
		target, body string
		status       int
	}{
		{"$viewdefinition-run", "", 400},
		{"$viewdefinition-run", `{"resourceType":"ViewDefinition"}`, 422},
		{"$viewdefinition-run", strings.Replace(names, "name.family", "name.", 1), 422},
		{"$viewdefinition-run", strings.Replace(names, "name.family.first()", "1 / 'a'", 1), 422},
		{"$viewdefinition-run?_format=xlsx", names, 406},
		{"$viewdefinition-run?source=s3", names, 400},
		{"$viewdefinition-run?viewReference=Binary/none", "", 404},
		{"$viewdefinition-run?viewReference=Patient/anna", "", 400},
		{"$viewdefinition-run?patient=x|y", names, 400},
		{"$viewdefinition-run", "{", 400},
		{"ViewDefinition/$nothing", names, 404},
		{"ViewDefinition", names, 404},
	}
	for _, tt := range refused {
		s.want(tt.status, "POST", tt.target, tt.body).wants(t, "resourceType", "OperationOutcome")
	}
}

func TestViewsOfMuch(t *testing.T) {
	s := newSite(t)
	var b strings.Builder
	const many = 4000
	b.WriteString(`{"resourceType":"Bundle","type":"batch","entry":[`)
	for i := range many {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"request":{"method":"PUT","url":"Patient/p%d"},"resource":{"resourceType":"Patient","id":"p%d","name":[{"family":"%s"}]}}`, i, i, strings.Repeat("x", 100))
	}
	s.want(200, "POST", "", b.String()+"]}")
	if a := s.want(200, "POST", "$viewdefinition-run", names); strings.Count(a.raw, "\n") != many {
		t.Errorf("%d rows of %d", strings.Count(a.raw, "\n"), many)
	}
}

func TestStatistics(t *testing.T) {
	s := newSite(t)
	s.put(anna)
	weigh := func(id, at, quantity, more string) {
		s.put(`{"resourceType":"Observation","id":"` + id + `","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"29463-7"}]},"subject":{"reference":"Patient/anna"},"effectiveDateTime":"` +
			at + `"` + quantity + more + `}`)
	}
	kg := func(v string) string {
		return `,"valueQuantity":{"value":` + v + `,"system":"http://unitsofmeasure.org","code":"kg"}`
	}
	for i, v := range []string{"70", "72", "74", "80"} {
		weigh("w"+strconv.Itoa(i), fmt.Sprintf("2026-03-01T%02d:00:00Z", 7+i), kg(v), "")
	}
	weigh("grams", "2026-03-01T11:00:00Z", `,"valueQuantity":{"value":84000,"system":"http://unitsofmeasure.org","code":"g"}`, "")
	weigh("less", "2026-03-01T11:00:00Z", `,"valueQuantity":{"value":1,"comparator":"<","system":"http://unitsofmeasure.org","code":"kg"}`, "")
	weigh("old", "2020-03-01T11:00:00Z", kg("50"), "")
	s.put(`{"resourceType":"Observation","id":"bp","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},"subject":{"reference":"Patient/anna"},"effectiveDateTime":"2026-03-01",` +
		`"component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":120,"system":"http://unitsofmeasure.org","code":"mm[Hg]"}},{"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},"valueQuantity":{"value":80,"system":"http://unitsofmeasure.org","code":"mm[Hg]"}}]}`)
	ask := "Observation/$stats?subject=Patient/anna&system=http://loinc.org&duration=24"
	a := s.want(200, "GET", ask+"&code=29463-7&statistic=average,maximum,minimum,count,total-count,sum,median,variance,std-dev,20-percent,4-lower,4-upper,4-dev,5-4,skew,kurtosis,regression", "")
	got := ""
	for i := range 18 {
		got += " " + a.text(fmt.Sprintf("parameter.0.resource.component.%d.valueQuantity.value", i))
	}
	// Worked out by hand for 70, 72, 74, 80, 84 at 0 to 4 hours.
	const want = " 76 84 70 5 6 380 74 34 5.83095189485 71.6 72 80 4 80.8 0.406040288213 -1.39965397924 3.6 68.8"
	if got != want {
		t.Errorf("got %s\nwant%s", got, want)
	}
	a.wants(t, "parameter.0.resource.component.0.valueQuantity.code", "kg")
	a.wants(t, "parameter.0.resource.component.7.valueQuantity.code", "(kg)2")
	p := s.want(200, "GET", ask+"&code=85354-9&statistic=maximum", "")
	p.wants(t, "parameter", "2")
	p.wants(t, "parameter.1.resource.component.0.valueQuantity.value", "80")
	p = s.want(200, "GET", ask+"&code=8480-6&statistic=maximum&include=true", "")
	p.wants(t, "parameter.0.resource.component.0.valueQuantity.value", "120")
	p.wants(t, "parameter.1.resource.id", "bp")
	p = s.want(200, "POST", "Observation/$stats", `{"resourceType":"Parameters","parameter":[{"name":"subject","valueUri":"Patient/anna"},{"name":"coding","valueCoding":{"system":"http://loinc.org","code":"29463-7"}},`+
		`{"name":"statistic","valueCode":"count"},{"name":"period","valuePeriod":{"start":"2020","end":"2020"}}]}`)
	p.wants(t, "parameter.0.resource.component.0.valueQuantity.value", "1")
	p = s.want(200, "GET", ask+"&code=nothing&statistic=count,average", "")
	p.wants(t, "parameter.0.resource.component.0.valueQuantity.value", "0")
	p.wants(t, "parameter.0.resource.component.1.dataAbsentReason.coding.0.code", "not-applicable")
	for _, q := range []string{"", "?subject=Patient/anna", "?subject=Patient/anna&code=a&system=b", "?subject=Patient/anna&code=a&statistic=x", "?subject=x&code=a&statistic=count",
		"?subject=Patient/anna&code=a&statistic=count&duration=-1", "?subject=Patient/anna&code=a&statistic=count&period=2020", "?x=1"} {
		s.want(400, "GET", "Observation/$stats"+q, "")
	}
}

// TestListed says that what there is is in the CapabilityStatement.
func TestListed(t *testing.T) {
	a := newSite(t).want(200, "GET", "metadata", "")
	for _, name := range []string{"validate", "meta", "meta-add", "meta-delete", "convert", "stats", "graphql", "viewdefinition-run", "everything", "lastn"} {
		if !strings.Contains(a.raw, `{"name":"`+name+`","definition"`) {
			t.Errorf("%s is not listed", name)
		}
	}
}

// FuzzOperations sends anything to operations: none of it is the server's fault.
func FuzzOperations(f *testing.F) {
	s := newSite(f)
	s.put(anna)
	targets := []string{"$graphql", "$viewdefinition-run", "Patient/$validate", "$convert?_format=xml", "Patient/anna/$meta-add", "Observation/$stats", "Patient/anna/$everything"}
	for i, body := range []string{
		`{ Patient(id: "anna") { name { family } } }`, names, anna, anna, `{"resourceType":"Parameters","parameter":[{"name":"meta","valueMeta":{"tag":[{"code":"a"}]}}]}`,
		`{"resourceType":"Parameters","parameter":[{"name":"subject","valueUri":"Patient/anna"},{"name":"coding","valueCoding":{"code":"a"}},{"name":"statistic","valueCode":"average"},{"name":"period","valuePeriod":{"start":"2020"}}]}`,
		`{"resourceType":"Parameters","parameter":[{"name":"start","valueDate":"2020-01-01"},{"name":"_type","valueCode":"Patient"}]}`,
	} {
		f.Add(uint8(i), body)
	}
	f.Fuzz(func(t *testing.T, at uint8, body string) {
		if int(at) >= len(targets) {
			t.Skip()
		}
		media := "application/fhir+json"
		if at == 0 {
			media = "application/graphql"
		}
		on := &site{t, s.server}
		if a := on.do("POST", targets[at], body, "Content-Type", media); a.status >= 500 {
			t.Errorf("%s: %d %s", targets[at], a.status, a.raw)
		}
	})
}
