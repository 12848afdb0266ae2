package terms

import (
	"net/url"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

func TestOperate(t *testing.T) {
	terms := New(schema.R4())
	parameters := func(parts ...string) string {
		return `{"resourceType":"Parameters","parameter":[` + strings.Join(parts, ",") + `]}`
	}
	for name, c := range map[string]struct {
		kind, operation, query, body string
		want                         []string // parts of the answer
		wrong                        vigil.Kind
	}{
		"lists codes": {"ValueSet", "expand", "url=" + gender + "&count=1&offset=1", "", []string{`"total":4`, `"code":"female"`, `"count"`}, 0},
		"lists a value set that is sent": {
			"ValueSet", "expand", "",
			parameters(`{"name":"valueSet","resource":{"resourceType":"ValueSet","compose":{"include":[{"system":"` + genders + `"}]}}}`),
			[]string{`"total":4`}, 0,
		},
		"wants to know which": {"ValueSet", "expand", "", "", nil, vigil.Invalid},
		"wants a number":      {"ValueSet", "expand", "url=" + gender + "&count=-1", "", nil, vigil.Invalid},
		"does not know all":   {"ValueSet", "expand", "url=http://example.org/x", "", nil, vigil.NotFound},
		"checks a code": {
			"ValueSet", "validate-code", "url=" + gender + "&system=" + genders + "&code=male", "",
			[]string{`{"name":"result","valueBoolean":true}`, `"Male"`}, 0,
		},
		"checks a concept": {
			"ValueSet", "validate-code", "",
			parameters(`{"name":"url","valueUri":"`+gender+`"}`, `{"name":"codeableConcept","valueCodeableConcept":{"coding":[{"system":"x","code":"y"}]}}`),
			[]string{`{"name":"result","valueBoolean":false}`, `"message"`}, 0,
		},
		"checks a code of a system": {
			"CodeSystem", "validate-code", "url=" + genders + "&code=male&display=Man", "",
			[]string{`{"name":"result","valueBoolean":false}`, `\"Male\"`}, 0,
		},
		"wants a code":     {"CodeSystem", "validate-code", "url=" + genders, "", nil, vigil.Invalid},
		"looks up a code":  {"CodeSystem", "lookup", "system=" + actCode + "&code=IMP", "", []string{`"inpatient encounter"`, `"valueCode":"ACUTE"`}, 0},
		"looks up a unit":  {"CodeSystem", "lookup", "system=" + ucumSystem + "&code=mmol/L", "", []string{`"mmol/L"`}, 0},
		"looks up no unit": {"CodeSystem", "lookup", "system=" + ucumSystem + "&code=mmool", "", nil, vigil.NotFound},
		"compares":         {"CodeSystem", "subsumes", "system=" + actCode + "&codeA=IMP&codeB=ACUTE", "", []string{`"valueCode":"subsumes"`}, 0},
		"compares two":     {"CodeSystem", "subsumes", "system=" + actCode + "&codeA=IMP", "", nil, vigil.Invalid},
		"translates": {
			"ConceptMap", "translate", "url=http://hl7.org/fhir/ConceptMap/101&system=http://hl7.org/fhir/address-use&code=home", "",
			[]string{`{"name":"result","valueBoolean":true}`, `"code":"H"`}, 0,
		},
		"translates nothing":    {"ConceptMap", "translate", "system=x&code=y", "", []string{`{"name":"result","valueBoolean":false}`}, 0},
		"takes only Parameters": {"ValueSet", "expand", "", `{"resourceType":"Patient"}`, nil, vigil.Invalid},
		"has no other":          {"ValueSet", "explode", "", "", nil, vigil.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			q, err := url.ParseQuery(c.query)
			if err != nil {
				t.Fatal(err)
			}
			a := Ask{Type: c.kind, Operation: c.operation, Query: q}
			if c.body != "" {
				a.Body = parsed(t, []byte(c.body))
			}
			out, err := terms.Operate(a)
			if c.wrong != 0 {
				if vigil.KindOf(err) != c.wrong {
					t.Errorf("got %s, %v, want %v", out, err, c.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			parsed(t, out)
			for _, want := range c.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("lacks %s: %s", want, out)
				}
			}
		})
	}
}

func parsed(t *testing.T, b []byte) tree.Node {
	t.Helper()
	d, err := tree.Parse(b)
	if err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return d.Root()
}

// stored is a source whose definitions change.
type stored struct {
	generation uint64
	systems    map[string]*schema.CodeSystem
	sets       map[string]*schema.ValueSet
	maps       []*schema.ConceptMap
}

func (s *stored) CodeSystem(c string) *schema.CodeSystem { return s.systems[c] }
func (s *stored) ValueSet(c string) *schema.ValueSet     { return s.sets[c] }
func (s *stored) ConceptMaps() []*schema.ConceptMap      { return s.maps }
func (s *stored) Generation() uint64                     { return s.generation }

func TestSource(t *testing.T) {
	s := &stored{systems: map[string]*schema.CodeSystem{}, sets: map[string]*schema.ValueSet{}}
	terms := New(schema.R4(), s)
	s.sets["http://example.org/vs"] = valueSetOf(t, `"url":"http://example.org/vs","compose":{"include":[{"system":"http://example.org/cs"}]}`)
	if got := terms.Has("http://example.org/vs", "http://example.org/cs", "A"); got != Unknown {
		t.Errorf("without its system: got %v", got)
	}
	cs, err := schema.ParseCodeSystem([]byte(`{"resourceType":"CodeSystem","url":"http://example.org/cs","content":"complete","caseSensitive":false,
		"concept":[{"code":"a","display":"Alpha"},{"code":"b"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	s.systems["http://example.org/cs"] = cs
	s.generation++
	for code, want := range map[string]Answer{"a": Yes, "A": Yes, "b": Yes, "c": No} {
		if got := terms.Has("http://example.org/vs", "http://example.org/cs", code); got != want {
			t.Errorf("%s: got %v, want %v", code, got, want)
		}
		if got := terms.Has("http://example.org/vs", "", code); got != want {
			t.Errorf("%s without a system: got %v, want %v", code, got, want)
		}
	}
}

// TestBound has contained value sets that name each other ten times each.
func TestBound(t *testing.T) {
	var b strings.Builder
	for i := range 12 {
		if i > 0 {
			b.WriteByte(',')
		}
		next := "#" + string(rune('a'+i+1))
		b.WriteString(`{"resourceType":"ValueSet","id":"` + string(rune('a'+i)) + `","compose":{"include":[`)
		for j := range 10 {
			if j > 0 {
				b.WriteByte(',')
			}
			b.WriteString(`{"valueSet":["` + next + `"]}`)
		}
		b.WriteString(`]}}`)
	}
	vs := valueSetOf(t, `"contained":[`+b.String()+`,{"resourceType":"ValueSet","id":"m","compose":{"include":[{"system":"`+genders+`"}]}}],"compose":{"include":[{"valueSet":["#a"]}]}`)
	terms := New(schema.R4())
	codes, err := terms.In(vs)
	if err != nil || codes.Has(genders, "male") != Yes {
		t.Errorf("got %v, %v", codes, err)
	}
	const many = 2_000
	include := `{"system":"` + actCode + `"}`
	vs = valueSetOf(t, `"compose":{"include":[`+strings.Repeat(include+",", many)+include+`]}`)
	if _, err := terms.In(vs); vigil.KindOf(err) != vigil.TooLarge {
		t.Errorf("a large system %d times: %v", many, err)
	}
}

func FuzzValueSet(f *testing.F) {
	f.Add(`{"resourceType":"ValueSet","compose":{"include":[{"system":"` + genders + `","filter":[{"property":"code","op":"regex","value":"a*"}]}],"exclude":[{"valueSet":["` + gender + `"]}]}}`)
	f.Add(`{"resourceType":"ValueSet","contained":[{"resourceType":"ValueSet","id":"a","compose":{"include":[{"valueSet":["#a"]}]}}],"compose":{"include":[{"valueSet":["#a"]}]}}`)
	f.Add(`{"resourceType":"ValueSet","expansion":{"contains":[{"contains":[{"code":"a"}]}]}}`)
	terms := New(schema.R4())
	f.Fuzz(func(t *testing.T, text string) {
		vs, err := schema.ParseValueSet([]byte(text))
		if err != nil {
			return
		}
		codes, err := terms.In(vs)
		if err != nil {
			return
		}
		for i := range codes.entries {
			if e := &codes.entries[i]; codes.Has(e.System, e.Code) != Yes {
				t.Fatalf("%s#%s is listed and not there", e.System, e.Code)
			}
		}
	})
}

func FuzzCodeSystem(f *testing.F) {
	f.Add(`{"resourceType":"CodeSystem","url":"s","content":"complete","concept":[{"code":"a","concept":[{"code":"b"}]},{"code":"c","property":[{"code":"parent","valueCode":"b"}]}]}`, "a", "c")
	f.Add(`{"resourceType":"CodeSystem","url":"s","caseSensitive":false,"concept":[{"code":"A","property":[{"code":"child","valueCode":"A"},{"code":"parent","valueCode":"B"}]},{"code":"B","property":[{"code":"parent","valueCode":"A"}]}]}`, "a", "B")
	f.Fuzz(func(t *testing.T, text, a, b string) {
		cs, err := schema.ParseCodeSystem([]byte(text))
		if err != nil || cs.URL == "" || schema.R4().CodeSystem(cs.URL) != nil {
			return
		}
		s := &stored{systems: map[string]*schema.CodeSystem{cs.URL: cs}}
		terms := New(schema.R4(), s)
		one, oneErr := terms.Subsumes(Coding{System: cs.URL, Code: a}, Coding{System: cs.URL, Code: b})
		other, otherErr := terms.Subsumes(Coding{System: cs.URL, Code: b}, Coding{System: cs.URL, Code: a})
		if (oneErr == nil) != (otherErr == nil) {
			t.Fatalf("%v but %v", oneErr, otherErr)
		}
		// In a circle each of two codes subsumes the other.
		if one == Equivalent != (other == Equivalent) || one == NotSubsumed != (other == NotSubsumed) {
			t.Fatalf("%s is %s, %s is %s", a, one, b, other)
		}
		if _, err := terms.Lookup(Coding{System: cs.URL, Code: a}, "de"); (err == nil) != (newSystem(cs).place(a) >= 0) && cs.Content != "supplement" {
			t.Fatalf("look up %q: %v", a, err)
		}
	})
}

// TestMapsInCircles has a map whose groups all refer to the map itself.
func TestMapsInCircles(t *testing.T) {
	group := `{"source":"s","target":"t","element":[{"code":"a","target":[{"code":"b"}]}],"unmapped":{"mode":"other-map","url":"m"}}`
	m, err := schema.ParseConceptMap([]byte(`{"resourceType":"ConceptMap","url":"m","group":[` + strings.Repeat(group+",", 50) + group + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	terms := New(schema.R4(), &stored{maps: []*schema.ConceptMap{m}})
	if ms, err := terms.Translate(Translate{Codings: []Coding{{System: "s", Code: "x"}}}); err != nil || len(ms) > 0 {
		t.Errorf("got %v, %v", ms, err)
	}
}

func FuzzConceptMap(f *testing.F) {
	f.Add(`{"resourceType":"ConceptMap","url":"m","group":[{"source":"s","target":"t","element":[{"code":"a","target":[{"code":"b"}]}],"unmapped":{"mode":"other-map","url":"m"}}]}`, "x")
	f.Fuzz(func(t *testing.T, text, code string) {
		m, err := schema.ParseConceptMap([]byte(text))
		if err != nil {
			return
		}
		terms := New(schema.R4(), &stored{maps: []*schema.ConceptMap{m}})
		for _, back := range []bool{false, true} {
			if _, err := terms.Translate(Translate{Map: m, Reverse: back, Codings: []Coding{{Code: code}}}); err != nil && vigil.KindOf(err) != vigil.TooLarge {
				t.Fatal(err)
			}
		}
	})
}
