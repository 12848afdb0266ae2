package fhir_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/reading"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares JSON with a file that people have looked at.
func golden(t *testing.T, name string, body []byte) {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, body, "", "  "); err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("%s differs from the golden file:\n%s", name, b.String())
	}
}

// raw returns the body of a GET as it was sent.
func raw(t *testing.T, h http.Handler, target string) []byte {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/fhir/"+target, nil))
	if w.Code != http.StatusOK {
		t.Fatalf("GET %s: %d %s", target, w.Code, w.Body)
	}
	return w.Body.Bytes()
}

func TestProjections(t *testing.T) {
	m := ward()
	h := handler(t, m)
	leads := taken(-400, 0)
	leads.Quality = vigil.Quality(0).With(vigil.LeadsOff)
	odd := taken(-401, 412.5)
	odd.Decimals, odd.Quality, odd.Version = 1, vigil.Implausible|vigil.ClockCorrected, 3
	m.points[1] = append(m.points[1], leads, odd)
	tests := []struct {
		name   string
		series vigil.SeriesID
		p      vigil.Point
	}{
		{"heart-rate", 1, m.points[1][0]},
		{"blood-pressure", 2, m.points[2][1]},
		{"leads-off", 1, leads},
		{"implausible", 1, odd},
		{"glucose-high", 5, m.points[5][0]},
		{"unattributed", 7, m.points[7][0]},
		{"fridge", 8, m.points[8][0]},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			target := "Observation/" + h.ObservationID(tt.series, tt.p)
			ask(t, h, target)
			golden(t, tt.name, raw(t, h, target))
		})
	}
	t.Run("wave", func(t *testing.T) {
		_, body := ask(t, h, "Observation?code=131330&_count=1")
		target := "Observation/" + dig(found(body)[0], "id").(string)
		ask(t, h, target)
		golden(t, "wave", raw(t, h, target))
	})
}

func TestConditionalReadAndHead(t *testing.T) {
	h := handler(t, ward())
	target := "Observation/" + h.ObservationID(1, ward().points[1][0])
	res, _ := ask(t, h, target)
	etag := res.Header.Get("ETag")
	for match, want := range map[string]int{etag: 304, `"x", ` + etag: 304, "*": 304, `W/"nothing"`: 200} {
		if res, _ := ask(t, h, target, "If-None-Match", match); res.StatusCode != want {
			t.Errorf("%s with If-None-Match %s: got %d, want %d", target, match, res.StatusCode, want)
		}
	}
	server := httptest.NewServer(h)
	defer server.Close()
	head, err := http.Head(server.URL + "/fhir/" + target)
	if err != nil || head.StatusCode != http.StatusOK || head.ContentLength <= 0 {
		t.Fatalf("HEAD %s: %v %v", target, head, err)
	}
	head.Body.Close()
}

// TestAPartThatComesLaterKeepsTheIDOfItsPanel: the mean comes with the second
// measurement only, and its series sorts before the others.
func TestAPartThatComesLaterKeepsTheIDOfItsPanel(t *testing.T) {
	m := ward()
	before := handler(t, m).ObservationID(3, m.points[3][0])
	m.series = append(m.series, vigil.Series{ID: 0x0, Subject: vigil.PatientSubject("anna"), Device: "cuff_2",
		Metric: part("nibp-mean", "8478-0", "Mean blood pressure")})
	h := handler(t, m)
	if after := h.ObservationID(3, m.points[3][0]); after != before {
		t.Errorf("the id was %s and is %s", before, after)
	}
	// A handler that has seen nothing yet finds the panel.
	if res, _ := ask(t, handler(t, m), "Observation/"+before); res.StatusCode != http.StatusOK {
		t.Errorf("the panel is not found: %d", res.StatusCode)
	}
}

func TestASeriesThatJoinsAPanelKeepsItsOldIDs(t *testing.T) {
	m := ward()
	alone := *sys
	alone.Panel = nil
	m.series[1].Metric = &alone
	id := handler(t, m).ObservationID(2, m.points[2][0])
	m.series[1].Metric = sys
	res, body := ask(t, handler(t, m), "Observation/"+id)
	if res.StatusCode != http.StatusOK || dig(body, "id") != id || dig(body, "code", "coding", 0, "code") != "8480-6" {
		t.Errorf("%d %v", res.StatusCode, body)
	}
}

