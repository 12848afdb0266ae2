// Package pathtest runs the FHIRPath test suite of HL7 (fhir-test-cases,
// r4/fhirpath/tests-fhir-r4.xml) against package path, for tests and for those
// who print how far Vigil conforms.
package pathtest

import (
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil/fhir/path"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
	"github.com/vigil-iomt/vigil/fhir/xmlform"
)

// A Result is what came out of one test.
type Result struct {
	Group, Name, Expression string
	// Skipped says why the test was not run, Failed why it did not pass; both
	// are empty for one that passed.
	Skipped, Failed string
}

// suite is the file of tests.
type suite struct {
	Groups []struct {
		Name  string `xml:"name,attr"`
		Tests []test `xml:"test"`
	} `xml:"group"`
}

type test struct {
	Name       string `xml:"name,attr"`
	Input      string `xml:"inputfile,attr"`
	Predicate  bool   `xml:"predicate,attr"`
	Ordered    string `xml:"ordered,attr"`
	CheckOrder bool   `xml:"checkOrderedFunctions,attr"`
	Expression struct {
		Text    string `xml:",chardata"`
		Invalid string `xml:"invalid,attr"`
	} `xml:"expression"`
	Outputs []struct {
		Type string `xml:"type,attr"`
		Text string `xml:",chardata"`
	} `xml:"output"`
}

// Run runs all tests; dir is the folder r4 of fhir-test-cases.
func Run(set *schema.Set, dir string) ([]Result, error) {
	b, err := os.ReadFile(filepath.Join(dir, "fhirpath", "tests-fhir-r4.xml"))
	if err != nil {
		return nil, err
	}
	var s suite
	if err := xml.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("read the suite: %w", err)
	}
	r := runner{set: set, dir: dir, docs: map[string]*tree.Doc{}}
	var out []Result
	for _, g := range s.Groups {
		for i := range g.Tests {
			t := &g.Tests[i]
			res := Result{Group: g.Name, Name: t.Name, Expression: strings.TrimSpace(t.Expression.Text), Skipped: skipped(t.Name)}
			if res.Skipped == "" {
				if err := r.run(t); err != nil {
					res.Failed = err.Error()
				}
			}
			out = append(out, res)
		}
	}
	return out, nil
}

// skipped says why a test is not run.
func skipped(string) string { return "" }

type runner struct {
	set  *schema.Set
	dir  string
	docs map[string]*tree.Doc
}

// doc reads an input, from XML when there is no JSON.
func (r *runner) doc(name string) (*tree.Doc, error) {
	if d := r.docs[name]; d != nil {
		return d, nil
	}
	b, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(name, ".xml") {
		if b, _, err = xmlform.JSON(r.set, b); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	d, err := tree.Parse(b)
	r.docs[name] = d
	return d, err
}

// run runs one test.
func (r *runner) run(t *test) error {
	var in []path.Item
	kind := ""
	if t.Input != "" {
		d, err := r.doc(t.Input)
		if err != nil {
			return err
		}
		in = append(in, path.ItemOf(r.set, d.Root()))
		kind = in[0].Type().Name
	}
	got, err := r.evaluate(t, kind, in)
	if t.Expression.Invalid != "" {
		var syntax *path.SyntaxError
		if err == nil {
			return fmt.Errorf("a %s error was expected, got %s", t.Expression.Invalid, texts(got))
		}
		if t.Expression.Invalid == "syntax" && !errors.As(err, &syntax) {
			return fmt.Errorf("a syntax error was expected, got %w", err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	return t.compare(got)
}

// evaluate compiles and checks an expression against the type of its input,
// then runs it.
func (r *runner) evaluate(t *test, kind string, in []path.Item) ([]path.Item, error) {
	e, err := path.Compile(t.Expression.Text, path.Strict())
	if err != nil {
		return nil, err
	}
	if err := e.Check(r.set, kind); err != nil {
		return nil, err
	}
	return e.Eval(&path.Context{Set: r.set, Now: time.Date(2024, 2, 29, 10, 11, 12, 0, time.UTC)}, in...)
}

// compare compares what came out with what was expected.
func (t *test) compare(got []path.Item) error {
	if t.Predicate {
		got = []path.Item{path.Of(len(got) > 0)}
	}
	var want []string
	for _, o := range t.Outputs {
		want = append(want, strings.TrimPrefix(o.Text, "@"))
		if o.Type == "time" || strings.HasPrefix(o.Text, "@T") {
			want[len(want)-1] = strings.TrimPrefix(want[len(want)-1], "T")
		}
	}
	have := texts(got)
	if t.Ordered == "false" {
		slices.Sort(want)
		slices.Sort(have)
	}
	if len(want) != len(have) {
		return fmt.Errorf("got %q, want %q", have, want)
	}
	for i := range want {
		if !same(have[i], want[i]) {
			return fmt.Errorf("got %q, want %q", have, want)
		}
		if k := t.Outputs[i].Type; k != "" && t.Ordered != "false" && !hasType(got[i], k) {
			return fmt.Errorf("%q is a %s, want %s", have[i], typeName(got[i]), k)
		}
	}
	return nil
}

func texts(items []path.Item) []string {
	out := make([]string, len(items))
	for i := range items {
		out[i] = items[i].String()
	}
	return out
}

// same compares texts, numbers by value.
func same(a, b string) bool {
	x, okA := path.ParseDecimal(a)
	y, okB := path.ParseDecimal(b)
	return a == b || okA && okB && x.Cmp(y) == 0
}

func typeName(i path.Item) string {
	if t := i.Type(); t != nil {
		return t.Name
	}
	return fmt.Sprintf("%T", i.Value())
}

// hasType tells whether an item is of the type that the suite names, in either
// namespace.
func hasType(i path.Item, want string) bool {
	if t := i.Type(); t != nil {
		return t.Name == want
	}
	switch v := i.Value().(type) {
	case bool:
		return want == "boolean"
	case int64:
		return want == "integer" || want == "decimal"
	case string:
		return want == "string" || want == "code"
	case path.Decimal:
		return want == "decimal"
	case path.Quantity:
		return want == "Quantity"
	case path.Temporal:
		return want == map[path.Kind]string{path.Date: "date", path.DateTime: "dateTime", path.Time: "time"}[v.Kind()]
	}
	return false
}
