package storetest

import (
	"context"
	"testing"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/store"
)

// PutSample puts a little of everything into an empty store: sealed chunks and
// open heads, late, corrected and conflicting points, waves, events, a move, the
// quarantine, documents, answers.
func PutSample(t *testing.T, db *store.DB) {
	t.Helper()
	b := &bench{t: t, db: db, ctx: context.Background(), config: Config()}
	stream(b, ada, spo2, 0, 1100)
	b.checkpoint()
	fix := reading(spo2, 30, 7)
	fix.Correction = true
	off := reading(spo2, 1200, 0)
	off.Quality = off.Quality.With(vigil.SensorOff)
	b.put(1, record(ada, reading(spo2, 20, 99), fix, off))
	r := record(ada, vigil.Reading{Metric: pulse, Taken: at(5), Value: 71.5, Decimals: 1, KeyKind: vigil.KeyMessage})
	r.Message.ID = "message-1"
	r.Waves = []vigil.Wave{ecgBlock(1), ecgBlock(2)}
	r.Events = []vigil.Event{{Type: "dose-taken", Title: "Dose", Taken: at(9), Data: []byte(`{"n":1}`), KeyKind: vigil.KeyNumber, Key: 4}}
	b.put(1, r)
	b.put(2, reattribution("move-1", 1000, 1050, bert, 5000))
	b.put(3, refused(oximeter, "entry-1", "not a time", 3))
	doc := vigil.Document{Kind: "device", ID: string(oximeter), Body: []byte(`{"id":"oximeter-1"}`), Changed: at(1), Actor: vigil.LocalAdmin()}
	if err := db.SaveDocuments(b.ctx, doc); err != nil {
		t.Fatal(err)
	}
	if err := db.SaveIdempotency(b.ctx, "c", "k", [32]byte{1}, 200, []byte("{}"), at(1)); err != nil {
		t.Fatal(err)
	}
}

// CheckSample finds everything that PutSample put.
func CheckSample(t *testing.T, db *store.DB) {
	t.Helper()
	b := &bench{t: t, db: db, ctx: context.Background(), config: Config()}
	id := b.id(ada, oximeter, spo2)
	for subject, want := range map[vigil.Subject]int{ada: 1052, bert: 50} {
		if got := b.points(vigil.PointQuery{Series: b.id(subject, oximeter, spo2)}); len(got) != want {
			t.Errorf("%s has %d points, want %d", subject, len(got), want)
		}
	}
	same(t, "conflict", b.points(vigil.PointQuery{Series: id, During: vigil.Interval{From: at(20), To: at(21)}}),
		"20s 20 conflict", "20s 99 c1 conflict")
	same(t, "correction", b.points(vigil.PointQuery{Series: id, During: vigil.Interval{From: at(30), To: at(31)}, History: true}),
		"30s 30", "30s 7 v2")
	same(t, "end", b.points(vigil.PointQuery{Series: id, Desc: true, Limit: 2}), "1200s 0 sensor-off", "1099s 99")
	same(t, "moved", b.points(vigil.PointQuery{Series: b.id(bert, oximeter, spo2), Limit: 1}), "1000s 0 a1")
	same(t, "other series", b.points(vigil.PointQuery{Series: b.id(ada, oximeter, pulse)}), "5s 71.5")
	ws, err := db.Waves(b.ctx, b.id(ada, oximeter, ecg), vigil.Interval{}, 0)
	if err != nil || len(ws) != 2 || len(ws[1].Samples) != 250 || ws[1].Samples[3] != ecgBlock(2).Samples[3] {
		t.Errorf("waves: %d blocks, %v", len(ws), err)
	}
	ev, err := db.Events(b.ctx, vigil.EventQuery{})
	if err != nil || len(ev) != 1 || ev[0].Title != "Dose" || string(ev[0].Data) != `{"n":1}` {
		t.Errorf("events: %+v, %v", ev, err)
	}
	e, err := db.QuarantineEntry(b.ctx, "entry-1")
	if err != nil || string(e.Message.Payload) != "bytes entry-1" || db.QuarantineOpen(oximeter) != 1 {
		t.Errorf("quarantine: %+v, %v", e, err)
	}
	d, err := db.Document(b.ctx, "device", string(oximeter))
	if err != nil || string(d.Body) != `{"id":"oximeter-1"}` || d.Version != 1 {
		t.Errorf("document: %+v, %v", d, err)
	}
	if _, found, err := db.Idempotency(b.ctx, "c", "k"); err != nil || !found {
		t.Errorf("answer: %v, %v", found, err)
	}
	for p, want := range []uint64{0, 21, 1, 1} {
		if got := db.Position(p); got != want {
			t.Errorf("position of partition %d is %d, want %d", p, got, want)
		}
	}
}
