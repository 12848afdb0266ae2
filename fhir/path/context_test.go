package path_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/path"
	"github.com/vigil-iomt/vigil/fhir/schema"
)

const bundle = `{"resourceType":"Bundle","type":"collection","entry":[
{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","id":"p","active":true}},
{"fullUrl":"https://a.example/fhir/Observation/o","resource":{"resourceType":"Observation","id":"o","status":"final",
 "code":{"text":"x","coding":[{"system":"s","code":"c"}]},"subject":{"reference":"urn:uuid:1"},"focus":[{"reference":"Observation/o"},{"reference":"Patient/elsewhere"}],
 "modifierExtension":[{"url":"m"}],"text":{"status":"generated","div":"<div/>"}}}]}`

// TestHooks has what an evaluation asks of others.
func TestHooks(t *testing.T) {
	in := item(t, bundle)
	var traced []string
	ctx := &path.Context{
		Resolve: func(ref string) (path.Item, bool) {
			return item(t, `{"resourceType":"Patient","id":"elsewhere"}`), ref == "Patient/elsewhere"
		},
		Subsumes: func(a, b path.Item) (bool, bool) { return a.String() < b.String(), a.String() != "?" },
		ConformsTo: func(i path.Item, profile string) (bool, error) {
			if profile == "unknown" {
				return false, errors.New("who knows")
			}
			return i.Type().Name == profile, nil
		},
		HTML:  func(div string) bool { return div == "<div/>" },
		Trace: func(name string, items []path.Item) { traced = append(traced, fmt.Sprint(name, len(items))) },
	}
	for _, c := range []struct{ text, want string }{
		{"Bundle.entry.resource.ofType(Observation).subject.resolve().active", "true"},
		{"entry.resource.focus.resolve().id", "o;elsewhere"},
		{"entry.resource.ofType(Observation).text.div.htmlChecks()", "true"},
		{"entry[1].resource.conformsTo('Observation')", "true"},
		{"entry[1].resource.conformsTo('unknown')", "!who knows"},
		{"'a'.subsumes('b') and 'b'.subsumedBy('a')", "true"},
		{"'?'.subsumes('b')", ""},
		{"entry.resource.trace('r', id).count()", "2"},
		{"entry.trace('e').resource.id", "p;o"},
		{"entry[1].resource.checkModifiers('m').id", "o"},
		{"entry[1].resource.checkModifiers('n').id", "!modifier extension \"m\""},
		{"entry.resource.ofType(Observation).code ~ entry[1].resource.code", "true"},
		{"entry[1].resource.code = entry[0].resource", "false"},
		{"type().name & entry[0].type().name & 1.type().name", "BundleBundle.entryInteger"},
		{"%context.type & %rootResource.type & %resource.type", "collectioncollectioncollection"},
		{"'2024-01-02T03:04:05Z'.toDate() | '10:30'.toTime() | '2024'.toDateTime() | @2024-01-02T03:04.toDate()", "2024-01-02;10:30;2024"},
		{"'x'.toDate() | 'x'.toTime() | 1.toDateTime()", ""},
		{"'true'.toDecimal() | true.toDecimal() | '2 days'.toQuantity().value | (3 'mg').unit", "1.0;2;mg"},
		{"1 year ~ 1 'a' and 1 month ~ 1 'mo'", "true"},
		{"@2024-02-03T04:05:06.789.precision() | @T04:05.hourOf() | @2024-02.monthOf() | @T01:02:03.secondOf()", "17;4;2;3"},
		{"(1|2).round()", "!one value"},
		{"1.round(99)", "!places"},
		{"'a'.round()", "!takes a number"},
		{"1.elementDefinition()", "!needs a profile"},
	} {
		got := evaluate(c.text, ctx, in)
		if want, fails := strings.CutPrefix(c.want, "!"); got != c.want && (!fails || !strings.HasPrefix(got, "!") || !strings.Contains(got, want)) {
			t.Errorf("%s = %q, want %q", c.text, got, c.want)
		}
	}
	if got := strings.Join(traced, " "); got != "r2 e2" {
		t.Errorf("traced %q", got)
	}
}

// TestWith adds functions to the language.
func TestWith(t *testing.T) {
	twice := path.Function{Name: "twice", Max: 1, Call: func(in []path.Item, args [][]path.Item) ([]path.Item, error) {
		if len(args) > 0 {
			return nil, errors.New("never")
		}
		return append(in, in...), nil
	}}
	kind := path.Function{Name: "kind", Max: 1, OfType: func(_ []path.Item, name string) ([]path.Item, error) {
		return []path.Item{path.Of("<" + name + ">")}, nil
	}}
	for _, c := range []struct{ text, want string }{
		{"1.twice().count()", "2"}, {"1.twice(2)", "!never"}, {"1.twice(1, 2)", "!at most one argument"},
		{"kind(Patient) & kind()", "<Patient><>"}, {"kind(FHIR.Patient)", "<Patient>"}, {"kind('x')", "!has a type"},
	} {
		e, err := path.Compile(c.text, path.With(twice), path.With(kind))
		var out []path.Item
		if err == nil {
			out, err = e.Eval(nil, item(t, bundle))
		}
		got := ""
		if err != nil {
			got = err.Error()
		} else if len(out) > 0 {
			got = out[0].String()
		}
		if !strings.Contains(got, strings.TrimPrefix(c.want, "!")) || (err != nil) != strings.HasPrefix(c.want, "!") {
			t.Errorf("%s = %q, want %q", c.text, got, c.want)
		}
	}
}

// TestBudget lets several runs share their steps.
func TestBudget(t *testing.T) {
	in := item(t, bundle)
	e, err := path.Compile("descendants().count()")
	if err != nil {
		t.Fatal(err)
	}
	left := 200
	ctx := &path.Context{Budget: &left}
	runs := 0
	for ; runs < 100; runs++ {
		if _, err = e.Eval(ctx, in); err != nil {
			break
		}
	}
	if !errors.Is(err, path.ErrCost) || runs == 0 || runs > 10 {
		t.Errorf("%d runs, then %v", runs, err)
	}
}

// TestManyAtOnce uses one expression everywhere.
func TestManyAtOnce(t *testing.T) {
	e, err := path.Compile("descendants().where($this is Coding or $this is Reference).select(code | reference).join(' ')")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			in := item(t, []string{bundle, patient}[i%2])
			want := ""
			for range 200 {
				out, err := e.Append(nil, in, nil)
				if err != nil || len(out) != 1 || want != "" && out[0].String() != want {
					t.Errorf("got %v, %v", out, err)
					return
				}
				want = out[0].String()
			}
		})
	}
	group.Wait()
}

// TestWithoutDefinitions walks through what no definition describes.
func TestWithoutDefinitions(t *testing.T) {
	in := path.Element(nil, nil, item(t, bundle).Node(), item(t, bundle).Node())
	if got := evaluate("entry.resource.where(resourceType = 'Patient').id & descendants().count()", nil, in); !strings.HasPrefix(got, "p") {
		t.Errorf("got %q", got)
	}
	if got := evaluate("entry.resource.id", &path.Context{Set: schema.R4()}, in); got != "p;o" {
		t.Errorf("got %q", got)
	}
}
