package patch

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/markup"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

func parse(t *testing.T, s string) *tree.Doc {
	t.Helper()
	d, err := tree.Parse([]byte(s))
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return d
}

const patient = `{"resourceType":"Patient","id":"1","meta":{"versionId":"3","tag":[{"code":"a"}]},` +
	`"name":[{"family":"x","given":["a","b"],"_given":[null,{"id":"g"}]}],"active":true, "multipleBirthInteger":2,` +
	`"contact":[{"gender":"male"},{"gender":"female"}],"birthDate":"2000"}`

func TestApply(t *testing.T) {
	head, rest, _ := strings.Cut(patient, `"name"`)
	rest = `"name"` + rest
	for _, c := range []struct {
		name  string
		in    Language
		patch string
		want  string // what head becomes + what rest becomes
		fault Fault
		err   string
	}{
		{"other bytes stay", JSONPatch, `[{"op":"replace","path":"/active","value":false}]`, head + strings.Replace(rest, "true", "false", 1), 0, ""},
		{"decimals keep their text", JSONPatch, `[{"op":"replace","path":"/multipleBirthInteger","value":1.500}]`, head + strings.Replace(rest, ":2,", ":1.500,", 1), 0, ""},
		{"what becomes empty goes", JSONPatch, `[{"op":"remove","path":"/name/0/family"},{"op":"remove","path":"/name/0/given"},{"op":"remove","path":"/name/0/_given"}]`,
			head + rest[strings.Index(rest, `"active"`):], 0, ""},
		{"a test of numbers", JSONPatch, `[{"op":"test","path":"/multipleBirthInteger","value":0.2e1}]`, patient, 0, ""},
		{"all of meta but the version", JSONPatch, `[{"op":"replace","path":"/meta","value":{}}]`, `{"resourceType":"Patient","id":"1",` + rest, 0, ""},
		{"the id", JSONPatch, `[{"op":"replace","path":"/id","value":"2"}]`, "", Unfit, "a patch cannot change the id"},
		{"the id removed", JSONPatch, `[{"op":"remove","path":"/id"}]`, "", Unfit, "a patch cannot change the id"},
		{"the type", JSONPatch, `[{"op":"replace","path":"/resourceType","value":"Group"}]`, "", Unfit, "a patch cannot change the resourceType"},
		{"the version", JSONPatch, `[{"op":"replace","path":"/meta/versionId","value":"9"}]`, "", Unfit, "a patch cannot change the version"},
		{"the whole", JSONPatch, `[{"op":"replace","path":"","value":[]}]`, "", Unfit, "the patch leaves no resource"},
		{"a failing test", JSONPatch, `[{"op":"add","path":"/x","value":1},{"op":"test","path":"/active","value":false}]`, "", Untrue, "operation 1, test /active: the value is another one"},
		{"no JSON", JSONPatch, `[`, "", Malformed, "the patch is no JSON: line 1, column 2"},
		{"no array", JSONPatch, `{}`, "", Malformed, "a JSON Patch is an array, this is object"},
		{"no operation", JSONPatch, `[1]`, "", Malformed, "operation 0: number where an object should be"},
		{"no path", JSONPatch, `[{"op":"remove"}]`, "", Malformed, "operation 0: no path"},
		{"no value", JSONPatch, `[{"op":"add","path":""}]`, "", Malformed, "operation 0: no value"},
		{"unknown", JSONPatch, `[{"op":"remove","path":"/active"},{"op":"merge","path":""}]`, "", Malformed, "operation 1: the op \"merge\""},
		{"pointer", JSONPatch, `[{"op":"remove","path":"active"}]`, "", Malformed, "is no JSON Pointer"},
		{"pointer with ~", JSONPatch, `[{"op":"remove","path":"/a~2"}]`, "", Malformed, "is no JSON Pointer"},
		{"index with 0", JSONPatch, `[{"op":"remove","path":"/name/00"}]`, "", Unfit, "there is no /name/00"},
		{"index behind the end", JSONPatch, `[{"op":"add","path":"/name/2","value":{}}]`, "", Unfit, "an array of 1 elements has no place there"},
		{"into itself", JSONPatch, `[{"op":"move","from":"/name","path":"/name/0"}]`, "", Unfit, "cannot be moved into itself"},
		{"into a string", JSONPatch, `[{"op":"add","path":"/birthDate/0","value":1}]`, "", Unfit, "nothing can be added to a string"},

		{"an attribute", XMLPatch, `<diff xmlns:f="http://hl7.org/fhir"><replace sel="f:Patient/f:active/@value">false</replace></diff>`,
			head + strings.Replace(strings.Replace(rest, "true", "false", 1), " ", "", 1), 0, ""},
		{"an element", XMLPatch, `<diff xmlns="http://hl7.org/fhir"><remove sel="/Patient/contact[gender/@value='male' and 2]"/></diff>`, "", Malformed, "a position beside another condition"},
		{"an unknown element", XMLPatch, `<diff xmlns="http://hl7.org/fhir"><add sel="Patient"><foo/></add></diff>`, "", Unfit, "what the patch makes is no resource: "},
		{"no XML", XMLPatch, `<diff>`, "", Malformed, "the patch is no XML: "},
		{"the id in XML", XMLPatch, `<diff xmlns="http://hl7.org/fhir"><remove sel="Patient/id"/></diff>`, "", Unfit, "cannot change the id"},

		{"no parameters", FHIRPathPatch, `{}`, "", Malformed, "a FHIRPath Patch is a Parameters resource"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Apply(schema.R4(), parse(t, patient), c.in, []byte(c.patch))
			if c.err != "" {
				var e *Error
				if !errors.As(err, &e) || e.Fault != c.fault || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %v, want %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.in == XMLPatch { // the order is that of the definition
				if !tree.Equal(got.Root(), parse(t, c.want).Root()) {
					t.Errorf("got %s\nwant %s", got.Bytes(), c.want)
				}
			} else if string(got.Bytes()) != c.want {
				t.Errorf("got %s\nwant %s", got.Bytes(), c.want)
			}
		})
	}
}

