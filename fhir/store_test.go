package fhir_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/reading"
	"github.com/vigil-iomt/vigil/internal/seal"
	"github.com/vigil-iomt/vigil/store"
)

// A shelf is a real store that takes one record after the other.
type shelf struct {
	t   testing.TB
	db  *store.DB
	seq uint64
}

func newShelf(t testing.TB) *shelf {
	t.Helper()
	db, err := store.Open(context.Background(), store.Config{
		Path: t.TempDir(), Partitions: 1, Sealer: seal.Plain{}, Now: func() time.Time { return now },
		Log: slog.New(slog.DiscardHandler), Checkpoint: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &shelf{t: t, db: db}
}

func (s *shelf) put(r vigil.Record) {
	s.t.Helper()
	s.seq++
	if err := s.db.Consume(context.Background(), vigil.Frame{Seq: s.seq, At: at(0), Records: []vigil.Record{r}}); err != nil {
		s.t.Fatal(err)
	}
}

// said is a record of what a device said about a patient.
func said(patient vigil.PatientID, device vigil.DeviceID, readings ...vigil.Reading) vigil.Record {
	return vigil.Record{
		Kind: vigil.Understood, Subject: vigil.PatientSubject(patient), Readings: readings,
		Message: vigil.Message{Device: device, Arrived: at(1)},
	}
}

// pressure is both parts of a measurement, numbered by the cuff, or with 0 not.
func pressure(seconds float64, number uint64) []vigil.Reading {
	s, d := vigil.Reading{Metric: sys, Taken: at(seconds), Value: 120}, vigil.Reading{Metric: dia, Taken: at(seconds), Value: 80}
	if number > 0 {
		s.KeyKind, s.Key, d.KeyKind, d.Key = vigil.KeyNumber, number, vigil.KeyNumber, number
	}
	return []vigil.Reading{s, d}
}

// fill gives the store 300 heart rates with a block of ECG each, and 20
// measurements of three cuffs, one of which was on the wrong patient for a
// while; one measurement is corrected and one contradicted.
func (s *shelf) fill() {
	for i := range 300 {
		t := at(float64(-i))
		r := said("anna", "mon-1", vigil.Reading{Metric: hr, Taken: t, Stated: t, Value: 60, KeyKind: vigil.KeyTime, Key: uint64(t)})
		r.Waves = []vigil.Wave{{Metric: ecgII, Start: t, Stated: t, Key: uint64(t), KeyKind: vigil.KeyTime, Gain: 1, Samples: make([]int32, 360)}}
		s.put(r)
	}
	for i := range 20 {
		seconds := float64(-100 * i)
		s.put(said("anna", "cuff-no-number", pressure(seconds, 0)...))
		s.put(said("anna", "cuff_2", pressure(seconds, uint64(i+1))...))
		s.put(said("bo_1", "cuff-moved", pressure(seconds, uint64(i+1))...))
	}
	corrected := said("anna", "cuff_2", vigil.Reading{Metric: sys, Taken: at(-100), Value: 133, KeyKind: vigil.KeyNumber, Key: 2, Correction: true})
	corrected.Message.Arrived = at(100)
	s.put(corrected)
	s.put(said("anna", "cuff_2", vigil.Reading{Metric: sys, Taken: at(-200), Value: 155, KeyKind: vigil.KeyNumber, Key: 3}))
	if err := s.db.Checkpoint(context.Background()); err != nil {
		s.t.Fatal(err)
	}
	s.put(vigil.Record{
		Kind: vigil.Reattributed, Subject: vigil.PatientSubject("anna"), Message: vigil.Message{Device: "cuff-moved", Arrived: at(200)},
		Change: &vigil.Reattribution{ID: "r1", Device: "cuff-moved", During: vigil.Interval{From: at(-500), To: at(1)},
			To: vigil.PatientSubject("anna"), Actor: vigil.LocalAdmin(), Reason: "the cuff was at another bed"},
	})
}

func TestOverTheStore(t *testing.T) {
	s := newShelf(t)
	s.fill()
	h := over(t, s.db, ward())
	tests := []struct {
		query string
		want  int
	}{
		// 300 + 300 of the monitor, 3 cuffs with 20, and one contradiction.
		{"", 661},
		{"_sort=date", 661},
		{"patient=anna&code=85354-9", 20 + 20 + 1 + 6},
		{"patient=" + reading.WireID("bo_1"), 14},
		{"status=corrected", 1},
		{"status=entered-in-error", 6},
		{"code=131330", 300},
		{"code=131330&_sort=date&date=ge2026-03-01T11:59:00Z", 61},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			_, body := ask(t, h, "Observation?_summary=count&"+tt.query)
			if got := fmt.Sprint(body["total"]); got != fmt.Sprint(tt.want) {
				t.Errorf("counted %s, want %d", got, tt.want)
			}
			ids := map[string]bool{}
			for _, id := range pages(t, h, "Observation?_count=97&"+tt.query, nil) {
				ids[id] = true
			}
			if len(ids) != tt.want {
				t.Errorf("%d different ids on all pages, want %d", len(ids), tt.want)
			}
			_, body = ask(t, h, "Observation?_count=40&"+tt.query)
			for _, o := range found(body) {
				res, read := ask(t, h, "Observation/"+o["id"].(string))
				if res.StatusCode != http.StatusOK || !bytes.Equal(must(json.Marshal(read)), must(json.Marshal(o))) {
					t.Fatalf("read and search differ (%d):\n%s\n%s", res.StatusCode, must(json.Marshal(read)), must(json.Marshal(o)))
				}
			}
		})
	}
	_, body := ask(t, h, "Observation?status=corrected")
	_, history := ask(t, h, "Observation/"+found(body)[0]["id"].(string)+"/_history")
	if fmt.Sprint(history["total"]) != "2" || dig(history, "entry", 0, "resource", "status") != "corrected" || dig(history, "entry", 1, "resource", "status") != "final" {
		t.Errorf("the history of the corrected one: %v", history)
	}
}

func TestACorrectionTakesConflictingValuesBack(t *testing.T) {
	s := newShelf(t)
	value := func(v float64, arrived float64, correction bool) {
		r := said("anna", "meter", vigil.Reading{Metric: glucose, Taken: at(-10), Value: v, KeyKind: vigil.KeyNumber, Key: 7, Correction: correction})
		r.Message.Arrived = at(arrived)
		s.put(r)
	}
	value(100, 1, false)
	value(180, 2, false)
	h := over(t, s.db, ward())
	_, body := ask(t, h, "Observation?code=2339-0")
	both := found(body)
	if len(both) != 2 || dig(both[0], "meta", "tag", 0, "code") != "conflict" || dig(both[1], "meta", "tag", 0, "code") != "conflict" {
		t.Fatalf("want both values, each marked: %v", both)
	}
	value(110, 3, true)
	want := map[string]string{"100": "corrected 110", "180": "entered-in-error 180"}
	for _, o := range both {
		old := fmt.Sprint(dig(o, "valueQuantity", "value"))
		_, read := ask(t, h, "Observation/"+o["id"].(string))
		if got := fmt.Sprint(read["status"], " ", dig(read, "valueQuantity", "value")); got != want[old] || dig(read, "meta", "versionId") != "2" {
			t.Errorf("the id of %s reads %s in version %v, want %s in version 2", old, got, dig(read, "meta", "versionId"), want[old])
		}
	}
	if n := countOf(t, h, "code=2339-0"); n != 1 {
		t.Errorf("%d values are found, want the corrected one", n)
	}
}
