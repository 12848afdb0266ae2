package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/internal/seal"
	"github.com/vigil-iomt/vigil/store"
	"github.com/vigil-iomt/vigil/store/storetest"
)

// panics is a sealer that panics when it is told to.
type panics struct {
	seal.Plain
	now *bool
}

func (p panics) Open(dst, sealed []byte) ([]byte, error) {
	if *p.now {
		panic("cannot open")
	}
	return p.Plain.Open(dst, sealed)
}

// TestFrameThatPanickedInItsMiddle lets the store panic on the second reading of
// a record: the frame can be given again, and the first reading lands once.
//
// Seen to fail when the store keeps its turn.
func TestFrameThatPanickedInItsMiddle(t *testing.T) {
	now := false
	c := storetest.Config()
	c.Path, c.Sealer = t.TempDir(), panics{now: &now}
	at := vigil.InstantOf(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	frame := func(seq uint64, metrics ...string) vigil.Frame {
		r := vigil.Record{Kind: vigil.Understood, Subject: vigil.Unattributed("d"), Message: vigil.Message{Device: "d", Arrived: at}}
		for _, m := range metrics {
			r.Readings = append(r.Readings, vigil.Reading{Metric: &vigil.Metric{Name: m, Unit: "1"}, Taken: at, Value: 97, KeyKind: vigil.KeyPosition})
		}
		return vigil.Frame{Seq: seq, At: at, Records: []vigil.Record{r}}
	}
	open := func() *store.DB {
		db, err := store.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	db := open()
	if err := db.Consume(t.Context(), frame(1, "known")); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	db = open()
	now = true
	func() {
		defer func() {
			if recover() == nil {
				t.Error("it does not panic")
			}
		}()
		_ = db.Consume(t.Context(), frame(2, "new", "known"))
	}()
	now = false
	ctx, giveUp := context.WithTimeout(t.Context(), 10*time.Second)
	defer giveUp()
	if err := db.Consume(ctx, frame(2, "new", "known")); err != nil {
		t.Fatal(err)
	}
	for metric, want := range map[string]int{"new": 1, "known": 2} {
		list, err := db.Series(ctx, vigil.SeriesQuery{Subjects: []vigil.Subject{vigil.Unattributed("d")}, Metrics: []string{metric}})
		if err != nil || len(list) != 1 {
			t.Fatalf("%s: %d series, %v", metric, len(list), err)
		}
		points, err := db.Points(ctx, vigil.PointQuery{Series: list[0].ID, History: true})
		if err != nil || len(points) != want {
			t.Errorf("%s: %d points, want %d, %v", metric, len(points), want, err)
		}
	}
	if err := db.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}
