package topic_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	"github.com/vigil-iomt/vigil/fhir/topic"
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

// A site is a FHIR server with a desk over a real store.
type site struct {
	t      *testing.T
	dir    string
	db     *store.DB
	desk   *topic.Desk
	server *rest.Server
	change func(*topic.Config)
	stop   func() // the desk
}

func newSite(t *testing.T, change func(*topic.Config)) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), change: change}
	s.open()
	t.Cleanup(s.close)
	return s
}

// open opens the store and lets the desk run.
func (s *site) open() {
	s.t.Helper()
	log := quiet()
	db, err := store.Open(context.Background(), store.Config{
		Path: s.dir, Partitions: 1, Sealer: seal.Plain{}, Now: time.Now, Log: log, Checkpoint: time.Hour,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.db = db
	c := topic.Config{
		Log: db, Ledger: db, Record: db, Put: s.put, Engine: engine, Endpoints: topic.Endpoints{"127.0.0.1"}, Key: [16]byte{7},
		Base: func() string { return base }, Now: time.Now, Logger: log, RetryMin: 5 * time.Millisecond, RetryMax: 20 * time.Millisecond,
		Attempts: 4, Poll: 20 * time.Millisecond,
	}
	if s.change != nil {
		s.change(&c)
	}
	s.desk = topic.New(c)
	s.server = rest.New(rest.Config{
		Sources: []rest.Source{topic.NewListed(db, vigil.InstantOf(time.Now()))},
		Record:  db, Engine: engine, BaseURL: base, Version: "test", Now: time.Now, Log: log,
		Write: func(ctx context.Context, f func(context.Context, rest.Tx) error) error {
			return db.WriteResources(ctx, func(ctx context.Context, tx *store.ResourceTx) error { return f(ctx, tx) })
		},
		Check: func(ctx context.Context, doc *tree.Doc) []check.Issue {
			return append(checker().Check(doc, check.Options{Level: check.Rules}), s.desk.Check(ctx, doc)...)
		},
		Shape: s.desk.Shape, Operations: s.desk.Operations(), Topics: topic.URLs(), Sockets: topic.SocketPath,
		Written: func(context.Context, []vigil.Resource) { s.desk.Written() },
	})
	s.run()
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// run lets the desk run.
func (s *site) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	desk := s.desk
	go func() { done <- desk.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, errDead) {
			s.t.Error(err)
		}
	})
}

func (s *site) close() {
	s.stop()
	if err := s.db.Close(context.Background()); err != nil {
		s.t.Error(err)
	}
}

// put writes the next version of a Subscription for the desk.
func (s *site) put(ctx context.Context, id string, edit func(vigil.Resource, *tree.Doc) []byte) (out vigil.Resource, err error) {
	err = s.db.WriteResources(ctx, func(ctx context.Context, tx *store.ResourceTx) error {
		old, err := tx.Newest(ctx, "Subscription", id)
		if err != nil || old.Deleted {
			return err
		}
		doc, err := tree.Parse(old.Body)
		if err != nil {
			return err
		}
		body := edit(old, doc)
		if body == nil {
			return nil
		}
		if doc, err = tree.Parse(body); err != nil {
			return err
		}
		next := vigil.Resource{Type: "Subscription", ID: id, Version: old.Version + 1, Changed: tx.At(), Method: "PUT", Actor: topic.Actor(), Keys: engine().Extract(doc.Root()).Keys()}
		next.Body = tree.Stamp{ID: id, Version: strconv.FormatInt(next.Version, 10), Updated: next.Changed.String()}.Apply(doc)
		out, err = tx.Put(ctx, next)
		return err
	})
	return out, err
}

// do sends a request to the FHIR server.
func (s *site) do(method, target, body string) (int, map[string]any) {
	s.t.Helper()
	r := httptest.NewRequest(method, base+"/"+target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	r = r.WithContext(vigil.WithActor(r.Context(), vigil.LocalAdmin()))
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r)
	var out map[string]any
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			s.t.Fatalf("%s %s: %v: %s", method, target, err, w.Body)
		}
	}
	return w.Code, out
}

// want sends a request and wants a status.
func (s *site) want(status int, method, target, body string) map[string]any {
	s.t.Helper()
	got, out := s.do(method, target, body)
	if got != status {
		raw, _ := json.Marshal(out)
		s.t.Fatalf("%s %s: got %d, want %d: %s", method, target, got, status, raw)
	}
	return out
}

// status waits until a subscription has a status.
func (s *site) status(id, want string) {
	s.t.Helper()
	got := ""
	s.soon("the subscription is "+want, func() bool {
		got = text(s.want(200, "GET", "Subscription/"+id, ""), "status")
		return got == want
	})
}

// soon waits until something is so.
func (s *site) soon(what string, is func() bool) {
	s.t.Helper()
	limit := time.After(10 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-limit:
			s.t.Fatalf("in 10 s it was not so that %s", what)
		}
	}
}

// observe posts an Observation of a heart rate.
func (s *site) observe(patient, value string) string {
	s.t.Helper()
	return text(s.want(201, "POST", "Observation", heartRate(patient, value)), "id")
}

