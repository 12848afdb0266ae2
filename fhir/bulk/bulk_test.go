package bulk_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/bulk"
	"github.com/vigil-iomt/vigil/fhir/check"
	"github.com/vigil-iomt/vigil/fhir/rest"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/terms"
	"github.com/vigil-iomt/vigil/fhir/tree"
	"github.com/vigil-iomt/vigil/internal/seal"
	"github.com/vigil-iomt/vigil/store"
)

const base = "http://vigil.test/fhir"

var engine = sync.OnceValue(func() *search.Engine {
	e, err := search.New(search.Config{Schema: schema.R4(), Key: search.Key{1}})
	if err != nil {
		panic(err)
	}
	return e
})

var checker = sync.OnceValue(func() *check.Checker { return check.New(schema.R4(), terms.New(schema.R4())) })

// A site is a server over a real store.
type site struct {
	t      testing.TB
	dir    string
	db     *store.DB
	server *rest.Server
	bulk   *bulk.Service
	config bulk.Config
	stop   func()
	actor  vigil.Actor
	// moment is called when an export has got its time.
	moment func()
}

// masked is a sealer that shows in tests whether everything is sealed.
type masked struct{ seal.Plain }

func (m masked) Seal(dst []byte, subject string, plain []byte) []byte {
	out := m.Plain.Seal(nil, subject, plain)
	for i := range out {
		out[i] ^= 0x5a
	}
	return append(dst, out...)
}

func (m masked) Open(dst []byte, sealed []byte) ([]byte, error) {
	plain := bytes.Clone(sealed)
	for i := range plain {
		plain[i] ^= 0x5a
	}
	return m.Plain.Open(dst, plain)
}

func newSite(t testing.TB, change ...func(*bulk.Config)) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), actor: vigil.LocalAdmin()}
	log := slog.New(slog.DiscardHandler)
	var err error
	s.db, err = store.Open(context.Background(), store.Config{Path: t.TempDir(), Partitions: 1, Sealer: seal.Plain{}, Now: time.Now, Log: log, Checkpoint: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.db.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	s.config = bulk.Config{
		Dir: s.dir, Sealer: masked{}, Changes: s.db.ResourceChanges, Now: time.Now, Log: log,
		Inside: func(a vigil.Actor, base string) *rest.Invocation { return s.server.Inside(a, base) },
		Moment: func(ctx context.Context) (at vigil.Instant, err error) {
			err = s.db.WriteResources(ctx, func(_ context.Context, tx *store.ResourceTx) error {
				at = tx.At()
				return nil
			})
			if s.moment != nil {
				s.moment()
			}
			return at, err
		},
	}
	for _, f := range change {
		f(&s.config)
	}
	s.open()
	t.Cleanup(func() { s.stop() })
	return s
}

// open opens the service, as at a start.
func (s *site) open() {
	s.t.Helper()
	var err error
	if s.bulk, err = bulk.Open(s.config); err != nil {
		s.t.Fatal(err)
	}
	s.server = rest.New(rest.Config{
		Record: s.db, Engine: engine, BaseURL: base, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Write: func(ctx context.Context, f func(context.Context, rest.Tx) error) error {
			return s.db.WriteResources(ctx, func(ctx context.Context, tx *store.ResourceTx) error { return f(ctx, tx) })
		},
		Check: func(_ context.Context, doc *tree.Doc) []check.Issue {
			return checker().Check(doc, check.Options{Level: check.Rules})
		},
		Sources: []rest.Source{source{}}, Operations: s.bulk.Operations(),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.bulk.Run(ctx); err != nil {
			s.t.Error(err)
		}
	}()
	s.stop = func() { cancel(); <-done }
}

// A source shows Observations that nobody wrote: one long ago, one in the
// future.
type source struct{}

func (source) Types() []string { return []string{"Observation"} }

func (source) shown() []vigil.Resource {
	body := func(id, at string) []byte {
		return []byte(`{"resourceType":"Observation","id":"` + id + `","meta":{"versionId":"1","lastUpdated":"` + at + `"},"status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/a"}}`)
	}
	device := vigil.Actor{Kind: vigil.DeviceActor, ID: "monitor"}
	return []vigil.Resource{
		{Type: "Observation", ID: "shown-1", Version: 1, Method: "POST", Actor: device, Changed: vigil.InstantOf(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)), Body: body("shown-1", "2026-01-01T00:00:00.000Z")},
		{Type: "Observation", ID: "shown-2", Version: 1, Changed: vigil.InstantOf(time.Now().Add(time.Hour)), Body: body("shown-2", "2099-01-01T00:00:00.000Z")},
	}
}

func (s source) Read(_ context.Context, _, id string, _ int64) (vigil.Resource, error) {
	for _, r := range s.shown() {
		if r.ID == id {
			return r, nil
		}
	}
	return vigil.Resource{}, vigil.Errorf(vigil.NotFound, "there is none")
}

func (s source) History(ctx context.Context, typ, id string) ([]vigil.Resource, error) {
	r, err := s.Read(ctx, typ, id, 0)
	return []vigil.Resource{r}, err
}

func (s source) Search(_ context.Context, _ string, q *search.Query, _ *vigil.ResourceMark) iter.Seq2[vigil.ResourceHit, error] {
	return func(yield func(vigil.ResourceHit, error) bool) {
		for _, r := range s.shown() {
			doc, err := tree.Parse(r.Body)
			if err == nil && !q.Match(doc.Root()) {
				continue
			}
			if !yield(vigil.ResourceHit{Resource: r}, err) {
				return
			}
		}
	}
}

func (source) Total(context.Context, string, *search.Query) (int, error) { return 0, nil }

// do sends a request.
func (s *site) do(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	s.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = base + "/" + path
	}
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r.WithContext(vigil.WithActor(r.Context(), s.actor)))
	return w
}

