package reading

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/vigil-iomt/vigil"
)

func TestValuesAreWrittenAsTheDeviceMeantThem(t *testing.T) {
	sum := 0.1
	sum += 0.2
	tests := []struct {
		value    float64
		decimals int8
		want     string
	}{
		{72, 0, "72"},
		{36.6, 1, "36.6"},
		{37, 1, "37.0"},
		{sum, 1, "0.3"},
		{sum, -1, "0.30000000000000004"},
		{math.Copysign(0, -1), 1, "0.0"},
		{-0.04, 1, "0.0"},
		{-0.06, 1, "-0.1"},
		{1e21, 0, "1000000000000000000000"},
		{5e-7, -1, "0.0000005"},
	}
	for _, tt := range tests {
		if got := string(appendDecimal(nil, tt.value, tt.decimals)); got != tt.want {
			t.Errorf("%v with %d decimals: got %s, want %s", tt.value, tt.decimals, got, tt.want)
		}
	}
}

func TestStringsAreJSON(t *testing.T) {
	for _, s := range []string{"", `a"b\c`, "a\nb\x00\x1f\x7f", "Ångström", "\xff\xfe", "\u2028"} {
		var got string
		if err := json.Unmarshal(appendString(nil, s), &got); err != nil || got != strings.ToValidUTF8(strings.ReplaceAll(s, "\xff\xfe", "\ufffd\ufffd"), "\ufffd") {
			t.Errorf("%q: got %q, %v", s, got, err)
		}
	}
}

func TestEveryStateHasAReason(t *testing.T) {
	for _, word := range vigil.StateWords() {
		s, _ := vigil.ParseState(word)
		p := taken(0, 0)
		p.Quality = p.Quality.With(s)
		b := appendValue([]byte("{"), &p, nil)
		if !bytes.Contains(b, []byte(absentSystem)) || !bytes.Contains(b, []byte(`"text":"`+word+`"`)) || bytes.Contains(b, []byte("valueQuantity")) {
			t.Errorf("%s: %s", word, b)
		}
	}
	for v, want := range map[float64]string{math.Inf(1): "positive-infinity", math.Inf(-1): "negative-infinity", 1: "valueQuantity"} {
		p := taken(0, v)
		if b := appendValue(nil, &p, nil); !bytes.Contains(b, []byte(want)) {
			t.Errorf("%v: %s", v, b)
		}
	}
	p := taken(0, nan)
	if b := appendValue(nil, &p, nil); !bytes.Contains(b, []byte("not-a-number")) {
		t.Errorf("NaN: %s", b)
	}
}

func TestIDsNameTheReading(t *testing.T) {
	m := ward()
	s := source(m)
	x := identity{series: 1<<53 - 1, key: math.MaxUint64, kind: vigil.KeyMessage, conflict: 15, attribution: 14, panel: true}
	id := string(s.appendID(nil, x))
	long := x
	long.conflict = 16
	huge := identity{series: math.MaxInt64, key: 1, attribution: 255, conflict: 255}
	for want, length := range map[identity]int{x: 26, {series: 1}: 26, long: 52, huge: 52} {
		id := string(s.appendID(nil, want))
		if got, ok := s.parseID(id); !ok || got != want || len(id) != length {
			t.Errorf("%s: got %+v %v, want %+v in %d letters", id, got, ok, want, length)
		}
	}
	for _, other := range []identity{{series: 1}, {series: 1, key: 1}, {series: 1, conflict: 1}, {series: 1, attribution: 1}, {series: 1, panel: true}, {series: 1, kind: 1}} {
		if string(s.appendID(nil, other)) == string(s.appendID(nil, identity{series: 2})) || string(s.appendID(nil, other)) == string(s.appendID(nil, identity{})) {
			t.Errorf("%+v has the id of another", other)
		}
	}
	c := s.c
	c.IDKey[0]++
	if string(New(c).appendID(nil, x)) == id {
		t.Error("another installation gives the same id")
	}
	for _, wrong := range []string{"", "x", strings.ToUpper(id), id + "a", id[:25] + "9", id[:25], "anna"} {
		if _, err := s.Read(t.Context(), Observation, wrong, 0); vigil.KindOf(err) != vigil.NotFound {
			t.Errorf("id %q: got %v, want that there is none", wrong, err)
		}
	}
	// Both parts of a panel have the id of the panel.
	if a, b := s.ObservationID(2, m.points[2][0]), s.ObservationID(3, m.points[3][0]); a != b {
		t.Errorf("parts of one panel have ids %s and %s", a, b)
	}
}

func BenchmarkAppendObservation(b *testing.B) {
	m := ward()
	s := source(m)
	g := groupSeries([]vigil.Series{m.series[0]})[0]
	p := m.points[1][0]
	r := &reading{g: g, points: []vigil.Point{p}, order: order{at: p.Taken, group: 1, key: p.Key}}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = s.appendObservation(dst[:0], r)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "docs/s")
}

func BenchmarkSearchPage(b *testing.B) {
	m := ward()
	s := source(m)
	g := groupSeries(slices.Clone(m.series[:1]))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		all := s.merged(g, plan{window: span{math.MinInt64, math.MaxInt64}, standing: true}, 0)
		var dst []byte
		for {
			r, err := all.next(context.Background())
			if r == nil || err != nil {
				break
			}
			dst = s.appendObservation(dst[:0], r)
			n++
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "docs/s")
}