// operations makes the Parameters of a FHIRPath Patch from lines such as
// "replace | Patient.active | value valueBoolean true".
func operations(lines ...string) string {
	var out []string
	for _, line := range lines {
		fields := strings.Split(line, " | ")
		parts := []string{
			fmt.Sprintf(`{"name":"type","valueCode":%q}`, fields[0]),
			fmt.Sprintf(`{"name":"path","valueString":%q}`, fields[1]),
		}
		for _, f := range fields[2:] {
			w := strings.SplitN(f, " ", 3)
			parts = append(parts, fmt.Sprintf(`{"name":%q,%q:%s}`, w[0], w[1], w[2]))
		}
		out = append(out, `{"name":"operation","part":[`+strings.Join(parts, ",")+`]}`)
	}
	return `{"resourceType":"Parameters","parameter":[` + strings.Join(out, ",") + `]}`
}

func TestFHIRPath(t *testing.T) {
	for _, c := range []struct {
		name string
		ops  []string
		want string // what of the patient becomes what: old → new
		err  string
	}{
		{"choice keeps its type", []string{"replace | Patient.multipleBirth | value valueInteger 3"}, `Integer":2 → Integer":3`, ""},
		{"choice changes its type", []string{"replace | Patient.multipleBirth | value valueBoolean true"},
			`, "multipleBirthInteger":2 → ;"2000"} → "2000","multipleBirthBoolean":true}`, ""},
		{"choice is added by the name of the element", []string{"add | Patient | name valueString \"deceased\" | value valueBoolean false"}, `"2000"} → "2000","deceasedBoolean":false}`, ""},
		{"choice is there already", []string{"add | Patient | name valueString \"multipleBirth\" | value valueBoolean false"}, "", `there is a "multipleBirthInteger" already`},
		{"choice of no such type", []string{"add | Patient | name valueString \"deceased\" | value valueInteger 1"}, "", `"deceased" in Patient cannot be of the type Integer`},
		{"extension beside a primitive", []string{"add | Patient.birthDate | name valueString \"extension\" | value valueExtension {\"url\":\"u\"}"},
			`"2000"} → "2000","_birthDate":{"extension":[{"url":"u"}]}}`, ""},
		{"extension beside one of a list", []string{"add | Patient.name.given[0] | name valueString \"id\" | value valueString \"i\""}, `_given":[null → _given":[{"id":"i"}`, ""},
		{"delete of a list with extensions", []string{"delete | Patient.name.given.first()"}, `"a","b" → "b";[null,{"id":"g"}] → [{"id":"g"}]`, ""},
		{"delete by a condition", []string{"delete | Patient.contact.where(gender = 'male')"}, `{"gender":"male"}, → `, ""},
		{"delete what is not there", []string{"delete | Patient.photo"}, `active → active`, ""},
		{"delete two", []string{"delete | Patient.contact"}, "", "operation 0, delete Patient.contact: there are 2 elements"},
		{"delete all", []string{"delete | Patient.contact[0]", "delete | Patient.contact[0]"}, `"contact":[{"gender":"male"},{"gender":"female"}], → `, ""},
		{"delete an extension of one in a list", []string{"delete | Patient.name.given[1].id"}, `,"_given":[null,{"id":"g"}] → `, ""},
		{"delete all that is beside a value", []string{"add | Patient.birthDate | name valueString \"extension\" | value valueExtension {\"url\":\"u\"}", "delete | Patient.birthDate.extension"}, `active → active`, ""},
		{"delete what stands without a value", []string{
			"add | Patient.name | name valueString \"given\" | value _valueString {\"id\":\"h\"}",
			"delete | Patient.name.given[2].id"}, `active → active`, ""},
		{"move keeps extensions", []string{"move | Patient.name.given | source valueInteger 1 | destination valueInteger 0"}, `"a","b" → "b","a";[null,{"id":"g"}] → [{"id":"g"},null]`, ""},
		{"move too far", []string{"move | Patient.contact | source valueInteger 1 | destination valueInteger 2"}, "", "a list of 2 elements has no places 1 and 2"},
		{"insert in a part of a list", []string{"insert | Patient.contact.skip(1) | index valueInteger 0 | value valueString \"x\""}, "", "more or to less than one list"},
		{"insert into no list", []string{"insert | Patient.birthDate | index valueInteger 0 | value valueString \"x\""}, "", "an element that does not repeat"},
		{"add to what is one", []string{"add | Patient | name valueString \"birthDate\" | value valueDate \"2001\""}, "", `there is a "birthDate" already; use replace`},
		{"add what is unknown", []string{"add | Patient | name valueString \"foo\" | value valueDate \"2001\""}, "", `there is no element "foo" in Patient`},
		{"an object of parts", []string{`add | Patient.contact[1] | name valueString "name" | value part [{"name":"given","valueString":"p"},{"name":"given","valueString":"q"},{"name":"period","part":[{"name":"start","valueDate":"2001"}]}]`},
			`"female" → "female","name":{"given":["p","q"],"period":{"start":"2001"}}`, ""},
		{"the resource itself", []string{"delete | Patient"}, "", "the path leads to the resource itself"},
		{"a computed value", []string{"delete | Patient.birthDate.length()"}, "", "a value that is no element"},
		{"no FHIRPath", []string{"delete | Patient.."}, "", "operation 0, delete Patient..: the path is no FHIRPath"},
		{"unknown type", []string{"delete | Patient.photo", "change | Patient"}, "", `operation 1: the type "change"`},
		{"no index", []string{"insert | Patient.contact | value valueString \"x\""}, "", `operation 0: no part "index"`},
		{"a bad index", []string{"insert | Patient.contact | index valueInteger -1 | value valueString \"x\""}, "", `the part "index" has no number`},
		{"the id", []string{"replace | Patient.id | value valueId \"2\""}, "", "a patch cannot change the id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Apply(schema.R4(), parse(t, patient), FHIRPathPatch, []byte(operations(c.ops...)))
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %v, want %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := patient
			for change := range strings.SplitSeq(c.want, ";") {
				old, to, _ := strings.Cut(change, " → ")
				if !strings.Contains(want, old) {
					t.Fatalf("no %s in the patient", old)
				}
				want = strings.Replace(want, old, to, 1)
			}
			if string(got.Bytes()) != want {
				t.Errorf("got %s\nwant %s", got.Bytes(), want)
			}
		})
	}
}

