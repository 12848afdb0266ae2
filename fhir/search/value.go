package search

import (
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A Value is one value that a resource is found by.
type Value struct {
	branch *branch
	form   form
	// Node is the element that the value was read from.
	Node tree.Node
	// System and Code are the parts of a token; the type and Type/ID, or the
	// address, of a reference; system and code of a quantity's unit; the currency
	// of money. Code is the text of a string or the address of a URI, too.
	System, Code string
	// Text is the version of a reference, and the unit of a quantity as people
	// write it.
	Text string
	// Least and Most are the bounds of a number or quantity as they were written;
	// "" is no bound. Both are "" where there is no number.
	Least, Most string
	// Lo and Hi are the first and the last microsecond of a date.
	Lo, Hi int64
}

// Values are the values of one resource.
type Values struct {
	engine *Engine
	model  *model
	root   tree.Node
	all    []Value
	// shared is the root of the resource that contains this one.
	shared tree.Node
	folded map[string]string // texts that were folded already
}

// Type returns the type of the resource; "" when it has none that is known.
func (v *Values) Type() string {
	if v.model == nil {
		return ""
	}
	return v.model.name
}

// ID returns the id of the resource.
func (v *Values) ID() string { return v.root.Get("id").Text() }

// Root returns the resource.
func (v *Values) Root() tree.Node { return v.root }

// Of calls f with the values of a parameter until f returns false.
func (v *Values) Of(code string, f func(*Value) bool) {
	if v.model == nil || v.model.params[code] == nil {
		return
	}
	v.of(v.model.params[code], f)
}

func (v *Values) of(p *param, f func(*Value) bool) {
	for i := range p.uses {
		u := &p.uses[i]
		for j := range v.all {
			x := &v.all[j]
			if x.branch != u.branch || u.target != "" && x.System != u.target {
				continue
			}
			if !f(x) {
				return
			}
		}
	}
}

// has says whether there is a value.
func (v *Values) has(p *param) bool {
	found := false
	if p.kind == Composite {
		for i := range p.places {
			p.places[i].trie.walk(v.root, func(tree.Node, *leaf) { found = true })
		}
		return found
	}
	v.of(p, func(*Value) bool { found = true; return false })
	return found
}
