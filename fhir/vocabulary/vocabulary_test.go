package vocabulary_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/rest"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/terms"
	"github.com/vigil-iomt/vigil/fhir/tree"
	"github.com/vigil-iomt/vigil/fhir/vocabulary"
)

// shelf is a record in memory.
type shelf []vigil.Resource

func (s shelf) Resource(_ context.Context, typ, id string) (vigil.Resource, error) {
	for _, r := range s {
		if r.Type == typ && r.ID == id {
			return r, nil
		}
	}
	return vigil.Resource{}, vigil.Errorf(vigil.NotFound, "there is no %s/%s", typ, id)
}

func (s shelf) SelectResources(_ context.Context, q vigil.ResourceQuery) ([]vigil.ResourceHit, error) {
	var out []vigil.ResourceHit
	for i, r := range s {
		if (q.After == nil || int64(i) > q.After.Row) && len(out) < q.Limit {
			out = append(out, vigil.ResourceHit{Resource: r, Mark: vigil.ResourceMark{Row: int64(i)}})
		}
	}
	return out, nil
}

func (s shelf) ResourceHistory(_ context.Context, h vigil.ResourceHistory) ([]vigil.Resource, error) {
	var out []vigil.Resource
	for _, r := range s {
		if r.Type == h.Type && r.Changed >= h.Since {
			out = append(out, r)
		}
	}
	return out, nil
}

func system(id string, version int64, codes ...string) vigil.Resource {
	concepts := make([]string, len(codes))
	for i, c := range codes {
		concepts[i] = `{"code":"` + c + `"}`
	}
	return vigil.Resource{Type: "CodeSystem", ID: id, Version: version, Body: []byte(
		`{"resourceType":"CodeSystem","url":"http://example.org/` + id + `","content":"complete","concept":[` + strings.Join(concepts, ",") + `]}`)}
}

func TestStored(t *testing.T) {
	var record shelf
	for i := range 250 { // more than a page
		record = append(record, system("s"+string(rune('a'+i%26))+string(rune('a'+i/26)), 1, "x"))
	}
	record = append(record, vigil.Resource{Type: "ValueSet", ID: "v", Version: 1, Body: []byte(
		`{"resourceType":"ValueSet","url":"http://example.org/v","version":"2","compose":{"include":[{"system":"http://example.org/saa"}]}}`)})
	var stored vocabulary.Stored
	if err := stored.Load(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	answers := terms.New(schema.R4(), &stored)
	has := func(code string, want terms.Answer) {
		t.Helper()
		if got := answers.Has("http://example.org/v|2", "http://example.org/saa", code); got != want {
			t.Errorf("%s: got %v, want %v", code, got, want)
		}
	}
	has("x", terms.Yes)
	has("y", terms.No)
	stored.Written([]vigil.Resource{system("saa", 3, "y"), {Type: "Patient", ID: "p"}})
	has("x", terms.No)
	has("y", terms.Yes)
	stored.Written([]vigil.Resource{system("saa", 2, "z")}) // comes late
	has("y", terms.Yes)
	stored.Written([]vigil.Resource{{Type: "CodeSystem", ID: "saa", Version: 4, Deleted: true}})
	has("y", terms.Unknown)
	stored.Written([]vigil.Resource{system("saa", 3, "y")})
	has("y", terms.Unknown)
	later := system("saa", 5, "w")
	later.Changed = vigil.InstantOf(time.Now())
	if err := stored.Refresh(t.Context(), shelf{later}); err != nil {
		t.Fatal(err)
	}
	has("w", terms.Yes)
	stored.Written([]vigil.Resource{{Type: "ConceptMap", ID: "m", Version: 1, Body: []byte(
		`{"resourceType":"ConceptMap","url":"http://example.org/m","group":[{"source":"a","target":"b","element":[{"code":"1","target":[{"code":"2"}]}]}]}`)}})
	ms, err := answers.Translate(terms.Translate{Codings: []terms.Coding{{System: "a", Code: "1"}}})
	if err != nil || len(ms) != 1 || ms[0].Code != "2" {
		t.Errorf("got %v, %v", ms, err)
	}
}

func TestOperations(t *testing.T) {
	record := shelf{
		{Type: "ValueSet", ID: "v", Body: []byte(`{"resourceType":"ValueSet","compose":{"include":[{"system":"http://hl7.org/fhir/administrative-gender"}]}}`)},
		{Type: "ValueSet", ID: "gone", Deleted: true},
	}
	answers := terms.New(schema.R4())
	ops := vocabulary.Operations(func() *terms.Terms { return answers }, record)
	find := func(typ, name string) rest.Operation {
		for _, o := range ops {
			if o.Name == name && o.Types[0] == typ {
				if schema.R4().Definition("OperationDefinition", o.Definition) == nil {
					t.Errorf("%s is not defined", o.Definition)
				}
				return o
			}
		}
		t.Fatalf("there is no %s/$%s", typ, name)
		return rest.Operation{}
	}
	for _, c := range []struct {
		typ, id, name, query, body string
		want                       string
		wrong                      vigil.Kind
	}{
		{"ValueSet", "v", "expand", "count=1", "", `"total":4`, 0},
		{"ValueSet", "v", "validate-code", "system=http://hl7.org/fhir/administrative-gender&code=male", "", `"valueBoolean":true`, 0},
		{"ValueSet", "administrative-gender", "expand", "", "", `"total":4`, 0},
		{"ValueSet", "gone", "expand", "", "", "", vigil.NotFound},
		{"ValueSet", "none", "expand", "", "", "", vigil.NotFound},
		{"CodeSystem", "", "lookup", "", `{"resourceType":"Parameters","parameter":[{"name":"coding","valueCoding":{"system":"http://hl7.org/fhir/administrative-gender","code":"male"}}]}`, `"Male"`, 0},
		{"CodeSystem", "", "subsumes", "system=http://hl7.org/fhir/administrative-gender&codeA=male&codeB=male", "", "equivalent", 0},
		{"CodeSystem", "", "validate-code", "", "", "", vigil.Invalid},
		{"ConceptMap", "", "translate", "url=http://example.org/none&code=a", "", "", vigil.NotFound},
	} {
		q, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		in := &rest.Invocation{Type: c.typ, ID: c.id, Query: q}
		if c.body != "" {
			if in.Body, err = tree.Parse([]byte(c.body)); err != nil {
				t.Fatal(err)
			}
		}
		r, err := find(c.typ, c.name).Handle(t.Context(), in)
		if c.wrong != 0 {
			if vigil.KindOf(err) != c.wrong {
				t.Errorf("%s/%s/$%s: got %v", c.typ, c.id, c.name, err)
			}
			continue
		}
		if err != nil || !strings.Contains(string(r.Body), c.want) {
			t.Errorf("%s/%s/$%s: got %+v, %v", c.typ, c.id, c.name, r, err)
		}
	}
}