func TestSelectors(t *testing.T) {
	const doc = `<d xmlns:p="u"><a i="1"><c v="x"/></a><a i="2"><c v="y"/>t</a> <p:b/><!--1--><?q r?></d>`
	for _, c := range []struct{ sel, want string }{
		{"/d/a[1]", `<d xmlns:p="u"><a i="2"><c v="y"/>t</a> <p:b/><!--1--><?q r?></d>`},
		{"d/a[last()]", `<d xmlns:p="u"><a i="1"><c v="x"/></a> <p:b/><!--1--><?q r?></d>`},
		{"d/a[position() = 2][@i='2']", `<d xmlns:p="u"><a i="1"><c v="x"/></a> <p:b/><!--1--><?q r?></d>`},
		{"d/a[c/@v = \"y\" and @i='2']/c", `<d xmlns:p="u"><a i="1"><c v="x"/></a><a i="2">t</a> <p:b/><!--1--><?q r?></d>`},
		{"d/*[.='t']/@i", `<d xmlns:p="u"><a i="1"><c v="x"/></a><a><c v="y"/>t</a> <p:b/><!--1--><?q r?></d>`},
		{"d/a[2]/text()", `<d xmlns:p="u"><a i="1"><c v="x"/></a><a i="2"><c v="y"/></a> <p:b/><!--1--><?q r?></d>`},
		{"d/z:b", `<d xmlns:p="u"><a i="1"><c v="x"/></a><a i="2"><c v="y"/>t</a> <!--1--><?q r?></d>`},
		{"d/processing-instruction('q')", `<d xmlns:p="u"><a i="1"><c v="x"/></a><a i="2"><c v="y"/>t</a> <p:b/><!--1--></d>`},
		{"d/a[c]", "finds 2 nodes"},
		{"d/b", "finds nothing"},
		{"d", "the document's element cannot be removed"},
		{"d//a", "a name is missing"},
		{"d/a[", "a name is missing"},
		{"d/a[0]", "positions count from 1"},
		{"d/x:a", "the prefix x is not declared"},
		{"d/@i/a", "a step below something that is no element"},
		{"d/a|d/b", "something that is no step"},
		{"d/a[@i='1]", "a text without an end"},
		{"", "a name is missing"},
		{"d" + strings.Repeat("[a", 20), "predicates within each other"},
	} {
		patch := `<diff xmlns:z="u"><remove sel="` + strings.ReplaceAll(c.sel, `"`, "&quot;") + `"/></diff>`
		got, err := XML(doc, patch)
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != c.want || err != nil && !strings.Contains(got, c.want) {
			t.Errorf("%s: got %s, want %s", c.sel, got, c.want)
		}
	}
}

