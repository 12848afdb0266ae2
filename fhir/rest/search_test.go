package rest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// ward puts a small world on a server.
func ward(t testing.TB) *site {
	s := newSite(t)
	put := func(body string) {
		t.Helper()
		typ, rest, _ := strings.Cut(strings.TrimPrefix(body, `{"resourceType":"`), `"`)
		id, _, _ := strings.Cut(strings.TrimPrefix(rest, `,"id":"`), `"`)
		s.want(201, "PUT", typ+"/"+id, body)
	}
	put(`{"resourceType":"Organization","id":"top","name":"Top"}`)
	put(`{"resourceType":"Organization","id":"clinic","name":"Clinic","partOf":{"reference":"Organization/top"}}`)
	put(`{"resourceType":"Practitioner","id":"doc","name":[{"family":"House"}]}`)
	put(`{"resourceType":"Patient","id":"anna","name":[{"family":"Ångström","given":["Anna","Maria"]}],"birthDate":"1950-04-01","gender":"female","managingOrganization":{"reference":"Organization/clinic"},"generalPractitioner":[{"reference":"Practitioner/doc"}]}`)
	put(`{"resourceType":"Patient","id":"bo","name":[{"family":"Berg","given":["Bo"]}],"birthDate":"1980-05-06","gender":"male","managingOrganization":{"reference":"Organization/clinic"}}`)
	put(`{"resourceType":"Encounter","id":"e1","status":"finished","class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"},"subject":{"reference":"Patient/anna"}}`)
	for i := range 10 {
		patient := []string{"anna", "bo"}[i%2]
		put(fmt.Sprintf(`{"resourceType":"Observation","id":"o%d","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},`+
			`"subject":{"reference":"Patient/%s"},"encounter":{"reference":"Encounter/e1"},"effectiveDateTime":"2026-03-01T10:%02d:00Z","valueQuantity":{"value":%d,"unit":"/min","system":"http://unitsofmeasure.org","code":"/min"}}`, i, patient, i, 60+i))
	}
	put(`{"resourceType":"Observation","id":"bp","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},"subject":{"reference":"Patient/anna"},"effectiveDateTime":"2026-03-02",` +
		`"component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":120,"system":"http://unitsofmeasure.org","code":"mm[Hg]"}},` +
		`{"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},"valueQuantity":{"value":80,"system":"http://unitsofmeasure.org","code":"mm[Hg]"}}]}`)
	return s
}

