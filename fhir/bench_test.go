package fhir_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/vigil-iomt/vigil"
)

// BenchmarkProjected is a page of a thousand projected Observations.
func BenchmarkProjected(b *testing.B) {
	s := newShelf(b)
	for block := range 10 {
		var readings []vigil.Reading
		for i := range 1000 {
			t := at(float64(block*1000 + i - 20_000))
			readings = append(readings, vigil.Reading{Metric: hr, Taken: t, Stated: t, Value: 60 + float64(i%7), KeyKind: vigil.KeyTime, Key: uint64(t)})
		}
		s.put(said("anna", "mon-1", readings...))
	}
	h := over(b, s.db, ward())
	r := httptest.NewRequest(http.MethodGet, "/fhir/Observation?patient=anna&code=8867-4&_count=1000", nil)
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/resource")
}
