package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices"
	"github.com/vigil-iomt/vigil/fleet"
	"github.com/vigil-iomt/vigil/ingest"
	"github.com/vigil-iomt/vigil/internal/seal"
	"github.com/vigil-iomt/vigil/store"
)

// journal hands what is appended straight to the store.
type journal struct {
	db  *store.DB
	mu  sync.Mutex
	seq uint64
}

func (j *journal) Append(recs []vigil.Record, done func(error)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seq++
	done(j.db.Consume(context.Background(), vigil.Frame{Seq: j.seq, At: recs[0].Message.Arrived, Records: recs}))
}

// house is a store, a registry and a pipeline behind the API.
type house struct {
	t       testing.TB
	db      *store.DB
	ingest  *ingest.Ingest
	handler http.Handler
	overlay string
	catalog *devices.Catalog
	now     time.Time
}

// open opens a house in a temporary folder.
func open(t testing.TB) *house {
	t.Helper()
	h := &house{t: t, overlay: t.TempDir(), now: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)}
	now := func() time.Time { return h.now }
	ctx := context.Background()
	db, err := store.Open(ctx, store.Config{Path: t.TempDir(), Partitions: 1, Sealer: seal.Plain{}, Now: now, Checkpoint: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	h.db = db
	j := &journal{db: db}
	registry, err := fleet.Open(ctx, fleet.Config{Documents: db, Now: now, Move: func(_ context.Context, m vigil.Reattribution) error {
		var failed error
		j.Append([]vigil.Record{{Kind: vigil.Reattributed, Subject: m.To, Change: &m, Message: vigil.Message{Device: m.Device}}},
			func(err error) { failed = err })
		return failed
	}})
	if err != nil {
		t.Fatal(err)
	}
	h.reload()
	h.ingest = ingest.New(ingest.Config{
		Registry: registry, Profiles: func() *devices.Catalog { return h.catalog }, Journal: j,
		QuarantineOpen: db.QuarantineOpen, Now: now,
	})
	h.handler = New(Config{
		Registry: registry, Tokens: registry, Readings: db, Events: db, Quarantine: db,
		Replay: func(ctx context.Context, id string) (ingest.Replay, error) { return h.ingest.Replay(ctx, db, id) },
		ReplayAll: func(ctx context.Context, d vigil.DeviceID) ([]ingest.Replay, error) {
			return h.ingest.ReplayAll(ctx, db, d)
		},
		Profiles: func() (*devices.Catalog, []devices.Problem) { return h.catalog, nil },
		Health: func(context.Context) []Check {
			return []Check{{Name: "disk", OK: false, Detail: "full", Advice: "empty it"}}
		},
		ObservationID: func(s vigil.SeriesID, p vigil.Point) string { return "obs" },
		Version:       "1.2.3", Started: h.now, Now: now,
	})
	return h
}

// reload reads the profiles again.
func (h *house) reload() {
	h.t.Helper()
	catalog, problems := devices.Load(h.overlay)
	if len(problems) > 0 {
		h.t.Fatal(problems)
	}
	h.catalog = catalog
}

// call makes one request; known says whether anybody acts.
func call(handler http.Handler, method, path, body string, known bool) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, Prefix+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if known {
		r = r.WithContext(vigil.WithActor(r.Context(), vigil.LocalAdmin()))
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

// do makes a request that must be answered with a status below 300, and reads
// the answer.
func (h *house) do(method, path, body string, out any) {
	h.t.Helper()
	w := call(h.handler, method, path, body, true)
	if w.Code >= 300 {
		h.t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
		h.t.Fatalf("%s %s: %v in %s", method, path, err, w.Body)
	}
}

// refused makes a request that must be refused, and returns its detail.
func (h *house) refused(method, path, body string, status int) string {
	h.t.Helper()
	w := call(h.handler, method, path, body, true)
	if w.Code != status || w.Header().Get("Content-Type") != "application/problem+json" {
		h.t.Errorf("%s %s: %d %s %s, want a problem with %d", method, path, w.Code, w.Header().Get("Content-Type"), w.Body, status)
	}
	return w.Body.String()
}

// say puts a message of a device through the pipeline.
func (h *house) say(device, payload string) error {
	h.t.Helper()
	return vigil.Sink(h.ingest.Take).Put(vigil.Message{
		Device: vigil.DeviceID(device), Payload: []byte(payload), Arrived: vigil.InstantOf(h.now),
	})
}

// understood is say for a message that must be understood.
func (h *house) understood(device, payload string) {
	h.t.Helper()
	if err := h.say(device, payload); err != nil {
		h.t.Fatalf("%s: %v", payload, err)
	}
}

// failing is a store that cannot be read.
type failing struct{ Readings }

func (failing) Series(context.Context, vigil.SeriesQuery) ([]vigil.Series, error) {
	return nil, errors.New("disk sdb is on fire")
}
