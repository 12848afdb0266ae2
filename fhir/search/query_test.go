package search

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// shelf is a Finder over a few resources.
type shelf []tree.Node

func (s shelf) Find(_ context.Context, q *Query, f func(vigil.Resource) error) error {
	for _, root := range s {
		if q.Match(root) {
			r := vigil.Resource{Type: root.Get("resourceType").Text(), ID: root.Get("id").Text(), Body: root.Raw()}
			if err := f(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// family is who knows whom in the tests of chains.
func family(t testing.TB) shelf {
	var s shelf
	for _, src := range []string{
		bloodPressure,
		`{"resourceType":"Patient","id":"anna","name":[{"family":"Berg"}],"managingOrganization":{"reference":"Organization/o"},"generalPractitioner":[{"reference":"Practitioner/9"}]}`,
		`{"resourceType":"Patient","id":"bert","name":[{"family":"Tal"}]}`,
		`{"resourceType":"Organization","id":"o","name":"Ward 3","partOf":{"reference":"Organization/top"}}`,
		`{"resourceType":"Organization","id":"top","name":"Clinic"}`,
		`{"resourceType":"Practitioner","id":"9","name":[{"family":"House"}]}`,
		`{"resourceType":"Group","id":"g","type":"person","actual":true,"code":{"text":"Berg"}}`,
		`{"resourceType":"Observation","id":"hr","status":"final","code":{"coding":[{"code":"8867-4"}]},"subject":{"reference":"Patient/bert"}}`,
		`{"resourceType":"Observation","id":"inside","status":"final","code":{"coding":[{"code":"8867-4"}]},"subject":{"reference":"#p"},"contained":[{"resourceType":"Patient","id":"p","name":[{"family":"Within"}]}]}`,
		`{"resourceType":"AuditEvent","id":"a","entity":[{"what":{"reference":"Observation/hr"}}],"agent":[{"requestor":true,"who":{"reference":"Practitioner/9"}}]}`,
		`{"resourceType":"List","id":"l","status":"current","mode":"working","entry":[{"item":{"reference":"Patient/bert"}},{"deleted":true,"item":{"reference":"Patient/anna"}}]}`,
	} {
		s = append(s, parse(t, src))
	}
	return s
}

func (s shelf) ids(t testing.TB, typ, raw string) []string {
	t.Helper()
	e := testEngine()
	q := ask(t, e, typ, raw)
	if is := !strings.HasPrefix(raw, "_filter") || strings.Contains(raw, ".name") || strings.Contains(raw, ".family"); q.Unresolved() != is {
		t.Errorf("%s: needs others: %v", raw, !is)
	}
	if err := q.Resolve(t.Context(), s, nil, Limits{}); err != nil || q.Unresolved() {
		t.Fatalf("%s: %v", raw, err)
	}
	var out []string
	for _, root := range s {
		if root.Get("resourceType").Text() != typ {
			continue
		}
		is := q.Match(root)
		agree(t, e, q, root, is)
		if is {
			out = append(out, root.Get("id").Text())
		}
	}
	slices.Sort(out)
	return out
}

func TestChainsLeadToOtherResources(t *testing.T) {
	s := family(t)
	for _, c := range []struct{ typ, raw, want string }{
		{"Observation", "subject:Patient.name=berg", "bp"},
		{"Observation", "patient.name=berg", "bp"},
		{"Observation", "patient.family:exact=Tal", "hr"},
		{"Observation", "patient.family=within", "inside"},
		{"Observation", "patient.organization.name=ward", "bp"},
		{"Observation", "patient.organization.partof.name=clinic", "bp"},
		{"Observation", "patient.organization.partof=Organization/top", "bp"},
		{"Observation", "subject:Patient.general-practitioner:Practitioner.family=house", "bp"},
		{"Observation", "patient.name=nobody", ""},
		{"Observation", "patient._id=bert", "hr"},
		{"Observation", "subject._id=bert", "hr"},
		{"Observation", "subject.name=tal", "hr"},
		{"Observation", "subject.birthdate:missing=true", "bp hr inside"},
		{"Observation", "patient.name=berg,tal", "bp hr"},
		{"Observation", "patient.family:missing=true", ""},
		{"Patient", "_has:Observation:patient:code=8867-4", "bert"},
		{"Patient", "_has:Observation:subject:code=85354-9", "anna"},
		{"Patient", "_has:Observation:patient:_has:AuditEvent:entity:agent=Practitioner/9", "bert"},
		{"Patient", "_has:Observation:patient:performer.family=house", "anna"},
		{"Patient", "organization:below=top", "anna"},
		{"Patient", "organization:below=Organization/o", "anna"},
		{"Patient", "organization:above=Organization/o", "anna"},
		{"Patient", "organization:above=Organization/top", ""},
		{"Organization", "partof:below=top", "o"},
		{"Organization", "partof:above=o", "o"},
		{"Patient", "organization._has:Organization:partof:name=x", ""},
		{"Organization", "_has:Patient:organization:family=berg", "o"},
		{"Patient", "_list=l", "bert"},
		{"Patient", "_list=List/l", "bert"},
		{"Patient", "_list=nothing", ""},
		{"Patient", `_filter=family eq "berg" or family sw "ta"`, "anna bert"},
		{"Patient", `_filter=family eq berg and not (family co "x")`, "anna"},
		{"Patient", `_filter=not (family eq "Berg")`, "bert"},
		{"Patient", `_filter=organization.name sw "ward"`, "anna"},
		{"Patient", `_filter=general-practitioner:Practitioner.family eq house and organization pr true`, "anna"},
		{"Patient", `_filter=(family eq tal or family eq berg) and organization pr false`, "bert"},
		{"Observation", `_filter=code eq http://loinc.org|85354-9 and date ge 2026-01-01`, "bp"},
		{"Observation", `_filter=code ne 85354-9`, "hr inside"},
		{"Observation", `_filter=date po 2026-03-05 and component-value-quantity gt 100`, "bp"},
		{"Observation", `_filter=_id eq hr or _id eq bp and status eq amended`, "hr"},
		{"Observation", `_filter=subject re Patient/bert`, "hr"},
	} {
		if got := strings.Join(s.ids(t, c.typ, strings.ReplaceAll(c.raw, " ", "%20")), " "); got != c.want {
			t.Errorf("%s?%s: %q, want %q", c.typ, c.raw, got, c.want)
		}
	}
}

func TestChainsAreBounded(t *testing.T) {
	e, s := testEngine(), family(t)
	q := ask(t, e, "Observation", "patient.name:missing=false")
	err := q.Resolve(t.Context(), s, nil, Limits{Links: 1})
	if vigil.KindOf(err) != vigil.TooLarge {
		t.Errorf("two patients on a way for one: %v", err)
	}
}

// terms knows one value set and one hierarchy.
type terms struct{}

func (terms) Codes(_ context.Context, vs string, _ int) ([]vigil.Code, error) {
	if vs != "urn:vs" {
		return nil, vigil.Errorf(vigil.Invalid, "no such value set")
	}
	return []vigil.Code{{System: vigil.LOINC, Value: "85354-9"}}, nil
}

func (terms) Related(_ context.Context, system, code string, below bool, _ int) ([]vigil.Code, error) {
	out := []vigil.Code{{System: system, Value: code}}
	if below && code == "85353-1" {
		out = append(out, vigil.Code{System: vigil.LOINC, Value: "85354-9"})
	}
	return out, nil
}

func TestValueSetsAndHierarchies(t *testing.T) {
	e, root := testEngine(), parse(t, bloodPressure)
	for raw, want := range map[string]bool{
		"code:in=urn:vs": true, "code:not-in=urn:vs": false, "code:below=http://loinc.org|85353-1": true,
		"code:above=http://loinc.org|85353-1": false, "code:above=http://loinc.org|85354-9": true, "status:in=urn:vs": false,
	} {
		q := ask(t, e, "Observation", raw)
		if err := q.Resolve(t.Context(), nil, terms{}, Limits{}); err != nil {
			t.Fatal(err)
		}
		if q.Match(root) != want {
			t.Errorf("%s: %v", raw, !want)
		}
		agree(t, e, q, root, want)
	}
	q := ask(t, e, "Observation", "code:in=urn:other")
	if q.Resolve(t.Context(), nil, terms{}, Limits{}) == nil || ask(t, e, "Observation", "code:in=x").Resolve(t.Context(), nil, nil, Limits{}) == nil {
		t.Error("a value set that is not there was taken")
	}
}

func TestWhatIsNotUnderstoodIsTold(t *testing.T) {
	e := testEngine()
	for _, c := range []struct {
		typ, raw, code string
		unknown        bool
	}{
		{"Patient", "colour=red", "not-supported", true},
		{"Patient", "gender:exact=male", "not-supported", false},
		{"Patient", "birthdate:contains=19", "not-supported", false},
		{"Patient", "birthdate=yesterday", "invalid", false},
		{"Patient", "birthdate=xx2000", "invalid", false},
		{"Patient", "birthdate=2000-13", "invalid", false},
		{"Patient", "birthdate=2001-02-29", "invalid", false},
		{"Patient", "gender:missing=maybe", "invalid", false},
		{"Patient", "identifier:of-type=a|b", "invalid", false},
		{"Patient", "general-practitioner:Device=1", "not-supported", false},
		{"Patient", "link:below=x", "not-supported", false},
		{"Patient", "name=", "not-supported", true},
		{"Patient", "=x", "not-supported", true},
		{"Patient", "name=%zz", "invalid", false},
		{"Patient", "_query=all", "not-supported", false},
		{"Patient", "_sort=colour", "not-supported", true},
		{"Patient", "_count=-1", "invalid", false},
		{"Patient", "_count=x", "invalid", false},
		{"Patient", "_summary=all", "invalid", false},
		{"Patient", "_total=maybe", "invalid", false},
		{"Patient", "_include=Patient", "invalid", false},
		{"Patient", "_include=Patient:colour", "not-supported", true},
		{"Patient", "_include=Colour:x", "invalid", false},
		{"Patient", "_include:often=Patient:organization", "not-supported", false},
		{"Patient", "name.given=x", "invalid", false},
		{"Patient", "organization.colour=x", "not-supported", true},
		{"Patient", "organization:Device.name=x", "invalid", false},
		{"Patient", "_has:Observation=x", "invalid", false},
		{"Patient", "_has:Colour:patient:code=x", "invalid", false},
		{"Patient", "_has:Observation:colour:code=x", "not-supported", true},
		{"Patient", "_has:Observation:patient:colour=x", "not-supported", true},
		{"Patient", "_filter=family", "invalid", false},
		{"Patient", "_filter=family eq", "invalid", false},
		{"Patient", "_filter=family zz x", "invalid", false},
		{"Patient", "_filter=(family eq x", "invalid", false},
		{"Patient", "_filter=family eq x)", "invalid", false},
		{"Patient", `_filter=family eq "x`, "invalid", false},
		{"Patient", "_filter=colour eq x", "not-supported", true},
		{"Patient", "_filter=name[family eq x].given eq y", "invalid", false},
		{"Patient", "_list=$current", "not-supported", false},
		{"Observation", "value-quantity=much", "invalid", false},
		{"Observation", "value-quantity=1|mg", "invalid", false},
		{"Observation", "value-quantity=1e9999", "invalid", false},
		{"Observation", "code-value-quantity=8480-6", "invalid", false},
		{"Observation", "code-value-quantity=8480-6$x", "invalid", false},
		{"Observation", "code-value-quantity=8480-6$1$2", "invalid", false},
		{"Location", "near=north", "invalid", false},
		{"Location", "near=1|2|3|parsec|x", "invalid", false},
		{"Observation", "focus.code=x", "too-costly", false},
		{"Observation", "focus.focus.focus.focus.focus=x", "too-costly", false},
		{"Observation", "patient.birthdate=yesterday", "invalid", false},
		{"Observation", "subject:Patient.name.given=x", "invalid", false},
		{"Patient", "link.link.link.link.link.link.name=x", "too-costly", false},
		{"Patient", "_filter=" + strings.Repeat("(", 100), "invalid", false},
		{"Patient", "family=" + strings.Repeat("x,", 3000), "too-costly", false},
		{"Patient", strings.Repeat("family=x&", 300), "too-costly", false},
	} {
		q, issues := e.Parse(Request{Types: []string{c.typ}, Raw: strings.ReplaceAll(c.raw, " ", "%20"), Now: now})
		if len(issues) != 1 || issues[0].Code != c.code || issues[0].Unknown != c.unknown || issues[0].Msg == "" {
			t.Errorf("%s?%.60s: %+v", c.typ, c.raw, issues)
		}
		if self := q.Self(); len(self) > 2000+200*9 || self != "" && !strings.Contains(self, "family=x") {
			t.Errorf("%s?%.60s: what was not understood is in the self link: %s", c.typ, c.raw, self)
		}
	}
}

func TestTheAnswerIsShaped(t *testing.T) {
	e := testEngine()
	q, issues := e.Parse(Request{Types: []string{"Observation"}, Raw: "patient=a%7Cb&_count=5&_sort=-date,colour,status&_include=Observation:subject:Patient&_include:iterate=Patient:organization" +
		"&_revinclude=Provenance:target&_summary=text&_elements=status,code&_total=accurate&_format=json&_contained=both&_containedType=container&_cursor=abc&code=http://loinc.org%7C8867-4&date=ge2026-01-01T00:00:00%2B01:00", Now: now})
	if len(issues) != 1 || !issues[0].Unknown {
		t.Errorf("issues: %+v", issues)
	}
	if q.Count != 5 || q.Only || q.Summary != "text" || q.Total != "accurate" || q.Cursor != "abc" || q.Contained != "both" ||
		!slices.Equal(q.Elements, []string{"status", "code"}) || !slices.Equal(q.Sort, []SortKey{{"date", true}, {"status", false}}) {
		t.Errorf("%+v", q)
	}
	want := []Include{{Source: "Observation", Param: "subject", Target: "Patient"}, {Source: "Patient", Param: "organization", Iterate: true}, {Source: "Provenance", Param: "target", Reverse: true}}
	if !slices.Equal(q.Includes, want) {
		t.Errorf("%+v", q.Includes)
	}
	self := "patient=a%7Cb&_count=5&_sort=-date,status&_include=Observation:subject:Patient&_include:iterate=Patient:organization&_revinclude=Provenance:target" +
		"&_summary=text&_elements=status,code&_total=accurate&_contained=both&_containedType=container&code=http://loinc.org%7C8867-4&date=ge2026-01-01T00:00:00%2B01:00"
	if q.Self() != self {
		t.Errorf("%s\n%s", q.Self(), self)
	}
	if q := ask(t, e, "Patient", "_count=99999999999999999999"); q.Count != 1<<30 {
		t.Error(q.Count)
	}
	if q := ask(t, e, "Patient", "_count=0"); !q.Only {
		t.Error("_count=0 asks for the number alone")
	}
}

func TestReferencesToTheServerItself(t *testing.T) {
	q, issues := testEngine().Parse(Request{Types: []string{"Observation"}, Raw: "subject=http://here:8080/fhir/Patient/anna", Base: "http://here:8080/fhir"})
	if len(issues) > 0 || !q.Match(parse(t, bloodPressure)) {
		t.Error(issues)
	}
}

func TestTheWholeSystemIsSearched(t *testing.T) {
	e, s := testEngine(), family(t)
	found := func(raw string) string {
		q, issues := e.Parse(Request{Raw: raw, Now: now})
		if len(issues) > 0 {
			t.Fatalf("%s: %+v", raw, issues)
		}
		var out []string
		for _, root := range s {
			is := q.Match(root)
			agree(t, e, q, root, is)
			if is {
				out = append(out, root.Get("id").Text())
			}
		}
		return strings.Join(out, " ")
	}
	if got := found("_type=Patient,Practitioner&family=h,b"); got != "anna 9" {
		t.Error(got)
	}
	if got := found("_id=anna,o"); got != "anna o" {
		t.Error(got)
	}
	for _, raw := range []string{"_type=Colour", "_type=Patient,Organization&family=x"} {
		if _, issues := e.Parse(Request{Raw: raw}); len(issues) != 1 {
			t.Errorf("%s: %+v", raw, issues)
		}
	}
}

func TestCompartmentsAndReferrers(t *testing.T) {
	e, s := testEngine(), family(t)
	found := func(q *Query) string {
		var out []string
		for _, root := range s {
			is := q.Match(root)
			agree(t, e, q, root, is)
			if is {
				out = append(out, root.Get("id").Text())
			}
		}
		return strings.Join(out, " ")
	}
	q := e.Query(schema.R4().Resources()...)
	if ok := q.Compartment("Patient", "bert"); !ok || found(q) != "bert hr" {
		t.Error(found(q))
	}
	q = e.Query("Observation")
	if ok := q.Compartment("Patient", "anna"); !ok || found(q) != "bp" {
		t.Error(found(q))
	}
	if e.Query("Medication").Compartment("Patient", "anna") {
		t.Error("a Medication is in the compartment of a patient")
	}
	q = e.Query("Patient")
	if q.Referring("organization", Ref{Type: "Organization", ID: "o"}); found(q) != "anna" {
		t.Error(found(q))
	}
	q = e.Query("Patient", "AuditEvent")
	if q.Referring("*", Ref{Type: "Practitioner", ID: "9"}); found(q) != "anna a" {
		t.Error(found(q))
	}
}

func TestResourcesAreSorted(t *testing.T) {
	e := testEngine()
	at := func(id, date, value string) tree.Node {
		src := fmt.Sprintf(`{"resourceType":"Observation","id":%q,"status":"final","code":{"text":"x"}`, id)
		if date != "" {
			src += fmt.Sprintf(`,"effectiveDateTime":%q`, date)
		}
		if value != "" {
			src += `,"valueQuantity":{"value":` + value + `}`
		}
		return parse(t, src+"}")
	}
	all := []tree.Node{at("c", "2026-01-02", "10"), at("a", "2026-01-01", "-5"), at("d", "", "9.5"), at("b", "2026-01-02", "")}
	for raw, want := range map[string]string{
		"_sort=date": "a b c d", "_sort=-date": "b c a d", "_sort=-date,value-quantity": "c b a d", "_sort=value-quantity": "a d c b",
		"_sort=-value-quantity": "c d a b", "_sort=_id": "a b c d", "_sort=-_id": "d c b a", "_sort=status,-_id": "d c b a",
	} {
		q := ask(t, e, "Observation", raw)
		sorted := slices.Clone(all)
		slices.SortFunc(sorted, func(a, b tree.Node) int { return strings.Compare(q.Rank(q.Extract(a)), q.Rank(q.Extract(b))) })
		got := ""
		for _, n := range sorted {
			got += " " + n.Get("id").Text()
		}
		if got[1:] != want {
			t.Errorf("%s: %s, want %s", raw, got[1:], want)
		}
	}
	for raw, by := range map[string]vigil.ResourceSort{
		"_sort=-date": vigil.BySpan, "_sort=_id": vigil.ByID, "_sort=-_lastUpdated": vigil.ByChange,
		"patient=a&code=x&_sort=-date": vigil.ByLine, "patient=a&code=x&_sort=date": vigil.BySpan, "": vigil.ByCreation,
	} {
		if p := ask(t, e, "Observation", raw).Plan(); !p.Sorted || p.Query.Order.By != by {
			t.Errorf("%s: %+v", raw, p.Query.Order)
		}
	}
	if p := ask(t, e, "Observation", "_sort=status").Plan(); p.Sorted {
		t.Error("a store cannot sort by codes")
	}
}
