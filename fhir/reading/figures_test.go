package reading

import (
	"context"
	"testing"

	"github.com/vigil-iomt/vigil"
)

// summing is the ward with sums of series.
type summing struct{ *memory }

func (m summing) Buckets(_ context.Context, q vigil.BucketQuery) ([]vigil.Bucket, error) {
	var b vigil.Bucket
	sum := 0.0
	for _, p := range m.points[q.Series] {
		if !m.standing(q.Series, p) || !p.Quality.Usable() || !q.During.Holds(p.Taken) {
			continue
		}
		if b.Count == 0 {
			b.Min, b.Max = p.Value, p.Value
		}
		b.Count++
		b.Min, b.Max, sum = min(b.Min, p.Value), max(b.Max, p.Value), sum+p.Value
	}
	if b.Count == 0 {
		return nil, nil
	}
	b.Mean = sum / float64(b.Count)
	return []vigil.Bucket{b}, nil
}

func TestFigures(t *testing.T) {
	m := odd()
	m.series = append(m.series, vigil.Series{ID: 20, Subject: vigil.PatientSubject("anna"), Device: "other", Metric: &vigil.Metric{
		Name: "rate", Unit: "/s", Codes: []vigil.Code{{System: vigil.LOINC, Value: "8867-4"}}}})
	m.points[20] = []vigil.Point{taken(-20, 2)} // 120 a minute
	quick := New(Config{Readings: summing{m}, Registry: m, Now: source(m).c.Now})
	for _, s := range []*Source{source(m), quick} {
		for _, values := range []bool{false, true} {
			got, err := s.Figures(t.Context(), FigureQuery{Subject: vigil.PatientSubject("anna"), Any: []Token{{System: vigil.LOINC, Code: "8867-4"}}, Values: values})
			if err != nil || len(got) != 1 {
				t.Fatalf("%d results, %v", len(got), err)
			}
			f := got[0]
			if f.Count != 204 || f.Min != 60 || f.Max != 120 || f.Unit != "/min" {
				t.Errorf("got %+v", f)
			}
			if values && (len(f.Values) != 204 || f.Values[0] != 82 && f.Values[0] != 80 || f.Times[0] > f.Times[203]) {
				t.Errorf("%d values, the first %v at %v", len(f.Values), f.Values[0], f.Times[0])
			}
		}
		got, err := s.Figures(t.Context(), FigureQuery{Subject: vigil.PatientSubject("anna"), Any: []Token{{Code: "85354-9", AnySystem: true}}})
		if err != nil || len(got) != 2 || got[0].Max != 133 || got[1].Count != 5 || got[1].Mean() != 82 {
			t.Errorf("a panel has %d results, %v", len(got), err)
		}
		got, err = s.Figures(t.Context(), FigureQuery{Subject: vigil.PatientSubject("anna"), Any: []Token{{Code: "8480-6", AnySystem: true}}, During: vigil.Interval{From: at(-700)}})
		if err != nil || len(got) != 1 || got[0].Count != 2 {
			t.Errorf("a part has %d results, %v", len(got), err)
		}
	}
	f := &Figures{Unit: "Cel"}
	if ok, err := f.AddIn(1, 98.6, "[degF]", true); !ok || err != nil || f.Sum < 36.99 || f.Sum > 37.01 {
		t.Errorf("98.6 °F make %v, %v, %v", f.Sum, ok, err)
	}
	if ok, err := f.AddIn(1, 1, "kg", true); ok || err != nil {
		t.Errorf("a weight is a temperature: %v, %v", ok, err)
	}
}
