package reading_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/reading"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/internal/seal"
	"github.com/vigil-iomt/vigil/store"
)

// noon is the present of these tests.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// nobody is a registry of nobody.
type nobody struct{}

func (nobody) Patient(vigil.PatientID) (vigil.Patient, bool) { return vigil.Patient{}, false }
func (nobody) Device(vigil.DeviceID) (vigil.Device, bool)    { return vigil.Device{}, false }
func (nobody) Patients() []vigil.Patient                     { return nil }
func (nobody) Devices() []vigil.Device                       { return nil }

// dayOf keeps n heart rates, a second apart, in a store.
func dayOf(t testing.TB, n int) (*reading.Source, *search.Query) {
	t.Helper()
	now := func() time.Time { return noon }
	db, err := store.Open(t.Context(), store.Config{
		Path: t.TempDir(), Partitions: 1, Sealer: seal.Plain{}, Now: now, Log: slog.New(slog.DiscardHandler), Checkpoint: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	m := &vigil.Metric{Name: "hr", Title: "Heart rate", Unit: "/min", Category: "vital-signs", Codes: []vigil.Code{
		{System: vigil.LOINC, Value: "8867-4", Display: "Heart rate"}, {System: vigil.MDC, Value: "147842", Display: "MDC_ECG_HEART_RATE"},
	}}
	at := vigil.InstantOf(noon.Add(-24 * time.Hour))
	for i := 0; i < n; i += 600 {
		r := vigil.Record{Kind: vigil.Understood, Subject: vigil.PatientSubject("anna"), Message: vigil.Message{Device: "mon-1"}}
		for k := i; k < min(n, i+600); k++ {
			taken := at.Add(time.Duration(k)*time.Second + time.Duration(k%7)*time.Millisecond)
			r.Message.Arrived = taken
			r.Readings = append(r.Readings, vigil.Reading{Metric: m, Taken: taken, Stated: taken, Value: float64(60 + k%9), KeyKind: vigil.KeyTime, Key: uint64(taken)}) // #nosec G115 -- after 1970
		}
		if err := db.Consume(t.Context(), vigil.Frame{Seq: uint64(i/600 + 1), At: r.Message.Arrived, Records: []vigil.Record{r}}); err != nil { // #nosec G115 -- small
			t.Fatal(err)
		}
	}
	if err := db.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	e, err := search.New(search.Config{Schema: schema.R4()})
	if err != nil {
		t.Fatal(err)
	}
	q, _ := e.Parse(search.Request{Types: []string{reading.Observation}, Raw: "patient=anna&code=8867-4"})
	return reading.New(reading.Config{Readings: db, Registry: nobody{}, Now: now}), q
}

// BenchmarkDay streams a day of readings at 1 Hz as Observations.
func BenchmarkDay(b *testing.B) {
	const day = 86_400
	s, q := dayOf(b, day)
	for name, page := range map[string]int{"whole": day, "pages of 1000": 1000} {
		b.Run(name, func(b *testing.B) {
			if q.Count = -1; page < day {
				q.Count = page
			}
			b.ReportAllocs()
			n, size := 0, 0
			for b.Loop() {
				var mark vigil.ResourceMark
				var after *vigil.ResourceMark
				for more := true; more; {
					more = false
					k := 0
					for h, err := range s.Search(b.Context(), reading.Observation, q, after) {
						if err != nil {
							b.Fatal(err)
						}
						n++
						size += len(h.Body)
						if k++; k == page {
							mark, more = h.Mark, page < day
							after = &mark
							break
						}
					}
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "resources/s")
			b.ReportMetric(float64(size)/float64(n), "B/resource")
		})
	}
}
