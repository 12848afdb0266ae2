package search

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/path"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// testEngine is an engine with everything that R4 has.
var testEngine = sync.OnceValue(func() *Engine {
	e, err := New(Config{Schema: schema.R4(), Key: Key{1, 2, 3}, Bases: []string{"https://vigil.example.org/fhir"}})
	if err != nil {
		panic(err)
	}
	return e
})

func parse(t testing.TB, src string) tree.Node {
	t.Helper()
	d, err := tree.Parse([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return d.Root()
}

// examples reads the examples of the specification, every nth of them in a
// short run.
func examples(t testing.TB) map[string]tree.Node {
	t.Helper()
	files, _ := filepath.Glob("../../../shared/data/fhir-r4-examples/*.json")
	if len(files) == 0 {
		t.Skip("the examples of the standard are not beside the repository (shared/data/fhir-r4-examples)")
	}
	out := map[string]tree.Node{}
	for i, f := range files {
		if testing.Short() && i%8 != 0 {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		d, err := tree.Parse(b)
		if err != nil {
			t.Fatal(f, err)
		}
		if len(b) < 2<<20 {
			out[filepath.Base(f)] = d.Root()
		}
	}
	return out
}

// What the walk finds is what FHIRPath gives for the expression as the
// specification has it.
func TestTheWalkFindsWhatFHIRPathFinds(t *testing.T) {
	e := testEngine()
	compiled := map[string]*path.Expr{}
	checked, found := 0, 0
	for file, root := range examples(t) {
		v := e.Extract(root)
		for _, def := range e.Params(v.Type()) {
			p := v.model.params[def.Code]
			text := def.For(v.Type())
			if text == "" || p.kind == Composite {
				continue
			}
			want := map[tree.Node]bool{}
			for _, alt := range alternatives(text) { // a union drops elements that are equal
				for _, i := range evaluate(t, compiled, alt, root) {
					expect(want, p.kind, i)
				}
			}
			got := map[tree.Node]bool{}
			v.of(p, func(x *Value) bool {
				if x.branch.expr == nil {
					got[x.Node] = true
				}
				return true
			})
			checked++
			found += len(got)
			if !same(got, want) {
				t.Errorf("%s %s: the walk found %d elements, FHIRPath %d\n%s", file, def.Code, len(got), len(want), text)
			}
		}
	}
	t.Logf("%d parameters of resources, %d elements", checked, found)
}

func evaluate(t *testing.T, compiled map[string]*path.Expr, text string, root tree.Node) []path.Item {
	x := compiled[text]
	if x == nil {
		var err error
		if x, err = path.Compile(text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		compiled[text] = x
	}
	items, err := x.Eval(nil, path.ItemOf(schema.R4(), root))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return items
}

// expect adds the elements that an item means for a parameter of a kind.
func expect(want map[tree.Node]bool, k Kind, i path.Item) {
	n, t := i.Node(), i.Type()
	if !n.Ok() || t == nil {
		return
	}
	f := formOf(k, t)
	if parts := splits(f); parts != nil {
		for _, name := range parts {
			for c := range n.Get(name).Items() {
				if c.Kind() != tree.Null {
					want[c] = true
				}
			}
		}
		return
	}
	if f == asNothing {
		return
	}
	r := reader{e: testEngine()}
	r.found(n, &leaf{branch: &branch{kind: k}, form: f})
	if len(r.all) > 0 {
		want[n] = true
	}
}

func same(a, b map[tree.Node]bool) bool {
	if len(a) != len(b) {
		return false
	}
	for k := range a {
		if !b[k] {
			return false
		}
	}
	return true
}

// Every value of every parameter finds its own resource: by Match, and by the
// plan over the keys.
func TestEveryValueFindsItsResource(t *testing.T) {
	e := testEngine()
	asked := 0
	for file, root := range examples(t) {
		asked += findItself(t, e, file, root)
	}
	t.Logf("%d queries", asked)
}

// findItself asks for the values of a resource.
func findItself(t *testing.T, e *Engine, file string, root tree.Node) (asked int) {
	v := e.Extract(root)
	keys := withChanged(v)
	for _, def := range e.Params(v.Type()) {
		p := v.model.params[def.Code]
		seen := map[string]bool{}
		for _, raw := range queriesFor(v, p) {
			if seen[raw] || len(seen) > 5 {
				continue
			}
			seen[raw] = true
			asked++
			q, issues := e.Parse(Request{Types: []string{v.Type()}, Raw: raw, Now: now})
			if len(issues) > 0 {
				t.Errorf("%s: %s: %v", file, raw, issues)
				continue
			}
			if !q.Match(root) {
				t.Errorf("%s: %s does not match", file, raw)
			}
			if plan := q.Plan(); plan.Nothing || !holdsAll(plan.Query.All, keys, v.ID()) {
				t.Errorf("%s: %s is not found by its keys: %+v", file, raw, plan.Query.All)
			}
		}
	}
	return asked
}

// queriesFor makes queries from the values that a resource has.
func queriesFor(v *Values, p *param) (out []string) {
	add := func(mod string, parts ...string) {
		for _, x := range parts {
			if x == "" {
				return
			}
		}
		out = append(out, join([]pair{{p.Code + mod, strings.Join(parts, "|")}}))
	}
	if p.Code == "_id" {
		add("", Escape(v.ID()))
		return out
	}
	if v.has(p) {
		out = append(out, p.Code+":missing=false")
	} else if len(p.uses) > 0 {
		out = append(out, p.Code+":missing=true")
	}
	v.of(p, func(x *Value) bool {
		code, system := Escape(x.Code), Escape(x.System)
		switch p.kind {
		case Token:
			add("", code)
			if x.form == asCoding || x.form == asConcept || x.form == asIdentifier {
				add("", system, code)
				if x.System == "" && code != "" {
					out = append(out, join([]pair{{p.Code, "|" + code}}))
				}
			}
		case String:
			if fold(x.Code) == "" {
				return true
			}
			add("", code)
			add(":exact", code)
			add(":contains", code)
			for _, n := range []int{1, 2, 3, 5, 7} {
				if s, ok := cutRunes(fold(x.Code), n); ok && strings.TrimSpace(s) == s {
					add("", s)
				}
			}
		case URI:
			add("", code)
			add(":below", code)
			add(":above", code)
		case Reference:
			if x.Code != "" && x.Code[0] != '#' {
				add("", code)
				if r, ok := x.Ref(); ok && r.ID != "" {
					add("", r.ID)
					if (&parser{e: v.engine}).mayModify(p, r.Type) {
						add(":"+r.Type, r.ID)
					}
				}
			}
		case Number, Quantity:
			out = append(out, numberQueries(p.Code, x)...)
		case Date:
			for n := range strings.FieldsSeq(x.Node.Text()) {
				for _, prefix := range []string{"", "ge", "le", "ap"} {
					out = append(out, join([]pair{{p.Code, prefix + n}}))
				}
			}
		case Composite, Special:
		}
		return true
	})
	return out
}

func numberQueries(code string, x *Value) (out []string) {
	n := x.Least
	if n == "" || n != x.Most {
		return nil
	}
	for _, prefix := range []string{"", "ge", "le", "ap"} {
		v := prefix + n
		out = append(out, join([]pair{{code, v}}))
		if x.Code != "" && x.System != "" {
			out = append(out, join([]pair{{code, v + "|" + Escape(x.System) + "|" + Escape(x.Code)}}))
		}
		if x.Code != "" && x.branch.kind == Quantity {
			out = append(out, join([]pair{{code, v + "||" + Escape(x.Code)}}))
		}
	}
	return out
}

// holdsAll is what a store does with a plan.
func holdsAll(all []vigil.ResourceTest, k vigil.ResourceKeys, id string) bool {
	for i := range all {
		if !holdsTest(&all[i], k, id) {
			return false
		}
	}
	return true
}

func holdsTest(t *vigil.ResourceTest, k vigil.ResourceKeys, id string) bool {
	is := false
	switch {
	case t.Tokens != nil:
		is = slices.ContainsFunc(t.Tokens, func(x uint64) bool { return slices.Contains(k.Tokens, x) })
	case t.IDs != nil:
		is = slices.Contains(t.IDs, id)
	case t.Span != nil:
		for _, s := range k.Spans {
			r := t.Span
			is = is || s.Param == r.Param && r.LoMin <= s.Lo && s.Lo <= r.LoMax && r.HiMin <= s.Hi && s.Hi <= r.HiMax
		}
	case t.Line != nil:
		for _, l := range k.Lines {
			is = is || slices.Contains(t.Line.Lines, l.Line) && t.Line.From <= l.At && l.At < t.Line.To
		}
	case t.Any != nil:
		for i := range t.Any {
			is = is || holdsTest(&t.Any[i], k, id)
		}
	case t.Every != nil:
		is = holdsAll(t.Every, k, id)
	}
	return is != t.Not
}
