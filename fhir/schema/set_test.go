package schema

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

func TestR4(t *testing.T) {
	s := R4()
	if got := len(s.Resources()); got != 146 { // and two abstract ones
		t.Errorf("%d types of resources", got)
	}
	if got := len(s.AllParams()); got != 1378 {
		t.Errorf("%d search parameters", got)
	}
	for kind, want := range map[string]int{
		"StructureDefinition": 649, "ValueSet": 1317, "CodeSystem": 1062, "ConceptMap": 19, "OperationDefinition": 46, "CompartmentDefinition": 5,
	} {
		if got := len(s.Definitions(kind)); got != want {
			t.Errorf("%d of %s, want %d", got, kind, want)
		}
	}
	for _, name := range s.Compartments() {
		if s.Compartment(name, "Observation") == nil {
			t.Errorf("Observation is not in the compartment %s", name)
		}
	}
	if got := s.Compartment("Patient", "Observation"); !slices.Equal(got, []string{"subject", "performer"}) {
		t.Errorf("Observation is in the compartment of a patient by %v", got)
	}
	if got := s.Compartment("Patient", "Location"); got != nil {
		t.Errorf("Location is in the compartment of a patient by %v", got)
	}
}

func TestFields(t *testing.T) {
	s := R4()
	for _, c := range []struct {
		of, member, path, typ string
		min, max              int
	}{
		{"Observation", "status", "Observation.status", "code", 1, 1},
		{"Observation", "valueQuantity", "Observation.value[x]", "Quantity", 0, 1},
		{"Observation", "valueDateTime", "Observation.value[x]", "dateTime", 0, 1},
		{"Observation", "component", "Observation.component", "Observation.component", 0, -1},
		{"Observation.component", "referenceRange", "Observation.component.referenceRange", "Observation.referenceRange", 0, -1},
		{"Observation.component", "extension", "Observation.component.extension", "Extension", 0, -1},
		{"Questionnaire.item", "item", "Questionnaire.item.item", "Questionnaire.item", 0, -1},
		{"Bundle.entry", "link", "Bundle.entry.link", "Bundle.link", 0, -1},
		{"Bundle.entry", "resource", "Bundle.entry.resource", "Resource", 0, 1},
		{"Patient", "contained", "Patient.contained", "Resource", 0, -1},
		{"Patient", "id", "Patient.id", "id", 0, 1},
		{"Patient.contact", "id", "Patient.contact.id", "string", 0, 1},
		{"Extension", "url", "Extension.url", "uri", 1, 1},
		{"Extension", "valueBase64Binary", "Extension.value[x]", "base64Binary", 0, 1},
		{"Timing", "repeat", "Timing.repeat", "Timing.repeat", 0, 1},
		{"Narrative", "div", "Narrative.div", "xhtml", 1, 1},
		{"string", "extension", "string.extension", "Extension", 0, -1},
	} {
		f, of := s.Type(c.of).Field(c.member)
		if f == nil || of == nil {
			t.Errorf("%s has no %s", c.of, c.member)
			continue
		}
		if f.Path != c.path || of.Name != c.typ || f.Min != c.min || f.Max != c.max {
			t.Errorf("%s.%s: got %s %s %d..%d", c.of, c.member, f.Path, of.Name, f.Min, f.Max)
		}
		if got := f.Member(of); got != c.member {
			t.Errorf("%s is written %s", c.member, got)
		}
	}
	for _, c := range [...][2]string{{"Observation", "value"}, {"Observation", "value[x]"}, {"Observation", "valueAddress"}, {"Observation", ""}, {"string", "value"}} {
		if f, _ := s.Type(c[0]).Field(c[1]); f != nil {
			t.Errorf("%s has %q: %s", c[0], c[1], f.Path)
		}
	}
}

func TestTypes(t *testing.T) {
	s := R4()
	for _, c := range [...][2]string{
		{"Patient", "DomainResource"}, {"Patient", "Resource"}, {"Bundle", "Resource"}, {"Age", "Quantity"}, {"code", "string"}, {"code", "Element"},
		{"Observation.component", "BackboneElement"}, {"Timing.repeat", "Element"}, {"Timing", "BackboneElement"},
	} {
		if !s.Type(c[0]).Is(c[1]) {
			t.Errorf("%s is no %s", c[0], c[1])
		}
	}
	if s.Type("Bundle").Is("DomainResource") {
		t.Error("Bundle is a DomainResource")
	}
	obs := s.Type("Observation")
	if f := obs.Choice("value"); f == nil || len(f.Types) != 11 || obs.Choice("component") != nil {
		t.Errorf("the choice value: %+v", f)
	}
	if f := obs.Named("value"); f == nil || f != obs.Choice("value") || obs.Named("valueQuantity") != nil || obs.Named("code") == nil {
		t.Error("names in FHIRPath")
	}
	keys := func(list []*Invariant) []string {
		var out []string
		for _, i := range list {
			out = append(out, i.Key)
		}
		return out
	}
	if got := keys(obs.Invariants); !slices.Contains(got, "obs-6") || !slices.Contains(got, "dom-3") {
		t.Errorf("Observation has invariants %v", got)
	}
	if got := keys(s.Type("Bundle.entry").Invariants); !slices.Contains(got, "bdl-5") || !slices.Contains(got, "ele-1") {
		t.Errorf("Bundle.entry has invariants %v", got)
	}
	f, _ := obs.Field("status")
	if f.Binding == nil || f.Binding.Strength != Required || !f.Summary || !f.Modifier || len(f.Invariants) > 0 {
		t.Errorf("Observation.status: %+v", f)
	}
	if f, _ := obs.Field("subject"); !slices.Equal(f.Targets, []string{"Patient", "Group", "Device", "Location"}) {
		t.Errorf("Observation.subject points to %v", f.Targets)
	}
	if f, _ := s.Type("Patient").Field("language"); f.Binding == nil || f.Binding.Max == "" {
		t.Error("language has no largest value set")
	}
	if f, _ := s.Type("Observation.referenceRange").Field("low"); len(f.Profiles) != 1 {
		t.Errorf("low is a SimpleQuantity: %+v", f)
	}
}

