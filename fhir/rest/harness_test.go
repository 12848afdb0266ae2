package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/check"
	"github.com/vigil-iomt/vigil/fhir/rest"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/terms"
	"github.com/vigil-iomt/vigil/fhir/tree"
	"github.com/vigil-iomt/vigil/internal/seal"
	"github.com/vigil-iomt/vigil/store"
)

const base = "https://vigil.test/fhir"

// A site is a server over a real store in a temporary folder.
type site struct {
	t       testing.TB
	server  *rest.Server
	mu      sync.Mutex
	written []vigil.Resource
	now     time.Time
}

// engine and checker are made once: they never change.
var engine = sync.OnceValue(func() *search.Engine {
	e, err := search.New(search.Config{Schema: schema.R4(), Key: search.Key{1}, Bases: []string{base}})
	if err != nil {
		panic(err)
	}
	return e
})

var checker = sync.OnceValue(func() *check.Checker { return check.New(schema.R4(), terms.New(schema.R4())) })

func newSite(t testing.TB, change ...func(*rest.Config)) *site {
	t.Helper()
	s := &site{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	quiet := slog.New(slog.NewTextHandler(toTest{t}, &slog.HandlerOptions{Level: slog.LevelError}))
	db, err := store.Open(context.Background(), store.Config{
		Path: t.TempDir(), Partitions: 1, Sealer: seal.Plain{}, Now: s.tick, Log: quiet, Checkpoint: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	c := rest.Config{
		Record: db,
		Write: func(ctx context.Context, f func(context.Context, rest.Tx) error) error {
			return db.WriteResources(ctx, func(ctx context.Context, tx *store.ResourceTx) error { return f(ctx, tx) })
		},
		Engine: engine,
		Check: func(_ context.Context, doc *tree.Doc) []check.Issue {
			return checker().Check(doc, check.Options{Level: check.Rules})
		},
		Written: s.note, BaseURL: base, Version: "test", Now: s.tick, Log: quiet,
	}
	for _, f := range change {
		f(&c)
	}
	s.server = rest.New(c)
	return s
}

// toTest writes the log of the server to that of the test.
type toTest struct{ testing.TB }

func (t toTest) Write(line []byte) (int, error) {
	t.Logf("%s", line)
	return len(line), nil
}

// tick is a clock that moves by a millisecond each time somebody looks.
func (s *site) tick() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(time.Millisecond)
	return s.now
}

func (s *site) note(_ context.Context, written []vigil.Resource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written = append(s.written, written...)
}

// A reply is an answer of the server.
type reply struct {
	status int
	header http.Header
	raw    []byte
	body   map[string]any // nil when it is no JSON
}

// do sends a request; headers are names and values in turn.
func (s *site) do(method, target, body string, headers ...string) reply {
	s.t.Helper()
	if !strings.HasPrefix(target, base) {
		target = base + "/" + target
	}
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	r = r.WithContext(vigil.WithActor(r.Context(), vigil.LocalAdmin()))
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r)
	a := reply{status: w.Code, header: w.Header(), raw: w.Body.Bytes()}
	if strings.Contains(w.Header().Get("Content-Type"), "json") && w.Header().Get("Content-Encoding") == "" && len(a.raw) > 0 {
		d := json.NewDecoder(bytes.NewReader(a.raw))
		d.UseNumber()
		if err := d.Decode(&a.body); err != nil {
			s.t.Errorf("%s %s: the answer is no JSON: %v\n%s", method, target, err, a.raw)
		}
	}
	return a
}

// want sends a request and wants a status.
func (s *site) want(status int, method, target, body string, headers ...string) reply {
	s.t.Helper()
	a := s.do(method, target, body, headers...)
	if a.status != status {
		s.t.Fatalf("%s %s: got %d, want %d: %s", method, target, a.status, status, clip(a.raw))
	}
	return a
}

func clip(b []byte) []byte { return b[:min(len(b), 1500)] }

// at digs into an answer: names and indexes.
func (a reply) at(path ...any) any { return dig(any(a.body), path...) }

func dig(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

// text is at as text.
func (a reply) text(path ...any) string {
	v := a.at(path...)
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// entries are those of a Bundle.
func (a reply) entries() []any {
	l, _ := a.at("entry").([]any)
	return l
}

// ids are those of the entries that match, in order.
func (a reply) ids(mode string) []string {
	var out []string
	for _, e := range a.entries() {
		if dig(e, "search", "mode") == mode {
			out = append(out, fmt.Sprint(dig(e, "resource", "id")))
		}
	}
	return out
}

func (a reply) link(relation string) string {
	l, _ := a.at("link").([]any)
	for _, x := range l {
		if dig(x, "relation") == relation {
			return fmt.Sprint(dig(x, "url"))
		}
	}
	return ""
}

// refused fails unless an answer is an OperationOutcome of a status and a code.
func (s *site) refused(a reply, status int, code string) {
	s.t.Helper()
	if a.status != status || a.text("resourceType") != "OperationOutcome" || a.text("issue", 0, "code") != code {
		s.t.Errorf("got %d %s, want %d %s", a.status, clip(a.raw), status, code)
	}
}

func patient(family string, more ...string) string {
	return `{"resourceType":"Patient","name":[{"family":` + strconv.Quote(family) + `}]` + strings.Join(more, "") + `}`
}

// checkRules is how answers are checked.
var checkRules = check.Options{Level: check.Rules}

func parse(t testing.TB, raw []byte) *tree.Doc {
	t.Helper()
	doc, err := tree.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}
