package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/internal/seal"
)

// said is one value that was given for a key, as the model keeps it.
type said struct {
	value                 float64
	version               uint16
	conflict              uint8
	conflicting, standing bool
}

// model is what a series has to hold: for each key, in the order of arrival,
// every value that is not a repeat.
type model map[uint64][]said

// put does with one reading what the design says.
func (m model) put(key uint64, value float64, correction bool) {
	var version uint16
	var conflict uint8
	standing := 0
	for _, s := range m[key] {
		if s.value == value && (!correction || s.standing || s.version > 1) {
			return
		}
		version, conflict = max(version, s.version), max(conflict, s.conflict)
		if s.standing {
			standing++
		}
	}
	switch {
	case standing == 0:
		m[key] = append(m[key], said{value, version + 1, 0, false, true})
	case correction:
		for i := range m[key] {
			m[key][i].standing = false
		}
		m[key] = append(m[key], said{value, version + 1, 0, false, true})
	default:
		for i := range m[key] {
			if m[key][i].standing {
				m[key][i].conflicting = true
			}
		}
		m[key] = append(m[key], said{value, 1, conflict + 1, true, true})
	}
}

// texts lists the model as points are listed.
func (m model) texts(history bool) []string {
	var keys []uint64
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	out := []string{}
	for _, k := range keys {
		list := slices.Clone(m[k])
		slices.SortFunc(list, func(a, b said) int {
			return 1000*(int(a.conflict)-int(b.conflict)) + int(a.version) - int(b.version)
		})
		for _, s := range list {
			if s.standing || history {
				out = append(out, fmt.Sprintf("%d=%g v%d c%d %v", k, s.value, s.version, s.conflict, s.conflicting))
			}
		}
	}
	return out
}

// history is a store with its journal and what both have to agree on.
type history struct {
	config  Config
	db      *DB
	frames  [2][]vigil.Frame
	models  map[vigil.SeriesID]model
	metrics []*vigil.Metric
	kind    vigil.KeyKind
}

func (h *history) open(t *rapid.T) {
	db, err := Open(context.Background(), h.config)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	h.db = db
	for p, frames := range h.frames {
		for _, f := range frames[db.Position(p):] {
			if err := db.Consume(context.Background(), f); err != nil {
				t.Fatalf("replay: %v", err)
			}
		}
	}
}

// crash leaves the store as a kill would: memory is gone.
func (h *history) crash(t *rapid.T) {
	h.db.stop()
	h.db.keeper.Wait()
	if err := h.db.d.close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	h.db = nil
}

// send puts a run of readings through the journal.
func (h *history) send(t *rapid.T) {
	p := rapid.IntRange(0, 1).Draw(t, "partition")
	subject := vigil.PatientSubject(vigil.PatientID(fmt.Sprint("p", p)))
	metric := rapid.SampledFrom(h.metrics).Draw(t, "metric")
	first := rapid.Uint64Range(1, 4000).Draw(t, "first")
	n := rapid.SampledFrom([]int{1, 3, 40, 700, 700}).Draw(t, "n")
	value := rapid.IntRange(0, 2).Draw(t, "value")
	correction := rapid.IntRange(0, 3).Draw(t, "correction") == 0
	f := vigil.Frame{Partition: p, Seq: uint64(len(h.frames[p]) + 1)}
	r := vigil.Record{Kind: vigil.Understood, Subject: subject, Message: vigil.Message{Device: "d", Arrived: 5e9}}
	id := seriesID(subject, "d", "", metric, 0)
	if h.models[id] == nil {
		h.models[id] = model{}
	}
	for i := range n {
		key := first + uint64(i)
		v := float64(value + i%2)
		r.Readings = append(r.Readings, vigil.Reading{Metric: metric, Taken: vigil.Instant(key * 1e6), Stated: vigil.Instant(key * 1e6),
			Value: v, KeyKind: h.kind, Key: key, Correction: correction})
		h.models[id].put(key, v, correction)
	}
	f.Records = []vigil.Record{r}
	h.frames[p] = append(h.frames[p], f)
	if err := h.db.Consume(context.Background(), f); err != nil {
		t.Fatalf("consume: %v", err)
	}
}

// check compares everything with the models.
func (h *history) check(t *rapid.T) {
	ctx := context.Background()
	for id, m := range h.models {
		for _, withHistory := range []bool{false, true} {
			for _, desc := range []bool{false, true} {
				pts, err := h.db.Points(ctx, vigil.PointQuery{Series: id, History: withHistory, Desc: desc})
				if err != nil {
					t.Fatalf("points: %v", err)
				}
				if desc {
					slices.Reverse(pts)
				}
				got := []string{}
				for _, p := range pts {
					got = append(got, fmt.Sprintf("%d=%g v%d c%d %v", p.Key, p.Value, p.Version, p.Conflict, p.Quality.Has(vigil.Conflict)))
				}
				want := m.texts(withHistory)
				for i := range max(len(got), len(want)) {
					if i >= len(got) || i >= len(want) || got[i] != want[i] {
						t.Fatalf("series %d, history %v, desc %v: %d points, want %d; from %d: %q, want %q", id, withHistory, desc,
							len(got), len(want), i, got[i:min(len(got), i+3)], want[i:min(len(want), i+3)])
					}
				}
				if !desc && !withHistory && len(want) > 0 {
					last, err := h.db.Latest(ctx, []vigil.SeriesID{id})
					if p := last[id]; err != nil || p != pts[len(pts)-1] {
						t.Fatalf("latest is %+v, %v; want %+v", p, err, pts[len(pts)-1])
					}
				}
			}
		}
	}
}

// empty makes a database that has nothing in it yet, and returns how to make
// copies of it: that is quicker than to migrate each.
func empty(t *testing.T) func(t *rapid.T) Config {
	t.Helper()
	c := Config{Partitions: 2, Sealer: seal.Plain{}, Now: time.Now, Checkpoint: -1, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	root, n := t.TempDir(), 0
	c.Path = filepath.Join(root, "empty")
	db, err := Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	made, err := os.ReadFile(filepath.Join(c.Path, sqliteFile))
	if err != nil {
		t.Fatal(err)
	}
	return func(t *rapid.T) Config {
		n++
		c.Path = filepath.Join(root, strconv.Itoa(n))
		if err := errors.Join(os.Mkdir(c.Path, 0o700), os.WriteFile(filepath.Join(c.Path, sqliteFile), made, 0o600)); err != nil {
			t.Fatalf("copy the empty database: %v", err)
		}
		return c
	}
}

// TestModel drives random readings, repeats, late data, corrections, conflicts,
// checkpoints and crashes through a store, and compares it with a map.
func TestModel(t *testing.T) {
	fresh := empty(t)
	rapid.Check(t, func(t *rapid.T) {
		h := &history{
			config:  fresh(t),
			models:  map[vigil.SeriesID]model{},
			metrics: []*vigil.Metric{{Name: "a", Unit: "1"}, {Name: "b", Unit: "1"}},
			kind:    rapid.SampledFrom([]vigil.KeyKind{vigil.KeyTime, vigil.KeyNumber}).Draw(t, "kind"),
		}
		h.open(t)
		defer func() {
			if h.db != nil {
				h.crash(t)
			}
		}()
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				h.crash(t)
				h.open(t)
			case 1, 2:
				if err := h.db.Checkpoint(context.Background()); err != nil {
					t.Fatalf("checkpoint: %v", err)
				}
			case 3:
				h.check(t)
			default:
				h.send(t)
			}
		}
		h.check(t)
		h.crash(t)
		h.open(t)
		h.check(t)
	})
}