func TestParams(t *testing.T) {
	s := R4()
	if p := s.Param("Observation", "_id"); p == nil || p.Kind != "token" {
		t.Errorf("_id: %+v", p)
	}
	if p := s.Param("Bundle", "_text"); p != nil {
		t.Error("a Bundle has no text")
	}
	p := s.Param("Observation", "code-value-quantity")
	if p == nil || len(p.Components) != 2 || p.Components[0].Code != "code" || p.Components[1].Code != "value-quantity" {
		t.Errorf("code-value-quantity: %+v", p)
	}
	p = s.Param("Patient", "phone")
	if got := p.For("Patient"); got != "Patient.telecom.where(system='phone')" {
		t.Errorf("phone: %s", got)
	}
	p = s.Param("Observation", "date")
	if got := p.For("Observation"); got != "Observation.effective" {
		t.Errorf("date: %s", got)
	}
	none := 0
	for _, p := range s.AllParams() {
		for _, b := range p.Bases {
			if p.Expression != "" && p.For(b) == "" {
				t.Errorf("%s gives nothing for %s: %s", p.URL, b, p.Expression)
			}
		}
		if p.Expression == "" {
			none++
		}
	}
	if none != 3 { // _text, _content, _query
		t.Errorf("%d parameters without expression", none)
	}
}

func TestCanonicals(t *testing.T) {
	s := R4()
	const url = "http://hl7.org/fhir/ValueSet/administrative-gender"
	for canonical, want := range map[string]bool{url: true, url + "|4.0.1": true, url + "|4.0": true, url + "|5.0.0": false, url + "x": false} {
		if got := s.ValueSet(canonical) != nil; got != want {
			t.Errorf("%s: %v", canonical, got)
		}
	}
	if s.CodeSystem("http://terminology.hl7.org/CodeSystem/v2-0006|2.1") == nil {
		t.Error("a table of HL7 v2 with its version in the address is not found")
	}
	for _, kind := range []string{"ValueSet", "CodeSystem", "ConceptMap", "StructureDefinition"} {
		for _, d := range s.Definitions(kind) {
			c := d.URL + "|" + d.Version
			if kind == "ValueSet" && s.ValueSet(c) == nil || kind == "CodeSystem" && s.CodeSystem(c) == nil || kind == "ConceptMap" && s.ConceptMap(c) == nil {
				t.Errorf("%s cannot be read", c)
			}
			if kind == "StructureDefinition" {
				if _, err := s.ReadProfile(c); err != nil && d.Derived != "" {
					t.Errorf("%s: %v", c, err)
				}
			}
		}
	}
}

// TestExamples finds every member of every example of the specification among
// the fields of its type.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../../shared/data/fhir-r4-examples/*.json")
	if err != nil || len(files) < 10 {
		t.Skip("the examples of FHIR R4 are not here")
	}
	set := R4()
	seen := 0
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		d, err := tree.Parse(b)
		if err != nil || !d.Root().Get("resourceType").Ok() {
			continue
		}
		seen++
		known(t, set, d.Root(), set.Type(d.Root().Get("resourceType").Text()), filepath.Base(name))
	}
	t.Logf("%d examples", seen)
}

func known(t *testing.T, set *Set, n tree.Node, of *Type, place string) {
	t.Helper()
	if of == nil {
		t.Errorf("%s: no type", place)
		return
	}
	if of.Kind == Resource {
		if of = set.Type(n.Get("resourceType").Text()); of == nil {
			t.Errorf("%s: unknown resource", place)
			return
		}
	}
	for name, v := range n.Members() {
		if name == "resourceType" && of.Kind == Resource {
			continue
		}
		f, to := of.Field(strings.TrimPrefix(name, "_"))
		if f == nil {
			t.Errorf("%s: %s has no %s", place, of.Name, name)
			continue
		}
		for item := range v.Items() {
			if item.Kind() == tree.Object {
				known(t, set, item, to, place)
			}
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := load(r4pack); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkField(b *testing.B) {
	t := R4().Type("Observation")
	for b.Loop() {
		t.Field("valueQuantity")
	}
}
