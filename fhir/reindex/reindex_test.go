package reindex_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/check"
	"github.com/vigil-iomt/vigil/fhir/reindex"
	"github.com/vigil-iomt/vigil/fhir/rest"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/tree"
	"github.com/vigil-iomt/vigil/internal/seal"
	"github.com/vigil-iomt/vigil/store"
)

// A site is a server over a real store, with a book.
type site struct {
	t      testing.TB
	db     *store.DB
	book   *reindex.Book
	server *rest.Server
}

// slow is a record whose indexing waits until it is let go.
type slow struct {
	*store.DB
	gate chan struct{} // nil: it does not wait
}

func (s slow) Reindex(ctx context.Context, types []string, keys func(vigil.Resource) (vigil.ResourceKeys, error), progress func(done, total int64)) error {
	if s.gate != nil {
		<-s.gate
	}
	return s.DB.Reindex(ctx, types, keys, progress)
}

func openStore(t testing.TB) *store.DB {
	t.Helper()
	db, err := store.Open(context.Background(), store.Config{
		Path: t.TempDir(), Partitions: 1, Sealer: seal.Plain{}, Now: time.Now, Log: slog.New(slog.DiscardHandler), Checkpoint: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return db
}

func open(t testing.TB, db *store.DB, gate chan struct{}) *site {
	t.Helper()
	s := &site{t: t, db: db, book: reindex.New(reindex.Config{
		Record: slow{db, gate}, Set: schema.R4, Key: search.Key{1}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})}
	if err := s.book.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.server = rest.New(rest.Config{
		Record: db,
		Write: func(ctx context.Context, f func(context.Context, rest.Tx) error) error {
			return db.WriteResources(ctx, func(ctx context.Context, tx *store.ResourceTx) error { return f(ctx, tx) })
		},
		Check:   func(_ context.Context, doc *tree.Doc) []check.Issue { return s.book.Check(doc) },
		Written: func(_ context.Context, written []vigil.Resource) { s.book.Written(written) },
		Engine:  s.book.Engine, Operations: s.book.Operations(), Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	return s
}

// run keeps the background going until the test ends, or stop is called.
func (s *site) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.book.Run(ctx); err != nil {
			s.t.Error(err)
		}
	}()
	stop = func() { cancel(); <-done }
	s.t.Cleanup(stop)
	return stop
}

func (s *site) want(status int, method, target, body string, headers ...string) string {
	s.t.Helper()
	r := httptest.NewRequest(method, "/fhir/"+target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r.WithContext(vigil.WithActor(r.Context(), vigil.LocalAdmin())))
	if w.Code != status {
		s.t.Fatalf("%s %s: got %d, want %d: %.800s", method, target, w.Code, status, w.Body)
	}
	return w.Body.String()
}

// found counts what a search finds.
func (s *site) found(query string) int {
	s.t.Helper()
	var b struct {
		Entry []struct{ Search struct{ Mode string } }
	}
	if err := json.Unmarshal([]byte(s.want(200, "GET", query, "", "Prefer", "handling=strict")), &b); err != nil {
		s.t.Fatal(err)
	}
	return len(b.Entry)
}

// until waits until a parameter has a status.
func (s *site) until(id, status string) {
	s.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		if st, _ := s.book.State(id); st.Status == status {
			return
		}
		select {
		case <-deadline:
			st, ok := s.book.State(id)
			s.t.Fatalf("%s is %+v, %v", id, st, ok)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func parameter(id, code, base, kind, expression string) string {
	return fmt.Sprintf(`{"resourceType":"SearchParameter","id":%q,"url":"http://x.org/%s","name":"x","status":"active","description":"x","code":%q,"base":[%q],"type":%q,"expression":%q}`, id, id, code, base, kind, expression)
}

func TestParametersAtRunTime(t *testing.T) {
	gate := make(chan struct{})
	s := open(t, openStore(t), gate)
	s.run()
	s.want(201, "PUT", "Patient/old", `{"resourceType":"Patient","id":"old","maritalStatus":{"coding":[{"system":"m","code":"M"}]}}`)
	s.want(400, "GET", "Patient?marital=M", "", "Prefer", "handling=strict")
	s.want(201, "PUT", "SearchParameter/marital", parameter("marital", "marital", "Patient", "token", "Patient.maritalStatus"))
	s.want(201, "PUT", "Patient/new", `{"resourceType":"Patient","id":"new","maritalStatus":{"coding":[{"system":"m","code":"M"}]}}`)
	s.until("marital", "indexing")
	if n := s.found("Patient?marital=m|M"); n != 2 {
		t.Errorf("%d are found while they are indexed", n)
	}
	if st := s.want(200, "GET", "SearchParameter/marital/$status", ""); !strings.Contains(st, `"valueCode":"indexing"`) {
		t.Errorf("the status is %s", st)
	}
	gate <- struct{}{}
	s.until("marital", "ready")
	if n := s.found("Patient?marital=m|M"); n != 2 {
		t.Errorf("%d are found", n)
	}
	if st := s.want(200, "GET", "SearchParameter/$status", ""); !strings.Contains(st, `"valueCode":"ready"`) {
		t.Errorf("the status is %s", st)
	}
	if m := s.want(200, "GET", "metadata", ""); !strings.Contains(m, `"name":"marital"`) || !strings.Contains(m, `"name":"reindex"`) {
		t.Error("the parameter is not in the CapabilityStatement")
	}
	// Another expression is another parameter.
	s.want(200, "PUT", "SearchParameter/marital", parameter("marital", "marital", "Patient", "token", "Patient.gender"))
	s.until("marital", "indexing")
	gate <- struct{}{}
	s.until("marital", "ready")
	if n := s.found("Patient?marital=m|M"); n != 0 {
		t.Errorf("%d are found by what is no longer meant", n)
	}
	// What was deleted is unknown, and what was written meanwhile is found when it
	// comes back.
	s.want(204, "DELETE", "SearchParameter/marital", "")
	s.want(400, "GET", "Patient?marital=M", "", "Prefer", "handling=strict")
	s.want(404, "GET", "SearchParameter/marital/$status", "")
	s.want(201, "PUT", "Patient/third", `{"resourceType":"Patient","id":"third","gender":"male"}`)
	s.want(201, "PUT", "SearchParameter/marital", parameter("marital", "marital", "Patient", "token", "Patient.gender"))
	s.until("marital", "indexing")
	gate <- struct{}{}
	s.until("marital", "ready")
	if n := s.found("Patient?marital=male"); n != 1 {
		t.Errorf("%d are found after it came back", n)
	}
	s.want(202, "POST", "$reindex", "")
	s.until("marital", "indexing")
	gate <- struct{}{}
	s.until("marital", "ready")
}

func TestAfterAStart(t *testing.T) {
	db := openStore(t)
	s := open(t, db, nil)
	s.want(201, "PUT", "Patient/a", `{"resourceType":"Patient","id":"a","gender":"male"}`)
	stop := s.run()
	s.want(201, "PUT", "SearchParameter/sex", parameter("sex", "sex", "Patient", "token", "Patient.gender"))
	s.until("sex", "ready")
	stop()
	s = open(t, db, nil) // nobody runs
	if st, _ := s.book.State("sex"); st.Status != "ready" {
		t.Errorf("after a start it is %+v", st)
	}
	other := open(t, db, nil)
	s.want(201, "PUT", "SearchParameter/kin", parameter("kin", "kin", "Patient", "reference", "Patient.link.other"))
	if st, _ := s.book.State("kin"); st.Status != "waiting" {
		t.Errorf("nobody indexes, and it is %+v", st)
	}
	s = open(t, db, nil)
	if st, _ := s.book.State("kin"); st.Status != "waiting" {
		t.Errorf("nobody has indexed, and it is %+v", st)
	}
	if err := other.book.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st, ok := other.book.State("kin"); !ok || st.Status != "waiting" {
		t.Errorf("in another process it is %+v, %v", st, ok)
	}
	s.run()
	s.until("kin", "ready")
	if err := other.book.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st, _ := other.book.State("kin"); st.Status != "ready" {
		t.Errorf("in another process it is %+v afterwards", st)
	}
}

func TestUnused(t *testing.T) {
	s := open(t, openStore(t), nil)
	s.run()
	for name, tt := range map[string]struct{ body, why string }{
		"a name that is there":    {parameter("x", "name", "Patient", "string", "Patient.name"), "already"},
		"a wrong expression":      {parameter("x", "odd", "Patient", "string", "Patient.name."), "odd"},
		"no such base":            {parameter("x", "odd", "Patent", "string", "Patient.name"), "base"},
		"a draft":                 {strings.Replace(parameter("x", "odd", "Patient", "string", "Patient.name"), "active", "draft", 1), "draft"},
		"a name that is no name":  {parameter("x", "a:b", "Patient", "string", "Patient.name"), "name of a parameter"},
		"the same name once more": {parameter("x", "twice", "Patient", "string", "Patient.name.text"), "another SearchParameter"},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.Contains(name, "once more") {
				s.want(201, "PUT", "SearchParameter/first", parameter("first", "twice", "Patient", "string", "Patient.name.text"))
			}
			out := s.want(201, "PUT", "SearchParameter/x", tt.body, "Prefer", "return=OperationOutcome")
			if !strings.Contains(out, "nobody can search") && !strings.Contains(name, "once more") {
				t.Errorf("nobody is warned: %s", out)
			}
			st, _ := s.book.State("x")
			if st.Status != "unused" || !strings.Contains(st.Reason+st.Code, tt.why) {
				t.Errorf("it is %+v", st)
			}
			s.want(200, "GET", "SearchParameter/x/$status", "")
			s.want(204, "DELETE", "SearchParameter/x", "")
		})
	}
	s.want(404, "GET", "SearchParameter/nothing/$status", "")
}
