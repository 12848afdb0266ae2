package search

import (
	"strings"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// Match says whether a resource is what the query asks for. It looks only at
// the parameters that the query names. Paging, sorting and the type of the
// resource are not looked at, but for types that the query is not about, which
// never match.
func (q *Query) Match(root tree.Node) bool {
	v := q.Extract(root)
	return q.MatchValues(v)
}

// MatchValues is Match with values that were found before.
func (q *Query) MatchValues(v *Values) bool {
	if v.model == nil || !q.about(v.model.name) {
		return false
	}
	switch q.Contained {
	case "true":
		return len(q.MatchContained(v.root)) > 0
	case "both":
		if len(q.MatchContained(v.root)) > 0 {
			return true
		}
	}
	return q.holds(q.where, v)
}

func (q *Query) about(name string) bool {
	for _, t := range q.Types {
		if t == name {
			return true
		}
	}
	return q.Contained == "true" || q.Contained == "both"
}

// MatchContained returns the resources within one that the query asks for
// (search.html#contained).
func (q *Query) MatchContained(root tree.Node) []tree.Node {
	var out []tree.Node
	for c := range root.Get("contained").Items() {
		v := q.Extract(c)
		if v.model == nil {
			continue
		}
		v.shared = root
		for _, t := range q.Types {
			if t == v.model.name && q.holds(q.where, v) {
				out = append(out, c)
				break
			}
		}
	}
	return out
}

// holds decides on a condition.
func (q *Query) holds(e *expr, v *Values) bool {
	if e == nil {
		return true
	}
	if e.of != "" && e.of != v.model.name {
		return false
	}
	switch e.op {
	case and:
		for _, k := range e.kids {
			if !q.holds(k, v) {
				return false
			}
		}
		return true
	case or:
		for _, k := range e.kids {
			if q.holds(k, v) {
				return true
			}
		}
		return false
	case not:
		return !q.holds(e.kids[0], v)
	case always:
		return true
	default:
		return q.leaf(e, v)
	}
}

func (q *Query) leaf(e *expr, v *Values) bool {
	switch e.op {
	case byParam:
		return q.param(e, v)
	case byID:
		id := v.ID()
		for i := range e.vals {
			if e.vals[i].code == id {
				return true
			}
		}
	case byUpdated:
		lo, hi, ok := spanOf(v.root.Get("meta").Get("lastUpdated"))
		for i := range e.vals {
			if ok && e.vals[i].date(lo, hi) {
				return true
			}
		}
	case byChain:
		return q.chained(e, v)
	case byHas, byList:
		return e.refs[v.model.name+"/"+v.ID()]
	case byItself:
		return v.model.name+"/"+v.ID() == e.code
	case byText:
		return e.text.holds(v.root.Get("text").Get("div").Text(), true)
	case byContent:
		return e.text.content(v.root)
	case always, and, or, not:
	}
	return false
}

// chained says whether a reference leads to one of those that the chain found.
func (q *Query) chained(e *expr, v *Values) bool {
	p := v.model.params[e.code]
	if p == nil {
		return false
	}
	found := false
	v.of(p, func(x *Value) bool {
		found = e.refs[x.Code] || strings.HasPrefix(x.Code, "#") && q.within(e, v, x.Code[1:])
		return !found
	})
	return found
}

// within follows a chain to a contained resource.
func (q *Query) within(e *expr, v *Values, id string) bool {
	holder := v.root
	if v.shared.Ok() {
		holder = v.shared
	}
	for c := range holder.Get("contained").Items() {
		if c.Get("id").Text() != id {
			continue
		}
		for _, l := range e.links {
			if l.of == c.Get("resourceType").Text() {
				cv := q.engine.Extract(c)
				cv.shared = holder
				return q.holds(l.where, cv)
			}
		}
	}
	return false
}

// param decides on a parameter: one of its values has to fit one of those of
// the query.
func (q *Query) param(e *expr, v *Values) bool {
	p := v.model.params[e.code]
	if p == nil {
		return false
	}
	if e.mod == "missing" {
		has := v.has(p)
		for i := range e.vals {
			if e.vals[i].flag != has {
				return true
			}
		}
		return false
	}
	if p.kind == Composite {
		return q.composite(e, p, v)
	}
	found := false
	v.of(p, func(x *Value) bool {
		if found = e.refs[x.Code]; found { // in the hierarchy
			return false
		}
		for i := range e.vals {
			if q.fits(x, e.mod, &e.vals[i], v) {
				found = true
				break
			}
		}
		return !found
	})
	return found
}

// fits compares a value with one of the query.
func (q *Query) fits(x *Value, mod string, o *operand, v *Values) bool {
	switch x.branch.kind {
	case Token:
		return q.token(x, mod, o)
	case String:
		return o.text(x, mod, v)
	case URI:
		return o.uri(x.Code, mod)
	case Reference:
		return o.reference(x, mod)
	case Date:
		return o.date(x.Lo, x.Hi)
	case Number, Quantity:
		return q.quantity(o, x)
	case Special:
		return o.place.holds(x.Node)
	case Composite:
	}
	return false
}

// composite decides on a composite: all of its parts have to fit at one place
// (search.html#composite).
func (q *Query) composite(e *expr, p *param, v *Values) bool {
	found := false
	for i := range p.places {
		pl := &p.places[i]
		parts := make([][]Value, len(pl.parts))
		pl.trie.walk(v.root, func(n tree.Node, _ *leaf) {
			if found {
				return
			}
			for k := range pl.parts {
				parts[k] = q.read(&pl.parts[k], n, v, parts[k][:0])
			}
			for j := range e.vals {
				found = found || q.together(parts, &e.vals[j], v)
			}
		})
	}
	return found
}

// read finds the values of a part at a place.
func (q *Query) read(t *part, n tree.Node, v *Values, room []Value) []Value {
	if t.root {
		n = v.root
	}
	r := reader{e: q.engine, root: v.root, all: room}
	t.trie.walk(n, r.found)
	return r.all
}

// together says whether each part has a value that fits.
func (q *Query) together(parts [][]Value, o *operand, v *Values) bool {
	for k, values := range parts {
		fits := false
		for j := range values {
			if fits = q.fits(&values[j], "", &o.parts[k], v); fits {
				break
			}
		}
		if !fits {
			return false
		}
	}
	return true
}
