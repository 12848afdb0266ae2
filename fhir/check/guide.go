package check

import (
	"strings"
	"sync"

	"github.com/vigil-iomt/vigil/fhir/schema"
)

// guides are the profiles that were asked for, compiled, by canonical.
type guides struct{ of sync.Map }

// A guide is a profile as a walk needs it.
type guide struct {
	url  string
	p    *schema.Profile
	of   *shape // what it is a profile of
	root *demand
}

// A demand is what a profile says of one element or slice beyond what the
// specification says of every such element.
type demand struct {
	el       *schema.Element
	name     string       // of the element, without [x]
	only     *schema.Type // the element is given as valueQuantity
	field    *element     // of the specification, nil at the root
	rules    []held
	binding  *binding
	children []*demand
	slices   []*demand
	rest     *demand // the slice @default: what is in no other one
	tests    []*test // what tells that a value is in this slice
	blind    bool    // nothing tells
	idle     bool    // nothing is demanded here or below
}

// guide finds a profile; nil when it is not known.
func (c *Checker) guide(canonical string) *guide {
	return c.guideWithin(canonical, map[string]*guide{})
}

// guideWithin finds a profile while others are compiled that need it; made are
// those of this time. One that needs itself does not find itself: nothing tells
// its slices apart then.
func (c *Checker) guideWithin(canonical string, made map[string]*guide) *guide {
	if g, ok := c.guides.of.Load(canonical); ok {
		return g.(*guide)
	}
	if g, ok := made[canonical]; ok {
		return g
	}
	top := len(made) == 0
	p := c.set.Profile(canonical)
	if p == nil || len(p.Elements) == 0 {
		return nil
	}
	t := c.set.Type(p.Type)
	if t == nil || c.shapes[t] == nil {
		return nil
	}
	g := &guide{url: canonical, p: p, of: c.shapes[t]}
	b := drafter{c: c, g: g, made: made, of: map[*schema.Element]*demand{}, rules: map[string]*rule{}}
	made[canonical] = nil
	g.root = b.demand(p.Root(), []*shape{g.of}, nil)
	made[canonical] = g
	if !top { // made without those around it: not for everybody
		return g
	}
	was, _ := c.guides.of.LoadOrStore(canonical, g)
	return was.(*guide)
}

// A drafter compiles one profile.
type drafter struct {
	c     *Checker
	g     *guide
	made  map[string]*guide // those that were compiled on the way; nil while they are
	of    map[*schema.Element]*demand
	rules map[string]*rule
}

// demand compiles an element that is a value of one of these types.
func (b *drafter) demand(el *schema.Element, of []*shape, field *element) *demand {
	if d := b.of[el]; d != nil {
		return d
	}
	d := &demand{el: el, name: el.Name(), field: field}
	b.of[el] = d
	b.invariants(d, of)
	d.binding = b.bind(el, field)
	children := el.Children
	if el.Reference != "" && len(children) == 0 {
		if to := b.g.p.Element(el.Reference); to != nil {
			children = to.Children
		}
	}
	for _, child := range children {
		x := b.child(child, of)
		if x != nil && (!x.idle || el.Reference != "") {
			d.children = append(d.children, x)
		}
	}
	b.slices(d, of)
	d.idle = b.idles(d)
	return d
}

// child finds the element of the specification that a child means.
func (b *drafter) child(el *schema.Element, of []*shape) *demand {
	name := el.Name()
	for _, s := range of {
		f, only := s.t.Named(name), (*schema.Type)(nil)
		if f == nil {
			if f, only = s.t.Field(name); f == nil {
				continue
			}
		}
		e := &s.elements[f.Index]
		shapes := b.narrow(e.of, el.Types)
		if f.Choice && only != nil {
			shapes = []*shape{e.shapeOf(only)}
		} else {
			only = nil
		}
		d := b.demand(el, shapes, e)
		if only != nil {
			d.name, d.only = f.Name, only
		}
		return d
	}
	return nil
}

// narrow leaves those shapes whose types an element allows.
func (b *drafter) narrow(of []*shape, types []schema.ElementType) []*shape {
	if len(types) == 0 || len(of) < 2 {
		if len(of) == 1 && of[0].resource && len(types) == 1 && b.c.resources[types[0].Code] != nil {
			return []*shape{b.c.resources[types[0].Code]}
		}
		return of
	}
	var out []*shape
	for _, s := range of {
		for _, t := range types {
			if s.t.Name == t.Code {
				out = append(out, s)
			}
		}
	}
	if out == nil {
		return of
	}
	return out
}