// want sends a request and wants a status.
func (s *site) want(status int, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	s.t.Helper()
	w := s.do(method, path, body, headers...)
	if w.Code != status {
		s.t.Fatalf("%s %s: got %d, want %d: %.600s", method, path, w.Code, status, w.Body)
	}
	return w
}

// put writes a resource, with more members than its type and id.
func (s *site) put(typ, id, more string) {
	s.t.Helper()
	if w := s.do(http.MethodPut, typ+"/"+id, `{"resourceType":"`+typ+`","id":"`+id+`"`+more+`}`); w.Code > 201 {
		s.t.Fatalf("put %s/%s: %d %s", typ, id, w.Code, w.Body)
	}
}

const heart = `,"status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/`

// some puts two patients, with two Observations each, and an Organization.
func (s *site) some() {
	s.t.Helper()
	for _, id := range []string{"a", "b"} {
		s.put("Patient", id, `,"gender":"female","name":[{"family":"Berg"}]`)
		for i := range 2 {
			s.put("Observation", fmt.Sprintf("%s%d", id, i), heart+id+`"},"valueQuantity":{"value":`+fmt.Sprint(60+i)+`}`)
		}
	}
	s.put("Organization", "o", `,"name":"Ward"`)
}

type manifest struct {
	TransactionTime        string
	Request                string
	Output, Deleted, Error []struct {
		Type, URL, InputURL string
		Count               int
	}
}

// wait waits for a job.
func (s *site) wait(job string) manifest {
	s.t.Helper()
	limit := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		w := s.do(http.MethodGet, job, "")
		switch w.Code {
		case http.StatusAccepted:
			if w.Header().Get("X-Progress") == "" || w.Header().Get("Retry-After") == "" {
				s.t.Fatalf("a job under way says %v", w.Header())
			}
		case http.StatusOK:
			var m manifest
			if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
				s.t.Fatal(err)
			}
			return m
		default:
			s.t.Fatalf("job: %d %s", w.Code, w.Body)
		}
		select {
		case <-tick.C:
		case <-limit:
			s.t.Fatal("the job is not done in 20 s")
		}
	}
}

// export carries out an export and lists what is in its files, sorted.
func (s *site) export(path string, headers ...string) (manifest, string) {
	s.t.Helper()
	w := s.want(http.StatusAccepted, http.MethodGet, path, "", headers...)
	return s.read(s.wait(w.Header().Get("Content-Location")))
}

