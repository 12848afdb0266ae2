package fhir_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/reading"
)

// countOf is how many Observations a search finds.
func countOf(t testing.TB, h *face, query string) int {
	t.Helper()
	res, body := ask(t, h, "Observation?_count=1000&"+query)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v", query, res.StatusCode, body)
	}
	return len(found(body))
}

func TestSearchFindsWhatItSays(t *testing.T) {
	h := handler(t, ward())
	tests := []struct {
		query string
		want  int
	}{
		{"patient=anna", 200 + 5 + 10 + 1},
		{"patient=Patient/anna", 216},
		{"patient=https://vigil.test/fhir/Patient/anna", 216},
		{"patient=https://elsewhere.test/fhir/Patient/anna", 0},
		{"subject=Patient/anna", 216},
		{"subject=anna", 216},
		{"subject:Patient=anna", 216},
		{"subject=Location/fridge-1", 1},
		{"subject=fridge-1", 1},
		{"patient=fridge-1", 0},
		{"subject=Device/mon-1", 0},
		{"patient=nobody", 0},
		{"patient=anna," + reading.WireID("bo_1"), 218},
		{"patient=anna&patient=" + reading.WireID("bo_1"), 0},
		{"device=mon-1", 200 + 10 + 2 + 1},
		{"device=Device/" + reading.WireID("cuff_2"), 5},
		{"device=mon-1&patient=anna", 210},
		{"code=8867-4", 203},
		{"code=http://loinc.org|8867-4", 203},
		{"code=urn:iso:std:iso:11073:10101|147842", 203},
		{"code=urn:iso:std:iso:11073:10101|8867-4", 0},
		{"code=http://loinc.org|", 200 + 5 + 1 + 2 + 1},
		{"code=|8867-4", 0},
		{"code=8867-4,85354-9", 208},
		{"code=8480-6", 0},
		{"component-code=8480-6", 5},
		{"component-code=85354-9", 0},
		{"combo-code=8480-6", 5},
		{"combo-code=85354-9,8867-4", 208},
		{"category=vital-signs", 208},
		{"category=" + url.QueryEscape("http://terminology.hl7.org/CodeSystem/observation-category"+"|laboratory"), 1},
		{"category=http://other|laboratory", 0},
		{"status=final", 220},
		{"status=corrected", 0},
		{"status=final,corrected", 220},
		{"_id=unknown", 0},
		{"date=2026-03-01&code=8867-4&patient=anna", 200},
		{"date=2026&code=8867-4", 203},
		{"date=2025", 0},
		{"date=ge2026-03-01T11:59:00Z&code=8867-4&patient=anna", 61},
		{"date=gt2026-03-01T11:59:00Z&code=8867-4&patient=anna", 60},
		{"date=ge2026-03-01T11:59:00Z&date=lt2026-03-01T11:59:10Z&code=8867-4&patient=anna", 10},
		{"date=2026-03-01T11:59&code=8867-4&patient=anna", 60},
		{"date=2026-03-01T11:59:30Z&code=8867-4&patient=anna", 1},
		{"date=ne2026-03-01T11:59:30Z&code=8867-4&patient=anna", 199},
		{"date=2026-03-01T12:59:30%2B01:00&code=8867-4&patient=anna", 1},
		{"date=2026-03-01T12:59:30+01:00&code=8867-4&patient=anna", 1},
		{"date=2026-03-01T11:59:30Z,2026-03-01T11:59:31Z&code=8867-4&patient=anna", 2},
		{"date=ge2026-03-01T11:59:55.5Z&code=131330", 5},
		{"date=le2026-03-01T11:59:50Z&code=131330", 1},
		{"date=eb2026-03-01T11:59:52Z&code=131330", 2},
		{"date=sa2026-03-01T11:59:58Z&code=131330", 1},
		{"_lastUpdated=ge2026-03-01T11:59:59Z&code=8867-4&patient=anna", 2},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			if got := countOf(t, h, tt.query); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
			_, body := ask(t, h, "Observation?_summary=count&"+tt.query)
			if got := fmt.Sprint(dig(body, "total")); got != fmt.Sprint(tt.want) || body["entry"] != nil {
				t.Errorf("_summary=count says %s, want %d", got, tt.want)
			}
			r := httptest.NewRequest(http.MethodPost, "/fhir/Observation/_search", strings.NewReader("_count=1000&"+tt.query))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if _, body := askAs(t, h, r); len(found(body)) != tt.want {
				t.Errorf("posted, it finds %d, want %d", len(found(body)), tt.want)
			}
		})
	}
}

// pages follows next links and returns the ids in order.
func pages(t testing.TB, h *face, query string, each func(page int)) []string {
	t.Helper()
	var ids []string
	for page := 0; query != ""; page++ {
		if page > 500 {
			t.Fatal("the pages never end")
		}
		res, body := ask(t, h, query)
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %v", query, res.StatusCode, body)
		}
		for _, o := range found(body) {
			ids = append(ids, o["id"].(string))
		}
		query = link(body, "next")
		if each != nil {
			each(page)
		}
	}
	return ids
}

func TestPagesAreTheWholeSurviveWritesAndKeepOrder(t *testing.T) {
	for _, sort := range []string{"", "&_sort=date", "&_sort=-date"} {
		for _, count := range []int{1, 7, 50} {
			m := ward()
			h := handler(t, m)
			_, whole := ask(t, h, "Observation?_count=1000"+sort)
			var want []string
			last := ""
			for _, o := range found(whole) {
				want = append(want, o["id"].(string))
				when, _ := dig(o, "effectiveDateTime").(string)
				if when == "" {
					when = dig(o, "effectivePeriod", "start").(string)
				}
				if last != "" && (sort == "&_sort=date") != (last <= when) && last != when {
					t.Fatalf("%s: %s comes before %s", sort, last, when)
				}
				last = when
			}
			got := pages(t, h, fmt.Sprintf("Observation?_count=%d%s", count, sort), func(page int) {
				// New readings come in while somebody turns pages.
				if sort != "&_sort=date" {
					m.points[1] = append(m.points[1], taken(float64(1+page), 77))
				} else {
					m.points[1] = append(m.points[1], taken(-100_000-float64(page), 77))
				}
			})
			if !slices.Equal(got, want) {
				t.Errorf("pages of %d%s: %d Observations in all, want %d in the same order", count, sort, len(got), len(want))
			}
		}
	}
}

func TestMergeGivesEveryReadingOnceInOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &memory{points: map[vigil.SeriesID][]vigil.Point{}, waves: map[vigil.SeriesID][]vigil.Wave{}}
		total := 0
		for id := range vigil.SeriesID(rapid.IntRange(1, 6).Draw(rt, "series")) {
			m.series = append(m.series, vigil.Series{ID: id + 1, Subject: vigil.PatientSubject("anna"), Device: "d", Channel: fmt.Sprint(id), Metric: hr})
			times := rapid.SliceOfDistinct(rapid.IntRange(0, 300), func(x int) int { return x }).Draw(rt, "times")
			for _, x := range times {
				m.points[id+1] = append(m.points[id+1], taken(float64(-x/3), float64(x)))
				p := &m.points[id+1][len(m.points[id+1])-1]
				p.Key, p.KeyKind = uint64(x), vigil.KeyNumber
				total++
			}
		}
		h := handler(t, m)
		query := "Observation?_count=" + fmt.Sprint(rapid.IntRange(1, 40).Draw(rt, "count"))
		if rapid.Bool().Draw(rt, "ascending") {
			query += "&_sort=date"
		}
		ids := pages(t, h, query, nil)
		slices.Sort(ids)
		if len(ids) != total || len(slices.Compact(ids)) != total {
			rt.Fatalf("%d Observations of %d", len(ids), total)
		}
	})
}

func TestNewestOfManySeriesNeedsFewQueries(t *testing.T) {
	m := &memory{points: map[vigil.SeriesID][]vigil.Point{}}
	for id := range vigil.SeriesID(2000) {
		m.series = append(m.series, vigil.Series{ID: id + 1, Subject: vigil.PatientSubject(vigil.PatientID(fmt.Sprint("p", id))), Device: "d", Metric: hr})
		m.points[id+1] = []vigil.Point{taken(-float64(id), 60), taken(-float64(id)-5000, 60)}
	}
	h := handler(t, m)
	_, body := ask(t, h, "Observation?_count=20")
	if len(found(body)) != 20 || m.queries > 60 {
		t.Errorf("%d Observations took %d queries", len(found(body)), m.queries)
	}
}

func TestOddParametersAreReportedOrRefused(t *testing.T) {
	h := handler(t, ward())
	for _, query := range []string{"foo=1&_count=1", "patient.foo=x&_count=1", "_include=Observation:foo&_count=1", "_sort=foo&_count=1"} {
		query = "Observation?" + query
		_, body := ask(t, h, query)
		entries := dig(body, "entry").([]any)
		last := entries[len(entries)-1]
		if dig(last, "search", "mode") != "outcome" || dig(last, "resource", "resourceType") != "OperationOutcome" || strings.Contains(link(body, "self"), "foo") {
			t.Errorf("%s: nobody is told: %v", query, last)
		}
		if res, _ := ask(t, h, query, "Prefer", "return=minimal, handling=strict"); res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s, strictly: got %d, want 400", query, res.StatusCode)
		}
	}
	for _, query := range []string{"code:above=1&code:contains=x", "date=yesterday", "_count=-1", "_count=x", "_total=maybe", "_cursor=abc", "date:exact=2026", "patient:Location=1", "%zz"} {
		res, body := ask(t, h, "Observation?"+query)
		if res.StatusCode != http.StatusBadRequest || dig(body, "resourceType") != "OperationOutcome" {
			t.Errorf("%s: got %d %v, want 400 with an OperationOutcome", query, res.StatusCode, body)
		}
	}
	for query, want := range map[string]int{
		"value-quantity=gt599": 1, "component-value-quantity=ge120&_count=1000": 5, "code:not=8867-4&_count=1000": 17, "date:missing=true": 0,
		"patient=anna&_sort=code&_count=1000": 216, "component-code-value-quantity=8480-6$lt121": 1, "value-quantity=60||/min&patient=anna&_count=1000": 29,
	} {
		if got := countOf(t, h, query); got != want {
			t.Errorf("%s finds %d, want %d", query, got, want)
		}
	}
}

func TestLastN(t *testing.T) {
	h := handler(t, ward())
	_, body := ask(t, h, "Observation/$lastn?patient=anna&category=vital-signs")
	if got := found(body); len(got) != 2 || fmt.Sprint(dig(body, "total")) != "2" {
		t.Errorf("got %d, want the newest heart rate and the newest pressure", len(got))
	}
	_, body = ask(t, h, "Observation/$lastn?patient=anna&code=8867-4&max=3")
	got := found(body)
	if len(got) != 3 || dig(got[0], "effectiveDateTime") != "2026-03-01T12:00:00Z" || dig(got[2], "effectiveDateTime") != "2026-03-01T11:59:58Z" {
		t.Errorf("got %v", got)
	}
	for query, want := range map[string]int{"": 400, "?patient=anna&max=0": 400, "?patient=anna&max=x": 400, "?patient=nobody": 200} {
		if res, _ := ask(t, h, "Observation/$lastn"+query); res.StatusCode != want {
			t.Errorf("$lastn%s: got %d, want %d", query, res.StatusCode, want)
		}
	}
}