func TestSearchFindsWhatItSays(t *testing.T) {
	s := ward(t)
	for query, want := range map[string]string{
		"Patient": "anna bo", "Patient?family=ang": "anna", "Patient?name=mar": "anna", "Patient?family:exact=Berg": "bo", "Patient?family:contains=str%C3%B6m": "anna",
		"Patient?birthdate=gt1970": "bo", "Patient?gender=female,male": "anna bo", "Patient?gender:not=female": "bo", "Patient?_id=bo,nobody": "bo",
		"Patient?organization.name=Clin": "anna bo", "Patient?organization.partof.name=Top": "anna bo", "Patient?general-practitioner:Practitioner.family=house": "anna",
		"Patient?_has:Observation:patient:code=85354-9": "anna", "Patient?_has:Observation:patient:code=nothing": "", "Patient?general-practitioner:missing=true": "bo",
		"Patient?_sort=-birthdate": "bo anna", "Patient?_sort=birthdate": "anna bo", "Patient?_sort=-family": "bo anna", "Patient?_sort=-gender,family": "bo anna",
		"Observation?patient=anna&code=8867-4&_sort=-date": "o8 o6 o4 o2 o0", "Observation?patient=Patient/anna&date=ge2026-03-02": "bp",
		"Observation?value-quantity=gt67": "o8 o9", "Observation?component-code-value-quantity=http://loinc.org|8480-6$gt100": "bp",
		"Observation?component-code-value-quantity=http://loinc.org|8480-6$lt100": "", "Observation?subject:Patient=bo&value-quantity=le63": "o1 o3",
		"Patient/anna/Observation?code=85354-9": "bp", "Patient/anna/Encounter": "e1", "Patient/bo/Encounter": "", "Encounter/e1/Observation?value-quantity=69": "o9",
		"Organization?_filter=name eq \"Top\"": "top", "?_type=Patient,Organization&_id=bo,top": "top bo", "Patient/anna/*?_type=Encounter,Observation&_id=e1,bp": "e1 bp",
		"Observation?_id=o1&_content=anna": "", "Patient?_lastUpdated=gt2030": "",
	} {
		query = strings.ReplaceAll(strings.ReplaceAll(query, " ", "%20"), `"`, "%22")
		t.Run(query, func(t *testing.T) {
			a := s.want(200, "GET", query, "", "Prefer", "handling=strict")
			if got := strings.Join(a.ids("match"), " "); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if got := a.text("total"); got != fmt.Sprint(len(strings.Fields(want))) {
				t.Errorf("total %s", got)
			}
			path, params, _ := strings.Cut(query, "?")
			if p := s.want(200, "POST", strings.TrimSuffix(path, "/")+"/_search", params, "Content-Type", "application/x-www-form-urlencoded"); strings.Join(p.ids("match"), " ") != want {
				t.Errorf("posted, it finds %v", p.ids("match"))
			}
			separator := "?"
			if params != "" {
				separator = "&"
			}
			if c := s.want(200, "GET", query+separator+"_summary=count", ""); c.text("total") != fmt.Sprint(len(strings.Fields(want))) || len(c.entries()) > 0 {
				t.Errorf("counted: %s", c.raw)
			}
			if again := s.want(200, "GET", a.link("self"), ""); strings.Join(again.ids("match"), " ") != want {
				t.Errorf("the self link %s finds %v", a.link("self"), again.ids("match"))
			}
			var paged []string
			for next := query + separator + "_count=1"; next != ""; {
				p := s.want(200, "GET", next, "")
				paged = append(paged, p.ids("match")...)
				next = p.link("next")
			}
			if strings.Join(paged, " ") != want {
				t.Errorf("one by one: %v", paged)
			}
		})
	}
}

func TestPagesSurviveWrites(t *testing.T) {
	for _, sort := range []string{"", "&_sort=date", "&_sort=-date", "&_sort=-value-quantity,date", "&_sort=_lastUpdated", "&_sort=_id"} {
		t.Run(sort, func(t *testing.T) {
			s := ward(t)
			whole := s.search("Observation?code=8867-4" + sort)
			if len(whole) != 10 {
				t.Fatalf("found %v", whole)
			}
			var paged []string
			var links []string
			next := "Observation?_count=3&code=8867-4" + sort
			for page := 0; next != ""; page++ {
				a := s.want(200, "GET", next, "")
				paged = append(paged, a.ids("match")...)
				links = append(links, next)
				if page > 0 {
					back := s.want(200, "GET", a.link("previous"), "").ids("match")
					before := s.want(200, "GET", links[page-1], "").ids("match")
					if page > 1 && !slices.Equal(back, before) {
						t.Errorf("previous of page %d: %v, want %v", page, back, before)
					}
				}
				if sort == "&_sort=-date" { // what is new comes before what was seen
					s.want(201, "PUT", fmt.Sprint("Observation/new", page), observation("Patient/x", fmt.Sprintf(`,"id":"new%d","effectiveDateTime":"2027-01-0%dT00:00:00Z"`, page, page+1)))
				}
				next = a.link("next")
			}
			if !slices.Equal(paged, whole) {
				t.Errorf("in pages: %v\nwant %v", paged, whole)
			}
		})
	}
}

