package rest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/rest"
)

// blood is an Observation as a gateway sends it.
const blood = `{"resourceType":"Observation","status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"Vital Signs"}]}],` +
	`"code":{"coding":[{"system":"http://loinc.org","code":"85354-9","display":"Blood pressure panel"}],"text":"Blood pressure"},"subject":{"reference":"Patient/anna"},` +
	`"effectiveDateTime":"2026-03-01T10:00:00Z","issued":"2026-03-01T10:00:05.123Z","device":{"reference":"Device/cuff"},` +
	`"component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":120,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},` +
	`{"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},"valueQuantity":{"value":80,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}]}`

// BenchmarkCreate is a create all in but the disk and the wire: 64 clients.
func BenchmarkCreate(b *testing.B) {
	s := newSite(b)
	ctx := vigil.WithActor(context.Background(), vigil.LocalAdmin())
	b.SetParallelism(32)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			r := httptest.NewRequest(http.MethodPost, base+"/Observation", strings.NewReader(blood)).WithContext(ctx)
			r.Header.Set("Content-Type", "application/fhir+json")
			w := httptest.NewRecorder()
			s.server.ServeHTTP(w, r)
			if w.Code != http.StatusCreated {
				b.Fatal(w.Code, w.Body)
			}
		}
	})
}

// BenchmarkPrepare is what a create costs without the store.
func BenchmarkPrepare(b *testing.B) {
	s := newSite(b, func(c *rest.Config) {
		c.Written = nil
		c.Write = func(ctx context.Context, f func(context.Context, rest.Tx) error) error { return f(ctx, sink{}) }
	})
	ctx := vigil.WithActor(context.Background(), vigil.LocalAdmin())
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, base+"/Observation", strings.NewReader(blood)).WithContext(ctx)
		r.Header.Set("Content-Type", "application/fhir+json")
		w := httptest.NewRecorder()
		s.server.ServeHTTP(w, r)
		if w.Code != http.StatusCreated {
			b.Fatal(w.Code, w.Body)
		}
	}
}

// sink is a transaction that keeps nothing.
type sink struct{}

func (sink) Newest(context.Context, string, string) (vigil.Resource, error) {
	return vigil.Resource{}, vigil.Errorf(vigil.NotFound, "nothing")
}
func (sink) Select(context.Context, vigil.ResourceQuery) ([]vigil.ResourceHit, error) {
	return nil, nil
}
func (sink) Put(_ context.Context, r vigil.Resource) (vigil.Resource, error) { return r, nil }
func (sink) At() vigil.Instant                                               { return 1_800_000_000_000_000 }

func BenchmarkRead(b *testing.B) {
	s := newSite(b)
	id := s.want(201, "POST", "Observation", blood).text("id")
	r := httptest.NewRequest(http.MethodGet, base+"/Observation/"+id, nil)
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		s.server.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
}

func BenchmarkSearch(b *testing.B) {
	s := newSite(b)
	var entries []string
	for i := range 1000 {
		entries = append(entries, entryOf("", "POST", "Observation", strings.Replace(blood, "T10:00:00Z", fmt.Sprintf("T10:%02d:%02dZ", i/60, i%60), 1)))
	}
	s.want(200, "POST", "", bundleOf("batch", entries...))
	r := httptest.NewRequest(http.MethodGet, base+"/Observation?patient=anna&code=http://loinc.org|85354-9&_sort=-date&_count=50", nil)
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		s.server.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
}

// BenchmarkSynthea loads a patient of Synthea, with everything that happened to
// somebody.
func BenchmarkSynthea(b *testing.B) {
	files, _ := filepath.Glob(filepath.Join(data(b, "synthea"), "*.json.bz2"))
	if len(files) == 0 {
		b.Skip("there are no Synthea files")
	}
	s := newSite(b)
	raw := unpacked(b, files[0])
	s.provide(raw)
	resources := strings.Count(raw, `"method": "POST"`)
	for b.Loop() {
		s.want(200, "POST", "", raw)
	}
	b.ReportMetric(float64(resources*b.N)/b.Elapsed().Seconds(), "resources/s")
}

// BenchmarkEverything is everything of the patients of Synthea, in turn.
func BenchmarkEverything(b *testing.B) {
	files, err := filepath.Glob(filepath.Join(data(b, "synthea"), "*.json.bz2"))
	if err != nil || len(files) == 0 {
		b.Skip("there are no Synthea files")
	}
	s := newSite(b)
	var patients []string
	for _, file := range files[:8] {
		raw := unpacked(b, file)
		s.provide(raw)
		patients = append(patients, placed(s.want(200, "POST", "", raw))[0])
	}
	size, resources := 0, 0
	var took []time.Duration
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r := httptest.NewRequest(http.MethodGet, base+"/Patient/"+patients[i%len(patients)]+"/$everything", nil)
		w := httptest.NewRecorder()
		begin := time.Now()
		s.server.ServeHTTP(w, r)
		took = append(took, time.Since(begin))
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
		size += w.Body.Len()
		resources += strings.Count(w.Body.String(), `"fullUrl"`)
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(size)/float64(len(took)), "bytes/answer")
	b.ReportMetric(float64(resources)/float64(len(took)), "resources/answer")
}
