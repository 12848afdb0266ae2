// Package xmlform turns the XML form of FHIR resources into the JSON form and
// back without loss (FHIR R4 §2.6.1 xml.html, §2.6.2 json.html): decimals keep
// their text, ids and extensions of primitives their place, narratives every
// byte. Comments and processing instructions are dropped, as both forms say
// that they mean nothing.
package xmlform

import (
	"fmt"
	"sort"

	"github.com/vigil-iomt/vigil/fhir/markup"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// The namespaces of FHIR in XML.
const (
	Space      = "http://hl7.org/fhir"
	XHTML      = "http://www.w3.org/1999/xhtml"
	xsi        = "http://www.w3.org/2001/XMLSchema-instance"
	divElement = "div"
)

// Places tells where the values of a JSON document stood in the XML that it was
// made from.
type Places struct {
	doc *markup.Doc
	out []uint32 // offsets in the JSON, growing
	in  []uint32 // the offsets in the XML
}

// Pos returns the line and column in the XML of what is at an offset of the
// JSON.
func (p *Places) Pos(off int) (line, col int) {
	i := sort.Search(len(p.out), func(i int) bool { return int(p.out[i]) > off })
	if i == 0 {
		return 1, 1
	}
	return p.doc.Pos(int(p.in[i-1]))
}

// JSON turns a resource in XML into JSON. Elements may come in any order;
// values that are no numbers or booleans where they should be become strings,
// for validation to tell. How long the XML may be is for the caller to bound.
// The error is a *tree.Error with a place in the XML.
func JSON(set *schema.Set, xml []byte) ([]byte, *Places, error) {
	doc, err := markup.Parse(string(xml))
	if err != nil {
		return nil, nil, err
	}
	return JSONOf(set, doc.Root())
}

// JSONOf turns an element that is a resource into JSON.
func JSONOf(set *schema.Set, n markup.Node) ([]byte, *Places, error) {
	r := reader{set: set, places: Places{doc: n.Doc()}}
	r.b = make([]byte, 0, len(n.Raw()))
	if err := r.resource(n); err != nil {
		return nil, nil, err
	}
	return r.b, &r.places, nil
}

type reader struct {
	set    *schema.Set
	b      []byte
	places Places
}

func fail(n markup.Node, format string, a ...any) error {
	e := &tree.Error{Path: n.Path(), Msg: fmt.Sprintf(format, a...)}
	e.Line, e.Col = n.Pos()
	return e
}

// mark remembers that what is written next stands at the node.
func (r *reader) mark(n markup.Node) {
	off, _ := n.Span()
	r.places.out = append(r.places.out, uint32(len(r.b)))
	r.places.in = append(r.places.in, uint32(off))
}

// member begins a member of the object that is being written.
func (r *reader) member(name string) {
	if r.b[len(r.b)-1] != '{' {
		r.b = append(r.b, ',')
	}
	r.b = append(append(append(r.b, '"'), name...), '"', ':')
}

func (r *reader) resource(n markup.Node) error {
	if n.Space() != Space {
		return fail(n, "the element %s is not in the namespace %s", n.Name(), Space)
	}
	t := r.set.Type(n.Name())
	if t == nil || t.Kind != schema.Resource || t.Abstract {
		return fail(n, "%.60q is no type of resource", n.Name())
	}
	r.mark(n)
	r.b = append(append(append(r.b, `{"resourceType":"`...), n.Name()...), '"')
	if err := r.body(n, t); err != nil {
		return err
	}
	r.b = append(r.b, '}')
	return nil
}

// body writes the members that the attributes and children of an element are.
func (r *reader) body(n markup.Node, t *schema.Type) error {
	if err := r.attributes(n, t); err != nil {
		return err
	}
	groups, err := r.groups(n, t)
	if err != nil {
		return err
	}
	for i := range groups {
		if err := r.group(&groups[i]); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) attributes(n markup.Node, t *schema.Type) error {
	for a := range n.Attrs() {
		if a.Space == xsi {
			continue // says where a schema is
		}
		if a.Space == "" && a.Name == "value" && t.Kind == schema.Primitive {
			continue
		}
		if f, _ := t.Field(a.Name); a.Space != "" || f == nil || !f.Attribute {
			return fail(n, "the attribute %.60q is unknown here", a.Name)
		}
		r.mark(n)
		r.member(a.Name)
		r.b = tree.AppendString(r.b, a.Value())
	}
	return nil
}

// A group is the elements of one name.
type group struct {
	name  string
	field *schema.Field
	of    *schema.Type
	nodes []markup.Node
}

func (r *reader) groups(n markup.Node, t *schema.Type) ([]group, error) {
	var groups []group
next:
	for c := range n.Children() {
		switch {
		case c.Kind() == markup.Text && !c.Blank():
			return nil, fail(c, "text between elements; values are attributes")
		case c.Kind() != markup.Element:
			continue
		}
		for i := len(groups) - 1; i >= 0; i-- {
			if groups[i].name == c.Name() {
				groups[i].nodes = append(groups[i].nodes, c)
				continue next
			}
		}
		f, of := t.Field(c.Name())
		switch {
		case f == nil || f.Attribute:
			return nil, fail(c, "the element %.60q is unknown in %s", c.Name(), t.Name)
		case of.Name == "xhtml" && c.Space() != XHTML:
			return nil, fail(c, "the narrative is not in the namespace %s", XHTML)
		case of.Name != "xhtml" && c.Space() != Space:
			return nil, fail(c, "the element %s is not in the namespace %s", c.Name(), Space)
		}
		groups = append(groups, group{c.Name(), f, of, []markup.Node{c}})
	}
	return groups, nil
}

func (r *reader) group(g *group) error {
	switch {
	case !g.field.Repeats() && len(g.nodes) > 1:
		return fail(g.nodes[1], "the element %s is there %d times, but only once allowed", g.name, len(g.nodes))
	case g.of.Name == "xhtml":
		return r.narrative(g.nodes[0])
	case g.of.Kind == schema.Primitive:
		return r.primitives(g)
	}
	r.member(g.name)
	return r.list(g, func(n markup.Node) error {
		if g.of.Kind == schema.Resource {
			return r.inner(n)
		}
		r.mark(n)
		r.b = append(r.b, '{')
		if err := r.body(n, g.of); err != nil {
			return err
		}
		r.b = append(r.b, '}')
		return nil
	})
}

// list writes each node of a group, in brackets when the element repeats.
func (r *reader) list(g *group, write func(n markup.Node) error) error {
	if g.field.Repeats() {
		r.b = append(r.b, '[')
	}
	for i, n := range g.nodes {
		if i > 0 {
			r.b = append(r.b, ',')
		}
		if err := write(n); err != nil {
			return err
		}
	}
	if g.field.Repeats() {
		r.b = append(r.b, ']')
	}
	return nil
}

// inner writes the one resource in an element such as contained.
func (r *reader) inner(n markup.Node) error {
	var inner markup.Node
	for c := range n.Children() {
		switch {
		case c.Kind() == markup.Text && !c.Blank():
			return fail(n, "text where a resource should be")
		case c.Kind() == markup.Element && inner.Ok():
			return fail(c, "a second resource in one element")
		case c.Kind() == markup.Element:
			inner = c
		}
	}
	if !inner.Ok() {
		return fail(n, "no resource in the element")
	}
	for range n.Attrs() {
		return fail(n, "an attribute where none can be")
	}
	return r.resource(inner)
}

// primitives writes a member for the values, and one with an underscore for ids
// and extensions.
func (r *reader) primitives(g *group) error {
	values, extras := 0, 0
	for _, n := range g.nodes {
		value, extra := n.Has("value"), hasExtra(n)
		if !value && !extra {
			return fail(n, "an element with neither a value nor an id or extension")
		}
		values, extras = values+count(value), extras+count(extra)
	}
	if values > 0 {
		r.member(g.name)
		_ = r.list(g, func(n markup.Node) error {
			r.mark(n)
			r.value(n, g.of)
			return nil
		})
	}
	return r.extras(g, extras)
}

func (r *reader) extras(g *group, extras int) error {
	if extras == 0 {
		for _, n := range g.nodes { // what else is in them is a mistake
			if err := r.nothing(n, g.of); err != nil {
				return err
			}
		}
		return nil
	}
	r.member("_" + g.name)
	return r.list(g, func(n markup.Node) error {
		r.mark(n)
		if !hasExtra(n) {
			r.b = append(r.b, "null"...)
			return r.nothing(n, g.of)
		}
		r.b = append(r.b, '{')
		if err := r.body(n, g.of); err != nil {
			return err
		}
		r.b = append(r.b, '}')
		return nil
	})
}

// nothing makes sure that a primitive has nothing but its value.
func (r *reader) nothing(n markup.Node, t *schema.Type) error {
	if err := r.attributes(n, t); err != nil {
		return err
	}
	_, err := r.groups(n, t)
	return err
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

func hasExtra(n markup.Node) bool {
	if n.Has("id") {
		return true
	}
	for range n.Elements() {
		return true
	}
	return false
}

// value writes the value of a primitive as JSON has it for the type.
func (r *reader) value(n markup.Node, t *schema.Type) {
	s, ok := n.Attr("value")
	switch {
	case !ok:
		r.b = append(r.b, "null"...)
	case t.Is("boolean") && (s == "true" || s == "false"),
		(t.Is("decimal") || t.Is("integer")) && tree.IsNumber(s):
		r.b = append(r.b, s...)
	default:
		r.b = tree.AppendString(r.b, s)
	}
}