// slices compiles those of an element, and how to tell them apart.
func (b *drafter) slices(d *demand, of []*shape) {
	slicing := d.el.Slicing
	if slicing == nil && len(d.el.Slices) > 0 {
		switch {
		case d.name == "extension" || d.name == "modifierExtension":
			slicing = &schema.Slicing{Rules: "open", Discriminators: []schema.Discriminator{{Kind: "value", Path: "url"}}}
		case d.el.Choice():
			slicing = &schema.Slicing{Rules: "open", Discriminators: []schema.Discriminator{{Kind: "type", Path: "$this"}}}
		}
	}
	for _, el := range d.el.Slices {
		x := b.demand(el, b.narrow(of, el.Types), d.field)
		x.name = d.name
		if el.Slice == "@default" || strings.HasSuffix(el.Slice, "/@default") {
			d.rest = x
			continue
		}
		if slicing == nil || len(slicing.Discriminators) == 0 {
			x.blind = true
		} else {
			for _, by := range slicing.Discriminators {
				b.test(x, by)
			}
		}
		d.slices = append(d.slices, x)
	}
}

// invariants compiles those that the types and the element do not have anyway.
func (b *drafter) invariants(d *demand, of []*shape) {
	for _, i := range d.el.Constraints {
		if i.Expression == "" || walked(i) || known(i, of, d.field) {
			continue
		}
		r := b.rules[i.Key+"\x00"+i.Expression]
		if r == nil {
			r = newRule(i)
			b.rules[i.Key+"\x00"+i.Expression] = r
		}
		d.rules = append(d.rules, held{rule: r})
	}
}

func known(i *schema.Invariant, of []*shape, field *element) bool {
	for _, s := range of {
		for _, have := range s.t.Invariants {
			if have.Key == i.Key {
				return true
			}
		}
	}
	if field != nil {
		for _, have := range field.f.Invariants {
			if have.Key == i.Key {
				return true
			}
		}
	}
	return false
}

// bind compiles a binding that says more than that of the specification.
func (b *drafter) bind(el *schema.Element, field *element) *binding {
	x := el.Binding
	if x == nil || b.c.terms == nil || x.ValueSet == "" || x.Strength != schema.Required && x.Strength != schema.Extensible && x.Max == "" {
		return nil
	}
	if field != nil && field.f.Binding != nil {
		base := field.f.Binding
		if version(base.ValueSet) == version(x.ValueSet) && base.Strength == x.Strength && base.Max == x.Max {
			return nil
		}
	}
	return newBinding(x)
}

func version(canonical string) string {
	url, _, _ := strings.Cut(canonical, "|")
	return url
}

// idles tells whether an element demands nothing that the specification does
// not.
func (b *drafter) idles(d *demand) bool {
	el := d.el
	if len(d.rules)+len(d.children)+len(d.slices) > 0 || d.rest != nil || d.binding != nil || el.Fixed != nil || el.Pattern != nil ||
		el.MinValue != nil || el.MaxValue != nil || el.Slicing != nil && el.Slicing.Rules == "closed" || el.Slice != "" {
		return false
	}
	if d.field == nil {
		return true
	}
	f := d.field.f
	return d.only == nil && el.Min <= f.Min && (el.Max < 0 || el.Max == f.Max) && el.MaxLength == 0 && !restricts(el, f)
}

// restricts tells whether an element allows fewer types, or targets or profiles
// of them, than the specification.
func restricts(el *schema.Element, f *schema.Field) bool {
	if len(el.Types) != len(f.Types) && el.Reference == "" {
		return true
	}
	targets, profiles := 0, 0
	for _, t := range el.Types {
		targets += len(t.Targets)
		profiles += len(t.Profiles)
		for _, p := range t.Targets {
			found := len(f.Targets) == 0 && strings.HasSuffix(p, "/Resource")
			for _, have := range f.Targets {
				found = found || strings.HasSuffix(p, "/StructureDefinition/"+have) || p == have
			}
			if !found {
				return true
			}
		}
		if len(t.Aggregation) > 0 {
			return true
		}
	}
	return profiles != len(f.Profiles) || targets != len(f.Targets) && len(f.Targets) > 0
}
