package store_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/store"
	"github.com/vigil-iomt/vigil/store/storetest"
)

// many is how many devices a checkpoint writes at once: enough for COPY.
const many = 300

// takeMany gives a store frames of many devices, whose messages have ids, with a
// checkpoint after every tenth: series are described and go on, chunks fill up,
// ids come twice.
func takeMany(t *testing.T, db *store.DB, metric *vigil.Metric) {
	t.Helper()
	base := vigil.InstantOf(time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC))
	for n := range 60 {
		f := vigil.Frame{Seq: uint64(n + 1)} // #nosec G115 -- small
		for d := range many {
			at := base + vigil.Instant(n*20e6)
			r := vigil.Record{
				Kind: vigil.Understood, Subject: vigil.PatientSubject(vigil.PatientID(fmt.Sprint("p", d))),
				Message: vigil.Message{Device: vigil.DeviceID(fmt.Sprint("d", d)), ID: fmt.Sprint("m", n-n%2), Arrived: at + 20e6},
			}
			for k := range 20 { // every second message repeats the one before
				r.Readings = append(r.Readings, vigil.Reading{
					Metric: metric, Taken: at + vigil.Instant(k*1e6), Value: float64(d*10_000 + n*20 + k), KeyKind: vigil.KeyMessage,
				})
			}
			f.Records = append(f.Records, r)
		}
		if err := db.Consume(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		if n%10 == 9 {
			if err := db.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestManyRowsAreTheSame proves that what goes to PostgreSQL with COPY is what
// SQLite keeps of the same frames.
//
// Seen to fail when copy puts rows into their table without ON CONFLICT.
func TestManyRowsAreTheSame(t *testing.T) {
	dsn := os.Getenv("VIGIL_TEST_POSTGRES")
	if dsn == "" {
		t.Skip("VIGIL_TEST_POSTGRES is not set: there is no PostgreSQL to try")
	}
	metric := &vigil.Metric{Name: "pulse", Unit: "/min", Cadence: 1e6}
	lite, post := storetest.Config(), storetest.Config()
	lite.Path, post.DSN = t.TempDir(), freshSchema(t, dsn)
	var kept [2][]vigil.Point
	for i, c := range []store.Config{lite, post} {
		db, err := store.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		takeMany(t, db, metric)
		if err := db.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if db, err = store.Open(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		for d := range many {
			id, ok := db.SeriesFor(vigil.PatientSubject(vigil.PatientID(fmt.Sprint("p", d))), vigil.DeviceID(fmt.Sprint("d", d)), "", metric)
			if !ok {
				t.Fatalf("the series of device %d is not known", d)
			}
			pts, err := db.Points(t.Context(), vigil.PointQuery{Series: id})
			if err != nil {
				t.Fatal(err)
			}
			if want := 30 * 20; len(pts) != want {
				t.Fatalf("device %d: got %d points, want %d", d, len(pts), want)
			}
			kept[i] = append(kept[i], pts...)
		}
		if err := db.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(kept[0], kept[1]) {
		t.Error("PostgreSQL keeps other points than SQLite")
	}
}
