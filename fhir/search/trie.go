package search

import (
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A trie is the paths of several branches put together, so that one walk over a
// resource finds the values of all.
type trie struct {
	edges []edge
	names map[string]*trie // the edges, when there are many
	leafs []leaf
	conds []cond
}

type edge struct {
	name string
	nth  int // 0: all elements
	to   *trie
}

type leaf struct {
	branch *branch
	form   form
	field  *schema.Field
}

// A cond is a part of the trie that is only for elements with a field that has
// the value.
type cond struct {
	field, value string
	to           *trie
}

// manyEdges is from how many edges on a map finds them faster.
const manyEdges = 6

func (t *trie) edge(name string, nth int) *trie {
	for _, e := range t.edges {
		if e.name == name && e.nth == nth {
			return e.to
		}
	}
	to := &trie{}
	t.edges = append(t.edges, edge{name, nth, to})
	if len(t.edges) > manyEdges {
		t.names = make(map[string]*trie, len(t.edges))
		for _, e := range t.edges {
			if e.nth == 0 {
				t.names[e.name] = e.to
			}
		}
		if len(t.names) < len(t.edges) { // indexes need the whole list
			t.names = nil
		}
	}
	return to
}

func (t *trie) cond(field, value string) *trie {
	for _, c := range t.conds {
		if c.field == field && c.value == value {
			return c.to
		}
	}
	to := &trie{}
	t.conds = append(t.conds, cond{field, value, to})
	return to
}

// add makes the way to the values of a branch.
func (t *trie) add(base *schema.Type, w *way, b *branch) {
	t.grow(base, nil, w.steps, w.as, b)
}

func (t *trie) grow(at *schema.Type, f *schema.Field, steps []step, as []string, b *branch) {
	if len(steps) == 0 {
		if f := formOf(b.kind, at); f == asNothing || !allowed(at, as) {
			return
		}
		form := formOf(b.kind, at)
		t.leafs = append(t.leafs, leaf{b, form, f})
		return
	}
	s := steps[0]
	f, types := element(at, s.name)
	for _, of := range types {
		if s.as != "" && !fits(of, s.as) || len(steps) == 1 && formOf(b.kind, of) == asNothing {
			continue
		}
		if len(steps) == 1 && !allowed(of, as) {
			continue
		}
		to := t.edge(f.Member(of), s.nth)
		if s.field != "" {
			to = to.cond(s.field, s.value)
		}
		to.grow(of, f, steps[1:], as, b)
	}
}

func allowed(t *schema.Type, as []string) bool {
	if len(as) == 0 {
		return true
	}
	for _, name := range as {
		if fits(t, name) {
			return true
		}
	}
	return false
}

// walk calls found with every element at the end of a way. n is one element,
// never an array.
func (t *trie) walk(n tree.Node, found func(n tree.Node, l *leaf)) {
	for i := range t.leafs {
		found(n, &t.leafs[i])
	}
	for i := range t.conds {
		if c := &t.conds[i]; n.Get(c.field).Text() == c.value {
			c.to.walk(n, found)
		}
	}
	if len(t.edges) == 0 || n.Kind() != tree.Object {
		return
	}
	for name, child := range n.Members() {
		if t.names != nil {
			if to := t.names[name]; to != nil {
				to.each(child, 0, found)
			}
			continue
		}
		for i := range t.edges {
			if e := &t.edges[i]; e.name == name {
				e.to.each(child, e.nth, found)
			}
		}
	}
}

// each walks on with the elements of an array, or only with the nth.
func (t *trie) each(n tree.Node, nth int, found func(n tree.Node, l *leaf)) {
	if n.Kind() != tree.Array {
		if n.Kind() != tree.Null && nth <= 1 {
			t.walk(n, found)
		}
		return
	}
	for item := range n.Items() {
		if nth > 1 {
			nth--
			continue
		}
		if item.Kind() != tree.Null {
			t.walk(item, found)
		}
		if nth == 1 {
			return
		}
	}
}
