package fhir_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/reading"
	"github.com/vigil-iomt/vigil/fhir/rest"
	"github.com/vigil-iomt/vigil/store"
)

// recorded is the API over readings in memory and a real record.
func recorded(t testing.TB, m *memory) *face {
	t.Helper()
	db := newShelf(t).db
	source := reading.New(reading.Config{Readings: m, Registry: m, IDKey: [16]byte{1, 2, 3}, Now: func() time.Time { return now }})
	return &face{source: source, Server: rest.New(rest.Config{
		Record: db,
		Write: func(ctx context.Context, f func(context.Context, rest.Tx) error) error {
			return db.WriteResources(ctx, func(ctx context.Context, tx *store.ResourceTx) error { return f(ctx, tx) })
		},
		Written: func(_ context.Context, written []vigil.Resource) {
			for _, r := range written {
				source.Hide(r.ID)
			}
		},
		Sources: []rest.Source{source}, Engine: engine, BaseURL: "https://vigil.test/fhir", Version: "1",
		Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
	})}
}

// send sends a request with a body as somebody who may.
func send(t testing.TB, h http.Handler, method, target, body string, headers ...string) (*http.Response, map[string]any) {
	t.Helper()
	r := httptest.NewRequest(method, "/fhir/"+target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/fhir+json")
	return askAs(t, h, r.WithContext(vigil.WithActor(r.Context(), vigil.LocalAdmin())), headers...)
}

// TestAmendedReadings: who writes on a reading makes it a resource of the
// record, with all its versions; nobody sees both.
func TestAmendedReadings(t *testing.T) {
	m := ward()
	h := recorded(t, m)
	corrected := m.points[1][3]
	corrected.Version, corrected.Value = 2, 99
	m.points[1] = append(m.points[1], corrected)
	id := h.ObservationID(1, corrected)
	target := "Observation/" + id
	_, original := ask(t, h, target)
	all := countOf(t, h, "")

	amended := string(must(json.Marshal(original)))
	amended = strings.Replace(amended, `"status":"corrected"`, `"status":"amended","note":[{"text":"checked by hand"}]`, 1)
	if res, _ := send(t, h, "PUT", target, amended, "If-Match", `W/"1"`); res.StatusCode != http.StatusPreconditionFailed {
		t.Errorf("on an old version: %d", res.StatusCode)
	}
	res, body := send(t, h, "PUT", target, amended, "If-Match", `W/"2"`)
	if res.StatusCode != http.StatusOK || dig(body, "meta", "versionId") != "3" || dig(body, "note", 0, "text") != "checked by hand" {
		t.Fatalf("amended: %d %v", res.StatusCode, body)
	}
	if _, read := ask(t, h, target); dig(read, "status") != "amended" {
		t.Errorf("read: %v", read)
	}
	if _, read := ask(t, h, target+"/_history/2"); fmt.Sprint(read) != fmt.Sprint(original) {
		t.Errorf("what was there before reads\n%v, want\n%v", read, original)
	}
	_, history := ask(t, h, target+"/_history")
	if fmt.Sprint(dig(history, "total")) != "3" || dig(history, "entry", 2, "request", "method") != "POST" {
		t.Errorf("history: %v", history)
	}
	if n := countOf(t, h, ""); n != all {
		t.Errorf("%d Observations, want %d as before", n, all)
	}
	if n := countOf(t, h, "status=amended"); n != 1 {
		t.Errorf("%d are amended", n)
	}
	if _, body := ask(t, h, "Observation?_summary=count"); fmt.Sprint(dig(body, "total")) != fmt.Sprint(all) {
		t.Errorf("counted %v, want %d", dig(body, "total"), all)
	}
	if res, _ := send(t, h, "DELETE", target, ""); res.StatusCode != http.StatusNoContent {
		t.Errorf("deleted: %d", res.StatusCode)
	}
	if res, _ := ask(t, h, target); res.StatusCode != http.StatusGone {
		t.Errorf("after that it reads %d", res.StatusCode)
	}
	if n := countOf(t, h, ""); n != all-1 {
		t.Errorf("%d Observations, want %d", n, all-1)
	}

	// A patch, and a delete of what nobody wrote.
	other := "Observation/" + h.ObservationID(1, m.points[1][5])
	res, body = send(t, h, "PATCH", other, `[{"op":"add","path":"/note","value":[{"text":"n"}]}]`, "Content-Type", "application/json-patch+json")
	if res.StatusCode != http.StatusOK || dig(body, "meta", "versionId") != "2" {
		t.Errorf("patched: %d %v", res.StatusCode, body)
	}
	third := "Observation/" + h.ObservationID(1, m.points[1][6])
	if res, _ = send(t, h, "DELETE", third, ""); res.StatusCode != http.StatusNoContent {
		t.Errorf("deleted: %d", res.StatusCode)
	}
	if res, _ := ask(t, h, third+"/_history/1"); res.StatusCode != http.StatusOK {
		t.Errorf("its first version reads %d", res.StatusCode)
	}
}

// TestStoredAndProjectedComeInOneOrder: pages of both, in the order of time and
// in others.
func TestStoredAndProjectedComeInOneOrder(t *testing.T) {
	m := ward()
	h := recorded(t, m)
	for i := range 20 {
		body := fmt.Sprintf(`{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/anna"},"effectiveDateTime":%q,"valueQuantity":{"value":%d}}`,
			at(float64(-7*i)-0.5).String(), i)
		if res, b := send(t, h, "POST", "Observation", body); res.StatusCode != http.StatusCreated {
			t.Fatalf("%d %v", res.StatusCode, b)
		}
	}
	for _, sort := range []string{"", "&_sort=-date", "&_sort=date", "&_sort=_lastUpdated", "&_sort=-value-quantity,date", "&_sort=_id"} {
		query := "Observation?patient=anna&code=8867-4&_count=1000" + sort
		_, whole := ask(t, h, query)
		var want []string
		var times []time.Time
		for _, o := range found(whole) {
			want = append(want, o["id"].(string))
			times = append(times, must(time.Parse(time.RFC3339, fmt.Sprint(dig(o, "effectiveDateTime")))))
		}
		if len(want) != 220 {
			t.Fatalf("%s: %d Observations, want 220", sort, len(want))
		}
		if strings.HasSuffix(sort, "_sort=date") && !slices.IsSortedFunc(times, time.Time.Compare) {
			t.Errorf("%s: not in order: %v", sort, times)
		}
		for _, count := range []string{"_count=13", "_count=100"} {
			if got := pages(t, h, strings.Replace(query, "_count=1000", count, 1), nil); !slices.Equal(got, want) {
				t.Errorf("%s in pages with %s: %d, want the same %d in the same order", sort, count, len(got), len(want))
			}
		}
	}
	_, last := ask(t, h, "Observation/$lastn?patient=anna&code=8867-4&max=3")
	var got []string
	for _, o := range found(last) {
		got = append(got, fmt.Sprint(dig(o, "effectiveDateTime")))
	}
	// A time in whole seconds stands for all of its second.
	slices.Sort(got)
	if want := []string{at(-0.5).String(), at(-1).String(), at(0).String()}; !slices.Equal(got, want) {
		t.Errorf("$lastn: %v, want %v", got, want)
	}
}
