package search

import (
	"errors"
	"fmt"
	"slices"

	"github.com/vigil-iomt/vigil/fhir/path"
	"github.com/vigil-iomt/vigil/fhir/schema"
)

// A model is all that is known about the parameters of one resource type.
type model struct {
	name     string
	of       *schema.Type
	params   map[string]*param
	list     []*param // sorted by code
	branches []*branch
	byKey    map[string]*branch
	trie     trie      // all branches
	exprs    []*branch // those that are FHIRPath
	line     *lineRule
}

// A param is one parameter as it is for one resource type.
type param struct {
	*schema.Param
	kind  Kind
	uses  []use
	parts [2]uint64 // tokens that say: there is a value, there is none
	// usual says that most resources have a value: then the index holds who has
	// none, else who has one.
	usual bool
	// pending says that the index does not hold the values of all resources yet.
	pending bool
	// silent says that the index holds nothing about values being there.
	silent bool
	places []place // of a composite
}

// A place is where the parts of a composite parameter stand together: an
// element and the ways on from it (search.html#composite).
type place struct {
	trie  trie
	parts []part
}

// A part is a component of a composite at one place.
type part struct {
	kind  Kind
	trie  trie
	root  bool // the way starts at the resource
	ends  []*branch
	index []*branch // where the index has these values, perhaps with others
}

type compiler struct {
	e   *Engine
	m   *model
	err error
}

func (c *compiler) start(t *schema.Type) {
	c.m = &model{name: t.Name, of: t, params: map[string]*param{}, byKey: map[string]*branch{}}
}

// compile makes the model of a type. Parameters that cannot be used were
// refused before, those of the schema can all be used.
func (e *Engine) compile(t *schema.Type) *model {
	c := &compiler{e: e}
	c.start(t)
	var later []*schema.Param
	for _, p := range e.Params(t.Name) {
		if kindOf(p.Kind) == Composite {
			later = append(later, p)
			continue
		}
		c.param(p)
	}
	for _, p := range later { // they look up branches that are there
		c.param(p)
	}
	c.m.line = c.m.lineOf()
	slices.SortFunc(c.m.list, func(a, b *param) int { return compareText(a.Code, b.Code) })
	return c.m
}

// param adds a parameter to the model.
func (c *compiler) param(def *schema.Param) {
	p := &param{Param: def, kind: kindOf(def.Kind), pending: slices.Contains(c.e.c.Pending, def.URL)}
	name := c.m.name + "." + def.Code
	p.parts = [2]uint64{c.e.c.Key.sum([]byte("there " + name)), c.e.c.Key.sum([]byte("not there " + name))}
	if p.kind == 0 {
		return
	}
	c.m.params[def.Code] = p
	c.m.list = append(c.m.list, p)
	if p.kind == Composite {
		c.composite(p)
		p.silent = true
		return
	}
	var ways []way
	for _, alt := range alternatives(def.For(c.m.name)) {
		if w, ok := parseWay(alt, false); ok {
			ways = append(ways, w)
		} else {
			c.expression(p, alt)
		}
	}
	found := false
	for _, w := range merge(ways) {
		found = c.use(p, w) || found
	}
	if !found && len(p.uses) == 0 && len(ways) > 0 && c.err == nil {
		c.err = fmt.Errorf("%q leads to no element of %s that a %s parameter can read", clip(def.Expression), c.m.name, def.Kind)
	}
	c.presence(p)
}

// use adds the branches of one way.
func (c *compiler) use(p *param, w way) bool {
	ends, restricted := resolve(c.m.of, &w, p.kind)
	if len(ends) == 0 {
		return false
	}
	whole := false
	for _, e := range ends {
		parts := splits(e.form)
		whole = whole || parts == nil
		for _, name := range parts {
			sub := w
			sub.steps = slices.Clone(w.steps)
			sub.as = nil
			if e.field.Choice {
				sub.steps[len(sub.steps)-1].as = e.of.Name
			}
			sub.steps = append(sub.steps, step{name: name})
			c.use(p, sub)
		}
	}
	if whole {
		p.uses = append(p.uses, use{c.branch(p, w, ends, restricted), w.of})
	}
	return true
}

