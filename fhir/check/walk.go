package check

import (
	"github.com/vigil-iomt/vigil/fhir/path"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A walk is one check of one document. A checker uses its walks again.
type walk struct {
	c      *Checker
	o      Options
	doc    tree.Node // the document that is checked
	root   tree.Node // %rootResource: the document, or a resource within a Bundle
	points []string  // fragments that something within the root points to
	issues []Issue
	errors int  // how many of the issues are
	cut    bool // the check ended early
	muted  bool // there were more warnings than the limit

	inside  map[string]tree.Node // contained resources of the root by id, made when asked for
	bundled map[string]tree.Node // resources of the Bundle by address, made when asked for
	context path.Context
	left    int // steps that expressions may take

	// Of profiles.
	by      *guide // the one that is checked
	silent  bool   // only whether something is wrong is asked
	wrong   bool
	away    bool // what is checked is what a reference points to
	steps   int  // what they have cost
	nesting int
	spent   bool

	up     []place  // the objects around where the walk is, and that one
	picks  []chosen // types of the choice elements of those objects
	frames []frame
}

// begin makes a walk ready for a document.
func (w *walk) begin(doc tree.Node, o Options) {
	if o.Limit <= 0 {
		o.Limit = 100
	}
	if len(o.Profiles) > 0 {
		o.Level = Profiles
	}
	w.o, w.doc, w.root = o, doc, doc
	w.surroundings()
}

// end forgets all of the document and keeps the memory. The issues are the
// caller's.
func (w *walk) end() {
	clear(w.up[:cap(w.up)])
	clear(w.points)
	context := w.context
	context.Resource, context.Root = path.Item{}, path.Item{}
	*w = walk{c: w.c, up: w.up[:0], picks: w.picks[:0], frames: w.frames[:0], points: w.points[:0], context: context}
}

// chosen remembers which type of a choice element was met.
type chosen struct {
	f *schema.Field
	t *schema.Type
}

// object checks the members of an object and then its rules; e is the element
// that it is a value of, nil for a resource.
func (w *walk) object(n tree.Node, s *shape, e *element) {
	if n.Kind() != tree.Object {
		w.fail(n, "structure", "kind", "%s must be a JSON object, not: %s", pathOf(s, e), n.Kind())
		return
	}
	if w.full() {
		w.cut = true
		return
	}
	var (
		seen   bits
		picks  = len(w.picks)
		inside int // members that are content: not id, not resourceType
	)
	w.up = append(w.up, place{n, s, e})
	for name, v := range n.Members() {
		f, t := s.t.Field(name)
		if f == nil {
			inside += w.other(n, s, name, v, &seen, picks)
			continue
		}
		if name != "id" {
			inside++
		}
		if f.Choice && !w.pick(v, f, t, picks) {
			continue
		}
		seen.add(f.Index)
		w.member(n, &s.elements[f.Index], t, v)
	}
	w.picks = w.picks[:picks]
	w.missing(n, s, &seen)
	if inside == 0 && !s.resource {
		w.fail(n, "structure", "ele-1", "an element must have a value or children")
	} else {
		w.special(n, s, e, &seen)
		if w.o.Level >= Rules {
			w.hold(n, s, e, &seen)
		}
	}
	w.up = w.up[:len(w.up)-1]
}

// pathOf names what a value is one of.
func pathOf(s *shape, e *element) string {
	if e == nil {
		return s.t.Name
	}
	return e.f.Path
}

// other checks a member that is no field: the resourceType, the id and
// extensions of a primitive, or something unknown. It returns 1 when the member
// is content.
func (w *walk) other(n tree.Node, s *shape, name string, v tree.Node, seen *bits, picks int) int {
	if s.resource && name == "resourceType" {
		return 0
	}
	if len(name) > 1 && name[0] == '_' {
		f, t := s.t.Field(name[1:])
		if f != nil && t.Kind == schema.Primitive && t.Name != "xhtml" {
			if f.Choice && !w.pick(v, f, t, picks) {
				return 1
			}
			seen.add(f.Index)
			w.beside(n, &s.elements[f.Index], t, v, name[1:])
			return 1
		}
	}
	if s.t.Choice(name) != nil {
		w.fail(v, "structure", "unknown", "%s.%s is a choice of types: its name in JSON ends with the type", s.t.Name, short([]byte(name)))
		return 1
	}
	w.fail(v, "structure", "unknown", "there is no element %q in %s", short([]byte(name)), s.t.Name)
	return 1
}

// pick notes the type of a choice element and refuses a second one; from is where
// the picks of this object begin.
func (w *walk) pick(v tree.Node, f *schema.Field, t *schema.Type, from int) bool {
	for _, p := range w.picks[from:] {
		if p.f == f {
			if p.t == t {
				return true
			}
			w.fail(v, "structure", "choice", "%s must have a value of one type only, not %s and %s", f.Path, p.t.Name, t.Name)
			return false
		}
	}
	w.picks = append(w.picks, chosen{f, t})
	return true
}

// missing reports what must be there and is not.
func (w *walk) missing(n tree.Node, s *shape, seen *bits) {
	for i := range s.required {
		if s.required[i]&^seen[i] == 0 {
			continue
		}
		for j := range s.elements {
			if s.required.has(j) && !seen.has(j) && j>>6 == i {
				w.fail(n, "required", "required", "%s is required", s.elements[j].f.Path)
			}
		}
	}
}

// member checks the value or values of a field.
func (w *walk) member(n tree.Node, e *element, t *schema.Type, v tree.Node) {
	s := e.shapeOf(t)
	w.push(e.f.Name)
	defer w.pop()
	array := v.Kind() == tree.Array
	if !e.f.Repeats() {
		if array {
			w.fail(v, "structure", "array", "%s must not be an array", e.f.Path)
			return
		}
		w.value(n, e, s, v, -1)
		return
	}
	if !array {
		w.fail(v, "structure", "array", "%s must be an array", e.f.Path)
		return
	}
	if v.Len() == 0 {
		w.fail(v, "structure", "empty", "an array must not be empty")
		return
	}
	if e.f.Max > 0 && v.Len() > e.f.Max {
		w.fail(v, "structure", "max", "%s must not have more than %d values", e.f.Path, e.f.Max)
	}
	i := 0
	var held *series // what stands beside nulls, found when there is one
	for item := range v.Items() {
		w.index(i)
		if item.Kind() == tree.Null && s.t.Kind == schema.Primitive {
			if held == nil {
				held = cursor(beside(n, e, s.t))
			}
			if !held.object(i) {
				w.null(item)
			}
		} else {
			w.value(n, e, s, item, i)
		}
		i++
		if w.full() {
			w.cut = true
			return
		}
	}
}

// value checks one value of a field of n; i is its place in an array, or -1.
func (w *walk) value(n tree.Node, e *element, s *shape, v tree.Node, i int) {
	switch {
	case v.Kind() == tree.Null:
		w.null(v)
		return
	case s.t.Kind == schema.Primitive:
		if w.primitive(v, s, e) && w.o.Level >= Rules && len(s.rules)+len(e.rules) > 0 {
			w.holdPrimitive(n, v, s, e, i)
		}
	case s.resource:
		w.inner(v, s, e)
	default:
		w.object(v, s, e)
	}
	if e.binding != nil && w.o.Level >= e.binding.level {
		w.bound(v, s, e.binding)
	}
}

func (w *walk) null(v tree.Node) {
	w.fail(v, "structure", "null", "null stands only in arrays of primitives, where there is an id or an extension for the value")
}

// beside returns the ids and extensions of a primitive.
func beside(n tree.Node, e *element, t *schema.Type) tree.Node {
	if e.f.Choice {
		return n.Get("_" + e.f.Member(t))
	}
	return n.Get(e.under)
}

// beside checks the ids and extensions that stand beside a primitive (R4
// json.html#primitive); name is that of the value.
func (w *walk) beside(n tree.Node, e *element, t *schema.Type, v tree.Node, name string) {
	s := e.shapeOf(t)
	w.push(e.f.Name)
	defer w.pop()
	if !e.f.Repeats() {
		w.extra(n, e, s, v, !n.Get(name).Ok())
		return
	}
	values := n.Get(name)
	if v.Kind() != tree.Array {
		w.fail(v, "structure", "array", "%s must be an array", e.f.Path)
		return
	}
	if v.Len() == 0 {
		w.fail(v, "structure", "empty", "an array must not be empty")
		return
	}
	held, i := cursor(values), 0
	for item := range v.Items() {
		w.index(i)
		if item.Kind() != tree.Null {
			w.extra(n, e, s, item, !held.value(i))
		} else if i >= len(held.items) {
			w.null(item)
		}
		i++
		if w.full() {
			w.cut = true
			return
		}
	}
}

// extra checks the id and extensions of one primitive; alone says that it has
// no value.
func (w *walk) extra(n tree.Node, e *element, s *shape, v tree.Node, alone bool) {
	if v.Kind() != tree.Object {
		w.fail(v, "structure", "kind", "the id and extensions of %s must be a JSON object, not: %s", e.f.Path, v.Kind())
		return
	}
	inside := false
	w.up = append(w.up, place{v, s, e})
	defer func() { w.up = w.up[:len(w.up)-1] }()
	for name, m := range v.Members() {
		f, t := s.t.Field(name)
		if f == nil {
			w.fail(m, "structure", "unknown", "there is no element %q in %s", short([]byte(name)), s.t.Name)
			continue
		}
		inside = inside || name != "id"
		w.member(v, &s.elements[f.Index], t, m)
	}
	if w.o.Level >= Profiles {
		w.repeatedExtensions(v)
	}
	if v.Len() == 0 || alone && !inside {
		w.fail(v, "structure", "ele-1", "an element must have a value or children")
		return
	}
	if alone && w.o.Level >= Rules && len(s.rules)+len(e.rules) > 0 {
		i := w.frames[len(w.frames)-1].index
		w.holdPrimitive(n, tree.Node{}, s, e, i)
	}
}

// inner checks a resource inside of another one.
func (w *walk) inner(v tree.Node, s *shape, e *element) {
	if v.Kind() != tree.Object {
		w.fail(v, "structure", "kind", "a resource must be a JSON object, not: %s", v.Kind())
		return
	}
	of := w.resourceShape(v)
	if of == nil {
		return
	}
	if !of.t.Is(s.t.Name) {
		w.fail(v, "structure", "resource-type", "%s must be a %s, not a %s", e.f.Path, s.t.Name, of.t.Name)
		return
	}
	if e.f.Name == "contained" {
		w.contained(v)
		w.resource(v, of)
		return
	}
	// A resource in a Bundle or Parameters stands for itself.
	root, points, inside, item := w.root, w.points, w.inside, w.context.Root
	w.root, w.points, w.inside = v, nil, nil
	w.resource(v, of)
	w.root, w.points, w.inside, w.context.Root = root, points, inside, item
}

// contained checks what holds for every contained resource (R4 references.html
// section 2.3.0.2; dom-2, dom-4 and dom-5).
func (w *walk) contained(v tree.Node) {
	if v.Get("contained").Ok() {
		w.fail(v, "structure", "dom-2", "a contained resource must not contain resources")
	}
	meta := v.Get("meta")
	if meta.Get("versionId").Ok() || meta.Get("lastUpdated").Ok() {
		w.fail(v, "structure", "dom-4", "a contained resource must not have a meta.versionId or a meta.lastUpdated")
	}
	if meta.Get("security").Ok() {
		w.fail(v, "structure", "dom-5", "a contained resource must not have a security label")
	}
	if !v.Get("id").Ok() {
		w.report(Warning, v, "structure", "contained-id", "a contained resource should have an id, so that something can point to it")
	}
}