func TestIncludes(t *testing.T) {
	s := ward(t)
	for query, want := range map[string]string{
		"Patient?_id=anna&_include=Patient:organization":                                                         "Organization/clinic",
		"Patient?_id=anna&_include=Patient:organization&_include:iterate=Organization:partof":                    "Organization/clinic Organization/top",
		"Patient?_id=anna&_include=Patient:organization&_include=Organization:partof":                            "Organization/clinic",
		"Patient?_id=anna&_include=*":                                                                            "Organization/clinic Practitioner/doc",
		"Patient?_id=anna&_include=Patient:*":                                                                    "Organization/clinic Practitioner/doc",
		"Observation?_id=o0&_include=Observation:subject:Patient":                                                "Patient/anna",
		"Observation?_id=o0&_include=Observation:subject:Device":                                                 "",
		"Observation?_id=o0&_include=Observation:patient&_include=Observation:encounter":                         "Encounter/e1 Patient/anna",
		"Patient?_id=anna&_revinclude=Encounter:patient":                                                         "Encounter/e1",
		"Patient?_id=anna&_revinclude=Encounter:patient&_revinclude:iterate=Observation:encounter&_summary=true": "Encounter/e1 Observation/o0 Observation/o1 Observation/o2 Observation/o3 Observation/o4 Observation/o5 Observation/o6 Observation/o7 Observation/o8 Observation/o9",
		"Organization?_id=top&_revinclude:iterate=Organization:partof&_revinclude:iterate=Patient:organization":  "Organization/clinic Patient/anna Patient/bo",
	} {
		a := s.want(200, "GET", query, "", "Prefer", "handling=strict")
		var got []string
		for _, e := range a.entries() {
			if dig(e, "search", "mode") == "include" {
				got = append(got, fmt.Sprint(dig(e, "resource", "resourceType"), "/", dig(e, "resource", "id")))
			}
		}
		slices.Sort(got)
		if strings.Join(got, " ") != want || len(a.ids("match")) != 1 {
			t.Errorf("%s includes %v, want %s", query, got, want)
		}
	}
}

func TestContainedResourcesAreFound(t *testing.T) {
	s := newSite(t)
	s.want(201, "PUT", "Observation/o", observation("Patient/p", `,"id":"o","contained":[{"resourceType":"Device","id":"d","manufacturer":"Acme"}],"device":{"reference":"#d"}`))
	s.want(201, "PUT", "Device/own", `{"resourceType":"Device","id":"own","manufacturer":"Acme"}`)
	for query, want := range map[string]string{
		"Device?manufacturer=acme":                                          "Device/own",
		"Device?manufacturer=acme&_contained=true":                          "Observation/o",
		"Device?manufacturer=acme&_contained=true&_containedType=contained": "Observation/o#d",
		"Device?manufacturer=acme&_contained=both&_containedType=contained": "Observation/o#d Device/own",
	} {
		a := s.want(200, "GET", query, "", "Prefer", "handling=strict")
		var got []string
		for _, e := range a.entries() {
			got = append(got, strings.TrimPrefix(fmt.Sprint(dig(e, "fullUrl")), base+"/"))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", query, got, want)
		}
	}
}

func TestWhatIsNotUnderstoodIsReportedOrRefused(t *testing.T) {
	s := ward(t)
	for _, query := range []string{"Patient?foo=1", "Patient?_sort=foo", "Patient?_include=Patient:foo", "Observation?patient.foo=x", "Patient?family="} {
		a := s.want(200, "GET", query, "")
		entries := a.entries()
		if len(entries) == 0 || dig(entries[len(entries)-1], "search", "mode") != "outcome" || strings.Contains(a.link("self"), "foo") {
			t.Errorf("%s: nobody is told: %s", query, clip(a.raw))
		}
		s.refused(s.do("GET", query, "", "Prefer", "handling=strict"), 400, "not-supported")
	}
	for _, query := range []string{"Observation?date=yesterday", "Patient?_count=-1", "Patient?_count=x", "Patient?_total=maybe", "Patient?_cursor=abc", "Patient?gender:contains=x", "Observation?value-quantity=x", "Patient?_include=foo", "?_type=Nonsense"} {
		if a := s.do("GET", query, ""); a.status != 400 || a.text("resourceType") != "OperationOutcome" {
			t.Errorf("%s: %d %s", query, a.status, clip(a.raw))
		}
	}
	// A cursor is good for its own search only.
	next := s.want(200, "GET", "Observation?_count=2&code=8867-4", "").link("next")
	s.refused(s.do("GET", strings.Replace(next, "8867-4", "85354-9", 1), ""), 400, "invalid")
}

