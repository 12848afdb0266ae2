package fhir_test

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/check"
	"github.com/vigil-iomt/vigil/fhir/reading"
	"github.com/vigil-iomt/vigil/fhir/rest"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/terms"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// now is the time of all tests.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// memory is a store and a registry of the simplest kind: slices, looked through
// from end to end.
type memory struct {
	series      []vigil.Series
	points      map[vigil.SeriesID][]vigil.Point
	waves       map[vigil.SeriesID][]vigil.Wave
	patients    []vigil.Patient
	devices     []vigil.Device
	assignments []vigil.Assignment
	queries     int // of points
}

func (m *memory) Series(_ context.Context, q vigil.SeriesQuery) ([]vigil.Series, error) {
	var out []vigil.Series
	for _, s := range m.series {
		if s.Metric.IsWave() == q.Waves && (len(q.IDs) == 0 || slices.Contains(q.IDs, s.ID)) &&
			(len(q.Subjects) == 0 || slices.Contains(q.Subjects, s.Subject)) &&
			(len(q.Devices) == 0 || slices.Contains(q.Devices, s.Device)) {
			out = append(out, s)
		}
	}
	return out, nil
}

func comparePoints(a, b vigil.Point) int {
	return cmp.Or(cmp.Compare(a.Taken, b.Taken), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Conflict, b.Conflict), cmp.Compare(a.Version, b.Version))
}

func (m *memory) standing(id vigil.SeriesID, p vigil.Point) bool {
	return !p.Quality.Has(vigil.EnteredInError) && !slices.ContainsFunc(m.points[id], func(o vigil.Point) bool {
		return o.Key == p.Key && o.KeyKind == p.KeyKind && o.Conflict == p.Conflict && o.Version > p.Version
	})
}

func (m *memory) Points(_ context.Context, q vigil.PointQuery) ([]vigil.Point, error) {
	m.queries++
	var out []vigil.Point
	for _, p := range m.points[q.Series] {
		if q.During.Holds(p.Taken) && (q.History || m.standing(q.Series, p)) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, comparePoints)
	if q.Desc {
		slices.Reverse(out)
	}
	if q.After != nil {
		out = slices.DeleteFunc(out, func(p vigil.Point) bool {
			c := comparePoints(p, *q.After)
			return !q.Desc && c <= 0 || q.Desc && c >= 0
		})
	}
	if q.Limit > 0 && len(out) > q.Limit {
		out = out[:q.Limit]
	}
	return out, nil
}

func (m *memory) PointByKey(_ context.Context, id vigil.SeriesID, kind vigil.KeyKind, key uint64, conflict uint8) ([]vigil.Point, error) {
	var out []vigil.Point
	for _, p := range m.points[id] {
		if p.KeyKind == kind && p.Key == key && p.Conflict == conflict {
			out = append(out, p)
		}
	}
	return out, nil
}

func (m *memory) Latest(_ context.Context, ids []vigil.SeriesID) (map[vigil.SeriesID]vigil.Point, error) {
	out := map[vigil.SeriesID]vigil.Point{}
	for _, id := range ids {
		for _, p := range m.points[id] {
			if have, ok := out[id]; m.standing(id, p) && (!ok || comparePoints(have, p) < 0) {
				out[id] = p
			}
		}
	}
	return out, nil
}

func (m *memory) Waves(_ context.Context, id vigil.SeriesID, during vigil.Interval, limit int) ([]vigil.Wave, error) {
	var out []vigil.Wave
	for _, w := range m.waves[id] {
		if during.Overlaps(vigil.Interval{From: w.Start, To: w.End()}) && (limit == 0 || len(out) < limit) {
			out = append(out, w)
		}
	}
	return out, nil
}

func (m *memory) Patient(id vigil.PatientID) (vigil.Patient, bool) {
	i := slices.IndexFunc(m.patients, func(p vigil.Patient) bool { return p.ID == id })
	if i < 0 {
		return vigil.Patient{}, false
	}
	return m.patients[i], true
}

func (m *memory) Device(id vigil.DeviceID) (vigil.Device, bool) {
	i := slices.IndexFunc(m.devices, func(d vigil.Device) bool { return d.ID == id })
	if i < 0 {
		return vigil.Device{}, false
	}
	return m.devices[i], true
}

func (m *memory) Patients() []vigil.Patient { return slices.Clone(m.patients) }
func (m *memory) Devices() []vigil.Device   { return slices.Clone(m.devices) }

