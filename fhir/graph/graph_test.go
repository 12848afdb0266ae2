package graph

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// resources is a source that has a few.
type resources map[string]string

func (r resources) Read(_ context.Context, reference string) (tree.Node, error) {
	text, ok := r[reference]
	if !ok {
		return tree.Node{}, vigil.Errorf(vigil.NotFound, "there is no %s", reference)
	}
	d, err := tree.Parse([]byte(text))
	if err != nil {
		return tree.Node{}, err
	}
	return d.Root(), nil
}

func (r resources) Search(ctx context.Context, resource string, params url.Values) (Page, error) {
	p := Page{Total: -1, Size: 10}
	if params.Has("general-practitioner") && params.Get("general-practitioner") != "Practitioner/x" {
		return p, vigil.Errorf(vigil.Invalid, "nobody looks for %q", params.Get("general-practitioner"))
	}
	for id := range r {
		if strings.HasPrefix(id, resource+"/") {
			n, err := r.Read(ctx, id)
			if err != nil {
				return p, err
			}
			p.Entries = append(p.Entries, Entry{Resource: n})
		}
	}
	return p, nil
}

var ward = resources{
	"Patient/anna": `{"resourceType":"Patient","id":"anna","active":true,"generalPractitioner":[{"reference":"#gp"},{"reference":"Practitioner/x"}],
		"contained":[{"resourceType":"Practitioner","id":"gp","gender":"female"}],"birthDate":"1980-01-01",
		"name":[{"use":"official","given":["Anna",null,"Maria"],"_given":[null,{"extension":[{"url":"u","valueCode":"masked"}]},null],"family":"Å\u00e4 \"x\""},{"use":"usual","given":["Ann"]}]}`,
	"Observation/o": `{"resourceType":"Observation","id":"o","status":"final","code":{"text":"t"},"valueQuantity":{"value":1.50,"unit":"kg"},
		"subject":{"reference":"Patient/anna"},"hasMember":[{"reference":"Observation/o"},{"reference":"https://elsewhere.example.org/Observation/p"}]}`,
}

// ask runs a query about a resource.
func ask(t *testing.T, about, query, variables string, limits Limits) (string, []*Problem) {
	t.Helper()
	var focus, vars tree.Node
	if about != "" {
		n, err := ward.Read(t.Context(), about)
		if err != nil {
			t.Fatal(err)
		}
		focus = n
	}
	if variables != "" {
		d, err := tree.Parse([]byte(variables))
		if err != nil {
			t.Fatal(err)
		}
		vars = d.Root()
	}
	e := Engine{Set: schema.R4(), Source: ward, Limits: limits}
	got, problems := e.Run(t.Context(), Request{Query: query, Variables: vars}, focus, time.Unix(0, 0))
	return string(got), problems
}