func TestCostsAreBounded(t *testing.T) {
	s := ward(t)
	if a := s.want(200, "GET", "Observation?_count=1000000000000000000000", ""); len(a.entries()) != 11 {
		t.Errorf("%d entries", len(a.entries()))
	}
	if a := s.want(200, "GET", "Patient?_count=0", ""); a.text("total") != "2" || len(a.entries()) > 0 {
		t.Errorf("_count=0: %s", a.raw)
	}
	for _, query := range []string{
		"Patient?organization." + strings.Repeat("partof.", 50) + "name=x",
		"Patient?" + strings.Repeat("name=x&", 1000),
		"Patient?_id=" + strings.Repeat("x,", 100_000),
		"Patient?_filter=" + strings.Repeat("(", 5000) + "name%20eq%20x",
	} {
		if a := s.do("GET", query, ""); a.status != 400 && a.status != 422 && a.status != 413 {
			t.Errorf("%.60s: %d %s", query, a.status, clip(a.raw))
		}
	}
}

func TestPagesAreBoundedInBytes(t *testing.T) {
	s := newSite(t)
	large := strings.Repeat("x", 1<<20)
	var want []string
	for i := range 20 {
		id := fmt.Sprint("large", i)
		s.want(201, "PUT", "Patient/"+id, patient(large, `,"id":"`+id+`"`), "Prefer", "return=minimal")
		want = append(want, id)
	}
	for _, target := range []string{"Patient?_count=1000", "Patient/_history?_count=1000"} {
		var got []string
		pages := 0
		for next := target; next != ""; pages++ {
			a := s.want(200, "GET", next, "")
			for _, e := range a.entries() {
				got = append(got, fmt.Sprint(dig(e, "resource", "id")))
			}
			next = a.link("next")
		}
		slices.Sort(got)
		slices.Sort(want)
		if pages != 2 || !slices.Equal(got, want) {
			t.Errorf("%s: %d pages with %v", target, pages, got)
		}
	}
}

func TestCapabilities(t *testing.T) {
	s := newSite(t)
	a := s.want(200, "GET", "metadata", "")
	if a.text("fhirVersion") != "4.0.1" || len(a.at("rest", 0, "resource").([]any)) < 140 || a.text("rest", 0, "interaction", 0, "code") != "transaction" {
		t.Errorf("statement: %s", clip(a.raw))
	}
	s.want(304, "GET", "metadata", "", "If-None-Match", a.header.Get("ETag"))
	for _, i := range checker().Check(parse(t, a.raw), checkRules) {
		t.Errorf("the statement is not valid: %s %s", i.Expression, i.Message)
	}
	asked := 0
	for _, r := range a.at("rest", 0, "resource").([]any) {
		typ := fmt.Sprint(dig(r, "type"))
		if typ != "Patient" && typ != "Observation" && typ != "Device" && typ != "Encounter" {
			continue
		}
		for _, p := range dig(r, "searchParam").([]any) {
			value := map[string]string{"date": "2026", "number": "1", "quantity": "1", "reference": "Patient/x", "token": "x", "string": "x", "uri": "http://x"}[fmt.Sprint(dig(p, "type"))]
			if value == "" {
				continue
			}
			query := fmt.Sprintf("%s?%s=%s", typ, dig(p, "name"), value)
			if b := s.do("GET", query, "", "Prefer", "handling=strict"); b.status != 200 {
				t.Errorf("%s is announced, but: %d %s", query, b.status, clip(b.raw))
			}
			asked++
		}
	}
	if asked < 80 {
		t.Errorf("only %d parameters are announced", asked)
	}
}