func TestXMLPlaces(t *testing.T) {
	const doc = `<d xmlns="n" xmlns:q="m"><a> <b/> </a></d>`
	for _, c := range []struct{ patch, want string }{
		{`<add sel="d/a/b" pos="before"><x y="1"/></add>`, `<d xmlns="n" xmlns:q="m"><a> <x y="1"/><b/> </a></d>`},
		{`<add sel="d/a/b" pos="after"><x/><y/></add>`, `<d xmlns="n" xmlns:q="m"><a> <b/><x/><y/> </a></d>`},
		{`<add sel="d/a" pos="prepend">t</add>`, `<d xmlns="n" xmlns:q="m"><a>t <b/> </a></d>`},
		{`<add sel="d/a/b"><k:x xmlns:k="m" k:z="2"/></add>`, `<d xmlns="n" xmlns:q="m"><a> <b><x xmlns="m" xmlns:k="m" k:z="2"/></b> </a></d>`},
		{`<remove sel="d/a/b" ws="both"/>`, `<d xmlns="n" xmlns:q="m"><a></a></d>`},
		{`<remove sel="d/a/b" ws="before"/>`, `<d xmlns="n" xmlns:q="m"><a> </a></d>`},
		{`<replace sel="d/a"> <c/> </replace>`, `<d xmlns="n" xmlns:q="m"><c/></d>`},
		{`<replace sel="d/a"><c/><c/></replace>`, "not by 2"},
		{`<replace sel="d/a">t</replace>`, "a node is replaced by one of its kind"},
		{`<add sel="d" pos="before"><x/></add>`, "there is one element at the root"},
		{`<add sel="d/a" pos="near"><x/></add>`, `the pos "near"`},
		{`<add sel="d/a/b" type="@x">1</add><add sel="d/a/b" type="@x">2</add>`, "what the patch makes is no XML"},
		{`<add sel="d/a/b" type="@x y=''">1</add>`, "is no name"},
		{`<merge sel="d"/>`, `"merge" is none of add, remove, replace`},
		{`<add/>`, "no sel"},
	} {
		got, err := XML(doc, `<diff xmlns="n">`+c.patch+`</diff>`)
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != c.want || err != nil && !strings.Contains(got, c.want) {
			t.Errorf("%s: got %s, want %s", c.patch, got, c.want)
		}
	}
}

