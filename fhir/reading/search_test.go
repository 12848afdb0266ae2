package reading

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/check"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// ask reads a query and resolves nothing.
func ask(t testing.TB, e *search.Engine, typ, raw string) *search.Query {
	t.Helper()
	q, issues := e.Parse(search.Request{Types: []string{typ}, Raw: raw, Now: vigil.InstantOf(now)})
	for _, i := range issues {
		t.Fatalf("%s: %s", raw, i.Msg)
	}
	return q
}

func engine(t testing.TB) *search.Engine {
	t.Helper()
	e, err := search.New(search.Config{Schema: schema.R4()})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// gather returns what a search finds, ids in their order and bodies by id.
func gather(t testing.TB, s *Source, typ string, q *search.Query, after *vigil.ResourceMark, most int) (hits []vigil.ResourceHit) {
	t.Helper()
	for h, err := range s.Search(t.Context(), typ, q, after) {
		if err != nil {
			t.Fatal(err)
		}
		h.Body = slices.Clone(h.Body)
		if hits = append(hits, h); len(hits) == most {
			break
		}
	}
	return hits
}

// odd is the ward with readings whose times are fractions, one corrected and one
// withdrawn.
func odd() *memory {
	m := ward()
	m.points[1] = append(m.points[1], taken(-300.25, 80), taken(-300.125, 81), taken(-300.000001, 82))
	second := m.points[2][0]
	second.Version, second.Value, second.Arrived = 2, 133, second.Arrived+5_000_000
	m.points[2] = append(m.points[2], second)
	gone := taken(-400, 1)
	gone.Quality = vigil.EnteredInError
	m.points[1] = append(m.points[1], gone)
	return m
}

// TestSearchFindsWhatMatches compares every search with a look at each resource.
func TestSearchFindsWhatMatches(t *testing.T) {
	e := engine(t)
	s := source(odd())
	all := map[string][]vigil.ResourceHit{}
	for _, typ := range s.Types() {
		all[typ] = gather(t, s, typ, ask(t, e, typ, ""), nil, -1)
	}
	id := all[Observation][3].ID
	for _, query := range []string{
		"Observation?patient=anna", "Observation?subject=Patient/anna", "Observation?subject:Patient=anna&code=8867-4", "Observation?patient=anna,nobody",
		"Observation?subject=Location/fridge-1", "Observation?subject=Device/mon-1", "Observation?patient=" + WireID("bo_1"), "Observation?patient=nobody",
		"Observation?device=mon-1", "Observation?device=Device/" + WireID("cuff_2"), "Observation?device:missing=true", "Observation?performer:missing=false",
		"Observation?code=http://loinc.org|8867-4", "Observation?code=http://loinc.org|", "Observation?code=|8867-4", "Observation?code:not=8867-4",
		"Observation?component-code=8480-6", "Observation?combo-code=8480-6,8867-4", "Observation?code=8480-6", "Observation?code:text=heart",
		"Observation?category=vital-signs", "Observation?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory", "Observation?category=x",
		"Observation?status=final", "Observation?status=corrected,final", "Observation?status:not=final",
		"Observation?date=2026-03-01", "Observation?date=ge2026-03-01T11:55:00Z&date=lt2026-03-01T11:58:00Z", "Observation?date=gt2026-03-01T11:54:59.5Z",
		"Observation?date=lt2026-03-01T11:54:59.8Z", "Observation?date=2026-03-01T11:54:59.75Z", "Observation?date=2026-03-01T11:54:59Z", "Observation?date=ap2026-03-01T11:59:00Z",
		"Observation?date=sa2026-03-01T11:59:50Z", "Observation?date=eb2026-03-01T11:59:50Z", "Observation?date=ne2026-03-01T11:59:50Z&code=8867-4",
		"Observation?_lastUpdated=ge2026-03-01T11:59:00Z", "Observation?_lastUpdated=2026-03-01T12:00:00.25Z", "Observation?_id=" + id, "Observation?_id=" + id + ",x&code=1-8",
		"Observation?value-quantity=gt65", "Observation?value-quantity=66||/min", "Observation?code-value-quantity=8867-4$gt65&patient=anna",
		"Observation?component-code-value-quantity=8480-6$gt121", "Observation?value-quantity:missing=true", "Observation?identifier=x",
		"Observation?_filter=code eq 8867-4 and date ge 2026-03-01T11:59:00Z", "Observation?_tag=corrected",
		"DeviceMetric?source=Device/mon-1", "DeviceMetric?type=8867-4", "DeviceMetric?category=measurement", "DeviceMetric?source=Device/x",
		"Provenance?target=Observation/" + id, "Provenance?agent=Device/mon-1", "Provenance?_id=p-" + id, "Provenance?recorded=ge2026-03-01T11:59:50Z",
	} {
		t.Run(query, func(t *testing.T) {
			typ, raw, _ := strings.Cut(query, "?")
			raw = strings.NewReplacer("|", "%7C", " ", "%20").Replace(raw)
			q := ask(t, e, typ, raw)
			var want, got []string
			for _, r := range all[typ] {
				doc, err := tree.Parse(r.Body)
				if err != nil {
					t.Fatal(err)
				}
				if q.Match(doc.Root()) {
					want = append(want, r.ID)
				}
			}
			hits := gather(t, s, typ, q, nil, -1)
			for _, r := range hits {
				got = append(got, r.ID)
			}
			if strings.Contains(query, "status") { // entered in error comes only then
				hits = slices.DeleteFunc(hits, func(h vigil.ResourceHit) bool { return strings.Contains(string(h.Body), "entered-in-error") })
				got = got[:0]
				for _, r := range hits {
					got = append(got, r.ID)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("found %d, want %d: %v and %v", len(got), len(want), got[:min(3, len(got))], want[:min(3, len(want))])
			}
			if n, err := s.Total(t.Context(), typ, q); err != nil || n != len(want) && !strings.Contains(query, "status") {
				t.Errorf("counted %d, want %d, %v", n, len(want), err)
			}
		})
	}
}

// TestPagesOfSearches goes through pages in each order.
func TestPagesOfSearches(t *testing.T) {
	e := engine(t)
	s := source(odd())
	for _, query := range []string{"Observation?", "Observation?_sort=date", "Observation?_sort=-date", "Observation?_sort=-_lastUpdated", "Observation?_sort=code,_id", "Observation?_sort=-value-quantity", "DeviceMetric?", "DeviceMetric?_sort=-_id", "Provenance?"} {
		t.Run(query, func(t *testing.T) {
			typ, raw, _ := strings.Cut(query, "?")
			q := ask(t, e, typ, raw)
			whole := gather(t, s, typ, q, nil, -1)
			var got []string
			var after *vigil.ResourceMark
			for {
				page := gather(t, s, typ, q, after, 17)
				for _, h := range page {
					got = append(got, h.ID)
				}
				if len(page) < 17 {
					break
				}
				after = &page[len(page)-1].Mark
			}
			for i := range whole {
				if i >= len(got) || got[i] != whole[i].ID {
					t.Fatalf("pages have %d, want %d in the same order", len(got), len(whole))
				}
			}
			if len(got) != len(whole) || len(whole) < 5 {
				t.Errorf("pages have %d, want %d", len(got), len(whole))
			}
		})
	}
}

func TestWhatIsAmendedIsHidden(t *testing.T) {
	e := engine(t)
	s := source(ward())
	q := ask(t, e, Observation, "code=8867-4")
	before := gather(t, s, Observation, q, nil, -1)
	if s.Hide(before[5].ID); !s.Named(before[5].ID) {
		t.Error("its id is not known as one of ours")
	}
	after := gather(t, s, Observation, q, nil, -1)
	if len(after) != len(before)-1 || slices.ContainsFunc(after, func(h vigil.ResourceHit) bool { return h.ID == before[5].ID }) {
		t.Errorf("%d of %d are left", len(after), len(before))
	}
	if n, err := s.Total(t.Context(), Observation, q); err != nil || n != len(after) {
		t.Errorf("counted %d, %v", n, err)
	}
	if r, err := s.Read(t.Context(), Observation, before[5].ID, 1); err != nil || r.Version != 1 {
		t.Errorf("the original is read as %+v, %v", r, err)
	}
	for _, id := range []string{"anna", "0198c0de-0000-7000-8000-000000000000", ""} {
		if s.Named(id) {
			t.Errorf("%q is taken for one of ours", id)
		}
	}
}

// TestReadGivesWhatSearchGave reads everything by id, and validates it.
func TestReadGivesWhatSearchGave(t *testing.T) {
	e := engine(t)
	s := source(odd())
	c := check.New(schema.R4(), nil)
	for _, typ := range s.Types() {
		hits := gather(t, s, typ, ask(t, e, typ, ""), nil, -1)
		if len(hits) < 5 {
			t.Fatalf("only %d of %s", len(hits), typ)
		}
		for _, h := range hits {
			r, err := s.Read(t.Context(), typ, h.ID, 0)
			if err != nil || string(r.Body) != string(h.Body) || r.Version != h.Version || r.Changed != h.Changed || r.Owner != h.Owner {
				t.Fatalf("read %+v, %v\nsearch %+v\n%s\n%s", r, err, h.Resource, r.Body, h.Body)
			}
			if v, err := s.Read(t.Context(), typ, h.ID, h.Version); err != nil || string(v.Body) != string(h.Body) {
				t.Fatalf("version %d reads %s, %v", h.Version, v.Body, err)
			}
			if all, err := s.History(t.Context(), typ, h.ID); err != nil || len(all) != int(h.Version) || string(all[0].Body) != string(h.Body) {
				t.Fatalf("%d versions, want %d, %v", len(all), h.Version, err)
			}
			doc, err := tree.Parse(r.Body)
			if err != nil {
				t.Fatalf("%v\n%s", err, r.Body)
			}
			for _, i := range c.Check(doc, check.Options{Level: check.Rules}) {
				if i.Severity > check.Warning {
					t.Fatalf("%s: %v\n%s", h.ID, fmt.Sprint(i), r.Body)
				}
			}
		}
	}
}