// The metrics of the tests.
var (
	hr = &vigil.Metric{Name: "hr", Title: "Heart rate", Unit: "/min", Category: "vital-signs", Codes: []vigil.Code{
		{System: vigil.LOINC, Value: "8867-4", Display: "Heart rate"}, {System: vigil.MDC, Value: "147842", Display: "MDC_ECG_HEART_RATE"},
	}}
	glucose = &vigil.Metric{Name: "glucose", Title: "Glucose", Unit: "mg/dL", Category: "laboratory", Decimals: 0,
		Codes: []vigil.Code{{System: vigil.LOINC, Value: "2339-0", Display: "Glucose [Mass/volume] in Blood"}}}
	bp = &vigil.Panel{Name: "nibp", Codes: []vigil.Code{
		{System: vigil.LOINC, Value: "85354-9", Display: "Blood pressure panel with all children optional"}}}
	sys   = part("nibp-sys", "8480-6", "Systolic blood pressure")
	dia   = part("nibp-dia", "8462-4", "Diastolic blood pressure")
	ecgII = &vigil.Metric{Name: "ecg-ii", Title: "ECG II", Unit: "mV", Category: "procedure", RateNum: 360, RateDen: 1,
		Codes: []vigil.Code{{System: vigil.MDC, Value: "131330", Display: "MDC_ECG_ELEC_POTL_II"}}}
	fridge = &vigil.Metric{Name: "temp", Title: "Temperature", Unit: "Cel"}
)

func part(name, code, display string) *vigil.Metric {
	return &vigil.Metric{Name: name, Title: display, Unit: "mm[Hg]", Category: "vital-signs", Panel: bp,
		Codes: []vigil.Code{{System: vigil.LOINC, Value: code, Display: display}}}
}

func at(seconds float64) vigil.Instant { return vigil.InstantOf(now).Add(time.Duration(seconds * 1e9)) }

// taken is a good point of a device with a clock.
func taken(seconds, value float64) vigil.Point {
	t := at(seconds)
	return vigil.Point{Taken: t, Stated: t, Arrived: t + 250_000, Value: value, Key: uint64(t), KeyKind: vigil.KeyTime, Version: 1}
}

// ward is what most tests look at: two patients, one with a heart rate, a cuff,
// a wave and a glucose meter.
func ward() *memory {
	anna, bo := vigil.PatientSubject("anna"), vigil.PatientSubject("bo_1")
	m := &memory{
		patients: []vigil.Patient{
			{ID: "anna", Family: "Ångström", Given: "Anna Maria", Born: "1950-04-01", Sex: "female", MRN: "4711"},
			{ID: "bo_1", Family: "Berg", Given: "Bo", Born: "1980", Sex: "male", MRN: "4712"},
			{ID: "cy", Family: "Berg", Sex: "unknown"},
		},
		devices: []vigil.Device{
			{ID: "mon-1", Profile: "bedside-monitor", Maker: "Example Medical", Model: "X2", Serial: "S1", UDI: "(01)00844588003288", Firmware: "1.4", Name: "Bed 7"},
			{ID: "cuff_2", Profile: "bp-cuff", Revoked: 5},
		},
		assignments: []vigil.Assignment{
			{ID: "a1", Device: "mon-1", Subject: bo, Interval: vigil.Interval{From: 1, To: at(-9000)}},
			{ID: "a2", Device: "mon-1", Subject: anna, Interval: vigil.Interval{From: at(-9000)}},
		},
		series: []vigil.Series{
			{ID: 1, Subject: anna, Device: "mon-1", Metric: hr},
			{ID: 2, Subject: anna, Device: "cuff_2", Metric: sys},
			{ID: 3, Subject: anna, Device: "cuff_2", Metric: dia},
			{ID: 4, Subject: anna, Device: "mon-1", Metric: ecgII},
			{ID: 5, Subject: anna, Device: "meter", Metric: glucose},
			{ID: 6, Subject: bo, Device: "mon-1", Metric: hr},
			{ID: 7, Subject: vigil.Unattributed("mon-1"), Device: "mon-1", Metric: hr},
			{ID: 8, Subject: vigil.Subject{Kind: vigil.OfLocation, ID: "fridge-1"}, Device: "logger", Metric: fridge},
		},
		points: map[vigil.SeriesID][]vigil.Point{},
		waves:  map[vigil.SeriesID][]vigil.Wave{},
	}
	for i := range 200 {
		m.points[1] = append(m.points[1], taken(float64(-i), 60+float64(i%7)))
	}
	for i := range 5 {
		m.points[2] = append(m.points[2], taken(float64(-600*i), 120+float64(i)))
		m.points[3] = append(m.points[3], taken(float64(-600*i), 80+float64(i)))
	}
	for i := range 10 {
		start := at(float64(i - 10))
		m.waves[4] = append(m.waves[4], vigil.Wave{Metric: ecgII, Start: start, Stated: start, Key: uint64(start), KeyKind: vigil.KeyTime,
			Gain: 0.005, Offset: -5.12, Samples: slices.Repeat([]int32{1024, 1030, vigil.Missing, 1018}, 90)})
	}
	high := taken(-50, 600)
	high.Quality = vigil.Above
	m.points[5] = []vigil.Point{high}
	m.points[6] = []vigil.Point{taken(-10_000, 71), taken(-9999, 72)}
	m.points[7] = []vigil.Point{taken(-30, 99)}
	cold := taken(-20, 4)
	cold.Decimals = 1
	m.points[8] = []vigil.Point{cold}
	return m
}