// TestAnswers asks what the suite does not.
func TestAnswers(t *testing.T) {
	for _, c := range []struct{ what, about, query, variables, want string }{
		{"digits stay", "Observation/o", `{valueQuantity{value}}`, "", `{"valueQuantity":{"value":1.50}}`},
		{"what is contained", "Patient/anna", `{generalPractitioner @first {resource{...on Practitioner{gender}}}}`, "", `{"generalPractitioner":[{"resource":{"gender":"female"}}]}`},
		{"an alias", "Patient/anna", `{alive: active names: name(use: usual) {given}}`, "", `{"alive":true,"names":[{"given":["Ann"]}]}`},
		{"beside a list of primitives", "Patient/anna", `{name(use: official){given _given{extension{valueCode}}}}`, "",
			`{"name":[{"given":["Anna",null,"Maria"],"_given":[{"extension":[{"valueCode":"masked"}]}]}]}`},
		{"a named fragment", "Observation/o", `query q{subject{resource{...p}}} fragment p on Patient{id name(fhirpath:"use='usual'"){given}}`, "",
			`{"subject":{"resource":{"id":"anna","name":[{"given":["Ann"]}]}}}`},
		{"another type's fragment", "Observation/o", `{subject{resource{...on Group{quantity}}} id}`, "", `{"id":"o"}`},
		{"typename", "Observation/o", `{__typename subject{__typename resource{__typename resourceType}}}`, "",
			`{"__typename":"Observation","subject":{"__typename":"Reference","resource":{"__typename":"Patient","resourceType":"Patient"}}}`},
		{"a variable of a list", "Patient/anna", `query($u:[code!]!="official"){name(use:$u){use}}`, `{"u":["usual","official"]}`, `{"name":[{"use":"official"},{"use":"usual"}]}`},
		{"a default", "Patient/anna", `query($u:code="official"){name(use:$u){use}}`, `{}`, `{"name":[{"use":"official"}]}`},
		{"no value for a filter", "Patient/anna", `query($u:code){name(use:$u){use}}`, `{"u":null}`, `{"name":[{"use":"official"},{"use":"usual"}]}`},
		{"the same leaf twice", "Patient/anna", `{active active}`, "", `{"active":true}`},
		{"one by id", "", `{Patient(id:"anna"){id} p: Patient(id: anna){active}}`, "", `{"Patient":{"id":"anna"},"p":{"active":true}}`},
		{"a list", "", `{PatientList(general_practitioner:"Practitioner/x"){id}}`, "", `{"PatientList":[{"id":"anna"}]}`},
		{"a connection without a count", "", `{PatientConnection{count pagesize next edges{mode resource{id}}}}`, "",
			`{"PatientConnection":{"pagesize":10,"edges":[{"resource":{"id":"anna"}}]}}`},
		{"what points here", "Patient/anna", `{ObservationList(_reference:patient){id}}`, "", `{"ObservationList":[{"id":"o"}]}`},
		{"a block string", "Patient/anna", "{name(use:\"\"\"\n   usual\n \"\"\"){given}}", "", `{"name":[{"given":["Ann"]}]}`},
		{"skipped and included", "Patient/anna", `query($no:Boolean!){id @skip(if:$no) active @include(if:$no) birthDate @skip(if:false)}`, `{"no":true}`, `{"active":true,"birthDate":"1980-01-01"}`},
	} {
		t.Run(c.what, func(t *testing.T) {
			got, problems := ask(t, c.about, c.query, c.variables, Limits{})
			if len(problems) > 0 || got != c.want {
				t.Errorf("got %s, %v\nwant %s", got, problems, c.want)
			}
		})
	}
}