// branch finds or makes the branch of a way.
func (c *compiler) branch(p *param, w way, ends []end, restricted bool) *branch {
	key := w.key(c.m.name, restricted)
	id := p.kind.String() + " " + key
	b := c.m.byKey[id]
	if b == nil {
		b = &branch{id: len(c.m.branches), kind: p.kind, key: key, hash: c.e.c.Key.sum([]byte(id)), ends: ends, exact: true}
		for _, e := range ends {
			b.exact = b.exact && e.exact()
		}
		b.words = c.inName(&w)
		b.single = c.single(&w)
		b.bare = b
		b.plainSpan = c.e.c.Key.hash(b.hash, byNumber, "", "")
		c.m.byKey[id] = b
		c.m.branches = append(c.m.branches, b)
		if !restricted {
			w.as = nil
		}
		b.way = w
		c.m.trie.add(c.m.of, &b.way, b)
	}
	if bare := w.bare(); !slices.Equal(bare.steps, w.steps) {
		ends, restricted := resolve(c.m.of, &bare, p.kind)
		b.bare = c.branch(p, bare, ends, restricted)
		return b
	}
	return c.keep(p, b)
}

// keep notes that the index holds the values of a branch for a parameter.
func (c *compiler) keep(p *param, b *branch) *branch {
	is := p.Code != "_id" && p.Code != "_lastUpdated" && p.kind != Special
	b.indexed = b.indexed || is
	b.ready = b.ready || is && !p.pending
	return b
}

// inName says whether the way leads to a part of a name or an address.
func (c *compiler) inName(w *way) bool {
	if len(w.steps) < 2 {
		return false
	}
	at := []*schema.Type{c.m.of}
	for _, s := range w.steps[:len(w.steps)-1] {
		var next []*schema.Type
		for _, t := range at {
			_, types := element(t, s.name)
			next = append(next, types...)
		}
		at = next
	}
	return slices.ContainsFunc(at, func(t *schema.Type) bool { return t.Name == "HumanName" || t.Name == "Address" })
}

// single says whether no element on the way repeats.
func (c *compiler) single(w *way) bool {
	at := c.m.of
	for _, s := range w.steps {
		f, types := element(at, s.name)
		if f == nil || f.Repeats() && s.nth == 0 || len(types) == 0 {
			return false
		}
		at = types[0]
	}
	return true
}

// expression adds an alternative that only FHIRPath can evaluate.
func (c *compiler) expression(p *param, alt string) {
	expr, err := path.Compile(alt)
	if err != nil {
		c.err = errors.Join(c.err, err)
		return
	}
	id := p.kind.String() + " =" + alt
	b := c.m.byKey[id]
	if b == nil {
		b = &branch{id: len(c.m.branches), kind: p.kind, key: alt, hash: c.e.c.Key.sum([]byte(c.m.name + id)), expr: expr}
		b.bare = b
		b.plainSpan = c.e.c.Key.hash(b.hash, byNumber, "", "")
		c.m.byKey[id] = b
		c.m.branches = append(c.m.branches, b)
		c.m.exprs = append(c.m.exprs, b)
	}
	p.uses = append(p.uses, use{branch: c.keep(p, b)})
}

// presence decides how the index knows whether there is a value. Of what is
// rarely asked for by :missing it knows nothing: then resources are looked at.
func (c *compiler) presence(p *param) {
	switch p.Code {
	case "_id", "_lastUpdated", "_profile", "_tag", "_security", "_source":
		p.silent = true
		return
	}
	if c.m.name == "Observation" { // there are many: every key costs
		switch p.Code {
		case "category", "subject", "patient", "date", "code", "combo-code", "value-quantity", "combo-value-quantity":
			p.usual = true
		case "identifier", "device", "encounter", "performer":
			p.silent = true
			return
		}
	}
	for _, u := range p.uses {
		if u.target != "" || len(u.ends) == 0 || u.bare != u.branch {
			continue
		}
		at, must := c.m.of, len(u.way.as) == 0
		for _, s := range u.way.steps {
			f, types := element(at, s.name)
			if f == nil || f.Min == 0 || len(types) == 0 {
				must = false
				break
			}
			at = types[0]
		}
		p.usual = p.usual || must
	}
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
