package rest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// household is two patients with what belongs to them.
func household(s *site) {
	for _, r := range []string{
		`{"resourceType":"Organization","id":"o1","name":"Hospital"}`,
		`{"resourceType":"Practitioner","id":"dr","name":[{"family":"May"}]}`,
		`{"resourceType":"Location","id":"bed","managingOrganization":{"reference":"Organization/o1"}}`,
		`{"resourceType":"Patient","id":"a","generalPractitioner":[{"reference" : "Practitioner/dr"}],"birthDate":"1950-01-01"}`,
		`{"resourceType":"Patient","id":"b"}`,
		`{"resourceType":"Encounter","id":"e1","status":"finished","class":{"code":"IMP"},"subject":{"reference":"Patient/a"},"period":{"start":"2025-01-01","end":"2025-01-05"},"location":[{"location":{"reference":"Location/bed"}}]}`,
		`{"resourceType":"Encounter","id":"e2","status":"finished","class":{"code":"IMP"},"subject":{"reference":"Patient/a"},"period":{"start":"2026-01-01","end":"2026-01-05"}}`,
		observed("x1", "a", "2025-01-02", `,"encounter":{"reference":"Encounter/e1"}`),
		observed("x2", "a", "2026-01-02", `,"encounter":{"reference":"Encounter/e2"}`),
		observed("x3", "b", "2026-01-02", ""),
		`{"resourceType":"AllergyIntolerance","id":"nuts","patient":{"reference":"Patient/a"},"clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical","code":"active"}]}}`,
	} {
		doc := parse(s.t, []byte(r)).Root()
		s.want(201, "PUT", doc.Get("resourceType").Text()+"/"+doc.Get("id").Text(), r)
	}
}

func observed(id, patient, day, more string) string {
	return fmt.Sprintf(`{"resourceType":"Observation","id":%q,"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/%s"},"effectiveDateTime":%q%s}`,
		id, patient, day, more)
}

func TestEverything(t *testing.T) {
	s := newSite(t)
	household(s)
	tests := []struct{ ask, match, include string }{
		{"Patient/a/$everything", "a e1 e2 nuts x1 x2", "bed dr o1"},
		{"Patient/b/$everything", "b x3", ""},
		{"Patient/a/$everything?start=2026-01-01", "a e2 nuts x2", "dr"},
		{"Patient/a/$everything?end=2025-12-31", "a e1 nuts x1", "bed dr o1"},
		{"Patient/a/$everything?_type=Observation,Practitioner", "x1 x2", ""},
		{"Patient/a/$everything?_type=Patient,Practitioner", "a", "dr"},
		{"Patient/a/$everything?_since=2099-01-01T00:00:00Z", "a", "dr"},
		{"Patient/$everything", "a b e1 e2 nuts x1 x2 x3", "bed dr o1"},
		{"Encounter/e1/$everything", "e1 x1", "a bed dr o1"},
	}
	for _, tt := range tests {
		t.Run(tt.ask, func(t *testing.T) {
			a := s.want(200, "GET", tt.ask, "")
			match, include := a.ids("match"), a.ids("include")
			slices.Sort(match)
			slices.Sort(include)
			if got := strings.Join(match, " "); got != tt.match {
				t.Errorf("got %s, want %s", got, tt.match)
			}
			if got := strings.Join(include, " "); got != tt.include {
				t.Errorf("included %s, want %s", got, tt.include)
			}
			if a.text("total") != fmt.Sprint(len(match)) {
				t.Errorf("total %s of %d", a.text("total"), len(match))
			}
		})
	}
}

func TestEverythingInPages(t *testing.T) {
	s := newSite(t)
	household(s)
	for count := 1; count < 8; count++ {
		seen := map[string]int{}
		next := fmt.Sprintf("Patient/a/$everything?_count=%d", count)
		for pages := 0; next != ""; pages++ {
			a := s.want(200, "GET", next, "")
			if got := len(a.ids("match")); got > count || pages > 10 {
				t.Fatalf("%d resources on page %d", got, pages)
			}
			for _, id := range a.ids("match") {
				seen[id]++
			}
			next = a.link("next")
		}
		if len(seen) != 6 || seen["a"] != 1 || seen["x2"] != 1 {
			t.Errorf("with %d to a page: %v", count, seen)
		}
	}
}

func TestEverythingRefuses(t *testing.T) {
	s := newSite(t)
	household(s)
	s.refused(s.do("GET", "Patient/nobody/$everything", ""), 404, "not-found")
	s.refused(s.do("GET", "Patient/a/$everything?start=yesterday", ""), 400, "invalid")
	s.refused(s.do("GET", "Patient/a/$everything?end=2020&start=2021", ""), 400, "invalid")
	s.refused(s.do("GET", "Patient/a/$everything?_type=Nothing", ""), 400, "invalid")
	s.refused(s.do("GET", "Patient/a/$everything?_count=-1", ""), 400, "invalid")
	s.refused(s.do("GET", "Patient/a/$everything?_cursor=AAAA", ""), 400, "invalid")
	s.refused(s.do("GET", "Patient/a/$everything?name=x", ""), 400, "not-supported")
	a := s.want(200, "POST", "Patient/a/$everything", `{"resourceType":"Parameters","parameter":[{"name":"_type","valueCode":"Observation"}]}`)
	if got := a.ids("match"); len(got) != 2 {
		t.Errorf("with Parameters: %v", got)
	}
	s.want(204, "DELETE", "Patient/b", "")
	s.refused(s.do("GET", "Patient/b/$everything", ""), 410, "deleted")
}

// TestNewestOfCodesInCommon says that codings that one Observation has both of
// are one code, in whatever order they come.
func TestNewestOfCodesInCommon(t *testing.T) {
	s := newSite(t)
	coded := func(id, day string, codes ...string) {
		list := ""
		for _, c := range codes {
			list += `,{"system":"s","code":"` + c + `"}`
		}
		s.want(201, "PUT", "Observation/"+id, strings.Replace(observed(id, "a", day, ""), `{"text":"x"}`, `{"coding":[`+list[1:]+`]}`, 1))
	}
	coded("one", "2026-01-01", "x")
	coded("two", "2026-01-02", "y")
	coded("alone", "2026-01-03", "z")
	if got := s.want(200, "GET", "Observation/$lastn?patient=a", "").ids("match"); len(got) != 3 {
		t.Errorf("three codes have %v", got)
	}
	coded("both", "2025-01-01", "x", "y")
	got := s.want(200, "GET", "Observation/$lastn?patient=a", "").ids("match")
	slices.Sort(got)
	if !slices.Equal(got, []string{"alone", "two"}) {
		t.Errorf("got %v", got)
	}
	if got := s.want(200, "GET", "Observation/$lastn?patient=a&max=2", "").ids("match"); len(got) != 3 {
		t.Errorf("two of each are %v", got)
	}
}