func TestCorrectionsAreVersions(t *testing.T) {
	m := ward()
	h := handler(t, m)
	first := m.points[2][0]
	id := h.ObservationID(2, first)
	second := first
	second.Version, second.Value, second.Arrived = 2, 133, first.Arrived+5_000_000
	m.points[2] = append(m.points[2], second)

	res, body := ask(t, h, "Observation/"+id)
	if dig(body, "status") != "corrected" || dig(body, "meta", "versionId") != "2" || res.Header.Get("ETag") != `W/"2"` {
		t.Errorf("after a correction: status %v, version %v, %s", dig(body, "status"), dig(body, "meta", "versionId"), res.Header.Get("ETag"))
	}
	_, body = ask(t, h, "Observation/"+id+"/_history/1")
	if dig(body, "status") != "final" || dig(body, "component", 0, "valueQuantity", "value") != json.Number("120") {
		t.Errorf("version 1 reads %v %v", dig(body, "status"), dig(body, "component", 0))
	}
	_, body = ask(t, h, "Observation/"+id+"/_history")
	if dig(body, "type") != "history" || dig(body, "total") != json.Number("2") ||
		dig(body, "entry", 0, "resource", "component", 0, "valueQuantity", "value") != json.Number("133") ||
		dig(body, "entry", 1, "request", "method") != "POST" {
		t.Errorf("history: %v", body)
	}
	_, body = ask(t, h, "Observation?patient=anna&code=85354-9&_count=1")
	if got := dig(found(body)[0], "meta", "versionId"); got != "2" {
		t.Errorf("a search finds version %v, want 2", got)
	}
	if res, _ := ask(t, h, "Observation/"+id+"/_history/7"); res.StatusCode != http.StatusNotFound {
		t.Errorf("a version that never was: got %d, want 404", res.StatusCode)
	}
}

func TestReattributionLeavesTheOldIDInError(t *testing.T) {
	m := ward()
	h := handler(t, m)
	old := m.points[6][0]
	oldID := h.ObservationID(6, old)
	withdrawn := old
	withdrawn.Version, withdrawn.Quality = 2, vigil.EnteredInError
	m.points[6] = append(m.points[6], withdrawn)
	moved := old
	moved.Attribution = 1
	m.points[1] = append(m.points[1], moved)

	_, body := ask(t, h, "Observation/"+oldID)
	if dig(body, "status") != "entered-in-error" || dig(body, "subject", "reference") != "Patient/"+reading.WireID("bo_1") {
		t.Errorf("the old id reads %v about %v", dig(body, "status"), dig(body, "subject"))
	}
	newID := h.ObservationID(1, moved)
	_, body = ask(t, h, "Observation/"+newID)
	if newID == oldID || dig(body, "status") != "final" || dig(body, "subject", "reference") != "Patient/anna" {
		t.Errorf("the new id %s reads %v about %v", newID, dig(body, "status"), dig(body, "subject"))
	}
	_, body = ask(t, h, "Observation?device=mon-1&subject=Patient/"+reading.WireID("bo_1"))
	if n := len(found(body)); n != 1 {
		t.Errorf("a search finds %d readings of the old patient, want the 1 that stands", n)
	}
	_, body = ask(t, h, "Observation?status=entered-in-error")
	if got := found(body); len(got) != 1 || dig(got[0], "id") != oldID {
		t.Errorf("a search for what was entered in error finds %v", got)
	}
	_, body = ask(t, h, "Observation?patient="+reading.WireID("bo_1")+"&status=entered-in-error,final")
	if n := len(found(body)); n != 2 {
		t.Errorf("a search for both finds %d, want 2", n)
	}
}

func TestPanelsWithoutIdentityAreFoundByTheirPlaceInTheJournal(t *testing.T) {
	m := ward()
	h := handler(t, m)
	s, d := taken(-5, 140), taken(-5, 90)
	s.KeyKind, s.Key, s.Stated = vigil.KeyPosition, 77<<20|4, 0
	d.KeyKind, d.Key, d.Stated = vigil.KeyPosition, 77<<20|5, 0
	m.points[2], m.points[3] = append(m.points[2], s), append(m.points[3], d)
	_, body := ask(t, h, "Observation?patient=anna&code=85354-9&date=ge2026-03-01T11:59:50Z&date=lt2026-03-01T12:00:00Z")
	got := found(body)
	if len(got) != 1 || len(dig(got[0], "component").([]any)) != 2 {
		t.Fatalf("got %v, want one panel with two components", got)
	}
	_, read := ask(t, h, "Observation/"+dig(got[0], "id").(string))
	if a, _ := json.Marshal(read); !bytes.Equal(a, must(json.Marshal(got[0]))) {
		t.Errorf("read and search differ:\n%s", a)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestReadGivesWhatSearchGave follows every id of a search.
func TestReadGivesWhatSearchGave(t *testing.T) {
	h := handler(t, ward())
	_, body := ask(t, h, "Observation?_count=1000")
	if len(found(body)) < 200 {
		t.Fatalf("only %d Observations", len(found(body)))
	}
	for _, o := range found(body) {
		res, read := ask(t, h, "Observation/"+o["id"].(string))
		if res.StatusCode != http.StatusOK || !bytes.Equal(must(json.Marshal(read)), must(json.Marshal(o))) {
			t.Fatalf("read and search differ (%d):\n%s\n%s", res.StatusCode, must(json.Marshal(read)), must(json.Marshal(o)))
		}
	}
}
