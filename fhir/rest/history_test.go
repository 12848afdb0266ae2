package rest_test

import (
	"fmt"
	"strings"
	"testing"
)

func versionsOf(a reply) (out []string) {
	for _, e := range a.entries() {
		out = append(out, strings.TrimPrefix(fmt.Sprint(dig(e, "fullUrl")), base+"/")+dig(e, "response", "etag").(string))
	}
	return out
}

func TestHistoriesPageWithoutGaps(t *testing.T) {
	s := newSite(t)
	for i := range 5 {
		for _, id := range []string{"a", "b"} {
			s.want(201-min(i, 1), "PUT", "Patient/"+id, patient(fmt.Sprint("v", i), `,"id":"`+id+`"`))
		}
		s.want(201, "PUT", "Device/d"+fmt.Sprint(i), fmt.Sprintf(`{"resourceType":"Device","id":"d%d"}`, i))
	}
	// One version more is written while the pages of each are turned.
	for i, target := range []string{"Patient/a/_history", "Patient/_history", "_history", "Encounter/_history"} {
		want := []int{5, 11, 17, 0}[i]
		whole := versionsOf(s.want(200, "GET", target, ""))
		if len(whole) != want {
			t.Errorf("%s has %d versions, want %d", target, len(whole), want)
		}
		var paged []string
		next := target + "?_count=2"
		for page := 0; next != ""; page++ {
			a := s.want(200, "GET", next, "")
			paged = append(paged, versionsOf(a)...)
			next = a.link("next")
			if page == 0 { // what is written now does not move the pages
				s.want(200, "PUT", "Patient/a", patient("late", `,"id":"a"`))
			}
		}
		if fmt.Sprint(paged) != fmt.Sprint(whole) {
			t.Errorf("%s in pages: %v\nwant %v", target, paged, whole)
		}
	}
	if a := s.want(200, "GET", "Patient/a/_history?_count=0", ""); len(a.entries()) != 0 {
		t.Errorf("_count=0: %s", a.raw)
	}
	s.refused(s.do("GET", "Patient/a/_history?_cursor=abc", ""), 400, "invalid")
	s.refused(s.do("GET", "Patient/a/_history?_since=yesterday", ""), 400, "invalid")
	s.refused(s.do("GET", "Patient/a/_history?foo=1", "", "Prefer", "handling=strict"), 400, "not-supported")
}

func TestHistorySinceAndAt(t *testing.T) {
	s := newSite(t)
	var times []string
	for i := range 4 {
		a := s.do("PUT", "Patient/a", patient(fmt.Sprint("v", i), `,"id":"a"`))
		times = append(times, a.text("meta", "lastUpdated"))
	}
	if got := versionsOf(s.want(200, "GET", "Patient/a/_history?_since="+times[2], "")); len(got) != 2 {
		t.Errorf("since the third: %v", got)
	}
	for i, at := range times {
		for _, target := range []string{"Patient/a/_history?_at=", "Patient/_history?_at=", "_history?_at="} {
			got := versionsOf(s.want(200, "GET", target+at, ""))
			if fmt.Sprint(got) != fmt.Sprintf(`[Patient/aW/"%d"]`, i+1) && len(got) > 2 {
				t.Errorf("%s%s: %v, want version %d", target, at, got, i+1)
			}
		}
	}
	if got := versionsOf(s.want(200, "GET", "Patient/a/_history?_at=2030", "")); fmt.Sprint(got) != `[Patient/aW/"4"]` {
		t.Errorf("at a time to come: %v", got)
	}
	if got := versionsOf(s.want(200, "GET", "Patient/a/_history?_at=1999", "")); len(got) != 0 {
		t.Errorf("at a time before: %v", got)
	}
}

func TestPartsAreNotWrittenBack(t *testing.T) {
	s := newSite(t)
	s.want(201, "PUT", "Patient/p", patient("One", `,"id":"p"`))
	part := s.want(200, "GET", "Patient/p?_elements=id", "")
	s.refused(s.do("PUT", "Patient/p", string(part.raw)), 422, "business-rule")
	s.refused(s.do("PUT", "Patient?_id=p", string(part.raw)), 422, "business-rule")
}

func TestSubsets(t *testing.T) {
	s := newSite(t)
	s.want(201, "PUT", "Observation/o", observation("Patient/p", `,"id":"o","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}`,
		`,"meta":{"tag":[{"code":"mine"}]},"note":[{"text":"n"}],"method":{"text":"m"},"valueQuantity":{"value":1.50,"unit":"x"},"_issued":{"extension":[{"url":"http://e/x","valueString":"i"}]}`,
		`,"referenceRange":[{"text":"r"}],"component":[{"code":{"text":"c"},"valueString":"s","referenceRange":[{"text":"r"}]}]`))
	for query, want := range map[string]string{
		"_summary=true":                "_issued code component id meta resourceType status subject valueQuantity",
		"_summary=text":                "code id meta resourceType status text",
		"_summary=data":                "_issued code component id meta method note referenceRange resourceType status subject valueQuantity",
		"_summary=false":               "_issued code component id meta method note referenceRange resourceType status subject text valueQuantity",
		"_elements=value,note":         "code id meta note resourceType status valueQuantity",
		"_elements=Observation.method": "code id meta method resourceType status",
	} {
		for _, target := range []string{"Observation/o?", "Observation?_id=o&", "Observation/o/_history?"} {
			a := s.want(200, "GET", target+query, "")
			r := a.body
			if a.text("resourceType") == "Bundle" {
				r, _ = a.at("entry", 0, "resource").(map[string]any)
			}
			var names []string
			for _, n := range strings.Fields("_issued code component id meta method note referenceRange resourceType status subject text valueQuantity") {
				if r[n] != nil {
					names = append(names, n)
				}
			}
			if got := strings.Join(names, " "); got != want {
				t.Errorf("%s%s: got %s, want %s", target, query, got, want)
			}
			tagged := dig(any(r), "meta", "tag", 1, "code") == "SUBSETTED"
			if tagged == (query == "_summary=false") || dig(any(r), "meta", "tag", 0, "code") != "mine" {
				t.Errorf("%s%s: meta is %v", target, query, r["meta"])
			}
			if query == "_summary=true" && dig(any(r), "component", 0, "referenceRange") != nil {
				t.Errorf("%s%s: the summary is deep: %v", target, query, r["component"])
			}
			if v := dig(any(r), "valueQuantity", "value"); v != nil && fmt.Sprint(v) != "1.50" {
				t.Errorf("the decimal became %v", v)
			}
		}
	}
}
