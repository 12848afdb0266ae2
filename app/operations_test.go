package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil"
)

// TestOperationsOverReadings says that operations see readings that nobody wrote
// as they see what clients wrote.
func TestOperationsOverReadings(t *testing.T) {
	s, end := newRecordSpine(t, t.TempDir())
	defer end()
	routes := s.routes()
	anna := s.patient("Berg")
	s.device("mon-1", anna, vigil.Interval{})
	s.device("mon-2", anna, vigil.Interval{})
	s.day(t)
	who := "Patient/" + anna.ID
	get := func(target string, into any) {
		t.Helper()
		w := s.ask(routes, http.MethodGet, "/fhir/"+target, "", "Accept", "application/json")
		if w.Code != http.StatusOK {
			t.Fatalf("%s: %d %.800s", target, w.Code, w.Body)
		}
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			t.Fatalf("%s: %v: %.300s", target, err, w.Body)
		}
	}
	s.soon("the patient is in the record", func() bool {
		return s.ask(routes, http.MethodGet, "/fhir/"+who, "").Code == http.StatusOK
	})
	var found struct {
		Total int
		Link  []struct{ Relation, URL string }
		Entry []struct {
			Resource struct {
				ResourceType, ID string
				Code             struct {
					Coding []struct{ System, Code string }
				}
				ValueQuantity struct{ Value float64 }
			}
			Search struct{ Mode string }
		}
	}
	get("Observation?_count=1000&subject="+who, &found)
	observations := len(found.Entry)
	system, code := found.Entry[0].Resource.Code.Coding[0].System, found.Entry[0].Resource.Code.Coding[0].Code
	least, most, sum, n := 1e9, -1e9, 0.0, 0
	next := "Observation?_count=1000&subject=" + who + "&code=" + url.QueryEscape(system+"|"+code)
	for next != "" {
		found.Link, found.Entry = nil, nil
		get(next, &found)
		for _, e := range found.Entry {
			v := e.Resource.ValueQuantity.Value
			least, most, sum, n = min(least, v), max(most, v), sum+v, n+1
		}
		next = ""
		for _, l := range found.Link {
			if l.Relation == "next" {
				_, next, _ = strings.Cut(l.URL, "/fhir/")
			}
		}
	}

	var stats struct {
		Parameter []struct {
			Resource struct {
				Component []struct{ ValueQuantity struct{ Value float64 } }
			}
		}
	}
	for _, more := range []string{"", ",median"} { // from summaries, and from values
		stats.Parameter = nil
		get("Observation/$stats?subject="+who+"&code="+url.QueryEscape(system+"|"+code)+"&statistic=minimum,maximum,sum,count"+more, &stats)
		got := ""
		for _, c := range stats.Parameter[0].Resource.Component[:4] {
			got += " " + strconv.FormatFloat(c.ValueQuantity.Value, 'g', 12, 64)
		}
		if want := fmt.Sprintf(" %.12g %.12g %.12g %d", least, most, sum, n); got != want {
			t.Errorf("statistics are%s, want%s", got, want)
		}
	}

	// Who writes on a reading changes what it counts with, and not how often.
	found.Entry = nil
	get("Observation?_count=1&subject="+who+"&code="+url.QueryEscape(system+"|"+code), &found)
	old := found.Entry[0].Resource
	w := s.ask(routes, http.MethodPatch, "/fhir/Observation/"+old.ID, `[{"op":"replace","path":"/valueQuantity/value","value":7}]`, "Content-Type", "application/json-patch+json")
	if w.Code != http.StatusOK {
		t.Fatalf("amend: %d %.800s", w.Code, w.Body)
	}
	stats.Parameter = nil
	get("Observation/$stats?subject="+who+"&code="+url.QueryEscape(system+"|"+code)+"&statistic=minimum,sum,count", &stats)
	c := stats.Parameter[0].Resource.Component
	if len(stats.Parameter) != 1 || c[0].ValueQuantity.Value != 7 || c[1].ValueQuantity.Value != sum+7-old.ValueQuantity.Value || c[2].ValueQuantity.Value != float64(n) {
		t.Errorf("with an amended reading: %+v, want 7 %v %d", stats, sum+7-old.ValueQuantity.Value, n)
	}

	get(who+"/$everything?_type=Observation&_count=10000", &found)
	total := 0
	for _, e := range found.Entry {
		if e.Resource.ResourceType == "Observation" && e.Search.Mode == "match" {
			total++
		}
	}
	var counted struct{ Total int }
	get("Observation?_summary=count&subject="+who, &counted)
	if total != counted.Total || total < observations {
		t.Errorf("everything has %d Observations, there are %d", total, counted.Total)
	}

	var graph struct {
		Data struct {
			Patient struct{ Obs []struct{ ID string } }
		}
		Errors []any
	}
	get("$graphql?query="+url.QueryEscape(`{ Patient(id: "`+anna.ID+`") { obs: ObservationList(_reference: subject, _count: 7) { id valueQuantity { value } } } }`), &graph)
	if len(graph.Data.Patient.Obs) != 7 || len(graph.Errors) > 0 {
		t.Errorf("the graph has %d Observations, %v", len(graph.Data.Patient.Obs), graph.Errors)
	}

	const view = `{"resourceType":"ViewDefinition","status":"active","resource":"Observation","select":[{"column":[{"name":"id","path":"id"},{"name":"value","path":"value.ofType(Quantity).value"}]}]}`
	w = s.ask(routes, http.MethodPost, "/fhir/$viewdefinition-run?_format=csv&patient="+who, view, "Content-Type", "application/json")
	if rows := strings.Count(w.Body.String(), "\r\n") - 1; w.Code != http.StatusOK || rows != total {
		t.Errorf("a view has %d rows of %d: %d", rows, total, w.Code)
	}
}

// TestParameterOfAClient stores a SearchParameter and searches by it, at once and
// when all is indexed.
func TestParameterOfAClient(t *testing.T) {
	s, end := newRecordSpine(t, t.TempDir())
	defer end()
	routes := s.routes()
	put := func(target, body string) {
		t.Helper()
		if w := s.ask(routes, http.MethodPut, "/fhir/"+target, body, "Content-Type", "application/fhir+json"); w.Code != http.StatusCreated {
			t.Fatalf("%s: %d %.500s", target, w.Code, w.Body)
		}
	}
	found := func() bool {
		w := s.ask(routes, http.MethodGet, "/fhir/Patient?lives-in=m%7CM&_summary=count", "", "Prefer", "handling=strict")
		return w.Code == http.StatusOK && strings.Contains(w.Body.String(), `"total":1`)
	}
	put("Patient/p", `{"resourceType":"Patient","id":"p","maritalStatus":{"coding":[{"system":"m","code":"M"}]}}`)
	put("SearchParameter/s", `{"resourceType":"SearchParameter","id":"s","url":"http://x.org/s","name":"s","status":"active","description":"x","code":"lives-in","base":["Patient"],"type":"token","expression":"Patient.maritalStatus"}`)
	if !found() {
		t.Error("the patient is not found at once")
	}
	s.soon("all is indexed", func() bool {
		return strings.Contains(s.ask(routes, http.MethodGet, "/fhir/SearchParameter/s/$status", "").Body.String(), `"ready"`)
	})
	if !found() {
		t.Error("the patient is not found afterwards")
	}
}
