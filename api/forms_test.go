package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vigil-iomt/vigil"
)

// numbers are decimals as devices send them, their neighbours, and the edges at
// which encoding/json changes its form.
func numbers(rng *rand.Rand, n int) []float64 {
	out := []float64{0, math.Copysign(0, -1), 1e-6, 1e-7, -1e-7, 1e20, 1e21, -1e21, 1e15, 1e15 - 1, math.MaxFloat64, math.SmallestNonzeroFloat64}
	for range n {
		v := float64(rng.Int64N(2e6)-1e6) / []float64{1, 10, 100, 1000, 1e6}[rng.IntN(5)]
		out = append(out, v, math.Nextafter(v, 9e9), math.Float64frombits(rng.Uint64()))
	}
	return slices.DeleteFunc(out, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
}

// instants are of one minute and far apart, before 1970 and at no time.
func instants(rng *rand.Rand, n int) []vigil.Instant {
	out := []vigil.Instant{0, 1, -1, 59_999_999, 60_000_000, -60_000_000}
	at := vigil.Instant(1_772_352_000_000_000)
	for range n {
		at += vigil.Instant(rng.IntN(40)-5) * []vigil.Instant{1, 1000, 1_000_000}[rng.IntN(3)]
		out = append(out, at, vigil.Instant(rng.Int64N(4e17)-2e17))
	}
	return out
}

// plain encodes as the other routes do.
func plain(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	if err := huma.DefaultJSONFormat.Marshal(&b, v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// odd returns points of all kinds.
func odd(rng *rand.Rand) []vigil.Point {
	qualities := []vigil.Quality{0, 0, 0, vigil.Above, vigil.Below | vigil.BestEffort, vigil.Quality(0).With(vigil.SensorOff), vigil.Conflict}
	at := instants(rng, 1000)
	var out []vigil.Point
	for i, v := range numbers(rng, 500) {
		p := vigil.Point{
			Taken: at[i%len(at)], Arrived: at[rng.IntN(len(at))], Value: v, Decimals: int8(rng.IntN(5) - 1), // #nosec G115 -- small
			Quality: qualities[rng.IntN(len(qualities))], Version: uint16(rng.IntN(3) + 1), // #nosec G115 -- small
		}
		if p.Quality.State() != vigil.NoState {
			p.Value = 0
		}
		out = append(out, p)
	}
	return out
}

// oddSeries has texts that need escapes, and some that do not.
func oddSeries() vigil.Series {
	return vigil.Series{
		ID: 1<<53 - 1, Subject: vigil.PatientSubject("p1"), Device: "d\"1", Channel: "é",
		Metric: &vigil.Metric{Name: "a<b>&c\u2028", Unit: "mm[Hg]\\\n", Decimals: -1, Silence: 7_000_000},
	}
}

// asReading is a point as it is documented.
func asReading(v *vigil.Series, p vigil.Point, id string) Reading {
	r := Reading{
		ID: id, Taken: p.Taken, Arrived: p.Arrived, Text: p.Text(v.Metric), Unit: v.Metric.Unit, Quality: p.Quality,
		Version: p.Version, Series: v.ID, Metric: v.Metric.Name, Device: v.Device, Subject: v.Subject,
	}
	if p.Quality.State() == vigil.NoState {
		r.Value = &p.Value
	}
	return r
}

// deaf is who does not read.
type deaf struct{}

func (deaf) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestListsAreWrittenAsEncodingJSONWrites compares what is written by hand with
// the documented types, byte for byte.
func TestListsAreWrittenAsEncodingJSONWrites(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	v, pts := oddSeries(), odd(rng)
	s := &server{c: Config{ObservationID: func(_ vigil.SeriesID, p vigil.Point) string { return fmt.Sprint("o", p.Taken) }}}
	t.Run("readings", func(t *testing.T) {
		page := readingPage{Readings: []Reading{}, Next: "n"}
		for _, p := range pts {
			page.Readings = append(page.Readings, asReading(&v, p, fmt.Sprint("o", p.Taken)))
		}
		src := &source{series: v, label: labelOf(&v)}
		runs := []run{{src, pts[:1]}, {src, pts[1:10]}, {src, pts[10:]}}
		same(t, func(b *bytes.Buffer) error {
			return s.scribes.write(b, func(sc *scribe) { s.objects(sc, runs, "n") })
		}, plain(t, page))
	})
	t.Run("no readings", func(t *testing.T) {
		same(t, func(b *bytes.Buffer) error {
			return s.scribes.write(b, func(sc *scribe) { s.objects(sc, nil, "") })
		}, plain(t, readingPage{Readings: []Reading{}}))
	})
	t.Run("newest", func(t *testing.T) {
		l := latestBody{s: s}
		var ids []vigil.SeriesID
		want := latestList{Readings: []vigil.ReadingNow{}}
		for i := range 5*piece + 7 { // several pieces, the first with nothing
			p := pts[i%len(pts)]
			v.ID = vigil.SeriesID(i + 1)
			l.list, ids = append(l.list, v), append(ids, v.ID)
			if i%5 == 0 || i < piece {
				l.points = append(l.points, vigil.Point{}) // it has no reading
				continue
			}
			l.points = append(l.points, p)
			want.Readings = append(want.Readings, v.Now(p))
		}
		l.names = s.named(ids, l.list)
		same(t, func(b *bytes.Buffer) error { return l.writeJSON(b) }, plain(t, want))
		if err := l.writeJSON(deaf{}); err == nil {
			t.Error("nobody reads, and it is no error")
		}
		same(t, func(b *bytes.Buffer) error { return l.writeJSON(b) }, plain(t, want))
	})
}

// same compares what is written with what is wanted.
func same(t *testing.T, write func(*bytes.Buffer) error, want string) {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	if got == want {
		return
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	t.Errorf("at byte %d:\ngot  %.200s\nwant %.200s", at, got[max(0, at-100):], want[max(0, at-100):])
}

// wandering fills a house with four series whose times overlap, some at the same
// instant, and some of whose values are missing, limits, or have more digits
// than the device means.
func wandering(t *testing.T) *house {
	t.Helper()
	h := open(t)
	rng := rand.New(rand.NewPCG(9, 10))
	metrics := []*vigil.Metric{
		{Name: "hr", Unit: "/min"}, {Name: "temp", Unit: "Cel", Decimals: 1},
		{Name: "weight", Unit: "kg", Decimals: -1}, {Name: "co2", Unit: "mm[Hg]", Decimals: 0},
	}
	base := vigil.InstantOf(h.now.AddDate(0, 0, -1))
	for n := range 700 {
		r := vigil.Record{Kind: vigil.Understood, Subject: vigil.PatientSubject("p1"), Profile: "monitor", Message: vigil.Message{Device: "m-1"}}
		taken := base + vigil.Instant(n)*1_000_000
		for i, m := range metrics {
			at := taken + vigil.Instant(i/2*rng.IntN(3))*250_000
			v := vigil.Reading{
				Metric: m, Taken: at, Stated: at, Value: float64(rng.IntN(400)) / 10, Decimals: int8(rng.IntN(3)), // #nosec G115 -- small
				KeyKind: vigil.KeyTime, Key: uint64(at), // #nosec G115 -- not negative
			}
			switch {
			case n/20%7 == i:
				v.Value, v.Quality = 0, vigil.Quality(0).With(vigil.SensorOff)
			case n%50 == i:
				v.Quality = vigil.Above
			case n%31 == 0:
				v.Value = 1.0 / 3
			}
			r.Readings = append(r.Readings, v)
		}
		r.Message.Arrived = taken + 1500
		f := vigil.Frame{Seq: uint64(n + 1), At: r.Message.Arrived, Records: []vigil.Record{r}} // #nosec G115 -- small
		if err := h.db.Consume(context.Background(), f); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// readAll reads every page of a query.
func (h *house) readAll(query string, limit int) (out readingPage, pages int) {
	h.t.Helper()
	for cursor := ""; ; pages++ {
		var page readingPage
		h.do("GET", fmt.Sprintf("/readings?patient=p1&%s&limit=%d&cursor=%s", query, limit, cursor), "", &page)
		out.Readings = append(out.Readings, page.Readings...)
		out.Columns = append(out.Columns, page.Columns...)
		if cursor = page.Next; cursor == "" {
			return out, pages + 1
		}
		if pages > 3000 {
			h.t.Fatal("the pages do not end")
		}
	}
}

// spread is columns taken apart: what they say of each reading.
func spread(t *testing.T, columns []Columns) (out []Reading) {
	t.Helper()
	for _, c := range columns {
		if len(c.Times) == 0 || len(c.Values) != len(c.Times) || c.Times[0] != 0 || c.Tick < 1 {
			t.Fatalf("%d times, %d values, tick %d", len(c.Times), len(c.Values), c.Tick)
		}
		at, first := c.Start, len(out)
		for i, v := range c.Values {
			at += vigil.Instant(c.Times[i] * c.Tick)
			out = append(out, Reading{Taken: at, Value: v, Unit: c.Unit, Series: c.Series, Metric: c.Metric, Device: c.Device, Subject: c.Subject})
		}
		for _, q := range c.Quality {
			if q.Words == 0 || q.Count < 1 {
				t.Fatalf("a run of quality says nothing: %+v", q)
			}
			for i := range q.Count {
				out[first+q.From+i].Quality = q.Words
			}
		}
	}
	return out
}

// TestFormsSayTheSame reads the same as objects and as columns, in one page and
// in many, forwards and backwards.
func TestFormsSayTheSame(t *testing.T) {
	h := wandering(t)
	between := url.Values{"from": {"2026-01-30T12:01:00Z"}, "to": {"2026-01-30T12:09:00Z"}}.Encode()
	for _, query := range []string{"metric=hr", "metric=weight&desc=true", "", "desc=true", between, between + "&desc=true"} {
		whole, _ := h.readAll(query, 10_000)
		want := whole.Readings
		if len(want) < 480 {
			t.Fatalf("%s: only %d readings", query, len(want))
		}
		if !slices.IsSortedFunc(want, func(a, b Reading) int {
			c := cmp.Compare(a.Taken, b.Taken)
			if strings.Contains(query, "desc") {
				c = -c
			}
			return cmp.Or(c, cmp.Compare(a.Series, b.Series))
		}) {
			t.Errorf("%s: the readings are not in the order of time, then series", query)
		}
		for _, limit := range []int{60, 1000} {
			if paged, _ := h.readAll(query, limit); !reflect.DeepEqual(paged.Readings, want) {
				t.Errorf("%s: pages of %d are not the whole", query, limit)
			}
		}
		for i := range want {
			want[i].ID, want[i].Text, want[i].Arrived, want[i].Version = "", "", 0, 0
		}
		slices.SortStableFunc(want, func(a, b Reading) int { return cmp.Compare(a.Series, b.Series) })
		for _, limit := range []int{60, 700, 100_000} {
			page, pages := h.readAll(query+"&form=columns", limit)
			if got := spread(t, page.Columns); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %d columns with pages of %d are not the objects", query, len(got), limit)
			}
			if least := (len(want) + limit - 1) / limit; pages != least {
				t.Errorf("%s: %d pages of %d for %d readings", query, pages, limit, len(want))
			}
		}
	}
}

// TestColumnsKeepWhatTheDeviceSent reads the text of columns: digits that the
// device meant stay, and nothing is rounded.
func TestColumnsKeepWhatTheDeviceSent(t *testing.T) {
	v := oddSeries()
	at := vigil.Instant(1_772_352_000_500_000)
	off := vigil.Quality(0).With(vigil.SensorOff)
	pts := []vigil.Point{
		{Taken: at, Value: 36, Decimals: 1}, {Taken: at + 5e6, Value: 36.5, Decimals: 1}, {Taken: at + 15e6, Value: 1.0 / 3, Decimals: 2},
		{Taken: at + 20e6, Quality: off}, {Taken: at + 25e6, Quality: off}, {Taken: at + 30e6, Value: 1e22, Decimals: -1},
		{Taken: at + 35e6, Value: math.NaN(), Quality: vigil.Above}, {Taken: at + 40e6, Value: -0.25, Decimals: 3},
	}
	c := columnist{out: []byte{'['}}
	n, more, err := c.series(context.Background(), fixed(pts), &v, vigil.PointQuery{}, 8)
	if n != 8 || more || err != nil {
		t.Fatal(n, more, err)
	}
	want := `[{"series":9007199254740991,"subject":"patient/p1","device":"d\"1","channel":"é","metric":"a<b>&c\u2028","unit":"mm[Hg]\\\n",` +
		`"decimals":-1,"start":"2026-03-01T08:00:00.5Z","tick":5000000,"times":[0,1,2,1,1,1,1,1],` +
		`"values":[36.0,36.5,0.3333333333333333,null,null,1e+22,null,-0.250],` +
		`"quality":[{"from":3,"count":2,"words":["sensor-off"]},{"from":6,"count":1,"words":["above"]}]}`
	if string(c.out) != want {
		t.Errorf("got  %s\nwant %s", c.out, want)
	}
	if !json.Valid(append(c.out, ']')) {
		t.Error("this is no JSON")
	}
}

// fixed is a store of one series that is what it is.
type fixed []vigil.Point

func (f fixed) Points(context.Context, vigil.PointQuery) ([]vigil.Point, error) { return f, nil }

func (f fixed) EachPoint(_ context.Context, _ vigil.PointQuery, take func([]vigil.Point) bool) error {
	take(f)
	return nil
}

func TestFormsRefuse(t *testing.T) {
	h := wandering(t)
	var page, columns readingPage
	h.do("GET", "/readings?patient=p1&limit=5", "", &page)
	h.do("GET", "/readings?patient=p1&limit=5&form=columns", "", &columns)
	for query, want := range map[string]string{
		"form=rows":                        "form",
		"form=columns&bucket=60s":          "query.bucket",
		"form=columns&history=true":        "query.history",
		"form=columns&limit=100001":        "limit",
		"limit=10001":                      "query.limit",
		"form=columns&cursor=" + page.Next: "query.cursor",
		"cursor=" + columns.Next:           "query.cursor",
		"form=columns&limit=0":             "limit",
	} {
		if got := h.refused("GET", "/readings?patient=p1&"+query, "", 422); !strings.Contains(got, want) {
			t.Errorf("%s: %s does not name %s", query, got, want)
		}
	}
	if page.Next == "" || columns.Next == "" {
		t.Error("there were no cursors to try")
	}
}

// TestOrderByNameIsKept asks for the newest of many series twice, and again when
// there is one more.
func TestOrderByNameIsKept(t *testing.T) {
	h := open(t)
	seq := uint64(0)
	say := func(names ...int) {
		for _, n := range names {
			seq++
			r := vigil.Record{Kind: vigil.Understood, Subject: vigil.PatientSubject(vigil.PatientID(fmt.Sprintf("p%04d", n))),
				Profile: "monitor", Message: vigil.Message{Device: "m-1"},
				Readings: []vigil.Reading{{Metric: &vigil.Metric{Name: "hr", Unit: "/min"}, Taken: 1e15, KeyKind: vigil.KeyTime, Key: 1e15}}}
			if err := h.db.Consume(context.Background(), vigil.Frame{Seq: seq, Records: []vigil.Record{r}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func(want int) {
		t.Helper()
		var l latestList
		h.do("GET", "/latest", "", &l)
		if len(l.Readings) != want || !slices.IsSortedFunc(l.Readings, func(a, b vigil.ReadingNow) int {
			return cmp.Compare(a.Subject.ID, b.Subject.ID)
		}) {
			t.Errorf("%d readings, want %d in the order of subjects", len(l.Readings), want)
		}
	}
	for n := range 2 * many {
		say(2*n + 1)
	}
	check(2 * many)
	check(2 * many)
	say(100, 0, 9999)
	check(2*many + 3)
}
