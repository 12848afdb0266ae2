package check

import (
	"strings"

	"github.com/vigil-iomt/vigil/fhir/path"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A val is one value of an element while a profile is checked.
type val struct {
	n   tree.Node // of a primitive perhaps none
	ext tree.Node // id and extensions of a primitive
	s   *shape
	i   int // place in an array, or -1
}

// at is a place to point to.
func (v *val) at() tree.Node {
	if v.n.Ok() {
		return v.n
	}
	return v.ext
}

// inside is the object that holds the children.
func (v *val) inside() tree.Node {
	if v.s.t.Kind == schema.Primitive {
		return v.ext
	}
	return v.n
}

func (v *val) item(set *schema.Set) path.Item { return path.Element(set, v.s.t, v.n, v.ext) }

// profiles checks the profiles that a resource names in its meta, and those that
// were asked for of the document.
func (w *walk) profiles(n tree.Node, s *shape) {
	if n == w.doc {
		for _, url := range w.o.Profiles {
			if g := w.c.guide(url); g != nil {
				w.follow(n, s, g)
			} else {
				w.fail(n, "not-found", "profile", "the profile %s is not known", short([]byte(url)))
			}
		}
	}
	named := n.Get("meta").Get("profile")
	i := 0
	for p := range named.Items() {
		url := p.Text()
		if g := w.c.guide(url); g != nil {
			w.follow(n, s, g)
		} else if url != "" {
			w.push("meta")
			w.push("profile")
			w.index(i)
			w.report(Warning, p, "not-found", "profile", "the profile %s is not known, so that nobody checked it", short([]byte(url)))
			w.pop()
			w.pop()
		}
		i++
	}
}

// follow checks a value against a profile.
func (w *walk) follow(n tree.Node, s *shape, g *guide) {
	if !s.t.Is(g.of.t.Name) {
		w.fail(n, "structure", "profile", "the profile %s is of %s, not of %s", g.url, g.of.t.Name, s.t.Name)
		return
	}
	v := val{n: n, s: s, i: -1}
	outer := w.by
	w.by = g
	w.meets(&v, g.root)
	w.by = outer
}

// The elements of profiles that are looked at for one document: some, and more
// for each value of the document; and how deep profiles lead into each other.
const (
	leastElements = 100_000
	moreElements  = 100
	maxNesting    = 64
)

// costly counts what profiles cost. A document cannot make a profile costly
// beyond its own size, unless profiles are made for it.
func (w *walk) costly(n tree.Node) bool {
	w.steps++
	if w.steps < leastElements+moreElements*w.size() && w.nesting < maxNesting {
		return w.silent && w.wrong || w.cut
	}
	w.costs(n)
	w.cut = true
	return true
}

// meets checks one value against what a profile demands of it.
func (w *walk) meets(v *val, d *demand) {
	if d.idle || w.costly(v.at()) {
		return
	}
	w.nesting++
	w.content(v, d)
	for i := range d.rules {
		w.ask(d.rules[i].rule, v.at(), v.item(w.c.set))
	}
	if d.binding != nil && v.n.Ok() {
		w.bound(v.n, v.s, d.binding)
	}
	for _, child := range d.children {
		w.child(v, child)
	}
	if d.field != nil {
		w.typed(v, d)
	}
	w.nesting--
}

// content checks fixed and pattern values and bounds.
func (w *walk) content(v *val, d *demand) {
	el := d.el
	if el.Fixed != nil && !equal(el.Fixed.Node, v.n) {
		w.fail(v.at(), "value", "fixed", "%s must be %s (%s)", el.ID, short(el.Fixed.Node.Raw()), w.by.url)
	}
	if el.Pattern != nil && !matches(el.Pattern.Node, v.n) {
		w.fail(v.at(), "value", "pattern", "%s must have %s (%s)", el.ID, short(el.Pattern.Node.Raw()), w.by.url)
	}
	if el.MaxLength > 0 && v.n.Kind() == tree.String && longer(v.n.Text(), el.MaxLength) {
		w.fail(v.n, "too-long", "max-length", "%s must not be longer than %d characters (%s)", el.ID, el.MaxLength, w.by.url)
	}
	if el.MinValue != nil && v.n.Ok() && below(v.n, el.MinValue, v.s) {
		w.fail(v.n, "value", "min-value", "%s must not be below %s (%s)", el.ID, short(el.MinValue.Node.Raw()), w.by.url)
	}
	if el.MaxValue != nil && v.n.Ok() && above(v.n, el.MaxValue, v.s) {
		w.fail(v.n, "value", "max-value", "%s must not be above %s (%s)", el.ID, short(el.MaxValue.Node.Raw()), w.by.url)
	}
}

func longer(s string, most int) bool {
	n := 0
	for range s {
		if n++; n > most {
			return true
		}
	}
	return false
}

// child checks the values of one child.
func (w *walk) child(v *val, d *demand) {
	list := w.values(v.inside(), v.s, d)
	f := d.field.f
	if len(list) < d.el.Min && (f.Min == 0 || len(list) >= f.Min) {
		w.fail(v.at(), "required", "min", "%s must be there at least %s (%s)", d.el.ID, times(d.el.Min), w.by.url)
	}
	if d.el.Max >= 0 && len(list) > d.el.Max && (f.Max < 0 || len(list) <= f.Max) {
		w.tooMany(&list[d.el.Max], d)
	}
	if len(list) == 0 {
		if len(d.slices) > 0 {
			w.slice(v, list, d)
		}
		return
	}
	w.push(d.name)
	for i := range list {
		w.index(list[i].i)
		w.meets(&list[i], d)
	}
	w.pop()
	if len(d.slices) > 0 {
		w.slice(v, list, d)
	}
}

// tooMany reports the first value that is one too many.
func (w *walk) tooMany(v *val, d *demand) {
	w.push(d.name)
	w.index(v.i)
	w.fail(v.at(), "structure", "max", "%s must not be there %s (%s)", d.el.ID, atMost(d.el.Max), w.by.url)
	w.pop()
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return number(n) + " times"
}

func atMost(n int) string {
	if n == 0 {
		return "at all"
	}
	return "more than " + times(n)
}

// values collects the values of a child.
func (w *walk) values(n tree.Node, of *shape, d *demand) []val {
	f := of.t.Named(d.name)
	if f == nil || n.Kind() != tree.Object {
		return nil
	}
	e := &of.elements[f.Index]
	var out []val
	if !f.Choice {
		v, ext := n.Get(f.Name), tree.Node{}
		if len(e.of) == 0 {
			return nil
		}
		if e.of[0].t.Kind == schema.Primitive {
			ext = n.Get(e.under)
		}
		return w.each(out, v, ext, e.of[0])
	}
	for name, v := range n.Members() {
		bare := strings.TrimPrefix(name, "_")
		g, t := of.t.Field(bare)
		if g != f || d.only != nil && d.only != t {
			continue
		}
		if bare == name {
			return w.each(out, v, n.Get("_"+name), e.shapeOf(t))
		}
		if !n.Get(bare).Ok() {
			return w.each(out, tree.Node{}, v, e.shapeOf(t))
		}
	}
	return out
}

// each appends the one value or the values of an array.
func (w *walk) each(out []val, v, ext tree.Node, s *shape) []val {
	if !v.Ok() && !ext.Ok() || s == nil {
		return out
	}
	if v.Kind() != tree.Array && ext.Kind() != tree.Array {
		return append(out, val{v, ext, w.actual(v, s), -1})
	}
	beside := cursor(ext)
	i := 0
	if v.Ok() {
		for item := range v.Items() {
			x := val{n: item, s: w.actual(item, s), i: i}
			if i < len(beside.items) && beside.items[i].Kind() == tree.Object {
				x.ext = beside.items[i]
			}
			if item.Kind() == tree.Null {
				x.n = tree.Node{}
			}
			out = append(out, x)
			i++
		}
	}
	for ; i < len(beside.items); i++ {
		out = append(out, val{ext: beside.items[i], s: s, i: i})
	}
	return out
}

// actual is the type that a resource says to have, else the one of the element.
func (w *walk) actual(v tree.Node, s *shape) *shape {
	if s.resource {
		if of := w.c.resources[v.Get("resourceType").Text()]; of != nil {
			return of
		}
	}
	return s
}

// typed checks the type of a value, the profiles of its type and what it points
// to.
func (w *walk) typed(v *val, d *demand) {
	if len(d.el.Types) == 0 || v.s.t.Kind == schema.Backbone {
		return
	}
	for i := range d.el.Types {
		t := &d.el.Types[i]
		if !v.s.t.Is(t.Code) {
			continue
		}
		w.conforms(v, t.Profiles)
		if len(t.Targets) > 0 && v.s.isa == isReference {
			w.points2(v, t, d)
		}
		return
	}
	w.fail(v.at(), "structure", "type", "%s must not be a %s (%s)", d.el.ID, v.s.t.Name, w.by.url)
}

// conforms checks that a value follows one of the profiles of its type.
// Extensions follow their definitions anyway.
func (w *walk) conforms(v *val, profiles []string) {
	if len(profiles) == 0 || v.s.isa == isExtension || !v.n.Ok() {
		return
	}
	if len(profiles) == 1 {
		if g := w.c.guide(profiles[0]); g != nil {
			w.follow(v.n, v.s, g)
		}
		return
	}
	for _, url := range profiles {
		if w.conformsQuietly(v, url) {
			return
		}
	}
	w.fail(v.at(), "structure", "profile", "the value follows none of the profiles %s", strings.Join(profiles, ", "))
}

// conformsQuietly tells whether a value follows a profile; one that nobody knows
// is followed.
func (w *walk) conformsQuietly(v *val, url string) bool {
	g := w.c.guide(url)
	if g == nil {
		return true
	}
	return w.quietly(func() { w.follow(v.n, v.s, g) })
}

// quietly tells whether a check finds no error, and reports nothing.
func (w *walk) quietly(check func()) bool {
	silent, wrong := w.silent, w.wrong
	w.silent, w.wrong = true, false
	check()
	good := !w.wrong
	w.silent, w.wrong = silent, wrong
	return good
}