func TestBounds(t *testing.T) {
	if testing.Short() {
		t.Skip("works until the bounds stop it")
	}
	// Each copy doubles the document.
	var ops []string
	for i := range 60 {
		ops = append(ops, fmt.Sprintf(`{"op":"copy","from":"","path":"/a%d"}`, i))
	}
	_, err := JSON(parse(t, `{"a":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}`), []byte("["+strings.Join(ops, ",")+"]"))
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
	_, err = JSON(parse(t, `[]`), []byte("["+strings.Repeat(`{"op":"test","path":"","value":[]},`, maxOperations)+`{"op":"remove","path":"/0"}]`))
	if !errors.As(err, &e) || e.Fault != Malformed {
		t.Errorf("got %v", err)
	}
	_, err = Apply(schema.R4(), parse(t, patient), FHIRPathPatch, []byte(operations("delete | 1.repeat($this + 1)")))
	if !errors.As(err, &e) || e.Fault != Costly {
		t.Errorf("got %v", err)
	}
}

func FuzzJSON(f *testing.F) {
	f.Add(`{"a":[1,{"b":2}]}`, `[{"op":"add","path":"/a/0","value":1},{"op":"move","from":"/a/0","path":"/c"},{"op":"test","path":"/c","value":1.0}]`)
	f.Add(`[]`, `[{"op":"copy","from":"","path":"/-"},{"op":"replace","path":"/0","value":null},{"op":"remove","path":"/0"}]`)
	f.Fuzz(func(t *testing.T, doc, patch string) {
		d, err := tree.Parse([]byte(doc))
		if err != nil || len(doc)+len(patch) > 1<<13 {
			return
		}
		if got, err := JSON(d, []byte(patch)); err == nil && !json.Valid(got.Bytes()) {
			t.Fatalf("%s by %s became %s", doc, patch, got.Bytes())
		}
	})
}

func FuzzXML(f *testing.F) {
	f.Add(`<d xmlns="n"><a i="1">t</a></d>`, `<diff xmlns="n"><add sel="d/a[1]" pos="after"><b/></add><remove sel="d/a/text()"/><replace sel="d/a/@i">2</replace></diff>`)
	f.Fuzz(func(t *testing.T, doc, patch string) {
		if len(doc)+len(patch) > 1<<13 {
			return
		}
		got, err := XML(doc, patch)
		if err != nil {
			return
		}
		if _, err := markup.Parse(got); err != nil {
			t.Fatalf("%s by %s became %s: %v", doc, patch, got, err)
		}
	})
}

func FuzzFHIRPath(f *testing.F) {
	f.Add("Patient.name.given[0]", "replace", "name", `"x"`)
	f.Add("Patient", "add", "contact", `{"gender":"other"}`)
	f.Add("Patient.contact", "insert", "", `{}`)
	f.Add("Patient.contact", "move", "", `0`)
	f.Fuzz(func(t *testing.T, path, does, name, value string) {
		if len(path)+len(value) > 1<<10 || !json.Valid([]byte(value)) {
			return
		}
		quote := func(s string) string { return string(tree.AppendString(nil, s)) }
		patch := `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":` + quote(does) +
			`},{"name":"path","valueString":` + quote(path) + `},{"name":"name","valueString":` + quote(name) + `},{"name":"value","valueString":` + value +
			`},{"name":"index","valueInteger":1},{"name":"source","valueInteger":0},{"name":"destination","valueInteger":1}]}]}`
		d, err := tree.Parse([]byte(patient))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Apply(schema.R4(), d, FHIRPathPatch, []byte(patch))
		if err == nil && !json.Valid(got.Bytes()) {
			t.Fatalf("%s made %s", patch, got.Bytes())
		}
	})
}