func TestDatePrefixes(t *testing.T) {
	day := func(s string) span { return must(parseDate(s)) }
	tests := []struct {
		value      string
		resource   span
		want       bool
		nowAndThen string
	}{
		{"2026-03-01", day("2026-03-01T10:00:00Z"), true, "a time is in its day"},
		{"2026-03-01T10:00:00Z", day("2026-03-01"), false, "a day is not in a second of it"},
		{"ne2026-03-01", day("2026-03-01T10:00:00Z"), false, ""},
		{"ne2026-03-01", day("2026-03-02T00:00:00Z"), true, ""},
		{"lt2026-03", day("2026-02-28T23:59:59Z"), true, ""},
		{"lt2026-03", day("2026-03-01T00:00:00Z"), false, ""},
		{"lt2026-03-15", day("2026-03"), true, "part of the month is before"},
		{"le2026-03-01", day("2026-03-01T10:00:00Z"), true, ""},
		{"le2026-03-01", day("2026-03-02T00:00:00Z"), false, ""},
		{"gt2026-03-01", day("2026-03-01T23:59:59Z"), false, ""},
		{"gt2026-03-01", day("2026-03-02T00:00:00Z"), true, ""},
		{"gt2026-03-15", day("2026-03"), true, "part of the month is after"},
		{"ge2026-03-01", day("2026-03-01T00:00:00Z"), true, ""},
		{"ge2026-03-01", day("2026-02-28T23:59:59Z"), false, ""},
		{"sa2026-03-15", day("2026-03"), false, "the month does not start after"},
		{"sa2026-02", day("2026-03"), true, ""},
		{"eb2026-03-15", day("2026-03"), false, "the month does not end before"},
		{"eb2026-04", day("2026-03"), true, ""},
		{"ap2026-02-20", day("2026-02-20T23:00:00Z"), true, ""},
		{"ap2026-02-20", day("2026-02-21T12:00:00Z"), true, "a tenth of nine days is most of one"},
		{"ap2026-02-20", day("2026-02-23T12:00:00Z"), false, ""},
		{"2026-03-01T10:00:00.25Z", day("2026-03-01T10:00:00.253Z"), true, ""},
		{"2026-03-01T10:00:00.25Z", day("2026-03-01T10:00:00.263Z"), false, ""},
	}
	for _, tt := range tests {
		test, err := ParseDateTest(tt.value, vigil.InstantOf(now))
		if err != nil {
			t.Fatal(err)
		}
		if got := test.holds(tt.resource.lo, tt.resource.hi); got != tt.want {
			t.Errorf("%s of %v to %v: got %v, want %v %s", tt.value, tt.resource.lo, tt.resource.hi, got, tt.want, tt.nowAndThen)
		}
		if w := test.window(1 << 50); tt.want && (tt.resource.hi <= w.lo || tt.resource.lo >= w.hi) {
			t.Errorf("%s: the window %v to %v leaves out what holds", tt.value, w.lo, w.hi)
		}
	}
	for _, wrong := range []string{"", "x", "20", "2026-13", "2026-02-30", "2026-1-1", "eq", "zz2026", "2026-03-01T", "2026-03-01T25:00:00Z", "2026-03-01T10:00:00X", "2026-03-01T10"} {
		if _, err := ParseDateTest(wrong, 0); err == nil {
			t.Errorf("%q is taken for a date", wrong)
		}
	}
}

func FuzzDates(f *testing.F) {
	for _, s := range []string{"2026", "ge2026-03-01T10:00:00.25+01:00", "ap2026-03", "T", "2026-03-01T10:00:00.0000000000001Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := ParseDateTest(s, vigil.InstantOf(now)); err == nil && d.prefix != "ap" && d.lo >= d.hi {
			t.Errorf("%q stands for nothing: %v to %v", s, d.lo, d.hi)
		}
	})
}

func FuzzCursorAndID(f *testing.F) {
	f.Add(order{at: 1, group: 2, key: 3}.cursor(true))
	f.Add("abcdefghijklmnopqrstuvwxyz")
	src := source(ward())
	f.Fuzz(func(t *testing.T, s string) {
		if o, err := parseCursor(s, true); err == nil && *must(parseCursor(o.cursor(true), true)) != *o {
			t.Errorf("%q comes back different", s)
		}
		if x, ok := src.parseID(s); ok && string(src.appendID(nil, x)) != s {
			t.Errorf("%q names the same as another id", s)
		}
	})
}

func TestTimesAreThoseOfTheCalendar(t *testing.T) {
	for _, x := range []vigil.Instant{0, 1, -1, 951_782_400_000_000, 951_868_800_000_000, 4_107_542_400_000_000, -62_135_596_800_000_000} {
		want := x.Time().Format("2006-01-02T15:04:05.999999Z07:00")
		if got := string(appendTime(nil, x)); got != want {
			t.Errorf("%d: got %s, want %s", x, got, want)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		x := vigil.Instant(rapid.Int64Range(-62_135_596_800_000_000, 253_402_300_799_999_999).Draw(rt, "time"))
		want := x.Time().Format("2006-01-02T15:04:05.999999Z07:00")
		if got := string(appendTime(nil, x)); got != want {
			rt.Fatalf("%d: got %s, want %s", x, got, want)
		}
	})
}