// TestRefused asks what is wrong, and sees that the answer says where.
func TestRefused(t *testing.T) {
	deep := strings.Repeat("{name", 60) + strings.Repeat("}", 60)
	bomb := "query{" + strings.Repeat("...a ", 10) + "}"
	for c := 'a'; c < 'z'; c++ {
		bomb += fmt.Sprintf(" fragment %c on Patient{%s}", c, strings.Repeat(fmt.Sprintf("...%c ", c+1), 10))
	}
	bomb += " fragment z on Patient{id}"
	for _, c := range []struct{ what, about, query, want string }{
		{"no such element", "Patient/anna", "{id\n  photo { bogus } }", `2:11 Attachment has no element "bogus"`},
		{"nothing selected", "Patient/anna", `{name}`, `1:2 name needs to know`},
		{"something within a leaf", "Patient/anna", `{id{x}}`, `1:2 id has no elements`},
		{"no such type", "", `{Dragon(id:1){id}}`, `1:2 "Dragon" is neither`},
		{"no such fragment", "Patient/anna", `{...f}`, `1:2 there is no fragment "f"`},
		{"a fragment in itself", "Patient/anna", `{...f} fragment f on Patient{...g} fragment g on Patient{...f}`, `contains itself`},
		{"a fragment bomb", "Patient/anna", bomb, `more than 10000 fields`},
		{"too deep", "Patient/anna", deep, `deeper than 50 levels`},
		{"unknown directive", "Patient/anna", `{id @bogus}`, `1:6 there is no directive @bogus`},
		{"unknown variable", "Patient/anna", `{name(use:$u){use}}`, `there is no variable $u`},
		{"missing variable", "Patient/anna", `query($u:code!){name(use:$u){use}}`, `$u has no value`},
		{"a mutation", "", `mutation{PatientCreate{id}}`, `1:1 a mutation is not supported`},
		{"no end", "Patient/anna", `{id`, `1:4 the query ends where a field is expected`},
		{"no end of a string", "Patient/anna", `{name(use:"x){id}}`, `the string has no end`},
		{"a strange character", "Patient/anna", `{id ~}`, `1:5 the character '~'`},
		{"a bad path", "Patient/anna", `{name(fhirpath:"((("){use}}`, `cannot be read`},
		{"not found", "", `{Patient(id:"nobody"){id}}`, `Patient/nobody is not to be found`},
		{"reference elsewhere", "Observation/o", `{hasMember{resource{id}}}`, `is not to be found`},
		{"a search without _reference", "Patient/anna", `{ObservationList{id}}`, `needs _reference`},
		{"a singleton of two", "Patient/anna", `{name @flatten {given @singleton}}`, `several`},
		{"nothing", "", ``, `the query is empty`},
	} {
		t.Run(c.what, func(t *testing.T) {
			_, problems := ask(t, c.about, c.query, "", Limits{})
			if len(problems) == 0 {
				t.Fatal("it is not refused")
			}
			got := fmt.Sprintf("%d:%d %s", problems[0].Line, problems[0].Col, problems[0].Msg)
			if !strings.Contains(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// TestBounds asks for more than one query may cost.
func TestBounds(t *testing.T) {
	loop := strings.Repeat("{hasMember{resource{...on Observation", 10) + "{id}" + strings.Repeat("}}}", 10)
	for what, c := range map[string]struct {
		query  string
		limits Limits
	}{
		"reads":   {loop, Limits{Reads: 5}},
		"length":  {loop, Limits{Length: 50}},
		"answer":  {`{code{text} status valueQuantity{unit value}}`, Limits{Answer: 20}},
		"results": {`{ObservationList(_reference:focus){id}}`, Limits{Results: -1}},
	} {
		if got, problems := ask(t, "Observation/o", c.query, "", c.limits); len(problems) == 0 || got != "" {
			t.Errorf("%s: got %s, %v", what, got, problems)
		}
	}
}

// TestParserSuite reads the queries that the test cases have for parsers.
func TestParserSuite(t *testing.T) {
	text, err := os.ReadFile("../../../shared/data/fhir-test-cases/r4/graphql/parser-tests.gql")
	if os.IsNotExist(err) {
		t.Skip("the FHIR test cases are not here")
	}
	if err != nil {
		t.Fatal(err)
	}
	parts := regexp.MustCompile(`(?m)^####.*$`).Split(string(text), -1)
	if len(parts) < 15 {
		t.Fatalf("%d queries", len(parts))
	}
	for _, p := range parts[1:] {
		if _, err := parse(p); err != nil && !strings.Contains(p, "mutation") {
			t.Errorf("%v:\n%s", err, p)
		}
	}
}

// FuzzRun gives the engine whatever there is: it never fails otherwise than with
// a problem, and its answers are JSON.
func FuzzRun(f *testing.F) {
	f.Add(`{name @flatten @slice(path:"use") {given family @singleton}}`)
	f.Add(`query q($a:[X!]!=[1 -2.5e3 "\u00e4"]){name(use:$a _count:1){...f}} fragment f on HumanName{use}`)
	f.Add("{generalPractitioner{resource(optional:true type:Practitioner){...on Practitioner{gender}}}ObservationList(_reference:patient){id}}")
	set := schema.R4()
	focus, err := ward.Read(context.Background(), "Patient/anna")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, query string) {
		e := Engine{Set: set, Source: ward, Limits: Limits{Reads: 20}}
		got, problems := e.Run(t.Context(), Request{Query: query}, focus, time.Unix(0, 0))
		if got == nil && len(problems) == 0 {
			t.Fatal("neither an answer nor a problem")
		}
		if got != nil {
			if _, err := tree.Parse(got); err != nil {
				t.Fatalf("%v: %s", err, got)
			}
		}
	})
}
