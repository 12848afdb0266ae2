package terms

import (
	"errors"
	"testing"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/schema"
)

const (
	gender  = "http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1"
	genders = "http://hl7.org/fhir/administrative-gender"
	actCode = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
)

func TestHas(t *testing.T) {
	terms := New(schema.R4())
	for _, c := range []struct {
		valueSet, system, code string
		want                   Answer
	}{
		{gender, genders, "male", Yes},
		{gender, "", "male", Yes},
		{gender, "", "Male", No},
		{gender, "http://example.org", "male", No},
		{"http://hl7.org/fhir/ValueSet/none", "", "x", Unknown},
		// by grammar
		{"http://hl7.org/fhir/ValueSet/ucum-units|4.0.1", "", "mm[Hg]", Yes},
		{"http://hl7.org/fhir/ValueSet/ucum-units|4.0.1", "", "mmHgg", No},
		{"http://hl7.org/fhir/ValueSet/mimetypes|4.0.1", "", "text/plain; charset=utf-8", Yes},
		{"http://hl7.org/fhir/ValueSet/mimetypes|4.0.1", "", "plain", No},
		{"http://hl7.org/fhir/ValueSet/all-languages", "", "de-CH", Yes},
		{"http://hl7.org/fhir/ValueSet/all-languages", "", "not a language", No},
		{"http://hl7.org/fhir/ValueSet/currencies|4.0.1", "", "CHF", Yes},
		{"http://hl7.org/fhir/ValueSet/currencies|4.0.1", "", "Fr.", No},
		// not loaded: unknown
		{"http://hl7.org/fhir/ValueSet/body-site", "http://snomed.info/sct", "368209003", Unknown},
		{"http://hl7.org/fhir/ValueSet/body-site", "http://loinc.org", "368209003", No},
		{"http://hl7.org/fhir/ValueSet/observation-codes", "http://loinc.org", "8867-4", Unknown},
		{"http://snomed.info/sct?fhir_vs=ecl/<<404684003", "http://snomed.info/sct", "404684003", Unknown},
		// a list of codes of a system that is not loaded is a list
		{"http://hl7.org/fhir/ValueSet/ucum-vitals-common|4.0.1", "http://unitsofmeasure.org", "/min", Yes},
		{"http://hl7.org/fhir/ValueSet/ucum-vitals-common|4.0.1", "http://unitsofmeasure.org", "kg/d", No},
		// hierarchy: everything under _ActEncounterCode
		{"http://terminology.hl7.org/ValueSet/v3-ActEncounterCode", actCode, "AMB", Yes},
		{"http://terminology.hl7.org/ValueSet/v3-ActEncounterCode", actCode, "ABUSE", No},
		// made of other value sets
		{"http://hl7.org/fhir/ValueSet/marital-status", "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "M", Yes},
		{"http://hl7.org/fhir/ValueSet/marital-status", "http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "UNK", Yes},
		{"http://hl7.org/fhir/ValueSet/all-types|4.0.1", "", "Quantity", Yes},
		{"http://hl7.org/fhir/ValueSet/all-types|4.0.1", "", "quantity", No},
		{"http://hl7.org/fhir/ValueSet/resource-types|4.0.1", "", "Observation", Yes},
	} {
		if got := terms.Has(c.valueSet, c.system, c.code); got != c.want {
			t.Errorf("%s has %s#%s: got %v, want %v", c.valueSet, c.system, c.code, got, c.want)
		}
	}
}

// TestRequiredBindings says which required bindings of the specification cannot
// be decided.
func TestRequiredBindings(t *testing.T) {
	set := schema.R4()
	terms := New(set)
	open := map[string]bool{}
	for _, name := range append(set.Resources(), "Quantity", "Money", "Identifier", "HumanName", "Attachment", "ElementDefinition") {
		for _, f := range set.Type(name).Fields {
			if f.Binding != nil && f.Binding.Strength == schema.Required && terms.Has(f.Binding.ValueSet, "", "no such code") != No {
				open[f.Binding.ValueSet] = true
			}
		}
	}
	for _, known := range []string{
		"http://hl7.org/fhir/ValueSet/characteristic-combination|5.0.0", // of a later release
		"http://loinc.org/vs/LL379-9|4.0.1",                             // LOINC
	} {
		delete(open, known)
	}
	if len(open) > 0 {
		t.Errorf("not decided: %v", open)
	}
}

// TestAllValueSets works out every value set of the specification.
func TestAllValueSets(t *testing.T) {
	set := schema.R4()
	terms := New(set)
	listed, open := 0, 0
	for _, d := range set.Definitions("ValueSet") {
		codes, err := terms.Codes(d.URL)
		if err != nil {
			t.Errorf("%s: %v", d.URL, err)
			continue
		}
		if why, ok := codes.Listed(); ok {
			listed++
			if len(codes.entries) == 0 {
				t.Logf("%s is empty", d.URL)
			}
		} else {
			open++
			if why == "" {
				t.Errorf("%s cannot be listed, and nobody says why", d.URL)
			}
		}
	}
	t.Logf("%d can be listed, %d need systems that are not here", listed, open)
	if listed < 1100 {
		t.Errorf("only %d value sets can be listed", listed)
	}
}

func TestExpand(t *testing.T) {
	terms := New(schema.R4())
	all, err := terms.Expand(Expand{URL: gender, Count: -1})
	if err != nil {
		t.Fatal(err)
	}
	if all.Total != 4 || len(all.Entries) != 4 || all.Entries[0].Code != "male" || all.Entries[0].Display != "Male" {
		t.Errorf("got %+v", all)
	}
	page, err := terms.Expand(Expand{URL: gender, Offset: 1, Count: 2})
	if err != nil {
		t.Fatal(err)
	}
	if page.Total != 4 || len(page.Entries) != 2 || page.Entries[0].Code != "female" {
		t.Errorf("got page %+v", page)
	}
	some, err := terms.Expand(Expand{URL: gender, Filter: "FEM", Count: -1})
	if err != nil {
		t.Fatal(err)
	}
	if some.Total != 1 || some.Entries[0].Code != "female" {
		t.Errorf("got filtered %+v", some)
	}
	_, err = terms.Expand(Expand{URL: "http://hl7.org/fhir/ValueSet/ucum-units", Count: 10})
	if vigil.KindOf(err) != vigil.TooLarge {
		t.Errorf("units were listed: %v", err)
	}
	_, err = terms.Expand(Expand{URL: "http://example.org/none"})
	if !errors.Is(err, ErrUnknown) || vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("a value set that does not exist: %v", err)
	}
}

func valueSetOf(t *testing.T, text string) *schema.ValueSet {
	t.Helper()
	vs, err := schema.ParseValueSet([]byte(`{"resourceType":"ValueSet",` + text + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

func TestCompose(t *testing.T) {
	terms := New(schema.R4())
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"leaves out what is excluded": {
			`"compose":{"include":[{"system":"` + genders + `"}],"exclude":[{"system":"` + genders + `","concept":[{"code":"other"}]}]}`,
			[]string{"male", "female", "unknown"},
		},
		"takes what matches a regular expression": {
			`"compose":{"include":[{"system":"` + genders + `","filter":[{"property":"code","op":"regex","value":".*male"}]}]}`,
			[]string{"male", "female"},
		},
		"takes codes of a list": {
			`"compose":{"include":[{"system":"` + genders + `","filter":[{"property":"code","op":"in","value":"male,unknown"}]}]}`,
			[]string{"male", "unknown"},
		},
		"takes what has a property": {
			`"compose":{"include":[{"system":"` + genders + `","filter":[{"property":"nothing","op":"exists","value":"true"}]}]}`,
			nil,
		},
		"takes what lies under a concept": {
			`"compose":{"include":[{"system":"` + actCode + `","filter":[{"property":"concept","op":"descendent-of","value":"_ActEncounterCode"}]}]}`,
			[]string{"AMB", "EMER", "FLD", "HH", "IMP", "ACUTE", "NONAC", "OBSENC", "PRENC", "SS", "VR"},
		},
		"takes what is in two value sets": {
			`"compose":{"include":[{"valueSet":["` + gender + `"],"system":"` + genders + `","concept":[{"code":"male"},{"code":"third"}]}]}`,
			[]string{"male"},
		},
		"takes contained value sets": {
			`"contained":[{"resourceType":"ValueSet","id":"a","compose":{"include":[{"system":"` + genders + `","concept":[{"code":"male"}]}]}}],
			 "compose":{"include":[{"valueSet":["#a"]}]}`,
			[]string{"male"},
		},
		"takes an expansion where nothing else is known": {
			`"compose":{"include":[{"system":"http://snomed.info/sct","filter":[{"property":"concept","op":"is-a","value":"1"}]}]},
			 "expansion":{"total":1,"contains":[{"system":"http://snomed.info/sct","code":"2"}]}`,
			[]string{"2"},
		},
		"takes an expansion that came without a definition": {
			`"expansion":{"contains":[{"abstract":true,"contains":[{"system":"s","code":"a"}]}]}`,
			[]string{"a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := terms.Expand(Expand{ValueSet: valueSetOf(t, c.text), Count: -1})
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]bool{}
			for _, e := range out.Entries {
				got[e.Code] = true
			}
			for _, code := range c.want {
				if !got[code] {
					t.Errorf("lacks %s", code)
				}
				delete(got, code)
			}
			if len(got) > 0 {
				t.Errorf("too many: %v", got)
			}
		})
	}
	circle := valueSetOf(t, `"contained":[{"resourceType":"ValueSet","id":"a","compose":{"include":[{"valueSet":["#a"]}]}}],"compose":{"include":[{"valueSet":["#a"]}]}`)
	if _, err := terms.In(circle); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("a value set made of itself: %v", err)
	}
}

func TestValidate(t *testing.T) {
	terms := New(schema.R4())
	grouped := valueSetOf(t, `"compose":{"include":[{"system":"`+actCode+`","filter":[{"property":"concept","op":"is-a","value":"_ActEncounterCode"}]}]}`)
	for name, c := range map[string]struct {
		q    Validate
		want Answer
	}{
		"a code":                      {Validate{URL: gender, Codings: []Coding{{genders, "", "male", ""}}}, Yes},
		"a display":                   {Validate{URL: gender, Codings: []Coding{{genders, "", "male", "mALE"}}}, Yes},
		"a wrong display":             {Validate{URL: gender, Codings: []Coding{{genders, "", "male", "Female"}}}, No},
		"a wrong code":                {Validate{URL: gender, Codings: []Coding{{genders, "", "m", ""}}}, No},
		"one of several":              {Validate{URL: gender, Codings: []Coding{{"http://x", "", "m", ""}, {genders, "", "male", ""}}}, Yes},
		"a code that groups others":   {Validate{ValueSet: grouped, Codings: []Coding{{actCode, "", "_ActEncounterCode", ""}}}, No},
		"such a code where it may be": {Validate{ValueSet: grouped, Abstract: true, Codings: []Coding{{actCode, "", "_ActEncounterCode", ""}}}, Yes},
		"a code of its system":        {Validate{System: genders, Codings: []Coding{{"", "", "male", "Male"}}}, Yes},
		"a wrong code of its system":  {Validate{System: genders, Codings: []Coding{{"", "", "m", ""}}}, No},
		"a unit":                      {Validate{System: ucumSystem, Codings: []Coding{{"", "", "mmol/L", ""}}}, Yes},
		"what is not loaded":          {Validate{URL: "http://hl7.org/fhir/ValueSet/observation-codes", Codings: []Coding{{"http://loinc.org", "", "8867-4", ""}}}, Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := terms.Validate(c.q)
			if err != nil {
				t.Fatal(err)
			}
			if v.Result != c.want {
				t.Errorf("got %v (%s), want %v", v.Result, v.Message, c.want)
			}
			if v.Result != Yes && v.Message == "" {
				t.Error("no reason is given")
			}
		})
	}
}

