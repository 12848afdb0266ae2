package search

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/schema"
)

// composite compiles the places of a composite parameter.
func (c *compiler) composite(p *param) {
	if len(p.Components) == 0 {
		c.err = fmt.Errorf("a composite parameter has components")
		return
	}
	for _, alt := range alternatives(p.For(c.m.name)) {
		w, ok := parseWay(alt, false)
		if !ok {
			c.err = fmt.Errorf("the expression %q of a composite parameter is no plain path", clip(alt))
			return
		}
		at := c.m.of
		for _, s := range w.steps {
			f := at.Named(s.name)
			if f == nil || len(f.Types) != 1 {
				c.err = fmt.Errorf("%q leads to no element of %s", clip(alt), c.m.name)
				return
			}
			at = f.Types[0]
		}
		pl := place{}
		end := &pl.trie
		for _, s := range w.steps {
			end = end.edge(s.name, s.nth)
			if s.field != "" {
				end = end.cond(s.field, s.value)
			}
		}
		end.leafs = append(end.leafs, leaf{})
		for i := range p.Components {
			c.part(p, &pl, w, i)
		}
		p.places = append(p.places, pl)
	}
}

// part compiles one component at one place.
func (c *compiler) part(p *param, pl *place, context way, i int) {
	comp := p.Components[i]
	def := c.e.paramByURL(comp.Definition)
	if def == nil || kindOf(def.Kind) == 0 || kindOf(def.Kind) == Composite {
		c.err = fmt.Errorf("the component %s is no parameter that is known", clip(comp.Definition))
		return
	}
	t := part{kind: kindOf(def.Kind)}
	var ways []way
	for _, alt := range alternatives(comp.Expression) {
		w, ok := parseWay(alt, true)
		if !ok {
			c.err = fmt.Errorf("the expression %q of a component is no plain path", clip(alt))
			return
		}
		ways = append(ways, w)
	}
	for _, w := range merge(ways) {
		t.root = w.root
		full := w
		if !w.root {
			full.steps = slices.Concat(context.steps, w.steps)
		}
		ends, restricted := resolve(c.m.of, &full, t.kind)
		b := &branch{id: -1, kind: t.kind, key: full.key(c.m.name, restricted), ends: ends, exact: true, words: false}
		for _, e := range ends {
			b.exact = b.exact && e.exact()
		}
		b.bare = b
		t.ends = append(t.ends, b)
		t.trie.add(c.base(&w, context), &w, b)
		if bare := full.bare(); len(ends) > 0 {
			t.index = append(t.index, c.holding(&bare, t.kind, ends))
		}
	}
	pl.parts = append(pl.parts, t)
}

// base is the type of the element that a component's way starts at.
func (c *compiler) base(w *way, context way) *schema.Type {
	at := c.m.of
	if w.root {
		return at
	}
	for _, s := range context.steps {
		at = at.Named(s.name).Types[0]
	}
	return at
}

// holding returns the branch by which the index has the values of a way, nil if
// there is none: it reads the same path, these types or more.
func (c *compiler) holding(w *way, k Kind, ends []end) *branch {
	want := w.path(c.m.name)
	for _, b := range c.m.branches {
		if !b.ready || b.kind != k || b.expr != nil || pathOf(b.key) != want {
			continue
		}
		has := func(e end) bool { return slices.ContainsFunc(b.ends, func(o end) bool { return o.of == e.of }) }
		if !slices.ContainsFunc(ends, func(e end) bool { return !has(e) }) {
			return b
		}
	}
	return nil
}

// pathOf takes the restriction at the end off a key.
func pathOf(key string) string {
	if strings.HasSuffix(key, ")") {
		return key[:strings.LastIndexByte(key, '(')]
	}
	return key
}