// A face is the API over readings, and over a record that is empty.
type face struct {
	*rest.Server
	source *reading.Source
}

// ObservationID is the id of a reading.
func (f *face) ObservationID(series vigil.SeriesID, p vigil.Point) string {
	return f.source.ObservationID(series, p)
}

// engine and checker never change.
var engine = sync.OnceValue(func() *search.Engine {
	return must(search.New(search.Config{Schema: schema.R4(), Key: search.Key{7}, Bases: []string{"https://vigil.test/fhir"}}))
})

var checker = sync.OnceValue(func() *check.Checker { return check.New(schema.R4(), terms.New(schema.R4())) })

func handler(t testing.TB, m *memory) *face { return over(t, m, m) }

// over is the API over any store of readings.
func over(t testing.TB, readings reading.Readings, m *memory) *face {
	t.Helper()
	source := reading.New(reading.Config{Readings: readings, Registry: m, IDKey: [16]byte{1, 2, 3}, Now: func() time.Time { return now }})
	return &face{source: source, Server: rest.New(rest.Config{
		Record: nothing{}, Sources: []rest.Source{source}, Engine: engine, BaseURL: "https://vigil.test/fhir", Version: "1",
		Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
	})}
}

// nothing is a record that nobody has written into.
type nothing struct{}

func (nothing) Resource(context.Context, string, string) (vigil.Resource, error) {
	return vigil.Resource{}, vigil.Errorf(vigil.NotFound, "there is nothing")
}

func (nothing) ResourceVersion(context.Context, string, string, int64) (vigil.Resource, error) {
	return vigil.Resource{}, vigil.Errorf(vigil.NotFound, "there is nothing")
}

func (nothing) ResourceHistory(context.Context, vigil.ResourceHistory) ([]vigil.Resource, error) {
	return nil, nil
}

func (nothing) SelectResources(context.Context, vigil.ResourceQuery) ([]vigil.ResourceHit, error) {
	return nil, nil
}

func (nothing) CountResources(context.Context, vigil.ResourceQuery) (int64, bool, error) {
	return 0, true, nil
}

// ask sends a GET and returns the answer with its body as JSON.
func ask(t testing.TB, h http.Handler, target string, headers ...string) (*http.Response, map[string]any) {
	t.Helper()
	return askAs(t, h, httptest.NewRequest(http.MethodGet, "/fhir/"+target, nil), headers...)
}

func askAs(t testing.TB, h http.Handler, r *http.Request, headers ...string) (*http.Response, map[string]any) {
	t.Helper()
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body := map[string]any{}
	if w.Body.Len() > 0 {
		d := json.NewDecoder(strings.NewReader(w.Body.String()))
		d.UseNumber()
		if err := d.Decode(&body); err != nil {
			t.Fatalf("GET %s: not JSON: %v\n%s", r.URL, err, w.Body)
		}
		for _, i := range checker().Check(must(tree.Parse(w.Body.Bytes())), check.Options{Level: check.Rules}) {
			if i.Severity >= check.Error {
				t.Errorf("GET %s: %s: %s", r.URL, i.Expression, i.Message)
			}
		}
	}
	return w.Result(), body
}

// found returns the resources of a searchset that match.
func found(body map[string]any) []map[string]any {
	var out []map[string]any
	entries, _ := body["entry"].([]any)
	for _, e := range entries {
		if dig(e, "search", "mode") == "match" {
			out = append(out, dig(e, "resource").(map[string]any))
		}
	}
	return out
}

// dig follows names and indexes into JSON; nil where there is nothing.
func dig(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			a, _ := v.([]any)
			if p >= len(a) {
				return nil
			}
			v = a[p]
		}
	}
	return v
}

func link(body map[string]any, relation string) string {
	links, _ := body["link"].([]any)
	for _, l := range links {
		if dig(l, "relation") == relation {
			return strings.TrimPrefix(dig(l, "url").(string), "https://vigil.test/fhir/")
		}
	}
	return ""
}