func (s *site) read(m manifest) (manifest, string) {
	s.t.Helper()
	var names []string
	for _, f := range m.Output {
		for _, line := range s.lines(f.URL, f.Count) {
			var r struct{ ResourceType, ID string }
			if err := json.Unmarshal([]byte(line), &r); err != nil || r.ResourceType != f.Type {
				s.t.Fatalf("%v: %s", err, line)
			}
			names = append(names, r.ResourceType+"/"+r.ID)
		}
	}
	slices.Sort(names)
	return m, strings.Join(names, " ")
}

func (s *site) lines(url string, count int) []string {
	s.t.Helper()
	w := s.want(http.StatusOK, http.MethodGet, url, "")
	lines := strings.Split(strings.TrimSuffix(w.Body.String(), "\n"), "\n")
	if len(lines) != count || w.Header().Get("Content-Type") != "application/fhir+ndjson" {
		s.t.Fatalf("%d lines of %d, %s", len(lines), count, w.Header().Get("Content-Type"))
	}
	return lines
}

const everything = "Observation/a0 Observation/a1 Observation/b0 Observation/b1 Observation/shown-1 Organization/o Patient/a Patient/b"

func TestExport(t *testing.T) {
	s := newSite(t)
	s.some()
	s.put("Group", "g", `,"type":"person","actual":true,"member":[{"entity":{"reference":"Patient/b"}},{"entity":{"reference":"Patient/a"},"inactive":true}]`)
	patients := func(refs ...string) string {
		var p []string
		for _, r := range refs {
			p = append(p, `{"name":"patient","valueReference":{"reference":"`+r+`"}}`)
		}
		return `{"resourceType":"Parameters","parameter":[` + strings.Join(p, ",") + `]}`
	}
	for _, c := range []struct{ says, path, body, want string }{
		{"everything", "$export", "", strings.Replace(everything, "Observation/a0", "Group/g Observation/a0", 1)},
		{"types", "$export?_type=Patient,Organization", "", "Organization/o Patient/a Patient/b"},
		{"an abbreviated format", "$export?_type=Patient&_outputFormat=ndjson", "", "Patient/a Patient/b"},
		{"an unescaped format", "$export?_type=Patient&_outputFormat=application/fhir+ndjson", "", "Patient/a Patient/b"},
		{"a filter", "$export?_type=Observation&_typeFilter=Observation%3Fvalue-quantity%3D60", "", "Observation/a0 Observation/b0"},
		{"filters of one type find once", "$export?_type=Observation,Patient&_typeFilter=Observation%3Fvalue-quantity%3D60,Observation%3Fsubject%3DPatient/a&_typeFilter=Patient%3F_id%3Da", "", "Observation/a0 Observation/a1 Observation/b0 Observation/shown-1 Patient/a"},
		{"a filter with a chain", "$export?_type=Observation&_typeFilter=Observation%3Fsubject:Patient._id%3Db", "", "Observation/b0 Observation/b1"},
		{"of all patients", "Patient/$export", "", "Group/g Observation/a0 Observation/a1 Observation/b0 Observation/b1 Observation/shown-1 Patient/a Patient/b"},
		{"of some patients", "Patient/$export", patients("Patient/a", base+"/Patient/a"), "Group/g Observation/a0 Observation/a1 Observation/shown-1 Patient/a"},
		{"of a group", "Group/g/$export", "", "Group/g Observation/b0 Observation/b1 Patient/b"},
		{"of a type that nobody wrote", "$export?_type=Basic", "", ""},
		{"until", "$export?_type=Observation&_until=2026-02-01T00:00:00Z", "", "Observation/shown-1"},
	} {
		t.Run(c.says, func(t *testing.T) {
			s.t = t
			method := http.MethodGet
			if c.body != "" {
				method = http.MethodPost
			}
			w := s.want(http.StatusAccepted, method, c.path, c.body, "Prefer", "respond-async")
			_, got := s.read(s.wait(w.Header().Get("Content-Location")))
			if got != c.want {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestExportRefuses(t *testing.T) {
	s := newSite(t)
	s.some()
	for _, c := range []struct {
		path, body, code string
		status           int
	}{
		{"$export?_outputFormat=text/csv", "", "not-supported", 400},
		{"$export?_type=Shoe", "", "not-supported", 400},
		{"$export?includeAssociatedData=LatestProvenanceResources", "", "not-supported", 400},
		{"$export?organizeOutputBy=Patient", "", "not-supported", 400},
		{"$export?_since=yesterday", "", "value", 400},
		{"$export?_typeFilter=Observation%3Fshoe%3D1", "", "not-supported", 400},
		{"$export?_typeFilter=Observation%3F_sort%3Ddate", "", "not-supported", 400},
		{"$export?_typeFilter=gibberish", "", "not-supported", 400},
		{"$export?_type=Patient&_typeFilter=Observation%3Fcode%3D1", "", "not-supported", 400},
		{"$export?patient=Patient/a", "", "not-supported", 400},
		{"Patient/$export?patient=Patient/a", "", "not-supported", 400},
		{"Patient/$export?_type=Organization", "", "not-supported", 400},
		{"Patient/$export", `{"resourceType":"Parameters","parameter":[{"name":"patient","valueReference":{"reference":"Patient/nobody"}}]}`, "not-found", 400},
		{"Patient/$export", `{"resourceType":"Patient"}`, "invalid", 400},
		{"Group/nobody/$export", "", "not-found", 404},
		{"$bulk", "", "not-found", 404},
		{"$bulk/nothing", "", "not-found", 404},
	} {
		method := http.MethodGet
		if c.body != "" {
			method = http.MethodPost
		}
		w := s.do(method, c.path, c.body)
		if w.Code != c.status || !strings.Contains(w.Body.String(), `"code":"`+c.code+`"`) {
			t.Errorf("%s: got %d %.300s, want %d %s", c.path, w.Code, w.Body, c.status, c.code)
		}
	}
	m, got := s.export("$export?_type=Patient,Shoe&includeAssociatedData=x", "Prefer", "respond-async, handling=lenient")
	if got != "Patient/a Patient/b" || len(m.Error) != 1 || m.Error[0].Count != 2 {
		t.Errorf("lenient: %s, %+v", got, m)
	}
}

func TestExportOfWhatChanged(t *testing.T) {
	s := newSite(t)
	s.some()
	m, _ := s.export("$export")
	since := "$export?_since=" + m.TransactionTime
	if m, got := s.export(since); got != "" || len(m.Deleted) != 0 {
		t.Errorf("nothing has changed, and the export has %s, %v", got, m.Deleted)
	}
	s.put("Patient", "a", `,"gender":"male"`)
	s.put("Observation", "new", heart+`b"}`)
	s.want(http.StatusNoContent, http.MethodDelete, "Observation/b0", "")
	s.put("Organization", "gone", `,"name":"Never seen"`)
	s.want(http.StatusNoContent, http.MethodDelete, "Organization/gone", "")
	m, got := s.export(since)
	if got != "Observation/new Patient/a" || len(m.Deleted) != 2 {
		t.Fatalf("changed: %s, %+v", got, m.Deleted)
	}
	lines := s.lines(m.Deleted[0].URL, m.Deleted[0].Count)
	want := `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Observation/b0"}}]}`
	if len(lines) != 1 || lines[0] != want {
		t.Errorf("deleted: %s", lines)
	}
	// A patient's export tells of their deletions only.
	w := s.want(http.StatusAccepted, http.MethodPost, "Patient/$export?_since="+m.TransactionTime, `{"resourceType":"Parameters","parameter":[{"name":"patient","valueReference":{"reference":"Patient/a"}}]}`)
	if m := s.wait(w.Header().Get("Content-Location")); len(m.Deleted) != 0 {
		t.Errorf("deletions of another patient are told: %+v", m.Deleted)
	}
}

// TestExportIsExact changes everything behind the time of the export, before it
// begins to read.
func TestExportIsExact(t *testing.T) {
	s := newSite(t)
	s.some()
	s.moment = func() {
		s.put("Patient", "a", `,"gender":"male"`)
		s.put("Patient", "late", "")
		s.want(http.StatusNoContent, http.MethodDelete, "Patient/b", "")
		s.want(http.StatusNoContent, http.MethodDelete, "Observation/a1", "")
		s.put("Observation", "a1", heart+`b"}`)
		s.put("Observation", "shown-1", heart+`b"}`)
		s.put("Observation", "b1", heart+`a"}`) // it moves out of a filter
	}
	tick := time.Now()
	for time.Since(tick) < 3*time.Millisecond { // the last write and the export are not in one millisecond
		s.do(http.MethodGet, "Patient/a", "")
	}
	m, got := s.export("$export?_type=Patient,Observation&_typeFilter=Observation%3Fsubject%3DPatient/b")
	if want := "Observation/b0 Observation/b1 Patient/a Patient/b"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	for _, f := range m.Output {
		for _, line := range s.lines(f.URL, f.Count) {
			if strings.Contains(line, `"male"`) || strings.Contains(line, "Patient/a\"}}") {
				t.Errorf("a later state is shown: %s", line)
			}
		}
	}
}

func TestExportOfElements(t *testing.T) {
	s := newSite(t)
	s.some()
	m, _ := s.export("$export?_type=Patient,Organization&_elements=Patient.gender,name")
	for _, f := range m.Output {
		for _, line := range s.lines(f.URL, f.Count) {
			if strings.Contains(line, "gender") != (f.Type == "Patient") || !strings.Contains(line, "SUBSETTED") || !strings.Contains(line, `"name"`) {
				t.Error(line)
			}
		}
	}
}

func TestFiles(t *testing.T) {
	s := newSite(t, func(c *bulk.Config) { c.FileSize = 1 << 20 })
	s.some()
	for i := range 60 {
		s.put("Patient", fmt.Sprintf("p%d", i), `,"name":[{"family":"Berg `+strings.Repeat(fmt.Sprint(i), 15_000)+`"}]`)
	}
	m, got := s.export("$export?_type=Patient")
	if len(strings.Fields(got)) != 62 || len(m.Output) != 2 {
		t.Fatalf("%d patients in %d files", len(strings.Fields(got)), len(m.Output))
	}
	url := m.Output[0].URL
	whole := s.want(http.StatusOK, http.MethodGet, url, "").Body.String()
	part := s.want(http.StatusPartialContent, http.MethodGet, url, "", "Range", "bytes=500000-600000") // of two blocks
	if part.Body.String() != whole[500_000:600_001] {
		t.Errorf("a range of %d bytes is not what it should be", part.Body.Len())
	}
	tail := s.want(http.StatusPartialContent, http.MethodGet, url, "", "Range", "bytes=-50", "If-Range", part.Header().Get("ETag"))
	if tail.Body.String() != whole[len(whole)-50:] {
		t.Errorf("the end: %q", tail.Body)
	}
	s.want(http.StatusRequestedRangeNotSatisfiable, http.MethodGet, url, "", "Range", "bytes=9999999-")
	packed := s.want(http.StatusOK, http.MethodGet, url, "", "Accept-Encoding", "gzip;q=0.5, br")
	z, err := gzip.NewReader(packed.Body)
	if err != nil || packed.Header().Get("Content-Encoding") != "gzip" {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(z); err != nil || string(plain) != whole {
		t.Errorf("unpacked: %d of %d bytes, %v", len(plain), len(whole), err)
	}
	// Nothing lies on disk as it is.
	err = filepath.Walk(s.dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte("Berg")) || bytes.Contains(text, []byte("Patient")) || info.Mode().Perm() != 0o600 {
			t.Errorf("%s is readable", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	// Others do not see it; administrators do.
	s.actor = vigil.Actor{Kind: vigil.Application, ID: "other", Roles: []string{"clinician"}}
	s.want(http.StatusNotFound, http.MethodGet, url, "")
	s.want(http.StatusNotFound, http.MethodDelete, url[:strings.LastIndex(url, "/")], "")
	s.actor = vigil.LocalAdmin()
	s.want(http.StatusMethodNotAllowed, http.MethodPost, url, "{}")
	s.want(http.StatusAccepted, http.MethodDelete, url[:strings.LastIndex(url, "/")], "")
	s.want(http.StatusNotFound, http.MethodGet, url, "")
	if left, _ := filepath.Glob(filepath.Join(s.dir, "*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