func heartRate(patient, value string) string {
	return `{"resourceType":"Observation","status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}]}],` +
		`"code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/` + patient + `"},"effectiveDateTime":"2026-03-01T12:00:00Z",` +
		`"valueQuantity":{"value":` + value + `,"unit":"/min","system":"http://unitsofmeasure.org","code":"/min"}}`
}

// A spec is a Subscription to be.
type spec struct {
	topic, criteria, endpoint, content, mime, channel, end string
	filters, headers                                       []string
	heartbeat, timeout, count                              int
}

const guide = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-"

// body writes the Subscription.
func (p spec) body(id string) string {
	w := tree.NewWriter(nil)
	w.Object().Text("resourceType", "Subscription")
	if id != "" {
		w.Text("id", id)
	}
	w.Text("status", "requested").Text("reason", "a test")
	if p.end != "" {
		w.Text("end", p.end)
	}
	if p.criteria == "" {
		p.criteria = "https://github.com/vigil-iomt/vigil/SubscriptionTopic/" + p.topic
	}
	w.Text("criteria", p.criteria)
	if len(p.filters) > 0 {
		w.Name("_criteria").Object().Name("extension").Array()
		for _, f := range p.filters {
			w.Object().Text("url", guide+"filter-criteria").Text("valueString", f).End()
		}
		w.End().End()
	}
	w.Name("channel").Object()
	var ext []string
	for name, n := range map[string]int{"heartbeat-period": p.heartbeat, "timeout": p.timeout, "max-count": p.count} {
		if n > 0 {
			kind := "valueUnsignedInt"
			if name == "max-count" {
				kind = "valuePositiveInt"
			}
			ext = append(ext, fmt.Sprintf(`{"url":%q,%q:%d}`, guide+name, kind, n))
		}
	}
	if len(ext) > 0 {
		w.Name("extension").Word("[" + strings.Join(ext, ",") + "]")
	}
	if p.channel == "" {
		p.channel = "rest-hook"
	}
	w.Text("type", p.channel)
	if p.endpoint != "" {
		w.Text("endpoint", p.endpoint)
	}
	if p.mime != "" {
		w.Text("payload", p.mime)
	}
	if p.content != "" {
		w.Name("_payload").Object().Name("extension").Array().Object().Text("url", guide+"payload-content").Text("valueCode", p.content).End().End().End()
	}
	if len(p.headers) > 0 {
		w.Name("header").Array()
		for _, h := range p.headers {
			w.String(h)
		}
		w.End()
	}
	w.End().End()
	return string(w.Bytes())
}

// subscribe makes a Subscription and returns its id.
func (s *site) subscribe(p spec) string {
	s.t.Helper()
	return text(s.want(201, "POST", "Subscription", p.body("")), "id")
}

// A hook is who listens.
type hook struct {
	*httptest.Server
	got    chan delivery
	mu     sync.Mutex
	status int
}

// A delivery is a request that came.
type delivery struct {
	method, path string
	header       http.Header
	raw          string
	bundle       map[string]any
}

func newHook(t *testing.T) *hook {
	h := &hook{got: make(chan delivery, 1000), status: 200}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		d := delivery{method: r.Method, path: r.URL.Path, header: r.Header, raw: string(raw)}
		_ = json.Unmarshal(raw, &d.bundle)
		h.mu.Lock()
		status := h.status
		h.mu.Unlock()
		w.WriteHeader(status)
		if status < 300 {
			h.got <- d
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) answer(status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = status
}

// next waits for the next delivery.
func (h *hook) next(t *testing.T) delivery {
	t.Helper()
	select {
	case d := <-h.got:
		return d
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was delivered")
		return delivery{}
	}
}

// of waits for the next notification of a kind.
func (h *hook) of(t *testing.T, kind string) delivery {
	t.Helper()
	d := h.next(t)
	if got := d.kind(); got != kind {
		t.Fatalf("got a notification of type %q, want %q: %s", got, kind, d.raw)
	}
	return d
}

// parameter returns the values of a parameter of the status of a notification.
func parameter(bundle map[string]any, name string) []any {
	var out []any
	list, _ := dig(bundle, "entry", 0, "resource", "parameter").([]any)
	for _, p := range list {
		if dig(p, "name") == name {
			out = append(out, p)
		}
	}
	return out
}

func (d delivery) kind() string {
	p := parameter(d.bundle, "type")
	if len(p) == 0 {
		return ""
	}
	return text(p[0], "valueCode")
}

// events lists number and focus of the events of a notification.
func events(bundle map[string]any) []string {
	var out []string
	for _, e := range parameter(bundle, "notification-event") {
		number, focus := "", ""
		parts, _ := dig(e, "part").([]any)
		for _, p := range parts {
			switch dig(p, "name") {
			case "event-number":
				number = text(p, "valueString")
			case "focus":
				focus = strings.TrimPrefix(text(p, "valueReference", "reference"), base)
			}
		}
		out = append(out, number+focus)
	}
	return out
}

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

func text(v any, path ...any) string {
	if v = dig(v, path...); v == nil {
		return ""
	}
	return fmt.Sprint(v)
}
