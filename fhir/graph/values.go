package graph

import (
	"slices"
	"strconv"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/path"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// bind gives the variables of an operation their values.
func bind(o *operation, given tree.Node) (map[string]*value, error) {
	if given.Ok() && given.Kind() != tree.Object && given.Kind() != tree.Null {
		return nil, &Problem{Msg: "the variables are no JSON object"}
	}
	out := map[string]*value{}
	for id, v := range o.variables {
		n := given.Get(id)
		switch {
		case n.Ok() && n.Kind() != tree.Null:
			bound, err := literal(o.at, id, n)
			if err != nil {
				return nil, err
			}
			out[id] = bound
		case v.standard != nil:
			out[id] = v.standard
		case v.required:
			return nil, o.at.wrong("the variable $%s has no value", id)
		default:
			out[id] = &value{kind: tree.Null, text: "null"}
		}
	}
	return out, nil
}

// literal is the value that a JSON value stands for.
func literal(at token, id string, n tree.Node) (*value, error) {
	v := &value{at: at, kind: n.Kind(), text: n.Text()}
	switch n.Kind() {
	case tree.Object:
		return nil, at.wrong("the variable $%s is an object, and no argument takes one", id)
	case tree.Array:
		for i := range n.Items() {
			item, err := literal(at, id, i)
			if err != nil {
				return nil, err
			}
			v.items = append(v.items, item)
		}
	case tree.None, tree.Null, tree.Bool, tree.Number, tree.String:
	}
	return v, nil
}

// resolve returns what a value stands for.
func (r *run) resolve(v *value) (*value, error) {
	if !v.variable {
		return v, nil
	}
	if bound := r.vars[v.text]; bound != nil && !bound.variable {
		return bound, nil
	}
	return nil, v.at.wrong("there is no variable $%s", v.text)
}

// texts returns a value as the texts that it stands for: several of a list, none
// of null.
func (r *run) texts(v *value) ([]string, error) {
	v, err := r.resolve(v)
	if err != nil {
		return nil, err
	}
	switch v.kind {
	case tree.Null:
		return nil, nil
	case tree.Array:
		var out []string
		for _, i := range v.items {
			t, err := r.texts(i)
			if err != nil {
				return nil, err
			}
			out = append(out, t...)
		}
		return out, nil
	case tree.Object:
		return nil, v.at.wrong("no argument takes an object")
	case tree.None, tree.Bool, tree.Number, tree.String:
	}
	return []string{v.text}, nil
}

// arguments returns the single values of arguments that may be there.
func (r *run) arguments(s *selection, known ...string) (map[string]string, error) {
	out := map[string]string{}
	for _, a := range s.args {
		if !slices.Contains(known, a.name) {
			return nil, a.at.wrong("%s has no argument %q", s.field, a.name)
		}
		t, err := r.texts(a.value)
		if err != nil {
			return nil, err
		}
		if len(t) > 1 {
			return nil, a.at.wrong("%s takes one value", a.name)
		}
		if len(t) == 1 {
			out[a.name] = t[0]
		}
	}
	return out, nil
}

// directed says what the directives of a selection make of it.
func (r *run) directed(s *selection) (wanted bool, how shape, err error) {
	wanted = true
	for _, d := range s.directives {
		switch d.name {
		case "skip", "include":
			v, err := r.resolve(d.args[0].value)
			if err != nil {
				return false, how, err
			}
			if v.kind != tree.Bool {
				return false, how, d.at.wrong("@%s needs true or false", d.name)
			}
			wanted = wanted && (v.text == "true") == (d.name == "include")
		case "slice":
			t, err := r.texts(d.args[0].value)
			if err != nil || len(t) != 1 {
				return false, how, d.at.wrong("@slice needs a path")
			}
			how.slice = t[0]
			if _, err := r.expr(d.at, t[0]); err != nil && t[0] != "$index" {
				return false, how, err
			}
		case "flatten":
			how.flatten = true
		case "first":
			how.first = true
		case "singleton":
			how.singleton = true
		}
	}
	return wanted, how, nil
}

// expr returns a compiled FHIRPath expression.
func (r *run) expr(at token, text string) (*path.Expr, error) {
	if e := r.paths[text]; e != nil {
		return e, nil
	}
	e, err := path.Compile(text)
	if err != nil {
		return nil, at.wrong("the path %q cannot be read: %v", text, err)
	}
	r.paths[text] = e
	return e, nil
}

// context is what expressions may ask for.
func (r *run) context(root tree.Node) *path.Context {
	return &path.Context{Now: r.now, Set: r.Set, Resource: path.ItemOf(r.Set, root), Steps: 100_000}
}

// slice returns what @slice puts behind the names within a value.
func (r *run) slice(how shape, i int, p place) (string, error) {
	if how.slice == "" {
		return "", nil
	}
	if how.slice == "$index" {
		return "." + strconv.Itoa(i), nil
	}
	items, err := r.paths[how.slice].Eval(r.context(p.root), path.Element(r.Set, p.typ, p.node, p.beside))
	if err != nil {
		return "", &Problem{Msg: "@slice: " + err.Error()}
	}
	var b strings.Builder
	for _, i := range items {
		b.WriteString("." + i.String())
	}
	return b.String(), nil
}

// chosen returns the values of an element that its arguments ask for: _count
// and _offset, fhirpath, and elements with a value (graphql.html#list).
func (r *run) chosen(s *selection, places []place, at place) ([]place, error) {
	offset, count := 0, len(places)
	for _, a := range s.args {
		texts, err := r.texts(a.value)
		if err != nil {
			return nil, err
		}
		switch {
		case a.name == "_count" || a.name == "_offset":
			n, err := strconv.Atoi(strings.Join(texts, ","))
			if err != nil || n < 0 {
				return nil, a.at.wrong("%s needs a number", a.name)
			}
			if a.name == "_count" {
				count = n
			} else {
				offset = n
			}
		case len(texts) == 0: // null asks for nothing
		case a.name == "fhirpath":
			places, err = r.where(a, texts, places)
		default:
			places, err = having(a, texts, places)
		}
		if err != nil {
			return nil, err
		}
	}
	places = places[min(offset, len(places)):]
	return places[:min(count, len(places))], nil
}

// where keeps the places for which all expressions are true.
func (r *run) where(a argument, texts []string, places []place) ([]place, error) {
	for _, text := range texts {
		e, err := r.expr(a.at, text)
		if err != nil {
			return nil, err
		}
		var kept []place
		for _, p := range places {
			is, err := e.Bool(r.context(p.root), path.Element(r.Set, p.typ, p.node, p.beside))
			if err != nil {
				return nil, a.at.wrong("the path %q: %v", text, err)
			}
			if is {
				kept = append(kept, p)
			}
		}
		places = kept
	}
	return places, nil
}

// having keeps the places that have an element with one of the values.
func having(a argument, texts []string, places []place) ([]place, error) {
	var kept []place
	for _, p := range places {
		if p.typ == nil || p.typ.Kind == schema.Primitive {
			return nil, a.at.wrong("a simple value has no element %q", a.name)
		}
		if f, of := p.typ.Field(a.name); f == nil || of.Kind != schema.Primitive {
			return nil, a.at.wrong("%s has no simple element %q", p.typ.Name, a.name)
		}
		for n := range p.node.Get(a.name).Items() {
			if slices.Contains(texts, n.Text()) {
				kept = append(kept, p)
				break
			}
		}
	}
	return kept, nil
}