func TestLookupAndSubsumes(t *testing.T) {
	terms := New(schema.R4())
	k, err := terms.Lookup(Coding{System: actCode, Code: "ACUTE"}, "")
	if err != nil {
		t.Fatal(err)
	}
	if k.Display != "inpatient acute" || len(k.Parents) != 1 || k.Parents[0].Code != "IMP" {
		t.Errorf("got %+v", k)
	}
	for _, c := range []struct {
		a, b string
		want Relation
	}{{"IMP", "ACUTE", Subsumes}, {"ACUTE", "IMP", SubsumedBy}, {"ACUTE", "ACUTE", Equivalent}, {"ACUTE", "NONAC", NotSubsumed}} {
		got, err := terms.Subsumes(Coding{System: actCode, Code: c.a}, Coding{System: actCode, Code: c.b})
		if err != nil || got != c.want {
			t.Errorf("%s and %s: got %v, %v, want %v", c.a, c.b, got, err, c.want)
		}
	}
	if _, err := terms.Lookup(Coding{System: "http://loinc.org", Code: "8867-4"}, ""); !errors.Is(err, ErrUnknown) {
		t.Errorf("LOINC: %v", err)
	}
	if _, err := terms.Lookup(Coding{System: genders, Code: "x"}, ""); vigil.KindOf(err) != vigil.NotFound || errors.Is(err, ErrUnknown) {
		t.Errorf("a wrong code: %v", err)
	}
}

func TestTranslate(t *testing.T) {
	terms := New(schema.R4())
	const url = "http://hl7.org/fhir/ConceptMap/101"
	ms, err := terms.Translate(Translate{URL: url, Codings: []Coding{{System: "http://hl7.org/fhir/address-use", Code: "home"}}})
	if err != nil {
		t.Fatal(err)
	}
	if !Matched(ms) || ms[0].Code != "H" {
		t.Errorf("got %+v", ms)
	}
	ms, err = terms.Translate(Translate{URL: url, Reverse: true, Codings: []Coding{{System: ms[0].System, Code: "H"}}})
	if err != nil {
		t.Fatal(err)
	}
	if !Matched(ms) || ms[0].Code != "home" {
		t.Errorf("back: got %+v", ms)
	}
}

func BenchmarkCodesHas(b *testing.B) {
	codes, err := New(schema.R4()).Codes(gender)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		codes.Has("", "female")
	}
}

func BenchmarkHas(b *testing.B) {
	terms := New(schema.R4())
	b.ReportAllocs()
	for b.Loop() {
		if terms.Has(gender, "", "female") != Yes {
			b.Fatal("not there")
		}
	}
}
