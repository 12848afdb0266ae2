// Package storetest is what every database under a store has to keep: one suite
// that runs on SQLite and on PostgreSQL.
package storetest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/internal/seal"
	"github.com/vigil-iomt/vigil/store"
)

// Start is when the suite's data begin.
var start = vigil.InstantOf(time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC))

// Config returns the settings of a store for a test: checkpoints only when they
// are asked for.
func Config() store.Config {
	return store.Config{
		Partitions: 4, Sealer: seal.Plain{}, Now: func() time.Time { return start.Time() },
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Checkpoint: -1,
	}
}

// Run runs the suite. Each call of fresh names another empty database by
// filling in Path or DSN.
func Run(t *testing.T, fresh func(t *testing.T) store.Config) {
	for _, c := range append(resourceCases(), []suiteCase{
		{"keeps points over a restart", keepsPoints},
		{"pages in both directions", pages},
		{"drops repeats, keeps conflicts, replaces by corrections", identities},
		{"recognises old points in sealed chunks", identitiesInChunks},
		{"takes late data in and compacts it", lateData},
		{"summarises in buckets", buckets},
		{"finds the latest", latest},
		{"tells series apart by what they measure", measures},
		{"keeps waves as they came", keepsWaves},
		{"drops repeated messages", repeatedMessages},
		{"keeps events, repeats once", keepsEvents},
		{"moves readings to another subject and back", reattributes},
		{"lets readings follow a move that overtook them", overtaken},
		{"keeps the quarantine", keepsQuarantine},
		{"folds the quarantine of a noisy device", foldsQuarantine},
		{"keeps every version of documents", keepsDocuments},
		{"lets one process at a time change the registry", takesTurns},
		{"answers a repeated request alike", keepsAnswers},
		{"forgets what is over its time", prunes},
		{"ignores old frames and refuses gaps", frames},
		{"moves a series between partitions", rehomes},
	}...) {
		t.Run(c.says, func(t *testing.T) {
			b := &bench{t: t, config: fresh(t), ctx: context.Background()}
			b.open()
			t.Cleanup(b.close)
			c.test(t, b)
		})
	}
}

// A suiteCase is something that every store does.
type suiteCase struct {
	says string
	test func(*testing.T, *bench)
}

// A bench is a store under test with a journal that gives frames their numbers.
type bench struct {
	t      *testing.T
	ctx    context.Context
	config store.Config
	db     *store.DB
	frames [4][]vigil.Frame
}

func (b *bench) open() {
	b.t.Helper()
	db, err := store.Open(b.ctx, b.config)
	if err != nil {
		b.t.Fatalf("open: %v", err)
	}
	b.db = db
}

func (b *bench) close() {
	if b.db != nil {
		if err := b.db.Close(b.ctx); err != nil {
			b.t.Errorf("close: %v", err)
		}
		b.db = nil
	}
}

// reopen closes the store and opens it again.
func (b *bench) reopen() {
	b.t.Helper()
	b.close()
	b.open()
}

// checkpoint makes a checkpoint.
func (b *bench) checkpoint() {
	b.t.Helper()
	if err := b.db.Checkpoint(b.ctx); err != nil {
		b.t.Fatalf("checkpoint: %v", err)
	}
}

// put gives records to the store as one frame of a partition.
func (b *bench) put(partition int, recs ...vigil.Record) {
	b.t.Helper()
	at := start
	for _, r := range recs {
		at = max(at, r.Message.Arrived)
	}
	f := vigil.Frame{Partition: partition, Seq: uint64(len(b.frames[partition]) + 1), At: at, Records: recs}
	b.frames[partition] = append(b.frames[partition], f)
	if err := b.db.Consume(b.ctx, f); err != nil {
		b.t.Fatalf("consume frame %d of partition %d: %v", f.Seq, partition, err)
	}
}

// replay gives the store again what it had not committed.
func (b *bench) replay() {
	b.t.Helper()
	for p, frames := range b.frames {
		for _, f := range frames[b.db.Position(p):] {
			if err := b.db.Consume(b.ctx, f); err != nil {
				b.t.Fatalf("consume frame %d of partition %d again: %v", f.Seq, p, err)
			}
		}
	}
}

// id returns the series of a metric.
func (b *bench) id(s vigil.Subject, d vigil.DeviceID, m *vigil.Metric) vigil.SeriesID {
	b.t.Helper()
	id, ok := b.db.SeriesFor(s, d, "", m)
	if !ok {
		b.t.Fatalf("there is no series of %s of %s", m.Name, s)
	}
	return id
}

// points reads points as text: offset in seconds, value, version, flags.
func (b *bench) points(q vigil.PointQuery) []string {
	b.t.Helper()
	pts, err := b.db.Points(b.ctx, q)
	if err != nil {
		b.t.Fatalf("points: %v", err)
	}
	return texts(pts)
}

func texts(pts []vigil.Point) []string {
	out := []string{}
	for _, p := range pts {
		s := fmt.Sprintf("%gs %g", float64(p.Taken-start)/1e6, p.Value)
		if p.Version != 1 {
			s += fmt.Sprintf(" v%d", p.Version)
		}
		if p.Conflict != 0 {
			s += fmt.Sprintf(" c%d", p.Conflict)
		}
		if p.Attribution != 0 {
			s += fmt.Sprintf(" a%d", p.Attribution)
		}
		if p.Quality != 0 {
			s += " " + p.Quality.String()
		}
		out = append(out, s)
	}
	return out
}

// same compares lists of words.
func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) || len(got) != len(want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

var (
	ada   = vigil.PatientSubject("ada")
	bert  = vigil.PatientSubject("bert")
	spo2  = &vigil.Metric{Name: "spo2", Unit: "%", Codes: []vigil.Code{{System: vigil.LOINC, Value: "59408-5"}}, Cadence: 1e6}
	pulse = &vigil.Metric{Name: "pulse", Unit: "/min", Codes: []vigil.Code{{System: vigil.LOINC, Value: "8867-4"}}, Cadence: 1e6}
	ecg   = &vigil.Metric{Name: "ecg", Unit: "mV", RateNum: 250, RateDen: 1}
)

const oximeter = vigil.DeviceID("oximeter-1")

// at returns the instant some seconds after the start.
func at(seconds float64) vigil.Instant { return start + vigil.Instant(seconds*1e6) }

// reading makes a reading known by its time.
func reading(m *vigil.Metric, seconds, value float64) vigil.Reading {
	return vigil.Reading{Metric: m, Taken: at(seconds), Stated: at(seconds), Value: value, KeyKind: vigil.KeyTime, Key: uint64(at(seconds))}
}

// record makes a record that arrived a little after its last reading.
func record(s vigil.Subject, readings ...vigil.Reading) vigil.Record {
	arrived := start
	for _, r := range readings {
		arrived = max(arrived, r.Taken+20_000)
	}
	return vigil.Record{
		Kind: vigil.Understood, Subject: s, Profile: "test",
		Message: vigil.Message{Device: oximeter, Arrived: arrived, Protocol: "test"}, Readings: readings,
	}
}
